"""HTTP/2 clients that break rules, or off, at any place: they are answered for it, and nobody else is concerned."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import pytest

import runtime
from tests.peers import (
    PREFACE,
    Code,
    block,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    request,
    settings,
    window_update,
)

from .client import GET, OK, connected, hello, make_server, until
from .http2_client import Http2Client, connected_http2, is_served, make_http2_server
from .secure_client import Authority, secured

pytestmark = pytest.mark.usefixtures("backend")

PSEUDO: Final = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"test"),
    (b":path", b"/"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _nothing_is_called_an_error(caplog: pytest.LogCaptureFixture) -> Any:
    """What clients do is nobody's error, and no traceback is worth its place in the log."""
    yield
    for record in caplog.get_records("call"):
        assert record.levelname not in {"ERROR", "CRITICAL"}, record.getMessage()
        assert record.exc_info is None


class Echo:
    """Sends back what it receives, but for those at /sibling, and knows how many run."""

    def __init__(self) -> None:
        self.running = 0
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        self.paths.append(scope["path"])
        self.running += 1
        try:
            await send(OK)
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                more = message["more_body"]
                await send({"type": "http.response.body", "body": message["body"], "more_body": more})
        finally:
            self.running -= 1


@asynccontextmanager
async def attacked(app: Echo, **settings: Any) -> AsyncIterator[tuple[runtime.Server, Http2Client]]:
    """Serve a client whose connection goes wrong, and look after others and for what is left of it."""
    async with (
        make_http2_server(app, timeout_linger=0.05, **settings) as server,
        connected_http2(server) as sibling,
    ):
        async with connected_http2(server) as client:
            yield server, client
            await is_served(server, sibling)
        await until(lambda: app.running == 0)
        await is_served(server, sibling)


# One stream.


def _with(stream: int, *changed: tuple[bytes, bytes]) -> bytes:
    """Return a request with some of its fields changed or added."""
    names = {name for name, _ in changed}
    pseudo = [pair for pair in changed if pair[0].startswith(b":")]
    others = [pair for pair in changed if not pair[0].startswith(b":")]
    return headers(stream, [*(pair for pair in PSEUDO if pair[0] not in names), *pseudo, *others])


@pytest.mark.parametrize(
    "changed",
    [
        [(b":path", b"/\xff")],
        [(b":path", b"/\x00")],
        [(b":path", b"/a b")],
        [(b":path", b"")],
        [(b":path", b"no/slash")],
        [(b":method", b"GE T")],
        [(b":scheme", b"gopher")],
        [(b":authority", b"a\r\nb")],
        [(b":status", b"200")],
        [(b"X-Upper", b"y")],
        [(b"x", b"a\r\nb: c")],
        [(b"x", b"a\x00b")],
        [(b"", b"no name")],
        [(b"connection", b"close")],
        [(b"transfer-encoding", b"chunked")],
        [(b"upgrade", b"h2c")],
        [(b"te", b"gzip")],
        [(b"content-length", b"5")],
        [(b"content-length", b"-1")],
    ],
    ids=lambda changed: " ".join(repr(octets)[2:-1] for octets in changed[0]).strip(),
)
async def test_a_malformed_request_concerns_its_stream_alone(changed: list[tuple[bytes, bytes]]) -> None:
    """RFC 9113 §8.1.1, §8.2, §8.3."""
    app = Echo()
    async with attacked(app) as (_, client):
        upload = await client.open(b"/upload", method=b"POST", end_stream=False)
        stream = client.next_id()
        await client.send(_with(stream, *changed))
        view = await client.response(stream)
        assert view.reset == Code.PROTOCOL_ERROR or view.status == 400
        await client.send(data(upload, b"goes on", end_stream=True))
        assert (await client.response(upload)).content == b"goes on"
    assert app.paths == ["/upload"]


async def test_content_behind_the_end_resets_its_stream_alone() -> None:
    """RFC 9113 §5.1: STREAM_CLOSED."""
    release = anyio.Event()
    app = Echo()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        with suppress(OSError):
            await app(scope, receive, send)

    async with make_http2_server(slow) as server, connected_http2(server) as client:
        stream = await client.open(b"/slow")
        await client.send(data(stream, b"more"))
        assert (await client.response(stream)).reset == Code.STREAM_CLOSED
        release.set()
        assert (await client.fetch(b"/sibling")).content == b"hello"


# The whole connection.


BAD_BEHIND_A_RESPONSE: Final = {
    "data-behind-the-end": (data(1, b"more"), Code.STREAM_CLOSED),
    "headers-behind-the-end": (headers(1, PSEUDO), Code.STREAM_CLOSED),
    "data-on-an-idle-stream": (data(99, b"x"), Code.PROTOCOL_ERROR),
    "data-on-stream-0": (data(0, b"x"), Code.PROTOCOL_ERROR),
    "even-stream": (headers(2, PSEUDO), Code.PROTOCOL_ERROR),
    "push-promise": (frame(5, 4, 1, bytes(4) + block(PSEUDO)), Code.PROTOCOL_ERROR),
    "continuation-alone": (continuation(3, b""), Code.PROTOCOL_ERROR),
    "another-frame-in-a-block": (headers(3, b"", end_headers=False) + ping(), Code.PROTOCOL_ERROR),
    "frame-too-large": (frame(0, 0, 1, bytes(16_385)), Code.FRAME_SIZE_ERROR),
    "frame-of-16-megabytes": (frame(0, 0, 1, b"", length=2**24 - 1), Code.FRAME_SIZE_ERROR),
    "short-ping": (frame(6, 0, 0, b"x"), Code.FRAME_SIZE_ERROR),
    "odd-settings": (frame(4, 0, 0, b"x"), Code.FRAME_SIZE_ERROR),
    "settings-of-a-stream": (frame(4, 0, 1), Code.PROTOCOL_ERROR),
    "bad-settings": (settings((4, 2**31)), Code.FLOW_CONTROL_ERROR),
    "window-too-large": (window_update(0, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
    "window-by-nothing": (window_update(0, 0), Code.PROTOCOL_ERROR),
    "field-block-of-nonsense": (headers(3, b"\xff\xff\xff\xff\xff\xff"), Code.COMPRESSION_ERROR),
    "field-of-no-table": (headers(3, b"\xbf"), Code.COMPRESSION_ERROR),
    "half-a-huffman-string": (headers(3, b"\x00\x84\xff\xff\xff\xff\x00"), Code.COMPRESSION_ERROR),
    "padding-beyond-the-end": (frame(1, 0x0C, 3, b"\xff"), Code.PROTOCOL_ERROR),
    "http-1": (GET, Code.FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize(("octets", "code"), BAD_BEHIND_A_RESPONSE.values(), ids=list(BAD_BEHIND_A_RESPONSE))
async def test_a_broken_rule_of_the_connection_ends_it_and_every_application_is_told(
    octets: bytes, code: int
) -> None:
    """RFC 9113 §5.4.1."""
    app = Echo()
    async with attacked(app) as (_, client):
        assert (await client.fetch(b"/first")).status == 200
        for _ in range(3):
            await client.open(b"/upload", method=b"POST", end_stream=False)
        await until(lambda: app.running == 3)
        await client.client.send(octets)
        await client.rest()
        assert client.error == code
        await until(lambda: app.running == 0)


async def test_content_beyond_the_window_ends_the_connection() -> None:
    """RFC 9113 §6.9.1."""
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
        else:
            await release.wait()
            assert (await receive())["type"] == "http.disconnect"

    async with make_http2_server(app, http2_initial_window_size=20_000, timeout_linger=0.05) as server:
        async with connected_http2(server) as client, connected_http2(server) as sibling:
            stream = await client.open(method=b"POST", end_stream=False)
            await client.client.send(data(stream, bytes(16_000)) * 2)
            await client.rest()
            assert client.error == Code.FLOW_CONTROL_ERROR
            await is_served(server, sibling)
        release.set()


async def test_a_goaway_of_the_client_lets_its_streams_end() -> None:
    """RFC 9113 §6.8."""
    app = Echo()
    async with attacked(app) as (_, client):
        stream = await client.open(method=b"POST", end_stream=False)
        await client.send(goaway())
        await client.send(data(stream, b"hello", end_stream=True))
        assert (await client.response(stream)).content == b"hello"
        await client.rest()
        assert client.error is None


# The preface.


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x01\x02\x03" * 20,
        PREFACE[:-1] + b"x" + settings(),
        PREFACE.replace(b"SM", b"XX") + settings(),
        b"PRI * HTTP/2.0\r\n\r\n" + settings() * 10,
        settings() + request(1),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        hashlib.shake_128(b"seed").digest(5_000),
    ],
    ids=["octets", "last-octet", "half", "no-sm", "no-preface", "tls", "noise"],
)
async def test_garbage_instead_of_the_preface_is_refused(octets: bytes) -> None:
    """RFC 9113 §3.4. Without TLS what is no preface is HTTP/1."""
    app = Echo()
    async with attacked(app) as (server, _), connected(server) as raw:
        await raw.send(octets)
        rest = await raw.rest()
        assert rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ", b"HTTP/1.1 501 "))


@pytest.mark.parametrize(
    "octets",
    [
        GET,
        PREFACE[:-1] + b"x",
        hashlib.shake_128(b"seed").digest(5_000),
        PREFACE + ping(),
        PREFACE + settings(ack=True),
        PREFACE + request(1),
        PREFACE + frame(4, 0, 0, bytes(16_385)),
        PREFACE * 2,
    ],
    ids=["http-1", "last-octet", "noise", "ping", "acknowledgement", "request", "too-large", "twice"],
)
async def test_garbage_where_http_2_was_agreed_on_is_a_connection_error(
    authority: Authority, octets: bytes
) -> None:
    """RFC 9113 §3.4: SETTINGS follow the preface, and nothing else does."""
    context = authority.certified()
    context.set_alpn_protocols(["h2"])
    async with make_server(hello, timeout_linger=0.05, **authority.options) as server:
        async with secured(server, context) as raw:
            await raw.send(octets)
            client = Http2Client(raw)
            await client.rest()
            assert client.error in {Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR}
        async with connected_http2(server, context=context) as client:
            assert (await client.fetch(scheme=b"https")).content == b"hello"


@pytest.mark.parametrize("size", [0, 1, 10, 23, 24, 30], ids=str)
async def test_a_preface_that_does_not_come_is_not_waited_for(size: int) -> None:
    """Not even octet by octet; 408 is for those that may mean HTTP/1."""
    app = Echo()
    octets = (PREFACE + settings())[:size]
    async with attacked(app, timeout_request_head=0.1) as (server, _), connected(server) as raw:
        with suppress(anyio.BrokenResourceError):
            for octet in octets:
                await raw.send(bytes([octet]))
        with anyio.fail_after(2):
            rest = await raw.rest()
        assert not rest or rest.startswith(b"HTTP/1.1 ") or goaway(0, Code.PROTOCOL_ERROR)[:13] in rest


async def test_settings_that_are_never_acknowledged_end_the_connection() -> None:
    """RFC 9113 §6.5.3: SETTINGS_TIMEOUT."""
    app = Echo()
    async with (
        attacked(app, http2_settings_timeout=0.1) as (server, _),
        connected_http2(server, start=False) as client,
    ):
        await client.send(PREFACE, settings())
        await client.rest()
        assert client.error == Code.SETTINGS_TIMEOUT


async def test_a_field_block_that_does_not_go_on_is_not_waited_for() -> None:
    app = Echo()
    async with attacked(app, timeout_request_head=0.1) as (_, client):
        await client.send(headers(1, block(PSEUDO)[:10], end_headers=False))
        await client.rest()
        assert client.error is not None
    assert app.paths == []


@pytest.mark.parametrize("answered", [False, True], ids=["silent", "answers"])
async def test_a_client_that_answers_no_ping_is_dropped(answered: bool) -> None:
    limits = {"http2_keep_alive_interval": 0.05, "http2_keep_alive_timeout": 0.1}
    app = Echo()
    async with make_http2_server(app, **limits) as server, connected_http2(server) as client:
        stream = await client.open(b"/upload", method=b"POST", end_stream=False)
        await until(lambda: app.running == 1)
        if answered:
            await client.read_until(lambda: len(client.observer.pings) == 4)
            await client.send(data(stream, b"hello", end_stream=True))
            assert (await client.response(stream)).content == b"hello"
        else:
            await until(lambda: app.running == 0)


# Clients that break off.


def _script() -> bytes:
    """A connection's octets, in which there is something of everything."""
    pseudo = block([(b":method", b"POST"), *PSEUDO[1:]])
    return (
        PREFACE
        + settings((4, 100_000))
        + settings(ack=True)
        + request(1, scheme=b"http")
        + headers(3, pseudo[:20], end_stream=False, end_headers=False)
        + continuation(3, pseudo[20:])
        + data(3, b"hello", padding=3)
        + window_update(3, 1_000)
        + request(5, b"POST", end_stream=False, scheme=b"http")
        + data(5, b"x" * 20)
        + ping()
    )


@pytest.mark.parametrize("how", ["fin", "rst", "half-close"])
async def test_a_client_may_break_off_at_any_place(how: str) -> None:
    """Each application that began hears of it, and nothing is left."""
    app = Echo()
    octets = _script()
    async with attacked(app) as (server, _):
        for place in range(0, len(octets), 5):
            async with connected(server) as raw:
                await raw.send(octets[:place])
                if place % 2:  # The server has read it; else it may still be on its way.
                    with anyio.move_on_after(0.001):
                        await raw.until(b"12345678")
                if how == "rst":
                    await raw.reset()
                elif how == "half-close":
                    await raw.end()
                    with anyio.fail_after(2):
                        await raw.rest()
        await until(lambda: app.running == 0)
    assert len(app.paths) > 10


@pytest.mark.parametrize("how", ["fin", "rst", "bye"])
async def test_a_client_may_break_off_in_the_middle_of_tls(authority: Authority, how: str) -> None:
    app = Echo()
    context = authority.certified()
    context.set_alpn_protocols(["h2"])
    octets = _script()
    async with make_server(app, **authority.options) as server:
        for place in range(0, len(octets), 40):
            async with secured(server, context) as raw:
                await raw.send(octets[:place])
                if how == "rst":
                    await raw.reset()
                elif how == "bye":
                    await raw.end()
        await until(lambda: app.running == 0)
        async with connected_http2(server, context=context) as client:
            assert (await client.fetch(b"/sibling", scheme=b"https")).content == b"hello"


async def test_many_clients_that_break_off_at_once_leave_nothing() -> None:
    app = Echo()
    octets = _script()

    async def talk(place: int) -> None:
        async with connected(server) as raw:
            await raw.send(octets[:place])
            await anyio.lowlevel.checkpoint()
            await raw.reset()

    async with attacked(app) as (server, _):
        async with anyio.create_task_group() as group:
            for place in range(20, len(octets), 4):
                group.start_soon(talk, place)
        await until(lambda: app.running == 0)
