"""A WebSocket under fire: a script of octets makes a peer, an application and a clock, and the laws are held.

The first octets choose settings, what the client offers, and what the application answers at first. Each operation
that follows is one octet for its kind, and what it needs. `fuzz.wire` reads the frames of both sides, without
any code of the machine.
"""

from __future__ import annotations

import enum
import math
import zlib
from collections.abc import Callable
from typing import Any, Final

from sansio import (
    ClientDisconnected,
    Connection,
    Exchange,
    InvalidMessage,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)

from .generate import Chooser, mutate
from .machine import Violation, reachable
from .messages import WEBSOCKET_LEGAL
from .messages import WEBSOCKET_MESSAGES as MESSAGES
from .wire import ResponseReader, Side, client_frame, read_deflate, read_frames
from .world import (
    AppFinish,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)

__all__ = ["FIRSTS", "HEAD", "MESSAGES", "OFFERS", "SETTINGS", "STARTS", "Kind", "Session"]
__all__ += ["check_websocket", "mutate_websocket"]

_TIMES: Final[dict[str, float]] = {"timeout_linger": 2.0, "ws_ping_interval": 3.0, "ws_ping_timeout": 2.0}
SETTINGS: Final = (
    Settings(),
    Settings(ws_max_size=200, ws_max_fragments=3, limit_read_buffer=300, limit_write_buffer=64, **_TIMES),  # type: ignore[arg-type]
    Settings(ws_max_size=1, ws_max_fragments=1, limit_read_buffer=1, limit_write_buffer=1, limit_discard=0),
    Settings(ws_per_message_deflate=False, ws_max_size=1_000, limit_read_buffer=1_000, ws_ping_interval=1.0),
    Settings(ws_ping_interval=math.inf, ws_max_size=70_000, limit_read_buffer=600, ws_close_timeout=1.0),
    Settings(
        ws_close_timeout=0.0, timeout_linger=0.0, ws_handshake_timeout=1.0, timeout_graceful_shutdown=4.0
    ),
)

_DEFLATE: Final = b"Sec-WebSocket-Extensions: permessage-deflate"
OFFERS: Final = (
    b"X: y",
    _DEFLATE,
    _DEFLATE + b"; client_max_window_bits",
    _DEFLATE + b"; server_no_context_takeover; client_no_context_takeover",
    _DEFLATE + b"; server_max_window_bits=9; client_max_window_bits=9",
    _DEFLATE + b"; server_max_window_bits=8, x-other, permessage-deflate; client_no_context_takeover",
)
HEAD: Final = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a, b\r\n%b\r\n\r\n"
)
_ACCEPT: Final = b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"  # RFC 6455 §1.3 has this pair.

_SEND: Final = "websocket.send"
_CLOSE: Final = "websocket.close"
_NAMES: Final = tuple(MESSAGES)

STARTS: Final[tuple[list[Operation], ...]] = (
    [AppReceive(), AppSend("accept"), Take()],
    [AppSend("accept b")],
    [AppReceive(), AppReceive()],
    [AppSend("close")],
    [AppReceive(), AppSend("deny")],
)


class Kind(enum.IntEnum):
    """What an operation is, by the octet that names it."""

    FRAME, MESSAGE, RAW, EOF, LOST, WAIT, DEADLINE, TIMEOUT, SHUT_DOWN, TAKE = range(10)
    APP_RECEIVE, APP_SEND, APP_FINISH = range(10, 13)


_KINDS: Final = tuple(map(Kind, (*Kind, 0, 1, 1, 9, 10, 11, 11)))  # Frequent ones have several octets.
FIRSTS: Final = b"\x81\x82\x89\x8a\x88\x01\x02\x00\x80\xc1\xc2\x41\x83\xa1\x09\xc0"
"""First octets of frames."""
_CUTS: Final = (0, 1, 3, 50)
_TIMES_REPEATED: Final = (1, 1, 1, 2, 30, 300)
_SECONDS: Final = (0.0, 0.5, 3.0, 9.0, 200.0)
_MAX_OPERATIONS: Final = 40


class _Script:
    """Reads a script; keeps the client's compressor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.ends: list[int] = []
        """Where the header and each operation end."""
        self.settings = self._number(len(SETTINGS))
        self.offer = self._number(len(OFFERS))
        start = self._number(len(STARTS))
        self._bits = -9 if b"client_max" in OFFERS[self.offer] else -15
        self._zlib = zlib.compressobj(wbits=self._bits)
        self.operations: list[Operation] = [Receive(HEAD % OFFERS[self.offer]), *STARTS[start]]
        self.ends.append(self._position)
        while self._position < len(data) and len(self.ends) < _MAX_OPERATIONS:
            self.operations.append(self._read())
            self.ends.append(min(self._position, len(data)))

    def _number(self, many: int = 256) -> int:
        self._position += 1
        return self._data[self._position - 1] % many if self._position <= len(self._data) else 0

    def _payload(self) -> bytes:
        size = self._number()
        times = _TIMES_REPEATED[self._number(len(_TIMES_REPEATED))]
        self._position += size
        return self._data[self._position - size : self._position] * times

    def _read(self) -> Operation:
        kind = _KINDS[self._number(len(_KINDS))]
        if kind in {Kind.FRAME, Kind.MESSAGE, Kind.RAW}:
            how = self._number()
            cut = _CUTS[how & 3]
            if kind == Kind.RAW:
                return Receive(self._payload(), cut)
            if kind == Kind.FRAME:
                first = FIRSTS[self._number(len(FIRSTS))]
                return Receive(client_frame(first, self._payload(), masked=how != 0xFF), cut)
            return Receive(self._message(how), cut)
        simple: dict[int, Callable[[], Operation]] = {
            Kind.EOF: Eof,
            Kind.LOST: Lost,
            Kind.WAIT: lambda: Wait(_SECONDS[self._number(len(_SECONDS))]),
            Kind.DEADLINE: ToDeadline,
            Kind.TIMEOUT: Timeout,
            Kind.SHUT_DOWN: ShutDown,
            Kind.TAKE: Take,
            Kind.APP_RECEIVE: AppReceive,
            Kind.APP_SEND: lambda: AppSend(_NAMES[self._number(len(_NAMES))]),
            Kind.APP_FINISH: lambda: AppFinish(0, bool(self._number(2))),
        }
        return simple[kind]()

    def _message(self, how: int) -> bytes:
        """Return a message in fragments: text or not, compressed or not."""
        payload = self._payload()
        first = 2 if how & 4 else 1
        if how & 8:
            first |= 0x40
            payload = self._zlib.compress(payload) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
            payload = payload[:-4]
            if b"client_no_context_takeover" in OFFERS[self.offer]:
                self._zlib = zlib.compressobj(wbits=self._bits)
        fragments = 1 + (how >> 4 & 3)
        size = len(payload) // fragments + 1
        parts = [payload[start : start + size] for start in range(0, max(1, len(payload)), size)]
        ping = client_frame(0x89, b"between") if how & 64 else b""
        frames = [
            client_frame((0 if number else first) | (0x80 if number == len(parts) - 1 else 0), part)
            for number, part in enumerate(parts)
        ]
        return ping.join(frames)


def check_websocket(data: bytes) -> None:
    """Let a whole session happen, and hold every law."""
    script = _Script(data)
    session = Session(SETTINGS[script.settings])
    for operation in script.operations:
        session.do(operation)
    session.check_whole()


def mutate_websocket(data: bytes, chooser: Chooser) -> bytes:
    """Change some octets, or leave out, repeat, move or invent an operation."""
    way = chooser.randint(0, 5)
    if not way:
        return mutate(data, chooser)
    ends = _Script(data).ends
    parts = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    header, *operations = parts
    place = chooser.randint(0, len(operations))
    if way == 1 and operations:
        del operations[place - 1]
    elif way == 2 and operations:
        operations.insert(place, chooser.choice(operations))
    elif way == 3:
        header = bytes(chooser.randint(0, 255) for _ in range(3))
    else:
        payload = bytes(
            [chooser.choice(b"a1\xc3\xa9\xff\x03\xe8\x00") for _ in range(chooser.randint(0, 20))]
        )
        kind = chooser.randint(0, len(_KINDS) - 1)
        octets = [kind, chooser.randint(0, 255)]
        if _KINDS[kind] == Kind.FRAME:
            octets.append(chooser.randint(0, len(FIRSTS) - 1))
        if _KINDS[kind] in {Kind.FRAME, Kind.MESSAGE, Kind.RAW}:
            octets += [len(payload), chooser.randint(0, 5), *payload]
        operations.insert(place, bytes(octets))
    return header + b"".join(operations)


class Session:
    """A connection with one WebSocket, and everything that was said."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection = Connection(TransportInfo(), settings, 0.0, {})
        self.now = 0.0
        self.operations: list[Operation] = []
        self.times: list[float] = []
        self.exchange: Exchange | None = None
        self.wire = bytearray()
        self.fed = bytearray()
        self.received: list[dict[str, Any]] = []
        self.sent: list[str | bytes] = []
        self.outcomes: list[object] = []
        self.state = "connecting"
        self.waiting = self.eof = self.lost = self.finished = False
        self.eager = self.stubborn = False
        self.codes = {1002, 1006, 1007, 1009}
        self.largest = 0

    def do(self, operation: Operation) -> None:
        """Let one thing happen, and hold the laws."""
        self.operations.append(operation)
        closed, ended = self.connection.closed, self.connection.write_ended
        try:
            outcome = self._run(operation)
            self.times.append(self.now)
            self.outcomes.append(repr(outcome) if isinstance(outcome, Exception) else outcome)
            for exchange in self.connection.take_ready():
                assert self.exchange in {None, exchange}, "a second exchange"
                self.exchange = exchange
                self.waiting = False
            self._check(was_closed=closed, had_ended=ended)
        except Exception as error:
            name = "" if isinstance(error, AssertionError) else f"undocumented {type(error).__name__}: "
            raise Violation(self._tell(f"{name}{error}")) from error

    def _tell(self, what: str) -> str:
        story = "\n".join(f"    {operation}," for operation in self.operations)
        number = SETTINGS.index(self.settings)
        return f"{what}\nafter SETTINGS[{number}]\n[\n{story}\n]\nwire {bytes(self.wire)!r}"

    def _run(self, operation: Operation) -> object:
        c = self.connection
        match operation:
            case Receive(data, cut):
                if not (self.eof or self.lost):
                    self.eager = self.eager or not c.wants_read
                    self.fed += data
                    self.largest = max(self.largest, len(data))
                    step = cut or max(1, len(data))
                    for start in range(0, len(data), step):
                        c.receive_data(data[start : start + step], self.now)
            case Eof():
                self.eof = True
                c.receive_eof(self.now)
            case Lost():
                self.lost = True
                c.connection_lost(self.now)
            case ShutDown():
                self.codes.add(1012)
                c.shut_down(self.now)
            case Wait(seconds):
                self._wait(self.now + seconds)
            case ToDeadline():
                self._wait(self.now if c.deadline == math.inf else c.deadline)
            case Timeout():
                c.handle_timeout(self.now)
            case Take():
                data = c.data_to_send()
                self.wire += data
                c.handle_timeout(self.now)
                return data
            case _ if self.exchange is not None:
                return self._act(operation, self.exchange)
        return None

    def _wait(self, until: float) -> None:
        at_once = 0
        while self.connection.deadline <= until:
            at_once = at_once + 1 if self.connection.deadline <= self.now else 0
            assert at_once < 8, "a deadline comes again and again at the same time"
            self.now = max(self.now, self.connection.deadline)
            self.connection.handle_timeout(self.now)
        self.now = until

    def _act(self, operation: Operation, exchange: Exchange) -> object:
        if isinstance(operation, AppReceive):
            message = exchange.receive(self.now)
            self.waiting = message is None
            if message is not None:
                self.received.append(dict(message))
            return message
        if isinstance(operation, AppSend):
            return self._send(operation.name, exchange)
        if isinstance(operation, AppFinish) and not self.finished:
            self.finished = True
            self.stubborn = self.stubborn or not exchange.can_send
            self.codes |= {1000, 1011}
            exchange.finish(OSError("the application failed") if operation.failed else None, self.now)
        return None

    def _send(self, name: str, exchange: Exchange) -> object:
        c = self.connection
        self.stubborn = self.stubborn or not exchange.can_send
        before = (c.deadline, c.wants_read, c.size, c.write_ended, c.closed, exchange.ended)
        message = MESSAGES[name]
        kind = message.get("type") if message else None
        over = exchange.ended or exchange.disconnected or self.finished
        legal = kind in WEBSOCKET_LEGAL[self.state]
        refusal: Exception | None = None
        try:
            exchange.send(dict(message) if isinstance(message, dict) else message, self.now)
        except (UnexpectedMessage, InvalidMessage, ClientDisconnected) as error:
            refusal = error
        if refusal is not None:
            after = (c.deadline, c.wants_read, c.size, c.write_ended, c.closed, exchange.ended)
            assert after == before, f"a refused message changes something: {before} became {after}"
            assert exchange.disconnected or not isinstance(refusal, ClientDisconnected), "the client is there"
            wrong = (
                not legal or name.startswith("bad") or self.state == "denied"
            )  # Content-Length may not fit.
            assert over or wrong, f"a legal message is refused: {refusal}"
            return refusal
        if over:
            return None
        assert legal, f"an illegal message is taken: {name}, {self.state}"
        assert not name.startswith("bad"), f"a bad message is taken: {name}"
        self.largest = max(self.largest, len(repr(message)))
        if kind == _SEND:
            self.sent.append(message["bytes"] if message.get("text") is None else message["text"])
        elif kind == _CLOSE and self.state == "open":
            self.codes.add(message.get("code", 1000))
        else:
            self.state = "open" if kind == "websocket.accept" else "denied"
        return None

    def _check(self, *, was_closed: bool, had_ended: bool) -> None:
        c, s, exchange = self.connection, self.settings, self.exchange
        if c.closed:
            outputs = (c.deadline, c.wants_read, c.wants_write, c.size)
            assert outputs == (math.inf, False, False, 0), f"closed is not closed: {outputs}"
        assert c.closed or not was_closed, "closed, and open again"
        assert c.write_ended or not had_ended, "write_ended is taken back"
        assert not c.write_ended or not c.wants_write, "octets after write_ended"
        assert c.wants_write is (c.size > 0), "wants_write does not tell of octets"
        if exchange is not None and not c.wants_write:
            assert exchange.can_send, "blocked by nothing"
        if not self.stubborn:
            most = s.limit_write_buffer + self.largest + 2_048
            assert c.size <= most, f"octets to write are not bounded: {c.size}"
        self._check_messages()
        if self.state == "open" and self.waiting:
            assert c.wants_read, "the application waits, and nobody reads"
        if exchange is not None and exchange.ended and self.eof:
            assert c.closed or c.wants_write, "both sides have ended, and it is not closed"
        if exchange is not None and self.state == "open":
            told = exchange.statistics(self.now)
            taken = sum(message["type"] == "websocket.receive" for message in self.received)
            assert self.finished or told.messages_in - taken <= s.limit_read_buffer + 1, (
                "too many messages wait"
            )
        if isinstance(self.operations[-1], Wait) and self.operations[-1].seconds == _SECONDS[-1]:
            silent = c.wants_read and s.ws_ping_interval < math.inf and self.state != "denied"
            assert c.closed or c.wants_write or not silent, "silence does not end the connection"
        if not (self.eager or self.stubborn) and (c.closed or len(self.operations) % 8 == 0):
            most = (
                2 * s.limit_read_buffer + 6 * s.ws_max_size + s.limit_write_buffer + 6 * self.largest + 16_384
            )
            held = sum(len(x) for x in reachable(c, s) if isinstance(x, (bytes, bytearray, str)))
            assert held <= most, f"memory is not bounded: {held} octets held"

    def _check_messages(self) -> None:
        if not self.received or not isinstance(self.operations[-1], AppReceive):
            return
        kinds = [message["type"].removeprefix("websocket.") for message in self.received]
        assert kinds[0] == "connect" and "connect" not in kinds[1:], f"connect is not first: {kinds}"  # noqa: PT018
        first = kinds.index("disconnect") if "disconnect" in kinds else len(kinds)
        assert set(kinds[1:first]) <= {"receive"}, f"messages out of order: {kinds}"
        assert set(kinds[first:]) <= {"disconnect"}, f"messages behind the disconnect: {kinds}"
        assert self.state == "open" or "receive" not in kinds, "a message before accept"
        if "disconnect" in kinds:
            assert all(message == self.received[first] for message in self.received[first:]), (
                "another disconnect"
            )

    def check_whole(self) -> None:
        """Hold the laws that need the whole story, and play it again in other ways. Raises `Violation`."""
        self.do(Take())
        try:
            self._compare_wire()
            self._play_again()
        except AssertionError as error:
            raise error if isinstance(error, Violation) else Violation(self._tell(str(error))) from error

    def _play_again(self) -> None:
        again = self.replay(cut=1)
        for operation, one, two in zip(self.operations, self.outcomes, again.outcomes, strict=True):
            same = one == two or (self.settings.ws_per_message_deflate and _same_fault(one, two))
            assert same, f"cuts matter: {operation}: {one} became {two}"
        other = self.replay()
        other.do(ShutDown())
        last = other.now + self.settings.timeout_graceful_shutdown
        while not other.connection.closed:
            assert other.connection.deadline <= last, "shutting down does not end"
            other.do(Take())
            other.do(ToDeadline())
        gone = self.replay()
        gone.do(Lost())
        held = [x for x in reachable(gone.connection, self.settings) if isinstance(x, Exchange)]
        assert gone.connection.closed, "lost, and not closed"
        assert not held, f"an exchange is held after the end: {held}"
        if self.waiting and self.exchange is not None:
            assert self.exchange.receive(self.now) is None, "nobody was woken"

    def replay(self, cut: int | None = None) -> Session:
        """Return a new session to which the same happened, at the same times."""
        other = Session(self.settings)
        for operation, now in zip(self.operations, self.times, strict=True):
            if isinstance(operation, ToDeadline):
                operation = Wait(now - other.now)  # noqa: PLW2901 - how long it lingers may differ.
            other.do(Receive(operation.data, cut) if cut and isinstance(operation, Receive) else operation)
        return other

    def _compare_wire(self) -> None:
        wire = bytes(self.wire)
        if self.state != "open" or not wire:
            reader = ResponseReader(lambda _: "GET")
            reader.receive_data(wire)
            assert len(reader.responses) < 2, "two responses"
            assert all(response.status != 101 for response in reader.responses), "upgraded, and not accepted"
            return
        head, _, frames = wire.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), "accepted, and not upgraded"
        assert _ACCEPT in head + b"\r\n", "the wrong proof of having read the key"
        deflate = read_deflate(head)
        assert deflate is None or self.settings.ws_per_message_deflate, "compression that nobody wants"
        server = read_frames(frames, deflate, client=False)
        client = read_frames(bytes(self.fed[self.fed.index(b"\r\n\r\n") + 4 :]), deflate, client=True)
        assert not server.wrong, f"no client can read the frames: {server.wrong}"
        assert server.at_rest, "a frame or a message is not complete"
        assert not server.behind_close, "frames behind the close frame"
        dropped = self.lost or 1012 in self.codes
        if 1012 in self.codes and not (self.lost or self.eof or self.connection.closed):
            assert server.close, "shutting down does not close the session"
        said = self.sent[: len(server.messages)] if dropped else self.sent
        assert server.messages == said, f"other messages on the wire: {server.messages}, {self.sent}"
        pings = iter(client.pings)
        assert all(pong in pings for pong in server.pongs), f"a pong to no ping: {server.pongs}"
        self._compare_input(client, server)

    def _compare_input(self, client: Side, server: Side) -> None:
        s = self.settings
        content = [
            message["bytes"] if message["text"] is None else message["text"]
            for message in self.received
            if message["type"] == "websocket.receive"
        ]
        assert content == client.messages[: len(content)], f"other messages: {content}, {client.messages}"
        sizes = [len(x.encode()) if isinstance(x, str) else len(x) for x in content]
        assert max(sizes, default=0) <= s.ws_max_size, "a message beyond the limit"
        most = max(client.fragments[: len(content)], default=0)
        assert most <= s.ws_max_fragments, "a message of more fragments than the limit"
        last = self.received[-1] if self.received else {}
        over = (
            max(client.fragments, default=0) > s.ws_max_fragments
            or client.octets > s.ws_max_size
            or client.doubtful
        )
        if last.get("type") == "websocket.disconnect":
            code = last["code"]
            peers = {client.close[0]} if client.close else set()
            assert code in self.codes | peers, f"a disconnect that nobody meant: {code}"
            told = server.close[0] if server.close else None
            assert told in {code, None} or (code, told) == (1006, 1011), f"told {told}, and the peer {code}"
            assert code != 1006 or self.eof or self.lost or told == 1011, "abnormal, but nothing happened"
        elif self.waiting and self.exchange is not None and not (self.finished or over):
            assert content == client.messages, f"messages do not come: {client.messages}"
            assert not client.wrong and client.close is None, f"the end does not come: {client}"  # noqa: PT018
        error = self.connection.error
        if error is not None and error.reason != "no answer to a ping":
            assert client.wrong or over or not client.at_rest, f"refused for nothing: {error}"


def _same_fault(one: object, two: object) -> bool:
    """Tell whether it is too long in one and garbage in the other: zlib hides what came before a fault."""
    texts = [repr(each).replace("1009", "1007").replace(r"\x03\xf1", r"\x03\xef") for each in (one, two)]
    return texts[0] == texts[1]
