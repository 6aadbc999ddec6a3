"""The application that is attacked: it keeps a journal of its calls, and has a route for what an attack needs.

Any path that has no route reads the whole content and answers with a greeting. Over a WebSocket messages come back,
but at the paths named in `SESSIONS`. It runs on asyncio and on trio.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio

from tests.attacks.hostile_app import HOSTILE
from tests.attacks.hostile_sessions import HOSTILE_SESSIONS
from tests.attacks.journal import Call

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]

GREETING: Final = b"Hello, world!"
PIECE: Final = b"x" * 65_536
MEGABYTE: Final = b"x" * (1024 * 1024)
LARGE: Final = 64 * 1024 * 1024
MOST_CALLS: Final = 2_000
MOST_TEXT: Final = 200

_journal: list[Call] = []
_totals = {"calls": 0}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one exchange, and write it down unless a polite client asks."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif any(name.lower() == b"x-polite" for name, _ in scope["headers"]):
        await _answer_politely(scope, send)
    else:
        await _write_down(scope, receive, send)


async def _answer_politely(scope: Scope, send: Send) -> None:
    body = GREETING
    if scope["path"] == "/journal":
        body = json.dumps(_journal).encode()
        _journal[:] = [call for call in _journal if not call["end"]]
    elif scope["path"] == "/total":
        body = b"%d" % _totals["calls"]
    await answer(send, body)


async def _write_down(scope: Scope, receive: Receive, send: Send) -> None:
    call = _begin(scope)

    async def watched() -> Message:
        message = await receive()
        kind = message["type"]
        if kind in {"http.request", "websocket.receive"}:
            content = message.get("body") or message.get("bytes") or (message.get("text") or "").encode()
            call["octets"] += len(content)
            call["messages"] += 1
            call["whole"] = kind == "http.request" and not message.get("more_body", False)
        elif kind.endswith(".disconnect"):
            disconnected.append(True)
        return message

    disconnected: list[bool] = []
    try:
        if scope["type"] == "websocket":
            await SESSIONS.get(_first_segment(scope["path"]), _echo)(scope, watched, send)
        else:
            await ROUTES.get(_first_segment(scope["path"]), _read_and_greet)(scope, watched, send)
        call["end"] = "disconnected" if disconnected else "returned"
    except Exception as error:
        call["end"] = f"raised {type(error).__name__}"
        if not isinstance(error, OSError):
            raise
    finally:
        call["end"] = call["end"] or "cancelled"


def _begin(scope: Scope) -> Call:
    _totals["calls"] += 1
    call = Call(
        kind=scope["type"],
        method=scope.get("method", ""),
        path=scope["path"][:MOST_TEXT],
        target=(scope.get("raw_path") or scope["path"].encode())[:MOST_TEXT].decode("latin-1"),
        client=scope["client"][0] if scope.get("client") else "",
        scheme=scope.get("scheme", ""),
        octets=0,
        messages=0,
        whole=False,
        end="",
    )
    if len(_journal) < MOST_CALLS:
        _journal.append(call)
    return call


async def answer(send: Send, body: bytes, status: int = 200, *fields: tuple[bytes, bytes]) -> None:
    """Answer with this content, and its length."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


# Routes. One answers for whatever is below its path, too.


def _first_segment(path: str) -> str:
    return "/" + path[1:].partition("/")[0]


async def _read_and_greet(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "http.request":
        if not message.get("more_body", False):
            await answer(send, GREETING)
            return


async def _greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads nothing."""
    await answer(send, GREETING)


async def _take_time(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers after a second."""
    await anyio.sleep(1)
    await answer(send, GREETING)


async def _pour(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends 64 MiB in pieces."""
    fields = [(b"content-length", b"%d" % LARGE)]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for sent in range(0, LARGE, len(PIECE)):
        last = sent + len(PIECE) == LARGE
        # Each is another one: of the same octets a server could keep as many as it likes.
        piece = sent.to_bytes(8, "big") + PIECE[8:]
        await send({"type": "http.response.body", "body": piece, "more_body": not last})


async def _drip(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends ten pieces within a second."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    for number in range(10):
        await anyio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 9})


async def _wait_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers nothing, and returns when its client has left."""
    while (await receive())["type"] == "http.request":
        pass


async def _redirect(scope: Scope, receive: Receive, send: Send) -> None:
    """Puts its path, decoded, into a field."""
    location = scope["path"].encode("utf-8", "replace")
    await answer(send, b"", 302, (b"location", location))


async def _tell_fields(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the fields of the request, escaped."""
    await answer(send, repr(list(map(tuple, scope["headers"]))).encode())


async def _send_a_megabyte(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends it in one message."""
    await answer(send, MEGABYTE)


async def _take_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Neither reads nor answers for a minute."""
    await anyio.sleep(60)


async def _repeat_the_query(scope: Scope, receive: Receive, send: Send) -> None:
    """Puts the query into a field."""
    await answer(send, GREETING, 200, (b"x-query", scope["query_string"]))


ROUTES: Final[dict[str, Route]] = {
    "/none": _greet,
    "/slow": _take_time,
    "/large": _pour,
    "/drip": _drip,
    "/redirect": _redirect,
    "/fields": _tell_fields,
    "/wait": _wait_for_the_end,
    "/megabyte": _send_a_megabyte,
    "/deaf": _take_nothing,
    "/repeat": _repeat_the_query,
    **HOSTILE,
}


# WebSockets.


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("bytes") is not None:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


async def _accept_and_be_deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes no message for a minute."""
    await receive()
    await send({"type": "websocket.accept"})
    await anyio.sleep(60)


async def _never_accept(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def _talk(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends 64 MiB in messages, and never reads."""
    await receive()
    await send({"type": "websocket.accept"})
    for sent in range(0, LARGE, len(PIECE)):
        await send({"type": "websocket.send", "bytes": sent.to_bytes(8, "big") + PIECE[8:]})


async def _accept_and_nap(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes no message, and returns after two seconds."""
    await receive()
    await send({"type": "websocket.accept"})
    await anyio.sleep(2)


async def _accept_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Thinks for a second, and is an echo then."""
    await anyio.sleep(1)
    await _echo(scope, receive, send)


async def _say_goodbye(scope: Scope, receive: Receive, send: Send) -> None:
    """Closes at once."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1000})


SESSIONS: Final[dict[str, Route]] = {
    "/late": _accept_late,
    "/nap": _accept_and_nap,
    "/goodbye": _say_goodbye,
    "/deaf": _accept_and_be_deaf,
    "/silent": _never_accept,
    "/refuse": _refuse,
    "/talk": _talk,
    **HOSTILE_SESSIONS,
}
