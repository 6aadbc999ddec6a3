"""HTTP/2 clients that want the server's memory or its time: whatever they do, others are served at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import anyio.abc
import pytest

import runtime
from tests.peers import (
    GOAWAY,
    Code,
    block,
    continuation,
    data,
    frame,
    headers,
    ping,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)

from .client import OK, hello, read_body, until
from .http2_client import Http2Client, connected_http2, is_served, make_http2_server

pytestmark = pytest.mark.usefixtures("backend")

MANY: Final = 10_000


@pytest.fixture(autouse=True)
def _nothing_is_called_an_error(caplog: pytest.LogCaptureFixture) -> Any:
    """What clients do is nobody's error, and no traceback is worth its place in the log."""
    yield
    for record in caplog.get_records("call"):
        assert record.levelname not in {"ERROR", "CRITICAL"}, record.getMessage()
        assert record.exc_info is None


class Counts:
    """Reads a body and answers, but for those at /sibling, and counts."""

    def __init__(self) -> None:
        self.called = 0
        self.running = 0
        self.most = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        self.called += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            with suppress(EOFError, OSError):
                await read_body(receive)
                await hello(scope, receive, send)
        finally:
            self.running -= 1


@asynccontextmanager
async def attacked(
    app: Any, *, memory: int = 4_000_000, window: int = 1_000_000, **settings: Any
) -> AsyncIterator[tuple[runtime.Server, Http2Client, Http2Client]]:
    """Serve a sibling and an attacker, and the sibling still when the attack is over.

    Meanwhile memory may grow by so many octets, what the clients need included.
    """
    limits = {"timeout_linger": 0.05, **settings}
    async with make_http2_server(app, **limits) as server, connected_http2(server) as sibling:
        async with connected_http2(server, window=window) as client:
            tracemalloc.start()
            try:
                yield server, sibling, client
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < memory
            await is_served(server, sibling)
        await is_served(server, sibling)


async def flood(client: Http2Client, octets: bytes) -> None:
    """Send, and read nothing, until all is gone or the server has had enough."""
    with suppress(anyio.BrokenResourceError):
        for start in range(0, len(octets), 16_384):
            await client.client.send(octets[start : start + 16_384])


async def flood_beside(
    server: runtime.Server, sibling: Http2Client, client: Http2Client, octets: bytes, *codes: int
) -> None:
    """Send while others are served; then the server has ended the connection with GOAWAY and such a code."""
    async with anyio.create_task_group() as group:
        group.start_soon(flood, client, octets)
        for _ in range(3):
            await is_served(server, sibling)
    with anyio.fail_after(3):
        rest = await client.client.rest()
    code = None
    while len(rest) >= 9:
        size = int.from_bytes(rest[:3], "big")
        if rest[3] == GOAWAY:
            code = int.from_bytes(rest[13:17], "big")
        rest = rest[9 + size :]
    assert code in {None, *codes}  # A reset may have destroyed it on its way.


async def ended(client: Http2Client, *codes: int) -> None:
    """The server ends the connection with GOAWAY and such a code."""
    with anyio.fail_after(3):
        await client.rest()
    assert client.error in {None, *codes}  # A reset may have destroyed it on its way.


# Floods.


def _streams(make: Callable[[int], bytes], count: int = 2_000) -> bytes:
    return b"".join([make(number) for number in range(1, 2 * count, 2)])


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_rapid_resets_end_the_connection(method: bytes) -> None:
    """CVE-2023-44487: a stream is opened and reset, ten thousand times in one go."""
    app = Counts()
    octets = _streams(
        lambda n: request(n, method, end_stream=method == b"GET", scheme=b"http") + rst(n), MANY
    )
    async with attacked(app) as (server, sibling, client):
        await flood_beside(server, sibling, client, octets, Code.ENHANCE_YOUR_CALM)
    assert app.called < 300
    await until(lambda: app.running == 0)


async def test_resets_one_by_one_end_the_connection() -> None:
    """CVE-2023-44487, when each request has reached the application before its reset comes."""
    app = Counts()
    async with attacked(app) as (_, _, client):
        with suppress(EOFError, anyio.BrokenResourceError), anyio.fail_after(5):
            for number in range(1, 1_000):
                stream = await client.open(method=b"POST", end_stream=False)
                await until(lambda: app.called >= number or bool(client.observer.goaways))  # noqa: B023 - at once.
                await client.send(rst(stream), ping())
                await client.read_until(lambda: len(client.observer.pongs) == number)  # noqa: B023 - at once.
        await ended(client, Code.ENHANCE_YOUR_CALM)
    assert app.called < 300
    assert app.most < 10


@pytest.mark.parametrize(
    "provoke",
    [
        lambda n: window_update(n, 0),
        lambda n: window_update(n, 2**31 - 1),
        lambda n: data(n, b"", end_stream=True) + data(n, b"x"),
        lambda n: headers(n, [(b"x", b"y")], end_stream=False),
        lambda n: data(n, b"too much"),
    ],
    ids=["update-by-nothing", "window-too-large", "data-behind-the-end", "trailers", "content-length"],
)
async def test_provoked_resets_end_the_connection(provoke: Callable[[int], bytes]) -> None:
    """CVE-2025-8671: the client makes the server reset streams whose applications have begun."""
    app = Counts()
    length = [(b"content-length", b"1")]

    def make(n: int) -> bytes:
        fields = length if b"too much" in provoke(n) else []
        return request(n, b"POST", fields=fields, end_stream=False, scheme=b"http") + provoke(n)

    async with attacked(app) as (server, sibling, client):
        await flood_beside(
            server, sibling, client, _streams(make), Code.ENHANCE_YOUR_CALM, Code.STREAM_CLOSED
        )
    assert app.called < 300
    await until(lambda: app.running == 0)


async def test_requests_that_are_malformed_end_the_connection() -> None:
    """RFC 9113 §8.1.1: each is answered by a reset, which is counted."""
    app = Counts()
    octets = _streams(lambda n: headers(n, [(b":method", b"GET")]))
    async with attacked(app) as (server, sibling, client):
        await flood_beside(server, sibling, client, octets, Code.ENHANCE_YOUR_CALM)
    assert app.called == 0


async def test_requests_beyond_the_limit_are_refused_and_counted() -> None:
    """RFC 9113 §5.1.2."""
    app = Counts()
    octets = _streams(lambda n: request(n, b"POST", end_stream=False, scheme=b"http"))
    async with attacked(app) as (server, sibling, client):
        await flood_beside(server, sibling, client, octets, Code.ENHANCE_YOUR_CALM)
    assert app.called <= 100
    await until(lambda: app.running == 0)


FLOODS: Final = {
    "ping": ping(),
    "ping-ack": ping(ack=True),
    "settings": settings(),
    "many-settings": settings(*[(4, 65_535)] * 50),
    "settings-ack": settings(ack=True),
    "priority": priority(1),
    "priority-update": priority_update(1, b"u=1"),
    "empty-data": data(1),
    "padding": data(1, padding=0),
    "window-update": window_update(0, 1),
    "window-update-of-a-stream": window_update(1, 1),
    "unknown": frame(0xFA, 0, 1, b"x"),
}


@pytest.mark.parametrize("piece", FLOODS.values(), ids=FLOODS)
async def test_frames_that_bring_nothing_forward_end_the_connection(piece: bytes) -> None:
    """RFC 9113 §10.5; CVE-2019-9512, -9513, -9515, -9518. The client never reads."""
    app = Counts()
    octets = piece * MANY
    async with attacked(app) as (server, sibling, client):
        await client.open(method=b"POST", end_stream=False)
        await flood_beside(server, sibling, client, octets, Code.ENHANCE_YOUR_CALM)
    await until(lambda: app.running == 0)


@pytest.mark.parametrize("size", [0, 1, 16_384])
async def test_a_field_block_without_end_ends_the_connection(size: int) -> None:
    """CVE-2024-27316 and others of 2024: CONTINUATION frames, empty ones, small ones, large ones."""
    app = Counts()
    octets = headers(1, block([(b":method", b"GET")]), end_headers=False)
    octets += continuation(1, bytes(size), end_headers=False) * (MANY if size < 100 else 1_000)
    async with attacked(app) as (server, sibling, client):
        await flood_beside(
            server,
            sibling,
            client,
            octets,
            Code.ENHANCE_YOUR_CALM,
            Code.COMPRESSION_ERROR,
            Code.PROTOCOL_ERROR,
        )
    assert app.called == 0


async def test_a_field_block_that_unpacks_to_megabytes_is_refused() -> None:
    """RFC 7541 §7.3: one entry of 4,000 octets, named 16,000 times on each of many streams."""
    app = Counts()
    pseudo = b"\x82\x86\x84\x41\x04test"  # GET, http, /; the authority's own entry is added to the table.
    entry = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000  # An entry that fills the table.
    async with attacked(app) as (_, _, client):
        octets = headers(1, pseudo + entry)
        octets += b"".join([headers(n, pseudo[:3] + b"\xbe" * 16_000) for n in range(3, 13, 2)])
        await client.send(octets)
        for stream in range(3, 13, 2):
            view = await client.response(stream)
            assert view.status == 431
    assert app.called <= 1


# Clients that take nothing.


async def test_large_responses_that_nobody_takes_cost_little() -> None:
    """CVE-2019-9517: windows of nothing, a hundred streams, and a megabyte for each."""
    sent = 0
    running = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent, running
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        running += 1
        try:
            await send(OK)
            for _ in range(16):
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
                sent += 1
            await send({"type": "http.response.body"})
        finally:
            running -= 1

    async with attacked(app, memory=20_000_000) as (server, sibling, client):
        await client.send(settings((4, 0)))
        await client.read_until(lambda: client.observer.acknowledged == 2)
        streams = [await client.open() for _ in range(100)]
        for stream in streams:
            assert (await client.head(stream)).status == 200
        await until(lambda: running == 100)
        await is_served(server, sibling)
        assert sent <= 300
    await until(lambda: running == 0)


async def test_streams_whose_windows_stay_closed_are_cut_off() -> None:
    errors = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal errors
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        try:
            await send(OK)
            while True:
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        except OSError:
            errors += 1
            raise

    async with (
        make_http2_server(app, http2_window_timeout=0.1) as server,
        connected_http2(server, window=0) as client,
    ):
        streams = [await client.open() for _ in range(10)]
        for stream in streams:
            assert (await client.response(stream)).reset == Code.CANCEL
        await until(lambda: errors == 10)
        await client.send(settings((4, 65_535)))
        assert (await client.fetch(b"/sibling")).content == b"hello"


async def test_windows_that_open_by_crumbs_end_the_connection() -> None:
    """CVE-2019-9511: one octet at a time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": bytes(100_000 if scope["path"] == "/" else 5)})

    async with make_http2_server(app, timeout_linger=0.05) as server:
        async with connected_http2(server, window=0) as client:
            stream = await client.open()
            await client.head(stream)
            with suppress(anyio.BrokenResourceError):
                await client.send(window_update(stream, 1) * MANY)
            await ended(client, Code.ENHANCE_YOUR_CALM)
            assert len(client.view(stream).content) < 2_000
        async with connected_http2(server) as client:
            assert (await client.fetch(b"/other")).status == 200


async def test_a_client_that_reads_nothing_at_all_is_dropped() -> None:
    """However large its windows are: the kernel's buffers are full, and stay so."""
    stopped = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal stopped
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        try:
            await send(OK)
            while True:
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        finally:
            stopped += 1

    async with attacked(app, memory=12_000_000, window=2**31 - 1, timeout_write=0.2) as (
        server,
        sibling,
        client,
    ):
        for _ in range(20):
            await client.open()
        await is_served(server, sibling)
        await until(lambda: stopped == 20)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "reset"])
async def test_uploads_that_nobody_reads_cost_no_more_than_their_windows(answered: bool) -> None:
    release = anyio.Event()
    running = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        running += 1
        await release.wait()
        with suppress(OSError):
            await hello(scope, receive, send)
        running -= 1

    limits = {"http2_initial_window_size": 65_536, "http2_max_concurrent_streams": 50}
    async with attacked(app, memory=12_000_000, **limits) as (server, sibling, client):
        streams = [await client.open(method=b"POST", end_stream=False) for _ in range(50)]
        for stream in streams:
            assert await client.fill(stream) == 65_536
        await until(lambda: running == 50)
        await is_served(server, sibling)
        if answered:
            release.set()
            for stream in streams:
                assert (await client.response(stream)).status == 200
        else:
            await client.send(*[rst(stream) for stream in streams])
            release.set()
        await until(lambda: running == 0)
        stream = await client.open(b"/sibling", method=b"POST", end_stream=False)
        await client.fill(stream)  # All credit has come back.
