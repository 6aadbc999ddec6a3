"""Field lines: their syntax, the lists in their values, and how a response's are checked and encoded.

Source: RFC 9110 §5 and §6.5; RFC 9112 §5.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from .asgi import Field
from .errors import InvalidMessage

__all__ = [
    "TARGET_CHARACTERS",
    "TOKEN_CHARACTERS",
    "VALUE_CHARACTERS",
    "EncodedFields",
    "FieldEncoder",
    "is_host",
    "is_token",
    "list_members",
    "parse_content_length",
    "parse_field_line",
]

_ALPHANUMERIC: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

TOKEN_CHARACTERS: Final = _ALPHANUMERIC + b"!#$%&'*+-.^_`|~"
"""tchar, RFC 9110 §5.6.2. ``value.translate(None, TOKEN_CHARACTERS)`` is empty for a token."""

TARGET_CHARACTERS: Final = bytes([byte for byte in range(0x21, 0x7F) if byte != 0x23])
"""What may stand in a request target: visible ASCII but "#". Wider than RFC 3986, because browsers are."""

VALUE_CHARACTERS: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""field-vchar, SP and HTAB, RFC 9110 §5.5. Every other control character is "invalid", CR, LF and NUL dangerous."""

_HOST: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"
)
"""uri-host [ ":" port ], RFC 9110 §7.2, without the comma: no registered name has one, and lists are an attack."""

_MAX_CONTENT_LENGTH_DIGITS: Final = 18

# Fields whose meaning is ours to decide: they never go out as the application wrote them.
_FRAMING_FIELDS: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding"})
_MEANINGFUL_FIELDS: Final = _FRAMING_FIELDS | {b"content-length", b"date", b"server"}

# "A sender MUST NOT generate a trailer field unless [...] the corresponding field name's definition permits it".
# RFC 9110 §6.5.1 names the kinds: framing, routing, modifiers, authentication, content format.
_FORBIDDEN_TRAILERS: Final = _FRAMING_FIELDS | {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"max-forwards",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"range",
    b"set-cookie",
    b"te",
    b"trailer",
    b"upgrade",
    b"www-authenticate",
}

# The cache of encoded lines: bounded in entries, and in bytes because long lines and secrets stay out of it.
_CACHE_ENTRIES: Final = 512
_CACHE_LINE_SIZE: Final = 256
_UNCACHED_FIELDS: Final = frozenset({b"set-cookie", b"etag", b"last-modified", b"location"})


def is_token(value: bytes) -> bool:
    """Tell whether these bytes are a token (RFC 9110 §5.6.2)."""
    return bool(value) and not value.translate(None, TOKEN_CHARACTERS)


def is_host(value: bytes) -> bool:
    """Tell whether these bytes can be the value of a Host field for http or https (RFC 9110 §7.2, §4.2)."""
    match = _HOST.fullmatch(value)
    if match is None or int(match[2] or b"0") > 65_535:
        return False
    if match[1] is not None:
        try:
            ipaddress.IPv6Address(match[1].decode("ascii"))
        except ValueError:
            return False
    return True


def list_members(value: bytes) -> list[bytes]:
    """Split a comma-separated list into its members, in lower case, without empty ones (RFC 9110 §5.6.1)."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]


def parse_content_length(value: bytes) -> int | None:
    """Read ``1*DIGIT`` (RFC 9110 §8.6), or return None. More than 18 digits are no length of anything."""
    return int(value) if value.isdigit() and len(value) <= _MAX_CONTENT_LENGTH_DIGITS else None


def parse_field_line(line: bytes) -> Field | str:
    """Read one field line without its CRLF: the name in lower case and the value, or what is wrong with it.

    Source: RFC 9112 §5. "No whitespace is allowed between the field name and colon."
    """
    name, colon, value = line.partition(b":")
    if not colon:
        return "field line without a colon"
    if not name or name.translate(None, TOKEN_CHARACTERS):
        return "folded field line" if line[:1] in {b" ", b"\t"} else "field name that is not a token"
    value = value.strip(b" \t")
    if value.translate(None, VALUE_CHARACTERS):
        return "control character in a field value"
    return name.lower(), value


class EncodedFields:
    """The fields of one response, checked, encoded, and relieved of what the server decides itself."""

    __slots__ = ("close", "content_length", "date", "lines", "server")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        """Each field as the encoder made it, in order, without Content-Length and the fields of framing."""
        self.content_length: int | None = None
        """The value of Content-Length, if the application sent one."""
        self.close = False
        """The application asked for ``Connection: close``."""
        self.date = False
        """The application sent a Date field of its own."""
        self.server = False
        """The application sent a Server field of its own."""


class FieldEncoder:
    """Checks the ``headers`` of the application's messages and encodes them for one version of HTTP.

    A line that was checked before is found again in a bounded cache.
    """

    __slots__ = ("_cache", "_dropped", "_encode", "decode")

    def __init__(
        self,
        encode: Callable[[bytes, bytes], bytes],
        decode: Callable[[bytes], Field],
        dropped: frozenset[bytes] = frozenset(),
    ) -> None:
        """Take how a field is encoded, and the names of those that this version of HTTP does not send."""
        self._encode = encode
        self._dropped = dropped
        self._cache: dict[Any, bytes] = {}
        self.decode = decode
        """From an encoded line back to name and value."""

    def encode(self, items: Iterable[Iterable[bytes]]) -> EncodedFields:
        """Encode a response's fields. The iterable is used once.

        Raises `InvalidMessage` for what is not a pair of bytes, not a token, not a field value (RFC 9110 §5),
        and for a Content-Length that is malformed or contradicts another.
        """
        result = EncodedFields()
        append = result.lines.append
        cached = self._cache.get
        item: Any
        for item in items if type(items) is list else _iterate(items):
            try:
                line = cached(item)
            except TypeError:  # A list, say: allowed, but it has no hash.
                line = None
            # A view of the same octets is equal, and has the same hash, but is not what was checked.
            if line is not None and type(item[0]) is bytes and type(item[1]) is bytes:
                append(line)
            elif type(item) is tuple and len(item) == 2 and item[0] == b"content-length":
                value = item[1]  # Nearly every response has one.
                if (
                    result.content_length is None
                    and type(value) is bytes
                    and value.isdigit()
                    and len(value) < _MAX_CONTENT_LENGTH_DIGITS
                ):
                    result.content_length = int(value)
                else:
                    _interpret_content_length(value, result)
            else:
                self._add(item, result)
        return result

    def encode_trailers(self, items: Iterable[Iterable[bytes]]) -> list[bytes]:
        """Encode fields of a trailer section.

        Raises `InvalidMessage`, also for a name that must not stand there (RFC 9110 §6.5.1).
        """
        lines = []
        for item in _iterate(items):
            name, value = _checked(item)
            if name in _FORBIDDEN_TRAILERS:
                raise InvalidMessage(f"field {name!r} is not allowed in trailers (RFC 9110 §6.5.1)")
            lines.append(self._encode(name, value))
        return lines

    def encode_value(self, name: bytes, value: object) -> bytes:
        """Encode one field of our own choice with a value of the application's."""
        return self._encode(*_checked((name, value)))

    def _add(self, item: object, result: EncodedFields) -> None:
        name, value = _checked(item)
        if name in _MEANINGFUL_FIELDS and not _interpret(name, value, result):
            return
        if name in self._dropped:
            return
        line = self._encode(name, value)
        result.lines.append(line)
        if type(item) is tuple and len(line) <= _CACHE_LINE_SIZE:
            if name in _UNCACHED_FIELDS or name in _MEANINGFUL_FIELDS:
                return
            if len(self._cache) >= _CACHE_ENTRIES:
                self._cache.clear()
            self._cache[item] = line


def _iterate(items: Iterable[Iterable[bytes]]) -> Iterable[object]:
    if isinstance(items, (str, bytes)) or not hasattr(items, "__iter__"):
        raise InvalidMessage(f"'headers' must be an iterable of pairs of bytes, got {type(items).__name__}")
    return items


def _checked(item: object) -> Field:
    """Return the name in lower case and the value without outer white space, or raise `InvalidMessage`."""
    if isinstance(item, (str, bytes)):
        raise InvalidMessage(f"a field must be a pair of bytes, got {item!r}")
    pair: Any = item
    try:
        name, value = pair
    except (TypeError, ValueError):
        raise InvalidMessage(f"a field must be a pair of bytes, got {item!r}") from None
    if type(name) is not bytes or type(value) is not bytes:
        raise InvalidMessage(f"field names and values must be bytes, got {name!r}: {value!r}")
    if not is_token(name):
        raise InvalidMessage(f"field name {name!r} is not a token (RFC 9110 §5.1)")
    value = value.strip(b" \t")
    if value.translate(None, VALUE_CHARACTERS):
        raise InvalidMessage(f"field {name!r} has a control character in its value {value!r} (RFC 9110 §5.5)")
    return name.lower(), value


def _interpret(name: bytes, value: bytes, result: EncodedFields) -> bool:
    """Take the meaning out of a field; return whether the line itself goes out."""
    if name == b"content-length":
        _interpret_content_length(value, result)
    elif name == b"connection":
        result.close = result.close or b"close" in list_members(value)
    elif name == b"date":
        result.date = True
        return True
    elif name == b"server":
        result.server = True
        return True
    return False


def _interpret_content_length(value: object, result: EncodedFields) -> None:
    length = parse_content_length(value.strip(b" \t")) if type(value) is bytes else None
    if length is None:
        raise InvalidMessage(f"content-length must be bytes of 1 to 18 digits (RFC 9110 §8.6), got {value!r}")
    if result.content_length is not None and result.content_length != length:
        raise InvalidMessage(f"content-length is given twice: {result.content_length} and {length}")
    result.content_length = length
