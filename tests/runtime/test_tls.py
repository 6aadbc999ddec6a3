"""TLS over real sockets: the same requests, and what is different about them."""

from __future__ import annotations

import hashlib
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
import websockets.sync.client

from .client import GET, OK, hello, make_server, place, read_body, until
from .secure_client import Authority, check_it_serves, context_of, refusals, secured, tls_of

pytestmark = pytest.mark.usefixtures("backend")

CLOSE = GET.replace(b"Host", b"Connection: close\r\nHost")
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


# Requests.


@VERSIONS
async def test_a_connection_is_used_again_and_ends_with_a_farewell(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    """RFC 8446 §6.1: each side says close_notify before it closes."""
    async with (
        make_server(hello, **authority.options) as server,
        secured(server, context_of(authority, version)) as client,
    ):
        for _ in range(3):
            await client.send(GET)
            assert (await client.response()).body == b"hello"
        await client.send(CLOSE)
        assert (await client.response()).body == b"hello"
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()


async def test_a_blocking_client_is_told_of_the_end(authority: Authority) -> None:
    def talk(address: tuple[str, int]) -> bytes:
        with (
            socket.create_connection(address, timeout=10) as sock,
            authority.client.wrap_socket(
                sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False
            ) as secure,
        ):
            secure.sendall(CLOSE)
            pieces = []
            while piece := secure.recv(65_536):
                pieces.append(piece)
            secure.unwrap()
            return b"".join(pieces)

    async with make_server(hello, **authority.options) as server:
        answer = await anyio.to_thread.run_sync(talk, place(server))
    assert answer.endswith(b"\r\n\r\nhello")


@VERSIONS
async def test_ten_megabytes_go_up_and_down_unchanged(authority: Authority, version: ssl.TLSVersion) -> None:
    data = hashlib.shake_128(b"seed").digest(10_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            assert await read_body(receive) == data
        await send(OK)
        if scope["path"] == "/once":
            await send({"type": "http.response.body", "body": data})
        else:
            for start in range(0, len(data), 65_536):
                piece = data[start : start + 65_536]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]

    async with make_server(app, **authority.options) as server:
        host, port = place(server)
        async with httpx.AsyncClient(
            base_url=f"https://{host}:{port}", verify=context_of(authority, version), trust_env=False
        ) as client:
            assert (await client.post("/once", content=data)).content == data
            assert (await client.post("/", content=pieces())).content == data
            assert (await client.get("/")).content == data


async def test_pipelined_requests_in_one_record_are_all_answered(authority: Authority) -> None:
    async with make_server(hello, **authority.options) as server, secured(server, authority.client) as client:
        await client.send(GET * 20)
        assert [(await client.response()).body for _ in range(20)] == [b"hello"] * 20


async def test_the_scope_says_https_and_names_both_ends(authority: Authority) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    async with make_server(app, **authority.options) as server, secured(server, authority.client) as client:
        mine = client.socket.getsockname()
        await client.send(GET)
        await client.response()
        [scope] = scopes
        assert scope["scheme"] == "https"
        assert (tuple(scope["client"]), tuple(scope["server"])) == (mine, server.addresses[0])


async def test_a_websocket_is_wss(authority: Authority) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    def talk(url: str) -> list[str | bytes]:
        with websockets.sync.client.connect(url, ssl=authority.client, proxy=None) as connection:
            answers = []
            for text in ("one", "x" * 100_000):
                connection.send(text)
                answers.append(connection.recv())
            return answers

    async with make_server(app, **authority.options) as server:
        host, port = place(server)
        answers = await anyio.to_thread.run_sync(talk, f"wss://{host}:{port}/")
    assert answers == ["one", "x" * 100_000]
    assert [scope["scheme"] for scope in scopes] == ["wss"]


async def test_a_unix_socket_may_have_tls(authority: Authority, tmp_path: Path) -> None:
    async with make_server(hello, uds=str(tmp_path / "server"), **authority.options) as server:
        await check_it_serves(server, authority)


async def test_the_log_says_where_it_listens(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async with make_server(hello, **authority.options) as server:
        assert "Listening on https://{}:{}".format(*place(server)) in caplog.text


async def test_a_context_of_ones_own_is_used(authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.both)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        make_server(hello, ssl_context=context) as server,
        secured(server, authority.client) as client,
    ):
        assert tls_of(client).tls.version() == "TLSv1.2"
        await client.send(GET)
        assert (await client.response()).body == b"hello"


async def test_a_certificate_may_be_renewed_in_a_context_of_ones_own(
    authority: Authority, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.both)
    renewed = Authority(tmp_path)
    async with (
        make_server(hello, ssl_context=context) as server,
        secured(server, authority.client) as client,
    ):
        context.load_cert_chain(renewed.both)
        await check_it_serves(server, renewed)
        await client.send(GET)
        assert (await client.response()).body == b"hello"


# What is agreed on.


@pytest.mark.parametrize(
    ("options", "offered", "agreed"),
    [
        ({}, ["h2", "http/1.1"], "h2"),
        ({}, ["http/1.1", "h2"], "h2"),
        ({}, ["http/1.1"], "http/1.1"),
        ({}, ["http/1.0"], None),
        ({}, [], None),
        ({"http": "1"}, ["h2", "http/1.1"], "http/1.1"),
        ({"http": "2"}, ["h2", "http/1.1"], "h2"),
    ],
)
async def test_the_version_of_http_is_agreed_on(
    authority: Authority, options: dict[str, Any], offered: list[str], agreed: str | None
) -> None:
    """RFC 7301 §3.2. A client that offers nothing that is spoken gets HTTP/1.1."""
    context = authority.certified()
    if offered:
        context.set_alpn_protocols(offered)
    async with (
        make_server(hello, **authority.options, **options) as server,
        secured(server, context) as client,
    ):
        assert tls_of(client).tls.selected_alpn_protocol() == agreed
        if agreed == "h2":
            assert (await client.exactly(4))[3] == 4  # SETTINGS, RFC 9113 §3.4.
        else:
            await client.send(GET)
            assert (await client.response()).body == b"hello"


@pytest.mark.parametrize("choice", ["auto", "1", "2"])
@VERSIONS
async def test_requests_are_answered_in_the_version_that_was_agreed_on(
    authority: Authority, choice: str, version: ssl.TLSVersion
) -> None:
    data = hashlib.shake_128(b"seed").digest(1_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        await send({**OK, "headers": [(b"x-scheme", scope["scheme"].encode())]})
        await send({"type": "http.response.body", "body": body})

    async with make_server(app, http=choice, **authority.options) as server:
        host, port = place(server)
        async with httpx.AsyncClient(
            base_url=f"https://{host}:{port}",
            verify=context_of(authority, version),
            trust_env=False,
            http2=True,
        ) as client:
            for body in (b"", b"hello", data):
                response = await client.post("/", content=body)
                assert response.http_version == ("HTTP/1.1" if choice == "1" else "HTTP/2")
                assert response.headers["x-scheme"] == "https"
                assert response.content == body


async def test_tls_1_1_is_refused(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 8996: TLS 1.0 and 1.1 are not to be used."""
    context = authority.certified()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with make_server(hello, **authority.options) as server:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            async with secured(server, context):
                pytest.fail("the handshake must not succeed")
        assert (await refusals(caplog))[0].endswith("closed: TLS handshake: unsupported protocol")
        await check_it_serves(server, authority)


async def test_a_client_without_a_common_cipher_is_told(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 9113 §9.2.2: with TLS 1.2, ephemeral keys and authenticated encryption."""
    context = context_of(authority, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256")
    async with make_server(hello, **authority.options) as server:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            async with secured(server, context):
                pytest.fail("the handshake must not succeed")
        [line] = await refusals(caplog)
        assert line.endswith("closed: TLS handshake: no shared cipher")
        await check_it_serves(server, authority)


@pytest.mark.parametrize("demand", ["optional", "required"])
@VERSIONS
async def test_a_client_may_have_to_show_a_certificate(
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    demand: str,
    version: ssl.TLSVersion,
    tmp_path: Path,
) -> None:
    options = {**authority.options, "ssl_ca_certs": str(authority.authorities), "ssl_cert_reqs": demand}
    async with make_server(hello, **options) as server:
        async with secured(server, context_of(authority, version)) as client:
            await client.send(GET)
            assert (await client.response()).body == b"hello"
        bare = ssl.create_default_context(cafile=str(authority.authorities))
        bare.minimum_version = bare.maximum_version = version
        if demand == "optional":
            async with secured(server, bare) as client:
                await client.send(GET)
                assert (await client.response()).body == b"hello"
        else:
            with pytest.raises((ssl.SSLError, anyio.BrokenResourceError)):
                async with secured(server, bare) as client:
                    await client.stream.receive()
            assert (await refusals(caplog))[0].endswith("peer did not return a certificate")
        stranger = Authority(tmp_path).certified()  # Its certificate is from elsewhere.
        stranger.load_verify_locations(authority.authorities)
        stranger.minimum_version = stranger.maximum_version = version
        with pytest.raises((ssl.SSLError, anyio.BrokenResourceError)):
            async with secured(server, stranger) as client:
                await client.stream.receive()
        await until(lambda: "certificate verify failed" in caplog.text)
        assert "Traceback" not in caplog.text
