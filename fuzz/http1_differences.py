"""Where a strict reader of HTTP/1 may differ from h11 and llhttp, and who is right: a table with examples.

What they are said to do, h11 0.16 does, and llhttp in httptools 0.9. "We" is the reader that is compared with them; a
row holds for any reader that does the same. Where no row holds, somebody can be made to see another message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from .http1_reading import Disagreement

__all__ = ["DIFFERENCES", "Difference", "explain"]


class Difference(NamedTuple):
    """A difference, and an example of it."""

    right: str
    oracles: frozenset[str]
    """Who differs from our readers about the example."""
    knows: Callable[[Disagreement], bool]
    example: bytes


def explain(found: Disagreement) -> str:
    """Return the name of the row that knows a disagreement, or nothing."""
    return next(
        (name for name, row in DIFFERENCES.items() if found.oracle in row.oracles and row.knows(found)), ""
    )


# Looking at the message.


def _lines(found: Disagreement) -> list[bytes]:
    """The lines of a head, however they end."""
    octets = re.sub(rb"^[\r\n]+", b"", found.octets)
    return re.split(rb"\r?\n", re.split(rb"(?<=\n)\r?\n", octets)[0])


def _request_line(found: Disagreement) -> list[bytes]:
    return [*_lines(found)[0].split(b" "), b"", b"", b""]


def _method(found: Disagreement) -> bytes:
    return _request_line(found)[0]


def _target(found: Disagreement) -> bytes:
    return _request_line(found)[1]


def _version(found: Disagreement) -> bytes:
    return _request_line(found)[2]


def _values(found: Disagreement, name: bytes) -> list[bytes]:
    fields = [line.partition(b":") for line in _lines(found)[1:]]
    return [value.strip(b" \t") for other, _, value in fields if other.rstrip(b" \t").lower() == name]


def _members(found: Disagreement, name: bytes) -> list[bytes]:
    return [member.strip(b" \t").lower() for value in _values(found, name) for member in value.split(b",")]


_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST: Final = re.compile(
    rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(:[0-9]{0,5})?"
)
_PATH: Final = re.compile(rb"/[!-\"$-~]*")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)([/?][!-\"$-~]*)?", re.IGNORECASE)
_LLHTTP_METHODS: Final = frozenset(
    b"ACL ANNOUNCE BIND CHECKOUT CONNECT COPY DELETE DESCRIBE FLUSH GET GET_PARAMETER HEAD LINK LOCK M-SEARCH MERGE "
    b"MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH PAUSE PLAY POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND "
    b"RECORD REDIRECT REPORT SEARCH SETUP SET_PARAMETER SOURCE SUBSCRIBE TEARDOWN TRACE UNBIND UNLINK UNLOCK "
    b"UNSUBSCRIBE".split()
)


def _is_host(value: bytes) -> bool:
    match = _HOST.fullmatch(value)
    if match is None or int((match[3] or b":0")[1:] or b"0") > 65_535:
        return False
    try:
        return not match[1].startswith(b"[") or bool(IPv6Address(match[1][1:-1].decode()))
    except ValueError:
        return False


def _is_target(method: bytes, target: bytes) -> bool:
    if target == b"*":
        return method == b"OPTIONS"
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        return _is_host(absolute[1])
    return _PATH.fullmatch(target) is not None


_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb"(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb'|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?[ \t]*(?=;|\r))*\r\n'
)


def _chunks(found: Disagreement) -> tuple[list[bytes], list[bytes], bool]:
    """The lines of chunks, and of the trailer section, as far as they are some; and whether one of a chunk is none."""
    octets, position, wrong = found.framing, 0, False
    chunks: list[bytes] = []
    if b"chunked" not in _members(found, b"transfer-encoding"):
        return chunks, [], False
    while (end := octets.find(b"\n", position) + 1) > 0:
        chunks.append(octets[position:end])
        wrong = wrong or _CHUNK_LINE.fullmatch(chunks[-1]) is None
        size = re.match(rb"[0-9A-Fa-f]+(?=[ \t;\r\n])", chunks[-1])
        if size is None:
            break
        if not size[0].strip(b"0"):
            section = re.match(rb"(?:[^\n]*[^\r\n]\r?\n)*(?:\r?\n)?", octets[end:])
            trailers = section[0].split(b"\n")[:-1] if section is not None else []
            return chunks, [line + b"\n" for line in trailers], wrong
        position = end + int(size[0], 16) + 2
    return chunks, [], wrong


def _field_lines(found: Disagreement) -> list[bytes]:
    """The field lines of the head and of the trailers."""
    return [*_lines(found)[1:], *_chunks(found)[1]]


def _has_bare_line_feed(found: Disagreement) -> bool:
    """In the head, in a chunk's line, or in the trailers."""
    head = re.split(rb"(?<=\n)\r?\n", re.sub(rb"^(\r\n)+", b"", found.octets))[0]
    blank = re.sub(rb"^(\r\n)+", b"", found.octets)[len(head) :][:1]
    chunks, trailers, _ = _chunks(found)
    return blank == b"\n" or re.search(rb"(?<!\r)\n", b"".join([head, *chunks, *trailers])) is not None


def _is_old(found: Disagreement) -> bool:
    return _version(found) == b"HTTP/1.0"


def _upgrades(found: Disagreement) -> bool:
    return b"upgrade" in _members(found, b"connection") and bool(_values(found, b"upgrade"))


_H11: Final = frozenset({"h11"})
_LLHTTP: Final = frozenset({"llhttp"})
_BOTH: Final = _H11 | _LLHTTP

_POST: Final = b"POST / HTTP/1.1\r\nHost: a\r\n"
_CHUNKED: Final = _POST + b"Transfer-Encoding: chunked\r\n\r\n"

DIFFERENCES: Final[dict[str, Difference]] = {
    # What we refuse in a request line.
    "A request line of other parts": Difference(
        "we: three parts with one SP between them (RFC 9112 §3), and a version of HTTP (§2.3); llhttp takes HTTP/0.9 "
        "and RTSP",
        _LLHTTP,
        lambda d: bool(d.i_refuse) and re.fullmatch(rb"[^ ]+ [^ ]+ HTTP/[0-9]\.[0-9]", _lines(d)[0]) is None,
        b"GET /\r\nHost: a\r\n\r\n",
    ),
    "Another major version": Difference(
        "we: 505 (RFC 9110 §15.6.6); another major version has another syntax (§2.5)",
        _BOTH,
        lambda d: bool(d.i_refuse) and re.fullmatch(rb"HTTP/[02-9]\.[0-9]", _version(d)) is not None,
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    ),
    "A method that is not served": Difference(
        "we: 501 (RFC 9110 §9.1, §15.6.2); methods are case-sensitive, and CONNECT and TRACE are not for an origin's "
        "application (§9.3.6, §9.3.8)",
        _BOTH,
        lambda d: (
            bool(d.i_refuse)
            and (
                _method(d) in {b"CONNECT", b"TRACE"}
                or _method(d) != _method(d).upper()
                or len(_method(d)) > 32
            )
        ),
        b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "A target that is none": Difference(
        "we: the forms of RFC 9112 §3.2, `*` for OPTIONS alone (§3.2.4), no fragment (§3.2.1), and no user information "
        "(RFC 9110 §4.2.4)",
        _BOTH,
        lambda d: bool(d.i_refuse) and not _is_target(_method(d), _target(d)),
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "Empty lines, or what looks like some": Difference(
        'both: a server "SHOULD ignore at least one empty line (CRLF)" (RFC 9112 §2.2); we ignore four, llhttp any '
        "number of CR and LF",
        _LLHTTP,
        lambda d: (
            bool(d.i_refuse) and re.fullmatch(rb"(\r\n){0,4}", re.split(rb"[^\r\n]", d.octets)[0]) is None
        ),
        b"\r\n" * 5 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    # What we refuse in lines.
    "A line that ends with LF alone": Difference(
        'both: "a recipient MAY recognize a single LF as a line terminator" (RFC 9112 §2.2), and who does sees other '
        "lines than who does not (§11.2)",
        _H11,
        lambda d: bool(d.i_refuse) and _has_bare_line_feed(d),
        b"GET / HTTP/1.1\nHost: a\n\n",
    ),
    "A folded line": Difference(
        "both: a server rejects it or unfolds it (RFC 9112 §5.2)",
        _H11,
        lambda d: bool(d.i_refuse) and any(line.startswith((b" ", b"\t")) for line in _field_lines(d)),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    ),
    "A control character in a value": Difference(
        "we: it is invalid, though recipients MAY retain it (RFC 9110 §5.5)",
        _H11,
        lambda d: (
            bool(d.i_refuse)
            and any(re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line.rstrip(b"\r\n")) for line in _field_lines(d))
        ),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
    ),
    # What we refuse in fields.
    "Host is there more than once": Difference(
        "we: 400 (RFC 9112 §3.2)",
        _LLHTTP,
        lambda d: bool(d.i_refuse) and len(_values(d, b"host")) > 1,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    ),
    "Host is not there": Difference(
        "we: 400 (RFC 9112 §3.2)",
        _LLHTTP,
        lambda d: bool(d.i_refuse) and not _values(d, b"host") and not _is_old(d),
        b"GET / HTTP/1.1\r\n\r\n",
    ),
    "Host is not there in a later minor version": Difference(
        "we: 400 (RFC 9112 §3.2), for it is read as HTTP/1.1 (RFC 9110 §2.5)",
        _H11,
        lambda d: (
            bool(d.i_refuse)
            and not _values(d, b"host")
            and re.fullmatch(rb"HTTP/1\.[2-9]", _version(d)) is not None
        ),
        b"GET / HTTP/1.2\r\n\r\n",
    ),
    "Host is no host": Difference(
        "we: 400 (RFC 9112 §3.2)",
        _BOTH,
        lambda d: bool(d.i_refuse) and not all(map(_is_host, _values(d, b"host"))),
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ),
    "An unknown expectation": Difference(
        "both: a server MAY respond with a 417 (RFC 9110 §10.1.1)",
        _BOTH,
        lambda d: (
            bool(d.i_refuse)
            and not _is_old(d)
            and any(value.lower() != b"100-continue" for value in _values(d, b"expect"))
        ),
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
    ),
    # What we refuse in framing.
    "A coding in HTTP/1.0": Difference(
        "we: the framing is faulty (RFC 9112 §6.1)",
        _BOTH,
        lambda d: bool(d.i_refuse) and _is_old(d) and bool(_values(d, b"transfer-encoding")),
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "A coding beside a length": Difference(
        "we: a server MAY reject it (RFC 9112 §6.1), and it ought to be handled as an error (§6.3)",
        _H11,
        lambda d: (
            bool(d.i_refuse)
            and bool(_values(d, b"transfer-encoding"))
            and bool(_values(d, b"content-length"))
        ),
        _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "Codings other than one `chunked`": Difference(
        "we: 501 for those that are not served, 400 if `chunked` is there twice (RFC 9112 §6.1) or is not the last "
        "(§6.3)",
        _LLHTTP,
        lambda d: (
            bool(d.i_refuse)
            and [value.lower() for value in _values(d, b"transfer-encoding")] not in ([], [b"chunked"])
        ),
        _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    "A length that is said more than once": Difference(
        "both: a recipient rejects it or takes the one number (RFC 9110 §8.6, RFC 9112 §6.3)",
        _H11,
        lambda d: bool(d.i_refuse) and len(_members(d, b"content-length")) > 1,
        _POST + b"Content-Length: 5, 5\r\n\r\nhello",
    ),
    "A length of more than 18 digits": Difference(
        "both: a recipient has to prevent overflows (RFC 9110 §8.6); ours is at 10**18, and no content is so long",
        _BOTH,
        lambda d: bool(d.i_refuse) and any(len(value) > 18 for value in _values(d, b"content-length")),
        _POST + b"Content-Length: 1000000000000000001\r\n\r\nhello",
    ),
    "A chunk's line that is none": Difference(
        "we: RFC 9112 §7.1, §7.1.1, and a size of 16 digits is enough; h11 skips what is behind the size, and llhttp "
        "takes an extension without a name",
        _BOTH,
        lambda d: bool(d.i_refuse) and _chunks(d)[2],
        _CHUNKED + b"0;=b\r\n\r\n",
    ),
    # What we take.
    "An empty line before a request": Difference(
        'we: a server "SHOULD ignore at least one empty line (CRLF)" (RFC 9112 §2.2)',
        _H11,
        lambda d: bool(d.they_refuse) and d.octets.startswith(b"\r\n"),
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "A method that is on no list": Difference(
        "we: methods are tokens, and new ones come (RFC 9110 §9.1, §16.1); llhttp knows a list",
        _LLHTTP,
        lambda d: (
            bool(d.they_refuse)
            and _method(d) not in _LLHTTP_METHODS
            and _TOKEN.fullmatch(_method(d)) is not None
        ),
        b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "PRI in HTTP/1.0": Difference(
        "we: in HTTP/1 a method like any other, which no client uses (RFC 7540 §11.6); llhttp waits for the rest "
        "of the preface of HTTP/2",
        _LLHTTP,
        lambda d: d.what.startswith("llhttp sees no message") and _method(d) == b"PRI",
        b"PRI / HTTP/1.0\r\n\r\n",
    ),
    "A later minor version": Difference(
        "we: it is read as the highest one that is known (RFC 9110 §2.5)",
        _LLHTTP,
        lambda d: bool(d.they_refuse) and re.fullmatch(rb"HTTP/1\.[2-9]", _version(d)) is not None,
        b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    ),
    "A tab behind a coding": Difference(
        "we: any number of SP and HTAB stands around a value (RFC 9112 §5, RFC 9110 §5.6.3)",
        _LLHTTP,
        lambda d: (
            bool(d.they_refuse)
            and any(re.match(rb"transfer-encoding:.*\t[ \t]*$", line, re.IGNORECASE) for line in _lines(d))
        ),
        _POST + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    ),
    "White space or escapes in a chunk's extension": Difference(
        "we: BWS stands around the semicolon and the equals sign (RFC 9112 §7.1.1), and quoted strings have SP, HTAB, "
        "backslashes and obs-text (RFC 9110 §5.6.4)",
        _LLHTTP,
        lambda d: (
            bool(d.they_refuse) and any(re.search(rb"[ \t\\\x80-\xff]", line) for line in _chunks(d)[0])
        ),
        _CHUNKED + b"1; a = b\r\nx\r\n0\r\n\r\n",
    ),
    "Framing in trailers": Difference(
        "we: trailers are no part of the head and frame nothing, and we drop them (RFC 9110 §6.5.1, RFC 9112 §7.1.2)",
        _BOTH,
        lambda d: (
            bool(d.they_refuse)
            and any(
                re.match(rb"(transfer-encoding|content-length):", line, re.IGNORECASE)
                for line in _chunks(d)[1]
            )
        ),
        _CHUNKED + b"0\r\nTransfer-Encoding: x\r\n\r\n",
    ),
    "Content of a request that asks for an upgrade": Difference(
        "we: the upgrade comes behind the whole request, and we ignore it (RFC 9110 §7.8); httptools stops at the head",
        _LLHTTP,
        lambda d: (
            _upgrades(d)
            and len(d.theirs.messages) > d.number
            and d.theirs.messages[d.number].complete
            and not d.theirs.messages[d.number].content
            and (
                d.what.endswith(("content than that of llhttp", "complete for llhttp"))
                # Chunks without content: where the next request begins, httptools cannot say.
                or (d.what.startswith("goes on") and bool(_values(d, b"transfer-encoding")))
            )
        ),
        _POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx",
    ),
    # When the connection ends.
    "HTTP/1.0 with keep-alive": Difference(
        "both: the connection persists if the recipient wishes so (RFC 9112 §9.3), and ours does not",
        _LLHTTP,
        lambda d: d.what.startswith("closes") and _is_old(d) and b"keep-alive" in _members(d, b"connection"),
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ),
    "Connection in a trailer": Difference(
        "we: trailers are no part of the head (RFC 9110 §6.5.1), and we discard them; llhttp reads them like fields",
        _LLHTTP,
        lambda d: (
            d.what.startswith(("closes", "goes on"))
            and any(re.match(rb"(proxy-)?connection:", line, re.IGNORECASE) for line in _chunks(d)[1])
        ),
        _CHUNKED + b"0\r\nConnection: close\r\n\r\n",
    ),
    "Proxy-Connection": Difference(
        "we: it means nothing here, and proxies remove it (RFC 9110 §7.6.1); llhttp takes it for Connection",
        _LLHTTP,
        lambda d: d.what.startswith(("closes", "goes on")) and bool(_values(d, b"proxy-connection")),
        b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
    ),
}
