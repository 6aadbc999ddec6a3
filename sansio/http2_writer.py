"""The writer of HTTP/2's field blocks: heads of responses, interim and final, and trailers.

What goes into them has been checked before. All fields are literals without indexing: no table of the peer's has to
be kept in step, and a line that was encoded once is encoded for all connections.

Source: RFC 9113 §8.3.2; RFC 7541 §6.2.
"""

from __future__ import annotations

from typing import Final

from .field_blocks import STATUS, decode_field, encode_field
from .fields import EncodedFields, FieldEncoder
from .settings import DefaultFields

__all__ = ["CONTINUE", "ENCODER", "encode_early_hint", "encode_error", "encode_head"]

# "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields." RFC 9113 §8.2.2.
# TE belongs into requests, and the other ones no encoder lets through.
_DROPPED: Final = frozenset({b"te", b"upgrade"})

ENCODER: Final = FieldEncoder(encode_field, decode_field, _DROPPED)

CONTINUE: Final = STATUS[100]

_CONTENT_LENGTH: Final = encode_field(b"content-length", b"")[:-1]
_TEXT: Final = encode_field(b"content-type", b"text/plain; charset=utf-8")


def encode_head(status: int, fields: EncodedFields, defaults: DefaultFields, length: int | None) -> bytes:
    """Return the block of a response's head. A default field that the application has sent itself is left out."""
    parts = [STATUS[status]]
    if fields.date or fields.server:
        parts.append(_encode_defaults(defaults, date=not fields.date, server=not fields.server))
    else:
        parts.append(defaults.http2_block or _default_block(defaults))
    parts += fields.lines
    if length is not None:
        digits = b"%d" % length
        parts.append(b"%b%c%b" % (_CONTENT_LENGTH, len(digits), digits))
    return b"".join(parts)


def encode_error(status: int, reason: str, defaults: DefaultFields) -> tuple[bytes, bytes]:
    """Return the block and the content of a response of the server's own."""
    content = f"{reason}\n".encode("ascii")
    length = encode_field(b"content-length", b"%d" % len(content))
    return STATUS[status] + _default_block(defaults) + _TEXT + length, content


def encode_early_hint(lines: bytes) -> bytes:
    """Return the block of a 103 (Early Hints) with these lines (RFC 8297)."""
    return STATUS[103] + lines


def _default_block(defaults: DefaultFields) -> bytes:
    block = defaults.http2_block
    if block is None:
        block = defaults.http2_block = _encode_defaults(defaults, date=True, server=True)
    return block


def _encode_defaults(defaults: DefaultFields, *, date: bool, server: bool) -> bytes:
    parts = []
    if date and defaults.date is not None:
        parts.append(encode_field(b"date", defaults.date))
    if server and defaults.server is not None:
        parts.append(encode_field(b"server", defaults.server))
    parts += [encode_field(name, value) for name, value in defaults.fields]
    return b"".join(parts)
