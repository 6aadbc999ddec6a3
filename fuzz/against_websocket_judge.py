"""Three servers of WebSockets, ours, wsproto and websockets, that are given the same frames; and two clients.

After each frame each server has a verdict: messages that became complete, pongs, and how the session ended, if it did.
Where the verdicts differ, one of the rows of `fuzz.against_websocket_differences` has to know of it. The application
sends each message back, and both libraries have to read the same of it.
"""

from __future__ import annotations

import logging
import re
import zlib
from typing import Final

from websockets.extensions.permessage_deflate import PerMessageDeflate as Compression
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State
from wsproto.connection import Connection as Library
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate

from sansio import Connection, Exchange, Settings, TransportInfo

from .against_websocket_differences import BAD_GATEWAY, DIFFERENCES, WEBSOCKETS, WSPROTO, End, Step, Verdict
from .against_websocket_frames import measure, unmask
from .against_websocket_offers import check_offer
from .websocket import HEAD
from .wire import Deflate, read_deflate

__all__ = ["Ours", "Trial", "Websockets", "Wsproto", "take_pongs"]

_NOW: Final = 0.0
_NO_STATUS: Final = 1005
_TOO_BIG: Final = 1009
_INVALID: Final = 1007
_NOT_IN_A_FIELD: Final = {*range(9), *range(10, 32), 127}
_SILENT: Final = logging.getLogger("fuzz.against_websocket")
_SILENT.setLevel(logging.CRITICAL)
_EXTENSIONS: Final = re.compile(rb"\r\nsec-websocket-extensions: ([^\r]*)")
_NO_LIMIT: Final = 2**30
_FURTHER: Final = 40_000
_TAIL: Final = b"\0\0\xff\xff"


class Ours:
    """Our server, whose application accepts, and sends each message back."""

    def __init__(self, offer: bytes, limit: int) -> None:
        self.answer: bytes | None = None
        """What was agreed on; None: nothing."""
        self.status = 0
        self.connection = Connection(TransportInfo(), Settings(ws_max_size=limit), _NOW)
        self.connection.receive_data(HEAD % (b"Sec-WebSocket-Extensions: " + offer), _NOW)
        ready = self.connection.take_ready()
        if ready:
            exchange = ready[0]
            assert exchange.receive(_NOW) == {"type": "websocket.connect"}, "no request for a WebSocket"
            exchange.send({"type": "websocket.accept"}, _NOW)
        self.head, _, rest = self.connection.data_to_send().partition(b"\r\n\r\n")
        assert not rest or not ready, f"more than an answer: {rest!r}"
        self.status = int(self.head[9:12])
        found = _EXTENSIONS.search(self.head)
        self.answer = found[1] if found else None
        self._exchange: Exchange | None = ready[0] if ready else None

    def give(self, octets: bytes, cut: int) -> tuple[Verdict, bytes]:
        """Return what comes of octets, and all that was written."""
        verdict, written = Verdict(), b""
        exchange = self._exchange
        assert exchange is not None, "nothing was accepted"
        for start in range(0, len(octets), cut or max(1, len(octets))):
            self.connection.receive_data(octets[start : start + (cut or len(octets))], _NOW)
            while verdict.end is None and (message := exchange.receive(_NOW)) is not None:
                if message["type"] == "websocket.disconnect":
                    failed = self.connection.error is not None
                    verdict.end = End(failed, message["code"], "" if failed else message["reason"])
                else:
                    content = message["bytes"] if message["text"] is None else message["text"]
                    verdict.messages.append(content)
                    if not exchange.disconnected:
                        exchange.send({**message, "type": "websocket.send"}, _NOW)
            written += self.connection.data_to_send()
        return verdict, written


class Wsproto:
    """wsproto, as a server or a client. It has no limit, so that its user has to count."""

    def __init__(self, answer: bytes | None, limit: int, *, client: bool = False) -> None:
        extensions = []
        if answer is not None:
            extensions.append(PerMessageDeflate())
            # It knows no window of 8 bits, and one of 9 reads the same.
            said = answer.decode().replace("bits=8", "bits=9")
            if client:
                extensions[0].finalize(said)
            else:
                extensions[0].client_no_context_takeover = "client_no" in said
                extensions[0].accept(said)
        self._library = Library(ConnectionType.CLIENT if client else ConnectionType.SERVER, list(extensions))
        self._pieces: list[str | bytes] = []
        self._size = 0
        self._limit = limit
        self._over = False

    def give(self, octets: bytes, cut: int = 0) -> Verdict:
        """Return what comes of octets."""
        verdict = Verdict()
        for start in range(0, len(octets), cut or max(1, len(octets))):
            if self._over:
                break
            self._library.receive_data(octets[start : start + (cut or len(octets))])
            for event in self._library.events():
                self._take(event, verdict)
                if self._over:
                    break
        return verdict

    def _take(self, event: Event, verdict: Verdict) -> None:
        if isinstance(event, CloseConnection):
            failed = self._library.state is not ConnectionState.REMOTE_CLOSING
            verdict.end = End(failed, int(event.code), "" if failed else event.reason or "")
            self._over = True
        elif isinstance(event, Ping):
            verdict.pongs.append(self._library.send(event.response())[2:])
        elif isinstance(event, (TextMessage, BytesMessage)):
            piece = event.data if isinstance(event, TextMessage) else bytes(event.data)
            self._pieces.append(piece)
            self._size += len(piece.encode()) if isinstance(piece, str) else len(piece)
            if self._size > self._limit:
                verdict.end = End(failed=True, code=_TOO_BIG)
                self._over = True
            elif event.message_finished:
                text = isinstance(event, TextMessage)
                verdict.messages.append("".join(map(str, self._pieces)) if text else b"".join(self._pieces))  # type: ignore[arg-type]  # Of one kind.
                self._pieces, self._size = [], 0


class Websockets:
    """The library websockets without I/O, as a server or a client. That text is text is left to its user."""

    def __init__(self, deflate: Deflate | None, limit: int, *, client: bool = False) -> None:
        side = Side.CLIENT if client else Side.SERVER
        self._library = Protocol(side, state=State.OPEN, max_size=limit, logger=_SILENT)
        if deflate is not None:
            self._library.extensions = [
                Compression(
                    not deflate.takeover[not client],
                    not deflate.takeover[client],
                    deflate.bits[not client],
                    max(9, deflate.bits[client]),
                )
            ]
        self._pieces: list[bytes] = []
        self._text = False
        self._over = False

    def give(self, octets: bytes, cut: int = 0) -> Verdict:
        """Return what comes of octets."""
        verdict = Verdict()
        for start in range(0, len(octets), cut or max(1, len(octets))):
            if self._over:
                break
            self._library.receive_data(octets[start : start + (cut or len(octets))])
            for event in self._library.events_received():
                assert isinstance(event, Frame), f"websockets says {event}"
                self._take(event, verdict)
            closed, failed = self._library.close_rcvd, self._library.close_sent
            if verdict.end is None and self._library.parser_exc is not None and failed is not None:
                verdict.end = End(failed=True, code=int(failed.code))
            elif verdict.end is None and closed is not None:
                verdict.end = End(failed=False, code=int(closed.code), reason=closed.reason)
            self._over = verdict.end is not None
        return verdict

    def _take(self, frame: Frame, verdict: Verdict) -> None:
        if frame.opcode is Opcode.PING:
            verdict.pongs.append(bytes(frame.data))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if frame.opcode is not Opcode.CONT:
                self._text = frame.opcode is Opcode.TEXT
            self._pieces.append(bytes(frame.data))
            if frame.fin:
                content, self._pieces = b"".join(self._pieces), []
                try:
                    verdict.messages.append(content.decode() if self._text else content)
                except UnicodeDecodeError:
                    verdict.end = End(failed=True, code=_INVALID)


class _Reader:
    """Reads the frames by itself, for the rows of the table."""

    def __init__(self, deflate: Deflate | None, limit: int) -> None:
        self._deflate = deflate
        self._limit = limit
        self._zlib, self._wide = self._renew(), zlib.decompressobj(-15)
        self._last: Step | None = None  # Of the message that is open.
        self._interrupted = False
        self._streams = 0

    def _renew(self) -> zlib._Decompress:
        return zlib.decompressobj(-self._deflate.bits[True] if self._deflate else -15)

    def read(self, octets: bytes) -> Step:
        measured = measure(octets)
        header, length = measured or (len(octets), 0)
        second = octets[1] if len(octets) > 1 else 0
        payload = octets[header:]
        if second & 0x80 and measured:
            payload = unmask(payload, octets[header - 4 : header])
        minimum = {126: 126, 127: 65_536}.get(second & 0x7F, 0)
        step = Step(
            octets,
            octets[0],
            bool(second & 0x80),
            length,
            minimum <= length < 2**63,
            measured is not None,
            measured is not None and len(octets) == sum(measured),
            payload,
            self._limit,
            self._deflate,
        )
        last = self._last
        step.open_before = last is not None
        if step.is_data:
            self._read_data(step, last)
        elif last is not None:
            step.content = last.content
            self._interrupted = self._interrupted or last.compressed
        return step

    def _read_data(self, step: Step, last: Step | None) -> None:
        if last is not None:
            step.compressed, step.text = last.compressed, last.text
            step.content, step.arrived = last.content, last.arrived
        else:
            step.compressed = bool(step.first & 0x40) and self._deflate is not None
            step.text = step.opcode == 1
        step.arrived += step.length
        ended = bool(step.first & 0x80) and step.whole
        if step.compressed:
            self._inflate(step, step.payload + (_TAIL if ended else b""))
            step.streams, step.interrupted = self._streams, self._interrupted
        else:
            step.content += step.payload
        self._last = None if ended else step
        if ended and step.compressed and self._deflate is not None and not self._deflate.takeover[True]:
            self._zlib, self._wide = self._renew(), zlib.decompressobj(-15)

    def _inflate(self, step: Step, data: bytes) -> None:
        """Inflate octet by octet: zlib hides what comes before a fault."""
        end = self._limit + _FURTHER
        try:
            for octet in data:
                rest = bytes([octet])
                while rest and len(step.content) < end:
                    content = self._wide.decompress(rest, end)
                    step.content += content
                    step.far = step.far or not self._is_near(rest, end, content)
                    rest = self._wide.unconsumed_tail or self._wide.unused_data
                    if self._wide.eof:
                        self._streams += 1
                        self._zlib, self._wide = self._renew(), zlib.decompressobj(-15)
        except zlib.error:
            step.inflates = False

    def _is_near(self, rest: bytes, end: int, content: bytes) -> bool:
        """Tell whether the window that was agreed on is enough."""
        try:
            return self._zlib.decompress(rest, end) == content
        except zlib.error:
            return False


class Trial:
    """All servers, and both clients."""

    def __init__(self, offer: bytes, limit: int, cut: int = 0) -> None:
        self.cut = cut
        self.ours = Ours(offer, limit)
        self.offer_notes: list[str] = []
        if not set(offer) & _NOT_IN_A_FIELD:
            self.offer_notes = check_offer(offer.strip(b" \t"), self.ours.status, self.ours.answer)
        self.deflate = read_deflate(self.ours.head)
        self.steps: list[Step] = []
        self.notes: list[list[tuple[str, tuple[str, ...]]]] = []
        """Of each step: whose verdict was another, and the rows that know why."""
        self.over = self.ours.status != 101
        self.servers: dict[str, Wsproto | Websockets] = {
            WSPROTO: Wsproto(self.ours.answer, limit),
            WEBSOCKETS: Websockets(self.deflate, limit),
        }
        self.clients: dict[str, Wsproto | Websockets] = {
            WSPROTO: Wsproto(self.ours.answer, _NO_LIMIT, client=True),
            WEBSOCKETS: Websockets(self.deflate, _NO_LIMIT, client=True),
        }
        self._reader = _Reader(self.deflate, limit)

    def give(self, octets: bytes) -> None:
        """Give a frame to all, and hold their verdicts against each other."""
        step = self._reader.read(octets)
        self.steps.append(step)
        self.notes.append([])
        if step.far:
            self.over = True
            return
        step.ours, written = self.ours.give(octets, self.cut)
        self._check_written(step, written)
        self.over = step.ours.end is not None
        refused = step.ours.failure
        assert refused is None or refused in step.excuses, f"{_name(step)} is refused for nothing: {step}"
        assert not (step.faults and step.whole) or refused is not None, f"{_name(step)} is taken: {step}"
        for name, server in list(self.servers.items()):
            theirs = server.give(octets, self.cut)
            if theirs != step.ours:
                reasons = [
                    row for row, it in DIFFERENCES.items() if name in it.whose and it.knows(step, theirs)
                ]
                assert reasons, (
                    f"{_name(step)}, ours {_tell(step.ours)}, {name} {_tell(theirs)}: "
                    f"{step.ours}, {theirs}, because of {step}"
                )
                self.notes[-1].append((name, tuple(reasons)))
                del self.servers[name]  # From here on it is in another state.

    def _check_written(self, step: Step, written: bytes) -> None:
        """Both clients have to read the pongs, each message that was sent back, and the same end."""
        step.ours.pongs, written = take_pongs(written)
        expected = step.ours.messages
        for name, client in self.clients.items():
            read = client.give(written)
            assert read.messages == expected, f"{name} reads other messages: {read.messages}, sent {expected}"
            end = step.ours.end
            if name == WSPROTO and end is not None and end.code == BAD_GATEWAY:
                continue  # It does not know the code.
            told = None if read.end is None else (read.end.failed, read.end.code)
            assert told == (None if end is None else (False, end.code)), (
                f"{name} reads another end: {read}, told {end}"
            )


def take_pongs(written: bytes) -> tuple[list[bytes], bytes]:
    """Part the pongs from all other frames."""
    pongs, others = [], b""
    while written:
        measured = measure(written)
        assert measured is not None, f"half a frame: {written!r}"
        size = sum(measured)
        assert len(written) >= size, f"half a frame: {written!r}"
        if written[0] == 0x8A:
            pongs.append(written[measured[0] : size])
        else:
            others += written[:size]
        written = written[size:]
    return pongs, others


def _name(step: Step) -> str:
    return f"opcode {step.opcode}"


def _tell(verdict: Verdict) -> str:
    """Say shortly what a verdict is."""
    if verdict.end is not None:
        return f"{'fails' if verdict.end.failed else 'closes'} with {verdict.end.code}"
    return f"{len(verdict.messages)} messages and {len(verdict.pongs)} pongs"
