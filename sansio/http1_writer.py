"""The writer of HTTP/1: every octet of a response comes from here. What goes into it has been checked before.

Source: RFC 9112 §4, §5, §7.1.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from .asgi import Field
from .fields import EncodedFields, FieldEncoder
from .settings import DefaultFields

__all__ = [
    "CONTINUE",
    "ENCODER",
    "LAST_CHUNK",
    "encode_chunk",
    "encode_early_hint",
    "encode_error",
    "encode_head",
    "encode_switch",
    "encode_trailers",
]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

# The registry's own phrases; what Python calls them depends on its version. RFC 9110 §15
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

# "A server MUST send the space that separates the status-code from the reason-phrase even when the reason-phrase is
# absent". RFC 9112 §4. Some clients cannot read an absent one, so there always is one.
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}\r\n".encode("ascii")
    for status in (101, *range(200, 600))
}


def _encode(name: bytes, value: bytes) -> bytes:
    return b"%b: %b\r\n" % (name, value)


def _decode(line: bytes) -> Field:
    name, _, value = line[:-2].partition(b": ")
    return name, value


# Lines are the same for all connections, and so is the cache of those that were checked.
ENCODER: Final = FieldEncoder(_encode, _decode)


def encode_head(  # noqa: PLR0913 - one for each thing that is in a head.
    status: int,
    fields: EncodedFields,
    defaults: DefaultFields,
    length: int | None,
    *,
    chunked: bool,
    close: bool,
) -> list[bytes]:
    """Return the pieces of a response's head, its end included.

    A default field that the application has sent itself is left out.
    """
    parts = [_STATUS_LINES[status]]
    if fields.date or fields.server:
        parts += (
            b"" if fields.date else defaults.date_line,
            b"" if fields.server else defaults.server_line,
            defaults.extra_lines,
        )
    else:
        parts.append(defaults.block)
    parts += fields.lines
    if length is not None:
        parts.append(b"content-length: %d\r\n" % length)
    elif chunked:
        parts.append(b"transfer-encoding: chunked\r\n")
    parts.append(b"connection: close\r\n\r\n" if close else b"\r\n")
    return parts


def encode_error(status: int, reason: str, defaults: DefaultFields) -> tuple[bytes, bytes]:
    """Return head and content of a response of the server's own, which ends the connection."""
    phrase = _PHRASES[status]
    # "The server MUST send an Upgrade header field in a 426 response". RFC 9110 §15.5.22; RFC 6455 §4.4
    advice = b"upgrade: websocket\r\nsec-websocket-version: 13\r\n" if status == 426 else b""
    content = f"{phrase}: {reason}\n".encode("ascii") if reason else f"{phrase}\n".encode("ascii")
    head = (
        b"%b%b%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        % (
            _STATUS_LINES[status],
            defaults.block,
            advice,
            len(content),
        )
    )
    return head, content


def encode_switch(
    fields: EncodedFields, defaults: DefaultFields, answers: list[Field], token: bytes
) -> bytes:
    """Return the head after which the connection is a WebSocket's (RFC 6455 §4.2.2)."""
    parts = encode_head(101, fields, defaults, None, chunked=False, close=False)
    parts[-1:] = (
        b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %b\r\n" % token,
        *[_encode(*field) for field in answers],
        b"\r\n",
    )
    return b"".join(parts)


def encode_chunk(content: bytes) -> bytes:
    """Return one chunk. Without content it would be the last, so there must be some (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def encode_trailers(lines: list[bytes]) -> bytes:
    """Return the last chunk with a trailer section."""
    return b"".join([b"0\r\n", *lines, b"\r\n"])


def encode_early_hint(lines: bytes) -> bytes:
    """Return a 103 (Early Hints) with these field lines (RFC 8297)."""
    return b"HTTP/1.1 103 Early Hints\r\n" + lines + b"\r\n"
