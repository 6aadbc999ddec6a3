"""Requests with two ends: what a server reads in one way and a proxy before it in another one.

Only what RFC 9112 forbids is in here, or what it lets a server take that proxies are known to read otherwise: a bare
LF at the end of a line (§2.2), folded lines (§5.2), an empty member in a list of codings, a length that is repeated
(§6.3), and an upgrade to HTTP/2 in clear text, which RFC 9113 has given up.
"""

from __future__ import annotations

from typing import Final

from tests.attacks.attack import Attack, Victim, demand
from tests.attacks.variants import (
    HOST,
    behind,
    head,
    never_smuggle,
    refuse,
    send_all,
    smuggled,
    some,
)

POST: Final = b"POST / HTTP/1.1"
CHUNKED: Final = b"Transfer-Encoding: chunked"
LENGTH: Final = b"Content-Length: 5"
NO_CHUNKS: Final = b"0\r\n\r\n"
"""Five octets of content to one reader, and all of the chunks to the other."""


def _post(*lines: bytes) -> bytes:
    return head(POST, HOST, *lines) + NO_CHUNKS


def _chunks(octets: bytes) -> bytes:
    return head(POST, HOST, CHUNKED) + octets


# RFC 9112 §6.1: "the server MUST close the connection after responding to such a request".
CL_TE: Final = {
    "length-then-coding": _post(LENGTH, CHUNKED),
    "length-of-less": _post(b"Content-Length: 3", CHUNKED),
    "coding-in-http-1.0": head(b"POST / HTTP/1.0", HOST, b"Connection: keep-alive", CHUNKED) + NO_CHUNKS,
}
TE_CL: Final = {
    "coding-then-length": _post(CHUNKED, LENGTH),
    "chunk-of-a-request": _chunks(b"")[:-2] + head(LENGTH) + b"1\r\na\r\n0\r\n\r\n",
    "codings-around-a-length": _post(CHUNKED, LENGTH, b"X: y"),
}

# RFC 9112 §6.3: content whose end cannot be told is refused with 400.
TE_TE: Final = {
    "xchunked": _post(b"Transfer-Encoding: xchunked"),
    "vertical-tab": _post(b"Transfer-Encoding: \x0bchunked"),
    "quotes": _post(b'Transfer-Encoding: "chunked"'),
    "parameter": _post(b"Transfer-Encoding: chunked;q=1"),
    "not-last": _post(b"Transfer-Encoding: chunked, identity"),
    "identity": _post(b"Transfer-Encoding: identity"),
    "twice": _post(CHUNKED, b"Transfer-Encoding: chunked"),
    "two-fields": _post(CHUNKED, b"Transfer-Encoding: identity"),
    "space-before-the-colon": _post(b"Transfer-Encoding : chunked"),
    "null-in-the-name": _post(b"Transfer-Encoding\x00: chunked"),
    "null-in-the-value": _post(b"Transfer-Encoding: chunked\x00"),
    "no-break-space": _post(b"Transfer-Encoding: chunked\xa0"),
    "behind-a-comma": _post(b"Transfer-Encoding: ,chunked"),
    "before-a-comma": _post(b"Transfer-Encoding: chunked,"),
    "folded": _post(b"Transfer-Encoding:\r\n chunked"),
    "folded-by-a-tab": _post(b"Transfer-Encoding:\r\n\tchunked"),
    "folded-behind": _post(b"Transfer-Encoding: chunked\r\n , identity"),
    "folded-away": _post(b"X: y\r\n Transfer-Encoding: chunked"),
}
# These name another field, which frames nothing: not to HTTP, but to who makes variables of names (RFC 3875 §4.1.18).
OTHER_NAMES: Final = {
    "underscore": b"Transfer_Encoding: chunked",
    "dot": b"Transfer.Encoding: chunked",
    "apostrophe": b"Transfer-Encoding': chunked",
}

# RFC 9110 §8.6: "1*DIGIT".
LENGTHS: Final = {
    name: _post(b"Content-Length: " + value)
    for name, value in {
        "plus": b"+5",
        "minus-zero": b"-0",
        "minus": b"-5",
        "hexadecimal": b"0x5",
        "underscore": b"0_5",
        "list": b"5,6",
        "empty": b"",
        "20-digits": b"18446744073709551621",
        "not-ascii": b"\xb5",
        "space-inside": b"0 5",
        "null": b"5\x00",
        "vertical-tab": b"\x0b5",
        "fraction": b"5.0",
        "equal": b"5, 5",
        "folded": b"\r\n 5",
    }.items()
} | {
    "two": _post(LENGTH, b"Content-Length: 6"),
    "two-equal": _post(LENGTH, LENGTH),
}

# RFC 9112 §7.1: "1*HEXDIG".
SIZES: Final = {
    name: _chunks(value + b"\r\nabcde\r\n0\r\n\r\n")
    for name, value in {
        "prefix": b"0x5",
        "plus": b"+5",
        "minus": b"-5",
        "underscore": b"0_5",
        "empty": b"",
        "junk": b"5g",
        "space-before": b" 5",
        "beyond-64-bits": b"10000000000000005",
        "beyond-32-bits": b"-fffffffb",
        "not-ascii": b"\xb5",
        "null": b"5\x00",
    }.items()
}

# RFC 9112 §7.1, §7.1.1: a line of a chunk ends with CRLF and nothing else, and so does its data.
TERMINATORS: Final = {
    "size-ended-by-lf": _chunks(b"5\nabcde\r\n0\r\n\r\n"),
    "size-ended-by-cr": _chunks(b"5\rabcde\r\n0\r\n\r\n"),
    "data-ended-by-lf": _chunks(b"5\r\nabcde\n0\r\n\r\n"),
    "data-ended-by-cr": _chunks(b"5\r\nabcde\r0\r\n\r\n"),
    "data-ended-by-two-others": _chunks(b"5\r\nabcdeXX0\r\n\r\n"),
    "data-too-long": _chunks(b"5\r\nabcdef\r\n0\r\n\r\n"),
    "data-too-short": _chunks(b"5\r\nabcd\r\n0\r\n\r\n"),
    "last-ended-by-lf": _chunks(b"0\n\n"),
    "extension-ended-by-lf": _chunks(b"5;a\nabcde\r\n0\r\n\r\n"),
    "extension-with-cr": _chunks(b"5;a\rb\r\nabcde\r\n0\r\n\r\n"),
    "quotes-over-a-line": _chunks(b'5;a="\nabcde\r\n0\r\n\r\n'),
}


def _codings(victim: Victim) -> None:
    """The content goes on behind what looks like the last chunk, and has another request in it."""
    hidden = {
        name: head(POST, HOST, line, b"Content-Length: %d" % len(NO_CHUNKS + behind(name)))
        + NO_CHUNKS
        + behind(name)
        for name, line in OTHER_NAMES.items()
    }
    refuse(TE_TE)(victim)
    send_all(victim, hidden, 0.5)
    found = smuggled(victim)
    demand(not found, f"frames by {some(found)}" if found else "")


def _lengths(victim: Victim) -> None:
    """Zeros before a length change nothing of it: 010 is ten, and eight to no one (RFC 9110 §8.6)."""
    refuse(LENGTHS)(victim)
    content = b"0123456789"
    zeros = {
        f"{count} zeros": head(POST, HOST, b"Connection: close", b"Content-Length: " + b"0" * count + b"10")
        + content
        for count in (1, 2, 6, 16, 17, 40)
    }
    victim.journal()
    answers = send_all(victim, zeros, 0.5)
    other = [name for name, answer in answers.items() if answer.statuses not in ([200], [400])]
    demand(not other, f"answered {answers[other[0]].statuses} to {some(other)}" if other else "")
    calls = victim.settled()
    demand(all(call["octets"] == len(content) for call in calls), "reads another length behind zeros")


BARE_LF: Final = {
    "request-line": b"GET / HTTP/1.1\nHost: test\r\n\r\n",
    "field": b"POST / HTTP/1.1\r\nHost: test\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n" + NO_CHUNKS,
    "end-of-the-head": b"GET / HTTP/1.1\r\nHost: test\r\n\n",
    "everywhere": b"GET / HTTP/1.1\nHost: test\n\n",
}
# RFC 9112 §2.2: a bare CR is invalid, or a space.
BARE_CR: Final = {
    "request-line": b"GET / HTTP/1.1\rHost: test\r\n\r\n",
    "hides-a-coding": b"POST / HTTP/1.1\r\nHost: test\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n"
    + NO_CHUNKS,
    "end-of-the-head": b"GET / HTTP/1.1\r\nHost: test\r\n\rX: y\r\n\r\n",
    "twice": b"GET / HTTP/1.1\r\r\nHost: test\r\n\r\n",
}

# RFC 9112 §2.2, §5.1: a server must refuse them.
LINES: Final = {
    "space-before-the-colon": _post(b"Content-Length : 5"),
    "tab-before-the-colon": _post(b"Content-Length\t: 5"),
    "space-before-the-first-field": b"GET / HTTP/1.1\r\n Host: test\r\n\r\n",
    "no-colon": _post(LENGTH, b"X"),
    "no-name": _post(LENGTH, b": y"),
    "folded-name": _post(b"Content-Length\r\n : 5"),
}

# RFC 9112 §7.1.2: trailers are dropped or kept apart, and malformed ones are malformed like fields.
TRAILERS: Final = {
    "length": _chunks(b"1\r\na\r\n" + head(b"0", b"Content-Length: 99", b"X: y")),
    "coding": _chunks(b"1\r\na\r\n" + head(b"0", CHUNKED)),
    "host-and-credentials": _chunks(b"1\r\na\r\n" + head(b"0", b"Host: evil", b"Authorization: c")),
}
BAD_TRAILERS: Final = {
    "no-colon": _chunks(b"0\r\nX\r\n\r\n"),
    "space-before-the-colon": _chunks(b"0\r\nX : y\r\n\r\n"),
    "ended-by-lf": _chunks(b"0\r\n\n"),
}


def _trailers(victim: Victim) -> None:
    refuse(BAD_TRAILERS)(victim)
    answers = send_all(victim, {name: data + behind(name) for name, data in TRAILERS.items()}, 0.5)
    # They frame nothing: what follows is the next request, and with the trailer it has another end.
    mistaken = {name for name, answer in answers.items() if answer.statuses[:1] == [200]} - smuggled(victim)
    demand(not mistaken, f"frames by the trailer {some(mistaken)}" if mistaken else "")
    told = _chunks(b"1\r\na\r\n" + head(b"0", b"X-Forged: yes")).replace(b"POST /", b"POST /fields")
    answer = send_all(victim, {"fields": told}, 0.3)["fields"]
    demand(b"x-forged" not in answer.data.lower(), "a trailer is a field to the application")


# Content that nobody reads, and content that may or may not come.


def _hidden_in(name: str, *lines: bytes, target: bytes = b"/none", method: bytes = b"POST") -> bytes:
    """A request whose content is another request."""
    content = behind(name)
    length = b"Content-Length: %d" % len(content)
    return head(method + b" " + target + b" HTTP/1.1", HOST, length, *lines) + content


def _unread_body(victim: Victim) -> None:
    chunk = behind("chunk")
    send_all(
        victim,
        {
            "content": _hidden_in("content"),
            "get": _hidden_in("get", method=b"GET"),
            "chunk": head(b"POST /none HTTP/1.1", HOST, CHUNKED)
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk),
            "much": head(b"POST /none HTTP/1.1", HOST, b"Content-Length: 1000000") + behind("much") * 15_000,
            "not-all": head(b"POST /none HTTP/1.1", HOST, b"Content-Length: 1000000") + behind("not-all"),
            "head": _hidden_in("head", method=b"HEAD"),
        },
    )
    found = smuggled(victim)
    demand(not found, f"reads the content of {some(found)} as a request" if found else "")


def _expect(victim: Victim) -> None:
    waits = head(
        b"POST /none HTTP/1.1", HOST, b"Content-Length: %d" % len(behind("later")), b"Expect: 100-continue"
    )
    send_all(
        victim,
        {
            "at-once": _hidden_in("at-once", b"Expect: 100-continue"),
            "read": _hidden_in("read", b"Expect: 100-continue", target=b"/"),
            "other": _hidden_in("other", b"Expect: 100-continue, x"),
        },
    )
    client = victim.connect()
    client.offer(waits)
    answer = client.receive_all(0.5)
    client.offer(behind("later"))
    later = client.receive_all(0.5)
    found = smuggled(victim)
    demand(not found, f"reads the content of {some(found)} as a request" if found else "")
    final = [status for status in answer.statuses if status >= 200]
    told = b"close" in b"".join(answer.heads).lower() or answer.ended or later.ended or 100 in answer.statuses
    demand(not final or told or len(later.statuses) == 0, "does not say that the connection ends")


def _upgrade(victim: Victim) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings"
    answers = send_all(
        victim,
        {
            "h2c": head(b"GET / HTTP/1.1", HOST, upgrade, b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
            "content": _hidden_in("content", b"Connection: Upgrade", b"Upgrade: foo/2", target=b"/"),
            "tls": _hidden_in("tls", b"Connection: Upgrade", b"Upgrade: TLS/1.2", target=b"/"),
        },
        0.5,
    )
    switched = [name for name, answer in answers.items() if 101 in answer.statuses]
    demand(not switched, f"101 to {some(switched)}" if switched else "")
    found = smuggled(victim)
    demand(not found, f"reads the content of {some(found)} as a request" if found else "")


TWO_LENGTHS: Final = "Two lengths for one message"
CHUNK_ENDS: Final = "Chunks that end somewhere else"
UNREAD: Final = "Content that nobody read"

ATTACKS: Final = (
    Attack("cl-te", TWO_LENGTHS, never_smuggle(CL_TE)),
    Attack("te-cl", TWO_LENGTHS, never_smuggle(TE_CL)),
    Attack("te-te", "Codings in disguise", _codings),
    Attack("content-length-variants", "Numbers in disguise", _lengths),
    Attack("chunk-size-variants", "Numbers in disguise", refuse(SIZES)),
    Attack("chunk-terminators", CHUNK_ENDS, refuse(TERMINATORS)),
    Attack("bare-lf", "Line ends that are none", refuse(BARE_LF)),
    Attack("bare-cr", "Line ends that are none", never_smuggle(BARE_CR)),
    Attack("hidden-lines", "Lines that are no fields", refuse(LINES)),
    Attack("trailer-framing", "Trailers that pose as fields", _trailers),
    Attack("cl-0", UNREAD, _unread_body),
    Attack("expect-desync", "Content that may or may not come", _expect),
    Attack("h2c-smuggling", "Upgrades", _upgrade),
)
