"""Frameworks over HTTP/2, each as its users use it, and their WebSockets on streams (RFC 8441)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from tests.peers import rst

from .client import place, until
from .conftest import Backend
from .http2_client import Session, connected_http2, make_http2_server
from .test_frameworks import DATA, DIGEST, PIECES, Site
from .test_frameworks import make_fastapi as make_fastapi_site
from .test_frameworks import make_quart as make_quart_site
from .test_frameworks import make_quart_trio as make_quart_trio_site
from .test_frameworks import make_starlette as make_starlette_site
from .test_websocket_frameworks import (
    Seen,
    make_channels,
    make_fastapi,
    make_quart,
    make_quart_trio,
    make_starlette,
)

ASYNCIO = ["asyncio", "uvloop"]
ALL = [*ASYNCIO, "trio"]


def _ids(value: Any) -> str:
    return value if isinstance(value, str) else value.__name__.removeprefix("make_")


def _each(*pairs: tuple[Any, list[str]]) -> pytest.MarkDecorator:
    """Run a test with each of these applications on each of its backends."""
    cases = [(make, backend) for make, backends in pairs for backend in backends]
    return pytest.mark.parametrize(("make", "backend"), cases, indirect=["backend"], ids=_ids)


SITES = _each(
    (make_starlette_site, ALL),
    (make_fastapi_site, ALL),
    (make_quart_site, ASYNCIO),
    (make_quart_trio_site, ["trio"]),
)
SITES_THAT_POLL = _each((make_starlette_site, ALL), (make_fastapi_site, ALL))
SOCKETS = _each(
    (make_starlette, ALL),
    (make_fastapi, ALL),
    (make_quart, ASYNCIO),
    (make_channels, ASYNCIO),
    (make_quart_trio, ["trio"]),
)
# Quart ends a WebSocket that failed with 1000, and cancels one whose client has left.
SOCKETS_THAT_TELL_THE_CODE = _each((make_starlette, ALL), (make_fastapi, ALL), (make_channels, ASYNCIO))


# Requests.


async def _pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


@asynccontextmanager
async def browsing(make: Any) -> AsyncIterator[tuple[Site, httpx.AsyncClient, Any]]:
    site = Site()
    site.app = make(site)
    async with make_http2_server(site, lifespan="on") as server:
        host, port = place(server)
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}", http1=False, http2=True, trust_env=False, timeout=10
        ) as client:
            yield site, client, server
    assert site.shut_down.is_set()


@SITES
async def test_a_streaming_upload_and_download(backend: Backend, make: Any) -> None:
    async with browsing(make) as (_, client, _):
        response = await client.post("/upload", content=_pieces())
        assert (response.http_version, response.text) == ("HTTP/2", DIGEST)
        assert (await client.get("/download")).content == DATA


@SITES
async def test_requests_side_by_side(backend: Backend, make: Any) -> None:
    async def get() -> None:
        assert (await client.get("/state")).text == "from the lifespan"

    async with browsing(make) as (_, client, _):
        await client.get("/state")  # So that there is a connection which all can use.
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(get)


@SITES
async def test_a_background_task_runs_after_the_response(backend: Backend, make: Any) -> None:
    async with browsing(make) as (site, client, _):
        assert (await client.get("/background")).text == "at once"
        await site.in_background.wait()


@SITES
# Starlette leaves the application's generator to the garbage collector, and trio says so.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("reset", [False, True], ids=["client", "stream"])
async def test_an_endless_download_ends_with_its_client_or_its_stream(
    backend: Backend, make: Any, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody calls that an error, whatever the framework makes of it."""
    async with browsing(make) as (site, _, server):
        async with connected_http2(server) as client:
            stream = await client.open(b"/endless")
            await site.waiting.wait()
            await client.head(stream)
            if reset:
                await client.send(rst(stream))
                await site.gone.wait()
        await site.gone.wait()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@SITES_THAT_POLL
async def test_polling_sees_that_a_stream_was_reset(backend: Backend, make: Any) -> None:
    async with browsing(make) as (site, _, server), connected_http2(server) as client:
        stream = await client.open(b"/poll")
        await site.waiting.wait()
        assert not site.gone.is_set()
        await client.send(rst(stream))
        await site.gone.wait()


# WebSockets.


@SOCKETS
async def test_an_echo(backend: Backend, make: Any) -> None:
    messages: list[str | bytes] = ["grün", b"\0\xff", "x" * 300_000, b"x" * 300_000]
    seen = Seen()
    async with make_http2_server(make(seen)) as server, connected_http2(server) as client:
        socket = await Session.open(client, b"/echo", [(b"sec-websocket-protocol", b"other, chat")])
        assert socket.view.value(b"sec-websocket-protocol") == b"chat"
        assert socket.view.value(b"x-word") == b"hello"
        for message in messages:
            await socket.send(message)
            assert await socket.receive() == message
        await socket.send_close(1000)
        await until(lambda: len(seen.codes) == 1)


@SOCKETS
async def test_a_refusal(backend: Backend, make: Any) -> None:
    async with make_http2_server(make(Seen())) as server, connected_http2(server) as client:
        for _ in range(2):
            socket = await Session.ask(client, b"/refuse")
            assert socket.view.status == 403


@SOCKETS
async def test_a_close_by_the_application(backend: Backend, make: Any) -> None:
    async with make_http2_server(make(Seen())) as server, connected_http2(server) as client:
        socket = await Session.open(client, b"/close")
        assert await socket.receive() is None
        assert socket.close == (3005, "enough")
        await socket.send_close(3005)
        await client.response(socket.stream)
        assert (await Session.ask(client, b"/refuse")).view.status == 403  # The connection goes on.


@SOCKETS_THAT_TELL_THE_CODE
async def test_a_failure_is_1011(backend: Backend, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with make_http2_server(make(Seen())) as server, connected_http2(server) as client:
        socket = await Session.open(client, b"/fail")
        assert await socket.receive() is None
        assert socket.close is not None
        assert socket.close[0] == 1011
    assert "ValueError: mine" in caplog.text


@SOCKETS_THAT_TELL_THE_CODE
async def test_the_clients_code(backend: Backend, make: Any) -> None:
    """Each of several on one connection has its own; a stream that is reset is 1006."""
    seen = Seen()
    async with make_http2_server(make(seen)) as server, connected_http2(server) as client:
        fields = [(b"sec-websocket-protocol", b"chat")]
        first, second, third = [await Session.open(client, b"/echo", fields) for _ in range(3)]
        await second.send_close(3999, "bye")
        await until(lambda: seen.codes == [3999])
        await client.send(rst(first.stream))
        await until(lambda: seen.codes == [3999, 1006])
        await third.send("still here")
        assert await third.receive() == "still here"
        await client.client.reset()
        await until(lambda: seen.codes == [3999, 1006, 1006])


@SOCKETS
async def test_a_client_that_vanishes_is_no_error_of_the_servers(
    backend: Backend, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the framework meets it while it sends or while it receives. Quart has a log of its own."""
    app = make(Seen())
    ended: list[str] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            ended.append(scope["path"])

    async with make_http2_server(watched) as server:
        async with connected_http2(server) as client:
            fields = [(b"sec-websocket-protocol", b"chat")]
            sockets = [await Session.open(client, b"/echo", fields) for _ in range(5)]
            for socket in sockets:
                for _ in range(20):
                    await socket.send("x" * 1_000)
            await sockets[0].receive()
            await client.client.reset()
        await until(lambda: len(ended) == 5)
    ours = [record for record in caplog.records if record.name.startswith("tricorn")]
    assert not [record for record in ours if record.levelname == "ERROR"]


@pytest.mark.parametrize("backend", ALL, indirect=True)
async def test_a_denial_of_starlettes(backend: Backend) -> None:
    async with make_http2_server(make_starlette(Seen())) as server, connected_http2(server) as client:
        socket = await Session.ask(client, b"/deny")
        view = await client.response(socket.stream)
        assert (view.status, view.content) == (418, b"no")
