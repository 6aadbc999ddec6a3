"""What a reader of HTTP/1 makes of a stream, and where two of them disagree.

A `Reader` may be anybody's: it knows requests only, and nothing of whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeAlias

from .wire import Field, read_requests

__all__ = ["Disagreement", "Message", "Reader", "Reading", "Refused", "compare", "read"]


@dataclass(frozen=True, slots=True)
class Message:
    """One request as a reader sees it, at least up to the end of its head."""

    method: bytes
    target: bytes
    """As it stands in the request line, or in origin-form."""
    version: bytes
    """``1.1``, without the name."""
    fields: tuple[Field, ...]
    """In the order of the wire, without trailers."""
    content: bytes = b""
    """Without the framing of chunks."""
    complete: bool = True
    """The content and the trailers are there. Only the last message may be incomplete."""
    closes: bool | None = None
    """Nothing behind it is a request (RFC 9112 §9.3). None: the reader does not say."""


class Refused(Exception):
    """A reader does not take the octets that follow; the text says why."""


Reader: TypeAlias = Callable[[bytes], Iterable[Message]]
"""Yields a stream's requests, and raises `Refused` at what is none. Octets that are missing are nobody's fault."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a reader makes of a stream."""

    messages: tuple[Message, ...]
    refused: str = ""
    """Why the rest was refused, if it was."""

    @property
    def waits(self) -> bool:
        """Nothing is wrong, and what is there is not the end of it."""
        return not self.refused and not (self.messages and self.messages[-1].closes)


def read(reader: Reader, stream: bytes) -> Reading:
    """Let a reader read, and write down what it says in one spelling."""
    messages: list[Message] = []
    try:
        for message in reader(stream):
            messages.append(_respell(message))
            if message.closes:
                break
    except Refused as refused:
        return Reading(tuple(messages), str(refused) or "refused")
    return Reading(tuple(messages))


_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def _respell(message: Message) -> Message:
    """Spell what means the same in the same way."""
    # Names are case-insensitive, those of codings too; a value has no white space around it (RFC 9110 §5.1, §5.5;
    # RFC 9112 §7).
    fields = [(name.lower(), value.strip(b" \t")) for name, value in message.fields]
    fields = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in fields]
    target = message.target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        # An authority in the target takes the place of Host (RFC 9112 §3.2.2, §3.2.4).
        target = absolute[2]
        if not target.startswith(b"/"):
            target = b"*" if message.method == b"OPTIONS" and not target else b"/" + target
        fields = [(b"host", absolute[1]), *(field for field in fields if field[0] != b"host")]
    # A scope of ASGI cannot tell an empty query from none.
    target = re.sub(rb"^([^?]*)\?$", rb"\1", target)
    # "A recipient that receives a message with [...] a minor version number higher than what the recipient
    # understands SHOULD process the message as if it were in the highest minor version". RFC 9110 §2.5
    version = b"1.1" if re.fullmatch(rb"1\.[2-9]", message.version) else message.version
    return replace(message, target=target, version=version, fields=tuple(fields))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The first thing that two readers see differently, and nobody can be wrong about it in silence."""

    stream: bytes
    number: int
    """Of the message, from 0."""
    what: str
    """In words."""
    oracle: str
    """Who says something else."""
    mine: Reading
    theirs: Reading

    @property
    def refusal(self) -> bool:
        """One of the two takes nothing: that is no way to smuggle anything past it."""
        return bool(self.i_refuse or self.they_refuse)

    @property
    def i_refuse(self) -> str:
        """Why; empty if this reader takes the message, or waits for more of it."""
        return self.mine.refused if self._is_last(self.mine) else ""

    @property
    def they_refuse(self) -> str:
        """Why; empty if this reader takes the message, or waits for more of it."""
        return self.theirs.refused if self._is_last(self.theirs) else ""

    @property
    def octets(self) -> bytes:
        """The stream from the end of the message before this one, as far as it can be found."""
        ends = [request.end or 0 for request in islice(read_requests(self.stream), self.number)]
        return self.stream[ends[-1] if ends else 0 :]

    @property
    def head(self) -> bytes:
        """The octets up to where a head ends that has CRLF at the end of each line; without empty lines before it."""
        return self.octets.lstrip(b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def framing(self) -> bytes:
        """The octets behind that."""
        return self.octets.lstrip(b"\r\n").partition(b"\r\n\r\n")[2]

    def _is_last(self, reading: Reading) -> bool:
        complete = [message for message in reading.messages if message.complete]
        return len(complete) <= self.number

    def __str__(self) -> str:
        mine, theirs = _tell(self.mine, self.number), _tell(self.theirs, self.number)
        return f"{self.what}: {self.stream!r}\nmessage {self.number}: {mine}\n{self.oracle}: {theirs}"


def _tell(reading: Reading, number: int) -> str:
    told = [repr(message) for message in reading.messages[number : number + 1]]
    if len(reading.messages) <= number + 1:
        told.append(f"refused ({reading.refused})" if reading.refused else "no more")
    return ", ".join(told)


def compare(mine: Reader, oracles: Mapping[str, Reader], stream: bytes) -> list[Disagreement]:
    """Read a stream in several ways and return where the first reader and each of the others disagree, if they do.

    A refusal that comes earlier than another reader's verdict is no disagreement.
    """
    reading = read(mine, stream)
    found = []
    for name, oracle in oracles.items():
        theirs = read(oracle, stream)
        difference = _difference(reading, theirs, name)
        if difference is not None:
            found.append(Disagreement(stream, *difference, name, reading, theirs))
    return found


def _difference(mine: Reading, theirs: Reading, name: str) -> tuple[int, str] | None:
    for number in range(max(len(mine.messages), len(theirs.messages))):
        a, b = (
            reading.messages[number] if len(reading.messages) > number else None for reading in (mine, theirs)
        )
        what = _compare_messages(a, b, mine, theirs, name)
        if what:
            return number, what
    return None  # What is refused here may wait for its end there.


def _compare_messages(a: Message | None, b: Message | None, mine: Reading, theirs: Reading, name: str) -> str:
    """Say in words what is different about one message. Before it, nothing is."""
    if a is None or b is None:
        refused, waits = (mine.refused, mine.waits) if a is None else (theirs.refused, theirs.waits)
        who, other = ("this reader", name) if a is None else (name, "this reader")
        taken = a or b
        if mine.refused and theirs.refused and taken is not None and not taken.complete:
            return ""  # Both refuse the message, one of them a little later.
        if refused:
            return f"{who} refuses ({refused}) what {other} takes"
        return f"{who} sees no message where {other} sees one" if waits else ""
    for facet in ("method", "target", "version", "fields"):
        if getattr(a, facet) != getattr(b, facet):
            return f"another {facet} than that of {name}"
    if a.complete and b.complete:
        if a.content != b.content:
            return f"another content than that of {name}"
        if None not in {a.closes, b.closes} and a.closes != b.closes:
            return f"{'closes' if a.closes else 'goes on'} where {name} does not"
        return ""
    if a.complete is not b.complete:
        refused = theirs.refused if a.complete else mine.refused
        who, other = (name, "this reader") if a.complete else ("this reader", name)
        if refused:
            return f"{who} refuses content ({refused}) that is complete for {other}"
        return f"{who} waits for content that is complete for {other}"
    short, long = sorted((a.content, b.content), key=len)
    return "" if long.startswith(short) else f"another content than that of {name}"
