"""What never comes and what never ends: requests that stop at any octet, and accepting that fails again and again."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import anyio
import pytest

from runtime.asyncio_errors import make_exception_handler
from tests.peers import PREFACE, data, request, settings

from .client import ask, connected, make_server
from .conftest import Backend
from .faults import Fault, Run, fails, in_force
from .faults_scenes import SIBLING, TIMEOUT, app
from .secure_client import Authority, secured

pytestmark = pytest.mark.usefixtures("backend")

SHORT: dict[str, Any] = {
    "timeout_request_head": 0.2,
    "timeout_request_body": 0.2,
    "timeout_keep_alive": 0.2,
    "timeout_linger": 0.1,
    "timeout_discard": 0.1,
    "ws_ping_interval": 0.2,
    "ws_ping_timeout": 0.1,
    "ws_close_timeout": 0.1,
    "http2_keep_alive_interval": 0.2,
    "http2_keep_alive_timeout": 0.1,
}

HTTP1 = (
    b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    b"POST /stream HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"
)
WEBSOCKET = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    b"\x81\x85\0\0\0\0hello\x88\x82\0\0\0\0\x03\xe8"
)
HTTP2 = (
    PREFACE
    + settings()
    + request(1, b"POST", b"/", scheme=b"http", end_stream=False)
    + data(1, b"body", end_stream=True)
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(
    ("octets", "h2c"),
    [(HTTP1, "off"), (WEBSOCKET, "off"), (HTTP2, "prior-knowledge")],
    ids=["http1", "websocket", "http2"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
async def test_a_client_that_stops_at_any_octet_is_let_go_in_time(
    backend: Backend, authority: Authority, octets: bytes, h2c: str, secure: bool
) -> None:
    if secure and h2c != "off":
        pytest.skip("prior knowledge is for clear text")

    async def stop(cut: int) -> None:
        opened = secured(server, authority.client) if secure else connected(server)
        async with opened as client:
            await client.send(octets[:cut])
            await client.rest()

    options = {**SHORT, "h2c": h2c, **(authority.options if secure else {})}
    async with make_server(app, **options) as server:
        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                for cut in range(1, len(octets) + 1):
                    group.start_soon(stop, cut)
        if secure:
            async with secured(server, authority.client) as client:
                await client.send(SIBLING)
                assert (await client.response()).body == b"hello"
        else:
            assert (await ask(server, SIBLING)).body == b"hello"


@pytest.mark.parametrize("backend", ["asyncio", "trio"], indirect=True)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED])
async def test_accepting_that_fails_again_and_again_goes_on_after_that(
    backend: Backend, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    if backend.name == "asyncio":  # In a loop of its own, as `run` makes it.
        asyncio.get_running_loop().set_exception_handler(make_exception_handler())
    async with make_server(app) as server:
        with in_force(Run((Fault("accept", range(1, 6), fails(number)),))) as run:
            answer = await ask(server, SIBLING)
        assert answer.body == b"hello"
        assert run.met == 5
