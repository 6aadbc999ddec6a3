"""The opening handshake of a WebSocket: what the client asks for, and what it is answered.

The head was read once, with all other rules of HTTP, and is not read again.

Source: RFC 6455 §4.2, §9.1, §11.3; RFC 8441 §5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from .errors import PeerError
from .fields import is_token
from .scope import RequestHead

__all__ = ["Handshake", "Offer", "accept_token", "read_handshake"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE: Final = 16
_VERSION: Final = b"13"

# More offers and subprotocols than any client has, and few enough to look at each.
_MAX_OFFERS: Final = 32
_MAX_SUBPROTOCOLS: Final = 64

_TCHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TOKEN: Final = _TCHAR + rb"+"
# "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the 'token'
# ABNF." RFC 6455 §9.1.
_PARAMETER: Final = re.compile(
    rb"[ \t]*;[ \t]*(" + _TOKEN + rb")(?:[ \t]*=[ \t]*(?:(" + _TOKEN + rb')|"((?:\\?' + _TCHAR + rb')+)"))?'
)
_NAME: Final = re.compile(rb"[ \t]*(" + _TOKEN + rb")")
_NEXT: Final = re.compile(rb"[ \t]*(?:,|\Z)")


class Offer:
    """One extension that the client offers, with its parameters in order."""

    __slots__ = ("name", "parameters")

    def __init__(self, name: bytes, parameters: list[tuple[bytes, bytes | None]]) -> None:
        self.name = name
        self.parameters = parameters
        """Names and values; None where there is no value."""


class Handshake:
    """What the client asks for."""

    __slots__ = ("key", "offers", "subprotocols")

    def __init__(self, key: bytes, subprotocols: list[str], offers: list[Offer]) -> None:
        self.key = key
        self.subprotocols = subprotocols
        """In the order of the client's preference."""
        self.offers = offers
        """In the order of the client's preference."""


def read_handshake(head: RequestHead) -> Handshake | PeerError:
    """Read what a request asks for that wants to become a WebSocket, or say what is wrong with it."""
    keys: list[bytes] = []
    versions: list[bytes] = []
    subprotocols: list[str] = []
    offers: list[Offer] = []
    for name, value in head.fields:
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            for member in value.split(b","):
                member = member.strip(b" \t")  # noqa: PLW2901 - the same, trimmed.
                if member and not is_token(member):
                    return PeerError(400, "WebSocket subprotocol that is not a token")
                if member:
                    subprotocols.append(member.decode("ascii"))
        elif name == b"sec-websocket-extensions" and not _read_offers(value, offers):
            return PeerError(400, "malformed WebSocket extensions")
    problem = _judge(head, keys, versions) if head.version != "2" else _judge_on_stream(head, versions)
    if problem is not None:
        return problem
    if len(offers) > _MAX_OFFERS or len(subprotocols) > _MAX_SUBPROTOCOLS:
        return PeerError(400, "too many WebSocket extensions or subprotocols")
    return Handshake(keys[0] if keys else b"", subprotocols, offers)


def accept_token(key: bytes) -> bytes:
    """Return the value of Sec-WebSocket-Accept that proves that the key was read (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _judge(head: RequestHead, keys: list[bytes], versions: list[bytes]) -> PeerError | None:
    if head.content_length != 0:
        return PeerError(400, "WebSocket handshake with content")
    if len(versions) != 1:
        return PeerError(400, "WebSocket handshake without exactly one version")
    if versions[0] != _VERSION:
        return PeerError(426, "WebSocket version other than 13")
    if len(keys) != 1 or not _is_key(keys[0]):
        return PeerError(400, "WebSocket handshake without exactly one key of 16 octets")
    return None


def _judge_on_stream(head: RequestHead, versions: list[bytes]) -> PeerError | None:
    """On HTTP/2 the stream is the socket: it has to stay open, and there is no key (RFC 8441 §5)."""
    if head.content_length is not None:
        return PeerError(400, "WebSocket handshake with content, or with the end of its stream")
    if versions != [_VERSION]:
        return PeerError(400, "WebSocket handshake without exactly one version, which is 13")
    return None


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_SIZE
    except binascii.Error:
        return False


def _read_offers(value: bytes, offers: list[Offer]) -> bool:
    """Add the extensions of one field line. False: the line is malformed.

    Empty members of a list are to be ignored (RFC 9110 §5.6.1).
    """
    position = 0
    while position < len(value):
        name = _NAME.match(value, position)
        if name is not None:
            position = name.end()
            parameters: list[tuple[bytes, bytes | None]] = []
            while (parameter := _PARAMETER.match(value, position)) is not None:
                value_of_it = parameter[2]
                if parameter[3] is not None:
                    value_of_it = parameter[3].replace(b"\\", b"")
                parameters.append((parameter[1], value_of_it))
                position = parameter.end()
            offers.append(Offer(name[1], parameters))
        end = _NEXT.match(value, position)
        if end is None:
            return False
        position = end.end()
    return True
