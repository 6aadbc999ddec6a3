"""What clients of HTTP/2 do, well and badly. Every frame of the server is judged.

Each function returns how many requests it made, or raises.
"""

from __future__ import annotations

from random import Random
from typing import Final

import anyio

from tests.peers import (
    HEADERS,
    Code,
    StreamView,
    data,
    frame,
    goaway,
    headers,
    ping,
    request,
    rst,
    window_update,
)
from tests.runtime.http2_client import Session
from tests.soak.app import GREETING, PARTS, content_of
from tests.soak.place import Place

__all__ = [
    "break_rules",
    "check",
    "converse",
    "fail",
    "go_away",
    "leave",
    "multiplex",
    "read_slowly",
    "reset",
    "upload",
]

_PAUSE: Final = 0.02
_WINDOW: Final = 32_768

_CONNECTION_ERRORS: Final[tuple[tuple[bytes, Code], ...]] = (
    (data(0, b"x"), Code.PROTOCOL_ERROR),
    (window_update(0, 0), Code.PROTOCOL_ERROR),
    (headers(2, b""), Code.PROTOCOL_ERROR),
    (frame(HEADERS, 0x4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Code.COMPRESSION_ERROR),
    (frame(0x0, 0, 1, b"", length=20_000), Code.FRAME_SIZE_ERROR),
    (window_update(0, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
)


def check(view: StreamView, content: bytes, status: int = 200) -> None:
    """Fail if a response is not as expected."""
    assert view.reset is None, f"the stream was reset with {view.reset}"
    assert view.status == status, f"status {view.status} instead of {status}"
    assert view.content == content, f"{len(view.content)} octets instead of {len(content)}, or others"


async def multiplex(place: Place, random: Random) -> int:
    """Many requests at one time."""
    wanted = [(b"/", GREETING), (b"/slow", GREETING * PARTS)]
    for _ in range(random.randint(2, 8)):
        size = random.randint(1, 60_000)
        wanted.append((b"/download?%d" % size, content_of(size)))
    random.shuffle(wanted)
    async with place.http2(random) as client:
        streams = [(await client.open(path), content) for path, content in wanted]
        await client.send(ping())
        for stream, content in streams:
            check(await client.response(stream), content)
        await client.read_until(lambda: bool(client.observer.pongs))
    return len(wanted)


async def upload(place: Place, random: Random) -> int:
    """Content on several streams, as far as windows let it go."""
    bodies = [random.randbytes(random.randint(1, 150_000)) for _ in range(3)]
    async with place.http2(random) as client:
        streams = []
        for body in bodies:
            stream = await client.open(b"/collect", method=b"POST", end_stream=False)
            await client.upload(stream, body[:1000])
            streams.append(stream)
        for stream, body in zip(streams, bodies, strict=True):
            if len(body) > 1000:
                await client.upload(stream, body[1000:], end_stream=True)
            else:
                await client.send(data(stream, end_stream=True))
        for stream, body in zip(streams, bodies, strict=True):
            check(await client.response(stream), body)
    return len(bodies)


async def reset(place: Place, random: Random) -> int:
    """Streams that are given up before, in the middle of, and after their response, beside others."""
    async with place.http2(random) as client:
        given_up = [
            await client.open(path)
            for path in random.sample([b"/slow", b"/outlive", b"/download?500000", b"/", b"/echo"], 3)
        ]
        half = await client.open(b"/collect", method=b"POST", end_stream=False)
        await client.upload(half, b"half of it")
        kept = await client.open(b"/slow")
        if random.random() < 0.5:
            await client.head(kept)
        await client.send(*[rst(stream) for stream in (*given_up, half)])
        check(await client.response(kept), GREETING * PARTS)
        check(await client.fetch(), GREETING)
    return len(given_up) + 3


async def go_away(place: Place, random: Random) -> int:
    """A client that says that it leaves, takes what is open, and comes back."""
    async with place.http2(random) as client:
        stream = await client.open(b"/slow")
        await client.send(goaway())
        check(await client.response(stream), GREETING * PARTS)
    async with place.http2(random) as client:
        check(await client.fetch(), GREETING)
    return 2


async def read_slowly(place: Place, random: Random) -> int:
    """Windows that are opened bit by bit."""
    size = 200_000
    async with place.http2(random, window=_WINDOW) as client:
        stream = await client.open(b"/download?%d" % size)
        view = client.view(stream)
        while not view.ended:
            await client.read()
            assert view.reset is None, f"the stream was reset with {view.reset}"
            if min(view.window, client.observer.window) < 1024 and not view.ended:
                await anyio.sleep(_PAUSE)
                await client.send(window_update(stream, _WINDOW // 2), window_update(0, _WINDOW // 2))
        check(view, content_of(size))
    return 1


async def leave(place: Place, random: Random) -> int:
    """A client that goes without a word, by FIN or RST, while streams are open."""
    async with place.http2(random) as client:
        for path in (b"/slow", b"/outlive", b"/download?900000"):
            await client.open(path)
        half = await client.open(b"/echo", method=b"POST", end_stream=False)
        await client.upload(half, b"half of it")
        await client.head(half)
        if random.random() < 0.5:
            await client.client.reset()
    return 4


async def fail(place: Place, random: Random) -> int:
    """Applications that raise, and one that does not."""
    async with place.http2(random) as client:
        before, midway, well = [await client.open(path) for path in (b"/fail", b"/fail-midway", b"/slow")]
        view = await client.response(before)
        assert view.status == 500, f"status {view.status} instead of 500"
        view = await client.response(midway)
        assert view.reset == Code.INTERNAL_ERROR, f"reset with {view.reset}"
        check(await client.response(well), GREETING * PARTS)
    return 3


async def break_rules(place: Place, random: Random) -> int:
    """Frames that end the connection, or a request that ends its stream only."""
    async with place.http2(random) as client:
        if random.random() < 0.4:
            stream = client.next_id()
            await client.send(request(stream, fields=[(b"Upper", b"case")]))
            view = await client.response(stream)
            refused = view.reset == Code.PROTOCOL_ERROR or view.status == 400
            assert refused, f"status {view.status}, reset {view.reset} for a malformed request"
            check(await client.fetch(), GREETING)
            return 2
        octets, code = random.choice(_CONNECTION_ERRORS)
        await client.send(octets)
        await client.rest()
        assert client.error == code, f"error {client.error} instead of {code!r} for {octets[:40]!r}"
    return 1


async def converse(place: Place, random: Random) -> int:
    """WebSockets on a connection of HTTP/2, beside requests (RFC 8441)."""
    async with place.http2(random) as client:
        await client.read_until(lambda: client.observer.settings.get(0x8) == 1)
        first = await Session.open(client, b"/echo")
        second = await Session.open(client, b"/echo")
        for session in (first, second, first):
            message = random.choice([_text, _binary])(random)
            await session.send(message)
            assert await session.receive() == message, "the echo is another message"
        check(await client.fetch(), GREETING)
        await first.send_close(1000)
        assert await first.receive() is None
        assert first.close is not None
        assert first.close[0] == 1000, f"closed with {first.close}"
        if random.random() < 0.5:
            await client.send(rst(second.stream))
            check(await client.fetch(), GREETING)
        refused = await Session.ask(client, b"/refuse")
        assert refused.view.status == 403, f"status {refused.view.status} instead of 403"
    return 7


def _text(random: Random) -> str | bytes:
    return "".join(random.choices("abc äöü €😀", k=random.randint(0, 3000)))


def _binary(random: Random) -> str | bytes:
    return random.randbytes(random.randint(0, 20_000))
