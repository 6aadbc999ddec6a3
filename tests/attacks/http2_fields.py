"""HTTP/2: requests that become others when they are written as HTTP/1, and content of another length than promised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, MiB, Victim, demand
from tests.attacks.http2_peer import Gone, attacker, check_served, named
from tests.peers import Code, data, headers, request

__all__ = ["ATTACKS"]

_Fields = list[tuple[bytes, bytes]]

_PSEUDO: Final[_Fields] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"test"),
    (b":path", b"/smuggled"),
]


def _with(name: bytes, value: bytes) -> _Fields:
    """Replace a field of the request, or add it."""
    return (
        [pair for pair in _PSEUDO if pair[0] != name] + [(name, value)]
        if not name.startswith(b":")
        else [(key, value if key == name else other) for key, other in _PSEUDO]
    )


def _without(name: bytes) -> _Fields:
    return [pair for pair in _PSEUDO if pair[0] != name]


_SMUGGLED: Final = b"x HTTP/1.1\r\nhost: test\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n"

_LINES: Final[dict[str, list[_Fields]]] = {
    "a-path": [
        _with(b":path", b"/smuggled" + octets)
        for octets in (b" HTTP/1.1", b"\r\nx: y", b"\n", b"\r", b"\0", b"\t", b"\x7f", b"\xff", b"#x")
    ]
    + [_with(b":path", path) for path in (b"", b"smuggled", b"*", b"http://other/", b"/" + _SMUGGLED)],
    "a-method": [
        _with(b":method", method)
        for method in (
            b"",
            b"GET /smuggled HTTP/1.1",
            b"GET ",
            b" GET",
            b"G\tT",
            b"G\r\nT",
            b"G\xffT",
            b"G:T",
            b"TRACE",
        )
    ],
    "an-authority": [
        _with(b":authority", authority)
        for authority in (b"a b", b"a\r\nx: y", b"a/b", b"user@a", b"a,b", b"a?b", b"a\0", b"a\xff", b"a:b")
    ]
    + [
        [*_PSEUDO, (b"host", b"other")],
        [*_without(b":authority"), (b"host", b"a"), (b"host", b"b")],
        [*_PSEUDO, (b"host", b"test"), (b"host", b"other")],
        _without(b":authority"),
    ],
    "a-scheme": [_with(b":scheme", scheme) for scheme in (b"", b"http\r\n", b"https://a/", b"ftp", b"ht tp")],
    "a-value": [
        [*_PSEUDO, (b"x", value)]
        for value in (
            b"a\r\nsmuggled: yes",
            b"a\nb",
            b"a\rb",
            b"a\0b",
            b"\x01",
            b"\x7f",
            b" a",
            b"a ",
            b"\ta",
        )
    ],
    "a-name": [
        [*_PSEUDO, (name, b"y")]
        for name in (
            b"",
            b"X",
            b"x y",
            b"x:",
            b"x\r\n",
            b"x\0",
            b"x\xff",
            b"\xc3\xa9",
            b"x\t",
            b":x",
            b"x(y)",
        )
    ],
    "fields-of-the-connection": [
        [*_PSEUDO, (name, value)]
        for name, value in (
            (b"connection", b"close"),
            (b"connection", b"content-length"),
            (b"transfer-encoding", b"chunked"),
            (b"keep-alive", b"timeout=5"),
            (b"proxy-connection", b"keep-alive"),
            (b"upgrade", b"h2c"),
            (b"te", b"chunked"),
            (b"te", b"trailers, chunked"),
        )
    ],
    "pseudo-header-fields": [
        [*_PSEUDO, (b":path", b"/other")],
        [*_PSEUDO, (b"x", b"y"), (b":authority", b"other")],
        [(b"x", b"y"), *_PSEUDO],
        [*_PSEUDO, (b":status", b"200")],
        [*_PSEUDO, (b":protocol", b"websocket")],
        _without(b":method"),
        _without(b":path"),
        _without(b":scheme"),
        [(b":method", b"CONNECT"), *_PSEUDO[1:]],
        [(b":method", b"CONNECT"), (b":authority", b"test:443")],
    ],
    "lengths": [
        [*_PSEUDO, *[(b"content-length", length) for length in lengths]]
        for lengths in ([b"1", b"1"], [b"+1"], [b"0x1"], [b"1,1"], [b""], [b"-1"], [b"1_0"], [b"9" * 30])
    ],
}
"""None of these heads may reach an application. RFC 9113 §8.2, §8.2.1, §8.2.2, §8.3.1, §8.1.1, §8.5"""


def disguise(victim: Victim, heads: list[_Fields]) -> None:
    """Send heads that are malformed, each on a stream of its own (CVE-2025-57804, CVE-2026-71554)."""
    left = list(heads)
    while left:
        with attacker(victim) as peer:
            try:
                while left:
                    stream = peer.next_id()
                    fields = left.pop(0)
                    peer.send(headers(stream, fields, end_stream=False))
                    view = peer.response(stream)
                    demand(
                        view.reset not in {None, Code.NO_ERROR} or (view.status or 0) in range(400, 600),
                        f"answered {fields!r} with {view.status}",
                    )
                check_served(victim, peer)
            except Gone:
                demand(peer.error is not None, "ended the connection without GOAWAY")
    smuggled = [call for call in victim.journal() if call["path"] != "/"]
    demand(not smuggled, f"called an application for {smuggled[0]['target']!r}" if smuggled else "")


_LENGTHS: Final[dict[str, tuple[bytes, bytes]]] = {
    "too much": (b"5", data(1, b"123456", end_stream=True)),
    "too much in pieces": (b"5", data(1, b"123") + data(1, b"456")),
    "too little": (b"5", data(1, b"1234", end_stream=True)),
    "nothing": (b"5", data(1, end_stream=True)),
    "too little before trailers": (b"5", data(1, b"1") + headers(1, [(b"x", b"y")])),
    "something for nothing": (b"0", data(1, b"1", end_stream=True)),
    "pseudo trailers": (b"1", data(1, b"1") + headers(1, [(b":path", b"/other")])),
    "trailers of a connection": (b"1", data(1, b"1") + headers(1, [(b"transfer-encoding", b"chunked")])),
}


def another_length(victim: Victim) -> None:
    """Break the promise of `content-length`: no application may take the body for whole (RFC 9113 §8.1.1)."""
    for name, (length, content) in _LENGTHS.items():
        with named(name), attacker(victim) as peer:
            promise = [(b"content-length", length)]
            head = request(1, b"POST", b"/upload", promise, end_stream=False, scheme=b"http")
            if length == b"0":  # Such content is whole at once, and may be answered before more of it comes.
                peer.send(head + content)
            else:
                peer.send(head)
                peer.settle()
                peer.send(content)
            view = peer.response(1)
            demand(
                view.reset not in {None, Code.NO_ERROR} or view.status == 400,
                f"answered {view.status} to content of another length",
            )
            peer.skip(3)
            check_served(victim, peer)
    whole = [call for call in victim.settled() if call["path"] == "/upload" and call["whole"]]
    demand(not whole, "told the application that the body was whole")


def _attack(name: str, threat: str, carry_out: Callable[[Victim], None]) -> Attack:
    return Attack(name, threat, carry_out, protocol="h2c", memory=3 * MiB, cpu=0.4)


_DISGUISE: Final = "HTTP/1 in disguise"

ATTACKS: Final = [
    *[
        _attack(f"disguise-in-{name}", _DISGUISE, partial(disguise, heads=heads))
        for name, heads in _LINES.items()
    ],
    _attack("content-of-another-length", "Content of another length than promised", another_length),
]
