"""The app that every server is given, so that a difference between two figures is the server's."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]

PIECE: Final = b"x" * (64 * 1024)
PIECES: Final = 160
BODY_SIZE: Final = PIECES * len(PIECE)
GREETING: Final = b"Hello, world!"

PLAIN: Final = (b"content-type", b"text/plain; charset=utf-8")


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer a greeting on `/`, 10 MiB on `/down` and `/down-chunked`, the size of the body on `/up`.

    What comes over a WebSocket, as octets, goes back.
    """
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] == "websocket":
        await _echo(receive, send)
        return
    path = scope["path"]
    if path == "/":
        await _answer(GREETING, send)
    elif path == "/down":
        await _pour([PLAIN, (b"content-length", str(BODY_SIZE).encode())], send)
    elif path == "/down-chunked":
        await _pour([PLAIN], send)
    elif path == "/up":
        size = 0
        more = True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await _answer(str(size).encode(), send)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def _answer(body: bytes, send: Send) -> None:
    fields = [PLAIN, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _pour(fields: Fields, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for _ in range(PIECES - 1):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": PIECE})
