"""What the tests of a WebSocket's exchange say: opcodes, and an application's messages."""

from __future__ import annotations

from typing import Any, Final

from sansio import Message

__all__ = ["ACCEPT", "BINARY", "CLOSE", "GONE", "PING", "PONG", "TEXT", "close", "denial", "text"]

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
ACCEPT: Final[Message] = {"type": "websocket.accept"}
GONE: Final = (1006, "")


def text(value: Any) -> Message:
    return {"type": "websocket.send", "text": value}


def close(*values: Any) -> Message:
    return {"type": "websocket.close", **dict(zip(("code", "reason"), values, strict=False))}


def denial(status: Any = 401, headers: Any = ()) -> Message:
    return {"type": "websocket.http.response.start", "status": status, "headers": headers}
