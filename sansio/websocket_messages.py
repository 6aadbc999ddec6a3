"""What an application's WebSocket messages say, and what is wrong with them: an `InvalidMessage` is the application's.

Source: ASGI HTTP & WebSocket 2.5, "WebSocket"; RFC 6455 §4.2.2, §7.4.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Final

from .asgi import Field, Message
from .errors import InvalidMessage, UnexpectedMessage
from .fields import EncodedFields, FieldEncoder
from .websocket_frames import cut_reason

__all__ = [
    "encode_text",
    "read_accept",
    "read_close",
    "read_denial",
    "read_denial_start",
    "read_octets",
    "unexpected",
]

_DENIAL: Final = "websocket."  # What stands before the name of an HTTP message.
_BODY: Final = "http.response.body"

_FIELDS_OF_THE_HANDSHAKE: Final = frozenset(
    {b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol", b"upgrade"}
)


def read_accept(
    message: Message, subprotocols: list[str], encoder: FieldEncoder
) -> tuple[EncodedFields, list[Field]]:
    """Return the application's fields, and the one that the subprotocol makes; `subprotocols` were offered."""
    subprotocol = message.get("subprotocol")
    if subprotocol is not None and subprotocol not in subprotocols:
        raise InvalidMessage(f"'subprotocol' must be one of {subprotocols}, got {subprotocol!r}")
    fields = encoder.encode(message.get("headers", ()))
    for line in fields.lines:
        name = encoder.decode(line)[0]
        if name in _FIELDS_OF_THE_HANDSHAKE:
            raise InvalidMessage(f"field {name!r} is the server's, say 'subprotocol' instead")
    if subprotocol is None:
        return fields, []
    return fields, [(b"sec-websocket-protocol", subprotocol.encode("ascii"))]


def read_denial(message: Message, state: str) -> Message:
    """Return what a message would be to HTTP, when only the body of a denial may come; `state` tells why.

    What is no message at all is HTTP's to refuse.
    """
    if not isinstance(message, MutableMapping) or "type" not in message:
        return message
    if message["type"] != _DENIAL + _BODY:
        raise unexpected(message["type"], (_DENIAL + _BODY,), state)
    return {**message, "type": _BODY}


def read_denial_start(message: Message, version: str) -> Message:
    """Return what the start of a denial is to HTTP of this version."""
    status = message.get("status")
    if version == "2" and isinstance(status, int) and 200 <= status < 300:
        # As in any response to CONNECT, it would mean success. RFC 9113 §8.5; RFC 8441 §4
        raise InvalidMessage(f"'status' of a denial must not be 2xx, which accepts on HTTP/2, got {status!r}")
    return {"status": status, "headers": message.get("headers", ())}


def read_close(message: Message) -> tuple[int, str]:
    """Return code and reason. RFC 6455 §7.4: codes that must not be sent, or mean nothing, are the app's mistake."""
    code = message.get("code")
    if code is None:
        code = 1000
    if (
        not isinstance(code, int)
        or isinstance(code, bool)
        or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)
    ):
        raise InvalidMessage(
            f"'code' must be 1000 to 1003, 1007 to 1014 or 3000 to 4999 (RFC 6455 §7.4), got {code!r}"
        )
    reason = message.get("reason")
    if reason is None:
        reason = ""
    return int(code), cut_reason(encode_text("reason", reason))


def encode_text(name: str, text: object) -> bytes:
    """Return a message's value `name` as it goes out: in UTF-8."""
    if not isinstance(text, str):
        raise InvalidMessage(f"{name!r} must be a str, got {type(text).__name__}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidMessage(f"{name!r} has a surrogate, which UTF-8 cannot carry") from None


def read_octets(octets: object, text: object) -> bytes:
    """Return the payload of a message that is not of text alone. Nobody can change it any more."""
    if (octets is None) is (text is None):
        raise InvalidMessage("exactly one of 'bytes' and 'text' must be given")
    if not isinstance(octets, (bytes, bytearray, memoryview)):
        raise InvalidMessage(f"'bytes' must be bytes, got {type(octets).__name__}")
    return bytes(octets)


def unexpected(kind: object, legal: Iterable[str], state: str) -> UnexpectedMessage:
    """Return an error that says what could have come in place of a message, and how far the session is."""
    expected = " or ".join(map(repr, legal)) or "nothing more"
    return UnexpectedMessage(f"expected {expected}, got {kind!r}; {state}")
