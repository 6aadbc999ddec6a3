"""What clients of HTTP/1 do, well and badly. Each function returns how many requests it made, or raises."""

from __future__ import annotations

import socket
from random import Random
from typing import Final

import anyio

from tests.client import request_bytes
from tests.runtime.client import Client, Response
from tests.soak.app import GREETING, PARTS, content_of
from tests.soak.place import Place
from tests.soak.server import DEADLINE

__all__ = [
    "break_rules",
    "check",
    "end_early",
    "fail",
    "greet",
    "keep_alive",
    "never_read",
    "outlive",
    "pipeline",
    "read_slowly",
    "reset",
    "send_slowly",
    "stay_silent",
    "transfer",
]

_LARGEST: Final = 200_000
_LARGE: Final = 600_000  # More than a small buffer and what the server holds.
_SMALL_BUFFER: Final = 32_768
_PAUSE: Final = 0.03
_ENORMOUS: Final = 33_554_432  # More than all buffers between two ends of a connection.

_GET: Final = request_bytes()
_POST: Final = b"POST /collect HTTP/1.1\r\nHost: test\r\n"
_MALFORMED: Final = (
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: test\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: test\n\n", 400),
    (_POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (_POST + b"Content-Length: +1\r\n\r\nx", 400),
    (_POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (_POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
    (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: test\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
    (b"CONNECT test:1 HTTP/1.1\r\nHost: test:1\r\n\r\n", 501),
)


def check(response: Response, body: bytes, status: int = 200) -> None:
    """Fail if a response is not as expected."""
    assert response.status == status, f"status {response.status} instead of {status}: {response.body[:200]!r}"
    assert response.body == body, f"{_first(response.body)} instead of {_first(body)}"


async def greet(place: Place, random: Random) -> int:
    """One request on a connection of its own."""
    async with place.http1(random) as client:
        await client.send(_GET)
        check(await client.response(), GREETING)
    return 1


async def keep_alive(place: Place, random: Random) -> int:
    """Several requests, one after the other."""
    requests = random.randint(3, 8)
    async with place.http1(random) as client:
        for _ in range(requests):
            if random.random() < 0.5:
                await client.send(_GET)
                check(await client.response(), GREETING)
            else:
                body = random.randbytes(random.randint(1, 2000))
                await client.send(request_bytes("POST", "/collect", body=body))
                check(await client.response(), body)
    return requests


async def pipeline(place: Place, random: Random) -> int:
    """Several requests in one write."""
    sizes = [random.randint(1, 20_000) for _ in range(random.randint(3, 8))]
    async with place.http1(random) as client:
        await client.send(b"".join([request_bytes("GET", f"/download?{size}") for size in sizes]))
        for size in sizes:
            check(await client.response(), content_of(size))
    return len(sizes)


async def transfer(place: Place, random: Random) -> int:
    """Content in chunks or with its length there and back, and a download."""
    async with place.http1(random) as client:
        pieces = [random.randbytes(random.randint(1, 20_000)) for _ in range(random.randint(1, 6))]
        whole = b"".join(pieces)
        await client.send(request_bytes("POST", "/collect", body=pieces))
        check(await client.response(), whole)
        await client.send(request_bytes("PUT", "/echo", body=[whole[:30_000]]))
        check(await client.response(), whole[:30_000])
        await client.send(
            request_bytes("POST", "/collect", body=whole, fields=[(b"Expect", b"100-continue")])
        )
        response = await client.response()
        if response.status == 100:  # The content came too early for some readers of the head.
            response = await client.response()
        check(response, whole)
        size = random.randint(1, _LARGEST)
        await client.send(request_bytes("GET", f"/download?{size}"))
        check(await client.response(), content_of(size))
    return 4


async def send_slowly(place: Place, random: Random) -> int:
    """A request in pieces with pauses between."""
    body = [random.randbytes(100) for _ in range(5)]
    octets = request_bytes("POST", "/echo", body=body)
    async with place.http1(random) as client:
        size = len(octets) // 6 + 1
        for start in range(0, len(octets), size):
            await client.send(octets[start : start + size])
            await anyio.sleep(_PAUSE)
        check(await client.response(), b"".join(body))
    return 1


async def read_slowly(place: Place, random: Random) -> int:
    """A response that is larger than the buffers, read in pieces with pauses between; or one that is slow itself."""
    async with place.http1(random) as client:
        if random.random() < 0.6:
            await client.send(request_bytes("GET", "/slow"))
            await client.end()  # It may still read.
            check(await client.response(), GREETING * PARTS)
            return 1
        size = _LARGE
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        await client.send(request_bytes("GET", f"/download?{size}"))
        _, fields = await client.head()
        assert fields["content-length"] == str(size)
        pieces = []
        while size:
            pieces.append(await client.exactly(min(size, 65_536)))
            size -= len(pieces[-1])
            await anyio.sleep(_PAUSE / 3)
        body = b"".join(pieces)
        assert body == content_of(len(body)), "a slow reader's content is not what was sent"
    return 1


async def never_read(place: Place, random: Random) -> int:
    """A response that nobody reads is given up, and its connection with it."""
    async with place.connected() as stream:
        client = Client(stream)
        await client.send(request_bytes("GET", f"/download?{_ENORMOUS}"))
        await anyio.sleep(2 * DEADLINE + 0.5)  # What had room in the buffers counted as progress until then.
        assert len(await client.rest()) < _ENORMOUS, "all of it came, though nobody read"
    return 1


async def stay_silent(place: Place, random: Random) -> int:
    """A client that says half of it, or nothing at all."""
    async with place.http1(random) as client:
        case = random.randrange(3)
        if case == 0:
            assert await client.rest() == b"", "an idle client was told something"
            return 0
        if case == 1:
            await client.send(_GET[:20])
        else:
            await client.send(_POST + b"Content-Length: 1000\r\n\r\nhalf of it")
        response = await client.response()
        assert response.status == 408, f"status {response.status} for a client that stays silent"
        await client.rest()
    return 1


async def end_early(place: Place, random: Random) -> int:
    """FIN in the middle of a head, of content, or of a response."""
    octets = request_bytes("POST", "/collect", body=random.randbytes(1000))
    async with place.http1(random) as client:
        case = random.randrange(3)
        if case < 2:
            await client.send(octets[: 20 if case == 0 else -500])
            await client.end()
            await client.rest()  # The server ends its side, too.
        else:
            await client.send(request_bytes("GET", f"/download?{_LARGEST}"))
            await client.until(b"\r\n\r\n")
    return 1


async def reset(place: Place, random: Random) -> int:
    """RST in the middle of a head, of content, or of a response."""
    async with place.http1(random) as client:
        case = random.randrange(4)
        if case < 2:
            octets = request_bytes("POST", "/echo", body=random.randbytes(1000))
            await client.send(octets[: 20 if case == 0 else -500])
        elif case == 2:
            await client.send(request_bytes("GET", "/slow"))
            await client.until(b"\r\n\r\n")
        else:
            await client.send(request_bytes("GET", f"/download?{10 * _LARGEST}"))
            await client.until(b"\r\n\r\n")
        await client.reset()
    return 1


async def outlive(place: Place, random: Random) -> int:
    """An application that works on when its client has left."""
    async with place.http1(random) as client:
        await client.send(request_bytes("GET", "/outlive"))
        await client.until(GREETING)
    return 1


async def fail(place: Place, random: Random) -> int:
    """An application that raises: a 500, or a response that is visibly cut."""
    async with place.http1(random) as client:
        await client.send(request_bytes("GET", "/fail"))
        response = await client.response()
        assert response.status == 500, f"status {response.status} instead of 500"
    async with place.http1(random) as client:
        await client.send(request_bytes("GET", "/fail-midway"))
        rest = await client.rest()
        assert GREETING in rest, f"only {rest!r} of a response that was cut"
        assert not rest.endswith(b"0\r\n\r\n"), "a response that was cut looks complete"
    return 2


async def break_rules(place: Place, random: Random) -> int:
    """A request that has to be refused, and then the connection has to end."""
    octets, status = random.choice(_MALFORMED)
    async with place.http1(random) as client:
        await client.send(octets)
        response = await client.response()
        assert response.status == status, f"status {response.status} instead of {status} for {octets[:100]!r}"
        assert response.fields.get("connection") == "close", f"{octets[:100]!r} does not end the connection"
        await client.rest()
    return 1


def _first(octets: bytes) -> str:
    return f"{octets[:60]!r} ({len(octets)} octets)"
