"""HTTP/2 clients of other people's making, from the command line, where they are there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import pytest

import runtime

from .client import OK, hello, make_server, place
from .http2_client import make_http2_server
from .secure_client import Authority

pytestmark = pytest.mark.usefixtures("backend")


def _speaks_http2() -> bool:
    curl = shutil.which("curl")
    if not curl:
        return False
    return "HTTP2" in subprocess.run([curl, "--version"], capture_output=True, text=True, check=True).stdout


CURL: Final = pytest.mark.skipif(
    not _speaks_http2(), reason="there is no curl that speaks HTTP/2: Debian's package curl"
)
NGHTTP: Final = pytest.mark.skipif(
    not shutil.which("nghttp"), reason="there is no nghttp: Debian's package nghttp2-client"
)
H2LOAD: Final = pytest.mark.skipif(
    not shutil.which("h2load"), reason="there is no h2load: Debian's package nghttp2-client"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back the body, piece by piece, as it comes; tell which version it came in."""
    await send({**OK, "headers": [(b"x-version", scope["http_version"].encode())]})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def run(*command: str) -> str:
    """Run a command in a thread and return what it printed, both streams together."""
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=15
        )
    )
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, text
    return text


def url(server: runtime.Server, scheme: str = "http", path: str = "/") -> str:
    host, port = place(server)
    return f"{scheme}://{host}:{port}{path}"


async def curl(*arguments: str) -> str:
    return await run("curl", "--silent", "--show-error", "--max-time", "10", *arguments)


# curl.


@CURL
async def test_curl_with_prior_knowledge() -> None:
    async with make_http2_server(hello) as server:
        told = await curl("--http2-prior-knowledge", "-i", url(server))
    assert told.startswith("HTTP/2 200")
    assert told.endswith("hello")


@CURL
async def test_curl_with_tls(authority: Authority) -> None:
    async with make_server(hello, **authority.options) as server:
        told = await curl("--http2", "--cacert", str(authority.authorities), "-i", url(server, "https"))
    assert told.startswith("HTTP/2 200")
    assert told.endswith("hello")


@CURL
async def test_curl_that_would_like_to_upgrade_gets_http_1() -> None:
    """RFC 9113 §3.1: the upgrade to h2c is deprecated, and a server may ignore it."""
    async with make_http2_server(hello) as server:
        told = await curl("--http2", "-i", url(server))
    assert told.startswith("HTTP/1.1 200")
    assert told.endswith("hello")


@CURL
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_curl_uploads_and_downloads(authority: Authority, tmp_path: Path, secure: bool) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(bytes(range(256)) * 8_000)
    options = authority.options if secure else {"h2c": "prior-knowledge"}
    mode = ["--http2", "--cacert", str(authority.authorities)] if secure else ["--http2-prior-knowledge"]
    async with make_server(echo, **options) as server:
        address = url(server, "https" if secure else "http")
        told = await curl(*mode, "-o", str(got), "-D", "-", "-T", str(sent), address)
    assert "x-version: 2" in told
    assert got.read_bytes() == sent.read_bytes()


@CURL
async def test_curl_makes_requests_side_by_side_on_one_connection(authority: Authority) -> None:
    async with make_server(echo, **authority.options) as server:
        told = await curl(
            "--http2", "--cacert", str(authority.authorities), "--parallel", "--parallel-max", "50",
            "-o", "/dev/null", "-w", "[%{http_version} %{response_code} %{num_connects}]\n",
            url(server, "https", "/[1-50]"),
        )  # fmt: skip
    assert told.count("[2 200 ") == 50
    assert told.count(" 1]") == 1


# nghttp.


@NGHTTP
async def test_nghttp_sees_no_fault_with_prior_knowledge() -> None:
    async with make_http2_server(echo) as server:
        told = await run("nghttp", "-v", url(server))
    assert ":status: 200" in told
    assert "x-version: 2" in told
    assert "[INVALID" not in told


@NGHTTP
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_nghttp_uploads_the_same_many_times_at_once(
    authority: Authority, tmp_path: Path, secure: bool
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 200_000)
    options = authority.options if secure else {"h2c": "prior-knowledge"}
    async with make_server(echo, **options) as server:
        address = url(server, "https" if secure else "http")
        told = await run("nghttp", "--stat", "-n", "-m", "20", "-d", str(file), address)
    assert len(re.findall(r"(?m)^ +\d+ +.*\b200 +195K /$", told)) == 20, told


@NGHTTP
async def test_nghttp_with_small_windows_and_padding(tmp_path: Path) -> None:
    """RFC 9113 §6.1, §6.9: windows of 2^10 - 1 octets for a stream; each frame of its own is padded."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(32, 127)) * 1_000)
    async with make_http2_server(echo) as server:
        told = await run("nghttp", "-w", "14", "-W", "14", "-b", "200", "-d", str(file), url(server))
    assert told.encode() == file.read_bytes()


@NGHTTP
async def test_nghttp_sends_and_shows_trailers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**OK, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})

    async with make_http2_server(app) as server:
        told = await run("nghttp", "-v", "-H", "te: trailers", url(server))
    assert "x-sum: 42" in told


# h2load.


def _expect_success(told: str, count: int) -> None:
    assert (
        f"requests: {count} total, {count} started, {count} done, {count} succeeded, "
        "0 failed, 0 errored, 0 timeout"
    ) in told, told
    assert f"status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx" in told


@H2LOAD
async def test_h2load_sees_no_request_fail() -> None:
    async with make_http2_server(hello) as server:
        told = await run("h2load", "-n", "10000", "-c", "10", "-m", "100", url(server))
    _expect_success(told, 10_000)


@H2LOAD
async def test_h2load_sees_no_request_fail_with_tls(authority: Authority) -> None:
    async with make_server(hello, **authority.options) as server:
        told = await run("h2load", "-n", "2000", "-c", "5", "-m", "100", url(server, "https"))
    _expect_success(told, 2_000)
    assert "Application protocol: h2" in told


@H2LOAD
async def test_h2load_sees_no_upload_fail(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 50_000)
    async with make_http2_server(echo) as server:
        told = await run("h2load", "-n", "200", "-c", "4", "-m", "10", "-d", str(file), url(server))
    _expect_success(told, 200)
