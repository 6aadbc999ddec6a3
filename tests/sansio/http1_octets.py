"""Octets for the tests of the HTTP/1 readers, good and hostile, and a conversation that feeds them to a connection.

The application in a conversation reads the whole content and answers with a fixed response, so that nothing in the
result may depend on how the octets were cut. An eager one answers without reading.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from sansio import Connection, Exchange, Scope, Settings, TransportInfo
from sansio.http1_gate import HeadGate
from sansio.scope import RequestHead

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED_HEAD: Final = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def octets(data: bytes) -> list[bytes]:
    """Cut data after each octet."""
    return [data[index : index + 1] for index in range(len(data))]


def cut(data: bytes, *places: int) -> list[bytes]:
    """Cut data at these places."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if start != end]


def head_of(*lines: bytes) -> bytes:
    """Join lines to a head."""
    return b"".join([line + b"\r\n" for line in lines]) + b"\r\n"


def facts(head: RequestHead) -> dict[str, str]:
    """Everything that a head says, with types: b"" is not bytearray(b""), and True is not 1."""
    return {name: repr(getattr(head, name)) for name in dir(head) if not name.startswith("_")}


@dataclass(frozen=True)
class HeadVerdict:
    """What the gate made of octets: nothing yet, a refusal, or a head."""

    status: int | None = None
    reason: str = ""
    head: bytes | None = None
    end: int = 0


def judge_head(pieces: Iterable[bytes], settings: Settings | None = None) -> HeadVerdict:
    """Feed pieces to a gate until it has decided."""
    gate = HeadGate(settings or Settings())
    fed = 0
    for piece in pieces:
        end = gate.receive_data(piece, 0)
        if end is not None:
            return HeadVerdict(head=gate.take_head(), end=fed + end)
        if gate.refusal is not None:
            return HeadVerdict(gate.refusal.status, gate.refusal.reason)
        fed += len(piece)
    return HeadVerdict()


def status_of(head: bytes, settings: Settings | None = None) -> int | None:
    """Return the status of the refusal, or None for a head that passes; whole and in octets alike."""
    whole, slow = judge_head([head], settings), judge_head(octets(head), settings)
    assert whole == slow
    assert whole.head is not None or whole.status is not None, "undecided"
    return whole.status


@dataclass
class Call:
    """One call of the application."""

    scope: Scope
    content: bytes = b""
    complete: bool = False
    done: bool = False
    messages: int = 0


@dataclass
class Conversation:
    """All that came of a connection: what was sent, and what the application was called with."""

    sent: bytes = b""
    calls: list[Call] = field(default_factory=list)
    status: int | None = None
    reason: str = ""
    wants_read: bool = True
    write_ended: bool = False
    closed: bool = False
    deadline: float = math.inf

    @property
    def targets(self) -> list[bytes]:
        """The paths of the calls, in order."""
        return [call.scope["raw_path"] for call in self.calls]

    @property
    def contents(self) -> list[bytes | None]:
        """The contents of the calls; None for those that were cut off, where the time of asking decides."""
        return [call.content if call.complete else None for call in self.calls]

    @property
    def statuses(self) -> list[int]:
        """The final responses' status codes, in order."""
        return [int(line[9:12]) for line in self.sent.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]

    def comparable(self) -> dict[str, object]:
        """What must be the same however the octets were cut.

        A 100 (Continue) may be left out where content has already come (RFC 9110 §10.1.1).
        """
        return {
            "sent": self.sent.replace(CONTINUE, b""),
            "scopes": [call.scope for call in self.calls],
            "contents": self.contents,
            "error": (self.status, self.reason),
            "states": (self.wants_read, self.write_ended, self.closed, self.deadline),
        }


def converse(
    pieces: Iterable[bytes], settings: Settings | None = None, *, ended: bool = False, eager: bool = False
) -> Conversation:
    """Feed pieces to a connection while an application answers everything; then, if `ended`, the end of input."""
    connection = Connection(TransportInfo(), settings or Settings(), 0.0)
    result = Conversation()
    for piece in pieces:
        connection.receive_data(piece, 0.0)
        _answer(connection, result, eager=eager)
    if ended:
        connection.receive_eof(0.0)
        _answer(connection, result, eager=eager)
    if connection.error is not None:
        result.status = connection.error.status
        result.reason = connection.error.reason
    result.wants_read = connection.wants_read
    result.write_ended = connection.write_ended
    result.closed = connection.closed
    result.deadline = connection.deadline
    return result


def _answer(connection: Connection, result: Conversation, *, eager: bool) -> None:
    while ready := connection.take_ready():
        for exchange in ready:
            call = exchange.tag
            if not isinstance(call, Call):
                exchange.tag = call = Call(exchange.scope)
                result.calls.append(call)
            if not call.done:
                _run(exchange, call, eager=eager)
    result.sent += connection.data_to_send()


def _run(exchange: Exchange, call: Call, *, eager: bool) -> None:
    while not call.done:
        message = None if eager else exchange.receive(0.0)
        if message is None and not eager:
            return
        if message is not None:
            call.messages += 1
            call.content += message.get("body", b"")
            call.complete = message["type"] == "http.request" and not message["more_body"]
        if eager or call.complete:
            exchange.send({"type": "http.response.start", "status": 200}, 0.0)
            exchange.send({"type": "http.response.body", "body": b"fine\r\n"}, 0.0)
        call.done = eager or call.complete or (message is not None and message["type"] == "http.disconnect")
    exchange.finish(None, 0.0)


# Strategies.

_METHODS: Final = [
    b"GET",
    b"POST",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"FOO",
    b"get",
    b"M-SEARCH",
    b"CONNECT",
    b"G@T",
    b"",
]
_TARGETS: Final = [
    b"/",
    b"/a/b?c=d",
    b"/%00",
    b'/"<>',
    b"*",
    b"http://b:80/x?y",
    b"HTTPS://b",
    b"a:1",
    b"//x",
    b"/\x80",
    b"/#",
]
_VERSIONS: Final = [b"HTTP/1.1"] * 6 + [
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.1 ",
]
_LINES: Final = [
    b"Accept: */*",
    b"accept:*/*",
    b"X-Empty:",
    b"X-Tab:\ta\tb\t",
    b"X-High: \x85\xa0\xff",
    b"Cookie: a=b; c=d",
    b"Connection: keep-alive",
    b"Connection: close",
    b"connection: TE, Close",
    b"Connection: closed",
    b"Upgrade: foo/2",
    b"TE: trailers",
    b"TE: gzip;q=0.5 , Trailers",
    b"Expect: 100-continue",
    b"expect: 100-Continue",
    b"Expect: 100-continue, b",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"content-length:  010 ",
    b"Content-Length: +3",
    b"Content-Length: 3, 3",
    b"Content-Length: 999999999999999999",
    b"Content-Length: 1000000000000000000",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:\tChunKed\t",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: identity",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Host: b",
    b"Host: a@b",
    b" folded",
    b": nameless",
    b"colonless",
    b"",
]
_HOSTS: Final = [b"Host: a"] * 8 + [
    b"host:a.example:80",
    b"Host: [::1]:8080",
    b"Host:",
    b"Host: a:99999",
    b"Accept: a",
]
_TOKEN: Final = b"!#$%&'*+-.^_`|~0aAzZ9"
_SPLICES: Final = [
    *[
        bytes([octet])
        for octet in (0, 1, 8, 9, 10, 11, 12, 13, 27, 32, 34, 44, 58, 59, 92, 127, 128, 133, 160, 255)
    ],
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\r\n\t",
    b"\r\nContent-Length: 3\r\n",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nHost: b\r\n",
    b"0\r\n\r\n",
]


@st.composite
def mutated(draw: st.DrawFn, source: st.SearchStrategy[bytes], changes: int = 3) -> bytes:
    """Octets from a source, damaged in a few places."""
    data = draw(source)
    for _ in range(draw(st.integers(0, changes))):
        place = draw(st.integers(0, len(data)))
        size = draw(st.integers(1, 12))
        before, part, after = data[:place], data[place : place + size], data[place + size :]
        change = draw(st.sampled_from(["delete", "duplicate", "swap", "flip", "insert", "replace", "cut"]))
        if change == "delete":
            data = before + after
        elif change == "duplicate":
            data = before + part + part + after
        elif change == "swap":
            data = before + part[::-1] + after
        elif change == "flip":
            data = (
                before + bytes([part[0] ^ (1 << draw(st.integers(0, 7)))]) + part[1:] + after
                if part
                else data
            )
        elif change == "insert":
            data = before + draw(st.sampled_from(_SPLICES)) + part + after
        elif change == "replace":
            data = before + draw(st.sampled_from(_SPLICES)) + after
        else:
            data = before
    return data


@st.composite
def field_lines(draw: st.DrawFn) -> bytes:
    """A line whose name and value are arbitrary, but legal."""
    name = draw(st.text(st.sampled_from(_TOKEN.decode()), min_size=1, max_size=8)).encode()
    value = draw(st.binary(max_size=12)).translate(None, bytes([*range(9), *range(10, 32), 127]))
    return name + b":" + value


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads as the grammar has them, most of them good, with and without framing fields."""
    plain = draw(st.booleans())
    method = draw(st.sampled_from(_METHODS[:5] if plain else _METHODS))
    target = draw(st.sampled_from(_TARGETS[:4] if plain else _TARGETS))
    version = b"HTTP/1.1" if plain else draw(st.sampled_from(_VERSIONS))
    common = st.sampled_from(_LINES[:19] if plain else _LINES)
    lines = draw(st.lists(st.one_of(common, field_lines()), max_size=6))
    lines.insert(draw(st.integers(0, len(lines))), b"Host: a" if plain else draw(st.sampled_from(_HOSTS)))
    empty = b"" if plain else draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n" * 4, b"\r\n" * 5]))
    return empty + head_of(b" ".join((method, target, version)), *lines)


@st.composite
def chunked_contents(draw: st.DrawFn) -> bytes:
    """Contents in the chunked coding, with extensions and a trailer section."""
    parts = []
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"%016x"])) % len(chunk)
        extensions = draw(
            st.sampled_from(
                [b"", b"", b";a", b";a=b", b'; a = "b\\"c;"', b";a;b=c", b";", b";a=", b" ;a", b" "]
            )
        )
        parts.append(size + extensions + b"\r\n" + chunk + b"\r\n")
    trailers = draw(st.lists(st.sampled_from(_LINES), max_size=3))
    return b"".join(parts) + draw(st.sampled_from([b"0", b"000", b"0;a"])) + b"\r\n" + head_of(*trailers)


@st.composite
def connections(draw: st.DrawFn) -> bytes:
    """A few requests one after the other, with contents that may fit their heads."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["head", "length", "chunked"]))
        if kind == "head":
            parts.append(draw(heads()))
        elif kind == "length":
            content = draw(st.binary(max_size=30))
            parts.append(
                head_of(b"POST /l HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(content)) + content
            )
        else:
            target = draw(st.sampled_from([b"/c", b"http://a/c"]))
            lines = (b"POST " + target + b" HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked")
            parts.append(head_of(*lines) + draw(chunked_contents()))
    return b"".join(parts)


def places() -> st.SearchStrategy[Sequence[int]]:
    """Where to cut."""
    return st.lists(st.integers(0, 2**16), max_size=12)
