"""Routes that break the rules of ASGI on a WebSocket. They run on asyncio and on trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from tests.attacks.hostile_messages import BAD_FIELDS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]

OFFERED: Final = "offered"
"""The subprotocol that clients offer."""
LONG_REASON: Final = "\u00e4" * 100
"""In UTF-8 more than the 123 octets of a close frame, and its middle no end of a character."""
CHANGES: Final = 400
CHANGED_SIZE: Final = 20_000
"""Some of them wait together in a write buffer, and all of them are more than the kernel's buffers hold."""


def _accept(**more: Any) -> Message:
    return {"type": "websocket.accept", **more}


def _send(**more: Any) -> Message:
    return {"type": "websocket.send", **more}


def _close(code: Any, reason: Any = "") -> Message:
    return {"type": "websocket.close", "code": code, "reason": reason}


def _deny(status: Any, *fields: Any) -> Message:
    return {"type": "websocket.http.response.start", "status": status, "headers": list(fields)}


_CODES: Final = (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1, 65_536, "1000", 1000.0, True)

BAD_HANDSHAKES: Final[dict[str, list[Any]]] = {
    "none": [None],
    "empty": [{}],
    "unknown-type": [{"type": "nonsense"}],
    "sends-first": [_send(text="x")],
    "responds": [{"type": "http.response.start", "status": 200, "headers": []}],
    "subprotocol-of-nobody": [_accept(subprotocol="other")],
    "subprotocol-of-octets": [_accept(subprotocol=OFFERED.encode())],
    "subprotocol-with-a-line-end": [_accept(subprotocol=f"{OFFERED}\r\nInjected: yes")],
    "fields-of-three": [_accept(headers=[(b"x", b"y", b"z")])],
    "fields-as-text": [_accept(headers=[("x", "y")])],
    "subprotocol-as-a-field": [_accept(headers=[(b"sec-websocket-protocol", b"other")])],
    "extensions-as-a-field": [_accept(headers=[(b"sec-websocket-extensions", b"permessage-deflate")])],
    **{f"accept-with-bad-{name}": [_accept(headers=[field])] for name, field in BAD_FIELDS.items()},
    **{f"deny-with-bad-{name}": [_deny(403, field)] for name, field in BAD_FIELDS.items()},
    "deny-with-101": [_deny(101)],
    "closes-with-999": [_close(999)],
}
"""What cannot answer a handshake: the last of each is to be refused."""

BAD_SESSIONS: Final[dict[str, list[Any]]] = {
    "accepts-twice": [_accept(), _accept()],
    "denies-late": [_accept(), _deny(403)],
    "none-late": [_accept(), None],
    "both": [_accept(), _send(bytes=b"x", text="x")],
    "neither": [_accept(), _send()],
    "neither-but-none": [_accept(), _send(bytes=None, text=None)],
    "octets-as-text": [_accept(), _send(text=b"x")],
    "text-as-octets": [_accept(), _send(bytes="x")],
    "a-number": [_accept(), _send(bytes=5)],
    "a-surrogate": [_accept(), _send(text="\ud800")],
    "reason-of-octets": [_accept(), _close(1000, b"x")],
    "reason-with-a-surrogate": [_accept(), _close(1000, "\ud800")],
    **{f"code-{code!r}".replace("'", "_"): [_accept(), _close(code)] for code in _CODES},
}
"""What cannot be said in a session, the last of each again; it may go on with something else."""

BEHIND_CLOSE: Final[dict[str, list[Any]]] = {
    "sends-behind-its-close": [_accept(), _close(1000), _send(text="late")],
    "closes-twice": [_accept(), _close(1000), _close(4000)],
    "accepts-behind-its-close": [_accept(), _close(1000), _accept()],
}
"""What comes too late; the client has had its close frame."""

_WRONG: Final = BAD_HANDSHAKES | BAD_SESSIONS | BEHIND_CLOSE


async def _say_wrong(scope: Scope, receive: Receive, send: Send) -> None:
    """Lets what is raised go."""
    await receive()
    for message in _WRONG[scope["path"].rpartition("/")[2]]:
        await send(message)


async def _correct(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what is right when it has seen what is raised, and tells the client what that was."""
    await receive()
    *before, wrong = _WRONG[scope["path"].rpartition("/")[2]]
    for message in before:
        await send(message)
    try:
        await send(wrong)
    except Exception as error:  # noqa: BLE001 - whichever it is.
        if not before:
            await send(_accept(subprotocol=OFFERED))
        await send(_send(text=type(error).__name__))
        await send(_close(1000))


async def _give_a_long_reason(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(_accept())
    await send(_close(4000, LONG_REASON))


async def _change_later(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends one buffer again and again, itself and a view of it, and writes over it at once."""
    await receive()
    await send(_accept())
    buffer = bytearray(CHANGED_SIZE)
    for number in range(CHANGES):
        buffer[:] = b"%c" % (97 + number % 26) * CHANGED_SIZE
        await send(_send(bytes=memoryview(buffer) if number % 2 else buffer))
    buffer[:] = b"!" * CHANGED_SIZE
    await send(_close(1000))


HOSTILE_SESSIONS: Final[dict[str, Route]] = {
    "/wrong": _say_wrong,
    "/correct": _correct,
    "/long-reason": _give_a_long_reason,
    "/change-later": _change_later,
}
