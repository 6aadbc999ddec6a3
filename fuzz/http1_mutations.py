"""Changes to streams of HTTP/1 that know what they change: lines, fields, framing, chunks, and what stands behind them.

A change that no reader would look at twice is no use; each of these was once read in two ways by somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from .generate import METHODS, TARGETS, Chooser, mutate, pipeline, request

__all__ = ["each_word", "mutate_http1", "splice"]

_Place: TypeAlias = re.Match[bytes]

_REQUEST_LINE: Final = re.compile(rb"([^\s:]+)( )([^\s]+)( )(HTTP/1\.[01])(\r\n)")
_FIELD_LINE: Final = re.compile(rb"(?<=\n)([!-9;-~]+)(:[ \t]*)([^\r\n]*)(\r\n)")
_CHUNK_LINE: Final = re.compile(rb"(?<=\n)([0-9A-Fa-f]{1,16})((?:;[^\r\n]*)?)(\r\n)")
_LENGTH: Final = re.compile(rb"(?<=\n)(Content-Length:[ \t]*)([0-9]+)", re.IGNORECASE)
_LAST_CHUNK: Final = re.compile(rb"(?<=\n)0+(;[^\r\n]*)?\r\n")
_LINE_END: Final = re.compile(rb"\r\n")
_HEAD_END: Final = re.compile(rb"\r\n\r\n")

_LINE_ENDS: Final = (
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\r\n\r",
    b"\n\r",
    b"\x0b",
    b"\x0c",
    b"\xc2\x85",
    b"\x00\r\n",
    b" \r\n",
    b"",
)
_SPACES: Final = (b"", b"  ", b"\t", b"\x0b", b"\x0c", b"\xa0", b"\xc2\xa0", b"\r", b"\x00", b"\x85")
_COLONS: Final = (
    b":",
    b" :",
    b"\t:",
    b":\t",
    b": \t ",
    b"::",
    b"\x00:",
    b"\x0b:",
    b":\x0b",
    b":\r\n ",
    b"\r\n:",
    b"=",
    b"",
)
_OCTETS: Final = (
    b"\x00",
    b"\x01",
    b"\x08",
    b"\t",
    b"\n",
    b"\x0b",
    b"\x0c",
    b"\r",
    b"\x1f",
    b" ",
    b'"',
    b",",
    b"\x7f",
    b"\x80",
    b"\xff",
)
_OTHER_METHODS: Final = (
    b"get",
    b"Get",
    b"CONNECT",
    b"TRACE",
    b"OPTIONS",
    b"G\x00T",
    b"G(T",
    b"\xffGET",
    b"QUERY",
    b"A" * 33,
    b"PRI",
)
_OTHER_TARGETS: Final = (
    b"*",
    b"a:80",
    b"a",
    b"/a#b",
    b"/\x80",
    b"/\x00",
    b"/\x7f",
    b"/ /",
    b"\\a",
    b"?q",
    b"http:",
    b"http:///p",
    b"http://u@a/",
    b"http://a:99999/",
    b"http://b,c/",
    b"http://[::1/",
    b"ftp://a/",
    b"HtTp://b?q",
    b"/\thttp://b/",
    b"//b/c",
    b"/" + b"a" * 300,
)
_VERSIONS: Final = (
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/1.2",
    b"HTTP/1.9",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/3",
    b"http/1.1",
    b"HTTP/1,1",
    b"HTTP/1.1 ",
    b"HTTP /1.1",
    b"ICE/1.0",
    b"RTSP/1.0",
    b"",
)
_FRAMING: Final = (
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"content-length:5",
    b"CONTENT-LENGTH: 30",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:CHUNKED",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: , chunked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked;q=1",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding:",
    b"Transfer-Encoding: gzip",
    b"Transfer_Encoding: chunked",
    b"Host: a",
    b"host: b",
    b"Host:",
    b"Host: a, b",
    b"Host: u@a",
    b"Host: a/b",
    b"Connection: close",
    b"connection: CLOSE",
    b"Connection: keep-alive",
    b"Connection: close, keep-alive",
    b"Connection: keep-alive, close",
    b"Connection: , close",
    b"Connection: closed",
    b"Connection: clos\xe9",
    b"Connection: upgrade",
    b"Connection: Upgrade, close",
    b"Connection: Transfer-Encoding, Content-Length",
    b"Proxy-Connection: close",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABk",
    b"Expect: 100-continue",
    b"Expect: 100-Continue",
    b"Expect: 100-continue, x",
    b"Expect: x",
    b"TE: trailers",
    b"Trailer: Content-Length",
)
_EXTENSIONS: Final = (
    b";",
    b";;",
    b" ;a",
    b"; a",
    b";a ",
    b"; a = b",
    b";a=",
    b";=b",
    b';a="b',
    b';a="b\\"',
    b';a="\\\r"',
    b';a="b;c"',
    b';a="\r\n0\r\n\r\n"',
    b";a\rb",
    b";a\nb",
    b";a\x00",
    b";a\x80",
    b';a="\x80"',
    b";a=b,c",
    b" ",
    b"\t",
    b"\x0b",
    b";" + b"a" * 200,
)
_CHUNK_ENDS: Final = (
    b"",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\r",
    b"X\r\n",
    b"\r\nX",
    b"\r\r\n",
    b"  ",
    b"\x00\x00",
)
_NEXT: Final = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def _place(pattern: re.Pattern[bytes], data: bytes, chooser: Chooser) -> _Place | None:
    places = list(pattern.finditer(data))
    return chooser.choice(places) if places else None


def _replace(place: _Place, group: int | str, new: bytes) -> bytes:
    start, end = place.span(group)
    return place.string[:start] + new + place.string[end:]


def _change_request_line(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_REQUEST_LINE, data, chooser)
    if place is None:
        return data
    part = chooser.choice((1, 1, 3, 3, 3, 5, 5, 2, 4, 6))
    choices = {
        1: METHODS + _OTHER_METHODS,
        2: _SPACES,
        3: TARGETS + _OTHER_TARGETS,
        4: _SPACES,
        5: _VERSIONS,
        6: _LINE_ENDS,
    }[part]
    return _replace(place, part, chooser.choice(choices))


def _change_field_line(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_FIELD_LINE, data, chooser)
    if place is None:
        return data
    name, value = place[1], place[3]
    kind = chooser.randint(0, 9)
    if kind == 0:
        return _replace(place, 0, place[0] * 2)
    if kind == 1:
        return _replace(place, 1, chooser.choice((name.upper(), name.lower(), name.swapcase())))
    if kind == 2:
        return _replace(place, 1, _insert(name, chooser.choice(_OCTETS), chooser))
    if kind == 3:
        return _replace(place, 2, chooser.choice(_COLONS))
    if kind == 4:
        return _replace(place, 3, _insert(value, chooser.choice(_OCTETS), chooser))
    if kind == 5:
        return _replace(
            place, 3, _insert(value, chooser.choice((b"\r\n ", b"\r\n\t", b"\n ", b"\r\n \r\n ")), chooser)
        )
    if kind == 6:
        before, after = chooser.choice(_SPACES), chooser.choice(_SPACES)
        return _replace(place, 3, before + value + after)
    if kind == 7:
        forms = (
            value + b", " + value,
            b"," + value,
            value + b",",
            b'"' + value + b'"',
            value.swapcase(),
            b"",
        )
        return _replace(place, 3, chooser.choice(forms))
    if kind == 8:
        return _replace(place, 4, chooser.choice(_LINE_ENDS))
    return _replace(
        place,
        0,
        chooser.choice(
            (b"", b" " + place[0], place[0] + b" folded\r\n", name + b"\r\n", b":" + value + b"\r\n")
        ),
    )


def _insert(data: bytes, new: bytes, chooser: Chooser) -> bytes:
    middle = chooser.randint(0, len(data))
    return data[:middle] + new + data[middle:]


def _add_fields(data: bytes, chooser: Chooser) -> bytes:
    """Put one or two fields that matter into a head, or two of one kind."""
    place = _place(_REQUEST_LINE, data, chooser)
    if place is None:
        return data
    new = b"".join(chooser.choice(_FRAMING) + b"\r\n" for _ in range(chooser.randint(1, 2)))
    end = data.find(b"\r\n\r\n", place.start())
    at_the_end = end >= place.end() and chooser.randint(0, 1)
    start = end + 2 if at_the_end else place.end()
    return data[:start] + new + data[start:]


def _change_framing(data: bytes, chooser: Chooser) -> bytes:
    """Give a message other framing and leave its content as it is."""
    places = [
        place
        for place in _FIELD_LINE.finditer(data)
        if place[1].lower() in {b"content-length", b"transfer-encoding"}
    ]
    if not places:
        return _add_fields(data, chooser)
    return _replace(chooser.choice(places), 0, chooser.choice(_FRAMING) + b"\r\n")


def _change_length(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_LENGTH, data, chooser)
    if place is None:
        return _change_framing(data, chooser)
    return _replace(place, 2, _disguise(b"%d", int(place[2]), chooser))


def _change_size(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_CHUNK_LINE, data, chooser)
    if place is None:
        return data
    return _replace(place, 1, _disguise(b"%x", int(place[1], 16), chooser))


def _disguise(form: bytes, number: int, chooser: Chooser) -> bytes:
    """Write a number as somebody may read it, or another one."""
    if chooser.randint(0, 3) == 0:
        return form % chooser.choice((0, 1, number + 1, max(0, number - 1), number + 2))
    return chooser.choice(_disguises(form, number))


def _disguises(form: bytes, number: int) -> list[bytes]:
    digits = form % number
    return [
        *(form % (number + more) for more in (2**31, 2**32, 2**63, 2**64, 2**64 * 16)),
        form % (2**64 - 1),
        *(b"0" * zeros + digits for zeros in (1, 7, 14, 15, 16, 17, 18, 20, 40)),
        *(
            word + digits
            for word in (b"+", b"-", b" ", b"\t", b"0x", b"0X", b"x", b"#", b"\x00", b"\x0b", b"_")
        ),
        *(
            digits + word
            for word in (b" ", b"\t", b"h", b"L", b".0", b"e0", b"_0", b"\x00", b"\xb2", b"\xd9\xa5", b",")
        ),
        digits + b", " + digits,
        digits + b"; " + digits,
        digits.upper(),
        b"",
    ]


def _change_extension(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_CHUNK_LINE, data, chooser)
    return data if place is None else _replace(place, 2, chooser.choice(_EXTENSIONS))


def _change_chunk_line_end(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_CHUNK_LINE, data, chooser)
    return data if place is None else _replace(place, 3, chooser.choice(_LINE_ENDS))


def _change_chunk_end(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_CHUNK_LINE, data, chooser)
    if place is None:
        return data
    end = place.end() + int(place[1], 16)
    return data[:end] + chooser.choice(_CHUNK_ENDS) + data[end + 2 :]


def _add_trailer(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_LAST_CHUNK, data, chooser)
    if place is None:
        return data
    line = chooser.choice((*_FRAMING, b"X-Sum: 1", b" folded", b"no field", b"X : y", b": y")) + b"\r\n"
    return data[: place.end()] + line + data[place.end() :]


def _change_line_end(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_LINE_END, data, chooser)
    return data if place is None else _replace(place, 0, chooser.choice(_LINE_ENDS))


def _chunk_content(data: bytes, chooser: Chooser) -> bytes:
    """Put a message in chunks behind a head, whatever the head says."""
    place = _place(_HEAD_END, data, chooser)
    if place is None:
        return data
    field = chooser.choice((b"Transfer-Encoding: chunked", *_FRAMING))
    return data[: place.start() + 2] + field + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + data[place.end() :]


def _insert_pipeline(data: bytes, chooser: Chooser) -> bytes:
    place = _place(_HEAD_END, data, chooser)
    start = place.end() if place is not None and chooser.randint(0, 1) else len(data)
    return data[:start] + pipeline(chooser) + data[start:]


def splice(data: bytes, other: bytes, chooser: Chooser) -> bytes:
    """Begin with one stream, and at the end of one of its lines go on with the other."""
    first, second = _place(_LINE_END, data, chooser), _place(_LINE_END, other, chooser)
    return data[: first.end() if first else 0] + other[second.end() if second else 0 :]


def _splice(data: bytes, chooser: Chooser) -> bytes:
    other = request(chooser)
    return splice(data, other, chooser) if chooser.randint(0, 1) else splice(other, data, chooser)


_CHANGES: Final[tuple[Callable[[bytes, Chooser], bytes], ...]] = (
    _change_request_line,
    _change_field_line,
    _change_field_line,
    _add_fields,
    _change_framing,
    _change_length,
    _change_size,
    _change_extension,
    _change_chunk_line_end,
    _change_chunk_end,
    _add_trailer,
    _change_line_end,
    _chunk_content,
    _insert_pipeline,
    _splice,
    mutate,
)


def mutate_http1(data: bytes, chooser: Chooser) -> bytes:
    """Change a stream in one to three ways; a request stands behind it sometimes, for whoever reads a wrong end."""
    for _ in range(chooser.choice((1, 1, 1, 2, 3))):
        data = chooser.choice(_CHANGES)(data, chooser)
    return data + _NEXT if chooser.randint(0, 2) == 0 else data


def each_word() -> Iterator[bytes]:
    """Yield requests that have each of the words here in its place, once."""
    get = _REQUEST_LINE.match(b"GET / HTTP/1.1\r\n")
    field = _FIELD_LINE.search(b"GET / HTTP/1.1\r\nX: yz\r\n")
    chunk = _CHUNK_LINE.search(b"\n3\r\nabc\r\n0\r\n\r\n")
    assert get is not None
    assert field is not None
    assert chunk is not None
    parts = {1: _OTHER_METHODS, 2: _SPACES, 3: _OTHER_TARGETS, 5: _VERSIONS, 6: _LINE_ENDS}
    for part, words in parts.items():
        yield from (_replace(get, part, word) + b"Host: a\r\n\r\n" for word in words)
    lines = [_replace(field, 2, word) for word in _COLONS] + [_replace(field, 4, word) for word in _LINE_ENDS]
    lines += [_replace(field, part, b"y%bz" % word) for part in (1, 3) for word in _OCTETS]
    yield from (line + b"Host: a\r\n\r\n" for line in lines)
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    for other in (b"", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"):
        yield from (post + other + word + b"\r\n\r\n0\r\n\r\n" for word in _FRAMING)
    yield from (chunked + b"0\r\n" + word + b"\r\n\r\n" for word in _FRAMING)
    yield from (chunked + _replace(chunk, 2, word)[1:] for word in _EXTENSIONS)
    yield from (chunked + _replace(chunk, 3, word)[1:] for word in _LINE_ENDS)
    yield from (chunked + b"3\r\nabc" + word + b"0\r\n\r\n" for word in _CHUNK_ENDS)
    for form, head, tail in (
        (b"%x", chunked, b"\r\nabc\r\n0\r\n\r\n"),
        (b"%d", post + b"Content-Length: ", b"\r\n\r\nabc"),
    ):
        yield from (head + word + tail for word in _disguises(form, 3))
