"""What clients of WebSocket and TLS do, well and badly. Each function returns how many exchanges it made, or raises."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

import anyio
from cryptography import x509
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fuzz.wire import client_frame
from tests.client import request_bytes
from tests.runtime.client import Client
from tests.runtime.secure_client import SecureStream, tls_of
from tests.runtime.websocket_clients import HANDSHAKE
from tests.soak.app import GREETING
from tests.soak.http1 import check
from tests.soak.place import Place

__all__ = ["break_rules", "converse", "drop_handshake", "end_badly", "opened", "renew", "wait_for_pings"]

_MAX_SIZE: Final = 1_048_576
_PINGS: Final = 2.5  # Seconds in which the server asks more than once.
_WRONG: Final = (
    (client_frame(0x81, b"text", masked=False), 1002),
    (client_frame(0x80, b"rest of nothing"), 1002),
    (client_frame(0x81, b"\xff\xfe"), 1007),
    (client_frame(0x83, b"reserved"), 1002),
)


@asynccontextmanager
async def opened(
    place: Place, random: Random, path: str = "/echo", *, compressed: bool = True
) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket, and close it in the end."""
    url, context = place.url(random, path)
    async with connect(
        url,
        ssl=context,
        compression="deflate" if compressed else None,
        max_size=_MAX_SIZE,
        ping_interval=None,
        proxy=None,
    ) as connection:
        yield connection


async def converse(place: Place, random: Random) -> int:
    """Messages of all kinds there and back, whole and in fragments, with pings between; then close."""
    messages = random.randint(2, 6)
    async with opened(place, random, compressed=random.random() < 0.6) as connection:
        for _ in range(messages):
            pieces = _pieces(random)
            message = (
                "".join(map(str, pieces)) if isinstance(pieces[0], str) else b"".join(map(bytes, pieces))
            )
            if random.random() < 0.4:
                await connection.send(pieces)
            else:
                await connection.send(message)
            if random.random() < 0.3:
                await (await connection.ping())
            received = await connection.recv()
            assert received == message, f"an echo of {len(received)} instead of {len(message)}, or another"
        if random.random() < 0.3:
            await connection.close(3000, "as planned")
    return messages + 1


async def end_badly(place: Place, random: Random) -> int:
    """Ends of all kinds but the usual: refused, closed by the server, failed, or cut."""
    try:
        async with opened(place, random, "/refuse"):
            raise AssertionError("a WebSocket that the application refuses was opened")
    except InvalidStatus as error:
        assert error.response.status_code == 403, f"refused with {error.response.status_code}"  # noqa: PT017
    async with opened(place, random, "/close") as connection:
        await connection.send("go")
        await _check_closed(connection, 4000)
    async with opened(place, random, "/fail") as connection:
        await _check_closed(connection, 1011)
    async with opened(place, random) as connection:
        await connection.send(random.randbytes(50_000))
        connection.transport.abort()
    return 4


async def wait_for_pings(place: Place, random: Random) -> int:
    """A WebSocket that only answers pings, and still is open after some."""
    async with opened(place, random) as connection:
        await anyio.sleep(_PINGS)
        await connection.send("still there")
        assert await connection.recv() == "still there"
    return 1


async def break_rules(place: Place, random: Random) -> int:
    """A frame that has to be answered with a close frame."""
    octets, code = random.choice(_WRONG)
    async with place.http1(random) as client:
        await client.send(HANDSHAKE.replace(b"GET /", b"GET /echo"))
        status, _ = await client.head()
        assert status == 101, f"status {status} instead of 101"
        await client.send(octets)
        answer = await client.rest()
        assert answer[:1] == b"\x88", f"{answer[:40]!r} instead of a close frame"
        assert int.from_bytes(answer[2:4], "big") == code, f"closed with {answer[2:4]!r} instead of {code}"
    return 1


async def drop_handshake(place: Place, random: Random) -> int:
    """A handshake that is left half way, one that is none, and one that takes too long."""
    context = random.choice([place.authority.http1, place.authority.http2, place.authority.old])
    case = random.randrange(6)
    async with place.connected(secure=True) as stream:
        if case < 3:
            hello = _hello(context)
            await stream.send(hello[: len(hello) // 2] if case == 0 else hello)
            if case == 2:
                await stream.receive()  # The server's part, to which there is no answer.
            if random.random() < 0.5:
                await Client(stream).reset()
        elif case == 3:
            await stream.send(request_bytes())
            await Client(stream).rest()
        elif case == 4:
            await stream.send(_hello(context)[:100])
            assert await Client(stream).rest() == b"", "half a handshake was answered"
        else:
            await SecureStream(stream, context).shake_hands()
    return 0


async def renew(place: Place, random: Random) -> int:
    """Another certificate: new clients see it, those that are there go on."""
    authority = place.authority
    async with place.secured(authority.http1) as before:
        await before.send(request_bytes())
        check(await before.response(), GREETING)
        authority.renew()
        async with place.connected() as stream:
            client = Client(stream)
            await client.send(request_bytes("POST", "/renew"))
            check(await client.response(), b"renewed")
        for context in (authority.http1, authority.old):
            async with place.secured(context) as after:
                shown = tls_of(after).tls.getpeercert(binary_form=True)
                assert shown is not None
                serial = x509.load_der_x509_certificate(shown).serial_number
                assert serial == authority.serial, "a new client does not see the new certificate"
                await after.send(request_bytes())
                check(await after.response(), GREETING)
        await before.send(request_bytes())
        check(await before.response(), GREETING)
    return 5


async def _check_closed(connection: ClientConnection, code: int) -> None:
    try:
        message = await connection.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "cut instead of closed"  # noqa: PT017
        assert closed.rcvd.code == code, f"closed with {closed.rcvd.code} instead of {code}"  # noqa: PT017
    else:
        raise AssertionError(f"{message!r} instead of a close frame")


def _pieces(random: Random) -> list[str] | list[bytes]:
    count = random.randint(1, 5)
    if random.random() < 0.5:
        return ["".join(random.choices("abc äöü €😀", k=random.randint(0, 2000))) for _ in range(count)]
    return [random.randbytes(random.randint(0, 10_000)) for _ in range(count)]


def _hello(context: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()
