"""The fast reader of HTTP/1 heads: it takes the shapes that make up nearly all traffic, and only those.

The law: whatever it accepts, the gate and h11 accept with the same result. So it has no errors. Whatever is not
plain (another version, another form of target, a field it would have to think about) it leaves to them.

Most lines of a head were seen before, letter for letter: the same clients send them again and again. A line that
was validated once is found again in a dictionary. The dictionary is bounded in entries and in the size of a line,
and what could be a secret or is different each time stays out of it; filling it costs a peer more than emptying
it costs us.
"""

from __future__ import annotations

from typing import Final

from .asgi import Field
from .fields import TARGET_CHARACTERS, is_host, list_members, parse_content_length, parse_field_line
from .http1_gate import accepts_trailers
from .scope import RequestHead
from .settings import Settings

__all__ = ["read_head"]

_METHODS: Final = {
    name.encode("ascii"): name for name in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
}

_CACHE_ENTRIES: Final = 1_024
_CACHE_LINE_SIZE: Final = 512
_UNCACHED_FIELDS: Final = frozenset(
    {b"authorization", b"content-length", b"cookie", b"proxy-authorization", b"traceparent", b"x-request-id"}
)


# What a field means for the message that it stands in. Plain numbers: an enum's members cost a look-up each.
_HOST: Final = 1
_CLOSE: Final = 2
_LENGTH: Final = 3
_CHUNKED: Final = 4
_CONTINUE: Final = 5
_TRAILERS: Final = 6
_MEANINGFUL_FIELDS: Final = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"te", b"transfer-encoding", b"upgrade"}
)

# Whole lines, without CRLF, that are valid: those without a meaning of their own, and those with one.
_plain_lines: dict[bytes, Field] = {}
_meaning_lines: dict[bytes, tuple[Field, int]] = {}


def read_head(data: bytes, start: int, settings: Settings) -> tuple[RequestHead, int] | None:
    """Read the head that begins at `start`; return it and where it ends, or None if it is incomplete or not plain."""
    end = data.find(b"\r\n\r\n", start, start + settings.limit_request_head)
    if end < 0:
        return None
    lines = data[start:end].split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(parts) != 3 or len(lines) > settings.limit_request_fields + 1:
        return None
    method, target, version = parts
    name = _METHODS.get(method)
    if (
        name is None
        or version != b"HTTP/1.1"
        or target[:1] != b"/"
        or target.translate(None, TARGET_CHARACTERS)
    ):
        return None
    del lines[0]
    fields: list[Field] = []
    head = RequestHead(name, target, "1.1", fields)
    append = fields.append
    plain = _plain_lines
    has_host = has_framing = False
    for line in lines:
        if line in plain:
            append(plain[line])
            continue
        known = _meaning_lines.get(line) or _read_line(line)
        if known is None:
            return None
        field, meaning = known
        append(field)
        if not meaning:
            continue
        if meaning == _HOST:
            if has_host:
                return None
            has_host = True
        elif meaning == _CLOSE:
            head.close = True
        elif meaning == _CONTINUE:
            head.expects_continue = True
        elif meaning == _TRAILERS:
            head.accepts_trailers = True
        elif has_framing:
            return None
        else:
            has_framing = True
            head.content_length = None if meaning == _CHUNKED else int(field[1])
    if not has_host:
        return None
    if head.content_length == 0:
        head.expects_continue = False
    return head, end + 4


def _read_line(line: bytes) -> tuple[Field, int] | None:
    """Validate a line that is not in a cache, and put it there. None: it is not plain."""
    field = parse_field_line(line)
    if isinstance(field, str):
        return None
    name, value = field
    meaning = 0
    if name not in _MEANINGFUL_FIELDS:
        pass
    elif name == b"host":
        if not is_host(value):
            return None
        meaning = _HOST
    elif name == b"content-length":
        if parse_content_length(value) is None:
            return None
        meaning = _LENGTH
    elif name == b"transfer-encoding":
        if value != b"chunked":  # h11 would change another spelling.
            return None
        meaning = _CHUNKED
    elif name == b"expect":
        if value.lower() != b"100-continue":
            return None
        meaning = _CONTINUE
    elif name == b"upgrade":
        if b"websocket" in list_members(value):
            return None
    elif name == b"connection":
        meaning = _CLOSE if b"close" in list_members(value) else 0
    else:
        meaning = _TRAILERS if accepts_trailers(value) else 0
    _remember(line, field, meaning)
    return field, meaning


def _remember(line: bytes, field: Field, meaning: int) -> None:
    if len(line) > _CACHE_LINE_SIZE or field[0] in _UNCACHED_FIELDS:
        return
    if len(_plain_lines) + len(_meaning_lines) >= _CACHE_ENTRIES:
        _plain_lines.clear()
        _meaning_lines.clear()
    if not meaning:
        _plain_lines[line] = field
    else:
        _meaning_lines[line] = (field, meaning)
