"""Inputs that know HTTP/1: requests of many shapes, pipelines of them, and mutations of octets.

Everything here chooses through a `Chooser`, so that a campaign's random numbers and hypothesis use the same shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

__all__ = ["HOSTILE_HEADS", "Chooser", "mutate", "pipeline", "request"]

T = TypeVar("T")


class Chooser(Protocol):
    """Where the choices come from."""

    def choice(self, values: Sequence[T], /) -> T:
        """Choose one of these."""

    def randint(self, low: int, high: int, /) -> int:
        """Choose a number, both ends included."""


METHODS: Final = (
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"PROPFIND",
    b"M-SEARCH",
    b"!#$%&'*+-.^_`|~9",
)
TARGETS: Final = (
    b"/",
    b"/a/b?c=d&e",
    b"/%41%2f%00%0d%0a%ff%c3%a9",
    b"//evil/../x;y=z",
    b"/%2541%25",
    b'/"<>\\^`{|}',
    b"/?",
    b"/??q=%zz",
    b"http://example.org/p?q",
    b"HTTPS://[::1]:8443?q",
    b"http://a",
)
HOSTS: Final = (b"a", b"example.org:80", b"[::1]:65535", b"127.0.0.1", b"a%41", b"xn--bcher-kva.example:")
PLAIN_FIELDS: Final = (
    b"Accept: */*",
    b"accept-encoding:gzip, br",
    b"Cookie: a=b; c=d",
    b"X-Empty:",
    b"X-Outer: \t white space \t",
    b"X-Opaque: \xc3\xa9\x85\xa0\xff",
    b"Upgrade: h2c",
    b"content_length: 5",
    b"X-Forwarded-For: 192.0.2.7",
)
MEANINGFUL_FIELDS: Final = (
    b"Connection: close",
    b"Connection: keep-alive, Close",
    b"connection: upgrade",
    b"Expect: 100-continue",
    b"TE: trailers",
    b"te: gzip, Trailers;q=1",
)
EXTENSIONS: Final = (b"", b"", b"", b";a", b";a=b", b'; q="\\"x"', b";a;b=c")
TRAILERS: Final = (b"", b"", b"X-Sum: 1\r\n", b"Content-Length: 5\r\nHost: evil\r\n")

# One octet or one line away from a request. Each is complete.
HOSTILE_HEADS: Final = (
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET /\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\rX",
    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.9\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\nx",
    b"\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
)

TOKENS: Final = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\x00",
    b":",
    b",",
    b";",
    b'"',
    b"0",
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"ffffffffffffffff",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x80",
    b"\xff",
    b"\x7f",
    b"\x0b",
)


def request(chooser: Chooser) -> bytes:
    """Return one complete request that the machine ought to accept, most of the time."""
    if chooser.randint(0, 19) == 0:
        return chooser.choice(HOSTILE_HEADS)
    current = chooser.randint(0, 9) > 0
    method = chooser.choice(METHODS)
    lines = [b"%b %b %b" % (method, chooser.choice(TARGETS), b"HTTP/1.1" if current else b"HTTP/1.0")]
    if current or chooser.randint(0, 1):
        lines.append(b"Host: " + chooser.choice(HOSTS))
    lines += [chooser.choice(PLAIN_FIELDS) for _ in range(chooser.randint(0, 3))]
    if chooser.randint(0, 3) == 0:
        lines.insert(chooser.randint(1, len(lines)), chooser.choice(MEANINGFUL_FIELDS))
    body = b""
    form = (
        chooser.choice(("none", "none", "length", "chunked"))
        if current
        else chooser.choice(("none", "length"))
    )
    if form == "length":
        content = _content(chooser)
        lines.append(b"Content-Length: %d" % len(content))
        body = content
    elif form == "chunked":
        lines.append(chooser.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED ")))
        for _ in range(chooser.randint(0, 3)):
            content = _content(chooser)
            if content:
                size = chooser.choice((b"%x", b"%X", b"000%x")) % len(content)
                body += size + chooser.choice(EXTENSIONS) + b"\r\n" + content + b"\r\n"
        body += b"0" + chooser.choice(EXTENSIONS) + b"\r\n" + chooser.choice(TRAILERS) + b"\r\n"
    empty = b"\r\n" if chooser.randint(0, 19) == 0 else b""
    return empty + b"\r\n".join(lines) + b"\r\n\r\n" + body


def pipeline(chooser: Chooser) -> bytes:
    """Return some requests, one after the other, perhaps with something wrong in or behind them."""
    data = b"".join([request(chooser) for _ in range(chooser.randint(1, 4))])
    wrong = chooser.randint(0, 5)
    if wrong == 0:
        data += chooser.choice(HOSTILE_HEADS)
    elif wrong == 1:
        data = mutate(data, chooser)
    return data


def mutate(data: bytes, chooser: Chooser) -> bytes:
    """Change a few octets: in value, in order, in number."""
    for _ in range(chooser.randint(1, 3)):
        start = chooser.randint(0, len(data))
        end = min(len(data), start + chooser.randint(1, 16))
        kind = chooser.randint(0, 6)
        if kind == 0:
            data = data[:start] + data[end:]
        elif kind == 1:
            data = data[:end] + data[start:end] * chooser.randint(1, 3) + data[end:]
        elif kind == 2:
            data = data[:start] + bytes([chooser.randint(0, 255)]) + data[start + 1 :]
        elif kind == 3 and start < len(data):
            flipped = data[start] ^ (1 << chooser.randint(0, 7))
            data = data[:start] + bytes([flipped]) + data[start + 1 :]
        elif kind == 4:
            data = data[:start] + chooser.choice(TOKENS) + data[end:]
        elif kind == 5:
            data = data[:start] + chooser.choice(TOKENS) + data[start:]
        else:
            other = chooser.randint(0, len(data))
            data = data[:start] + data[other : other + 64] + data[start:]
    return data


def _content(chooser: Chooser) -> bytes:
    kind = chooser.randint(0, 5)
    if kind == 0:
        return b""
    if kind == 1:
        return b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    if kind == 2:
        return b"0\r\n\r\n"
    return b"x" * chooser.choice((1, 5, 16, 17, 31, 100, 200, 1000))
