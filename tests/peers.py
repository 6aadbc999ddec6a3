"""HTTP/2 frames out of octets, legal or not, and an observer that judges every frame of a server.

The builders write whatever they are told to. The observer is given the octets of both directions in the order in
which they arrive. It decodes field blocks with `hpack`, keeps the windows, and fails at the first frame that a server
must not send. What it has seen stands in `Observer.streams` and in its lists.

Source: RFC 9113.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import hpack
from h2.errors import ErrorCodes as Code

__all__ = [
    "PREFACE",
    "Code",
    "Fields",
    "Frame",
    "Observer",
    "StreamView",
    "block",
    "continuation",
    "data",
    "frame",
    "goaway",
    "headers",
    "in_pieces",
    "ping",
    "priority",
    "priority_update",
    "request",
    "rst",
    "settings",
    "window_update",
]

Fields = Iterable[tuple[bytes, bytes]]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9
PRIORITY_UPDATE: Final = 0x10

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITISED: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8
NO_RFC7540_PRIORITIES: Final = 0x9

MAX_WINDOW: Final = 2**31 - 1

_CONNECTION_FIELDS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"}
)


# Octets.


def frame(
    kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, length: int | None = None
) -> bytes:
    """Return a frame. Its length may be a lie, and its stream may have the reserved bit."""
    size = len(payload) if length is None else length
    return struct.pack("!BHBBL", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(*items: tuple[int, int], ack: bool = False) -> bytes:
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack("!HL", *item) for item in items))


def block(fields: Fields) -> bytes:
    """Return a field block that changes no table: literals without indexing (RFC 7541 §6.2.2)."""
    return b"".join(
        b"\x00" + _integer(len(name)) + name + _integer(len(value)) + value for name, value in fields
    )


def headers(
    stream: int,
    fields: Fields | bytes,
    *,
    end_stream: bool = True,
    end_headers: bool = True,
    padding: int | None = None,
    priority: bytes = b"",
) -> bytes:
    """Return a HEADERS frame of fields, or of a field block that is one already."""
    flags = (END_STREAM if end_stream else 0) | (END_HEADERS if end_headers else 0)
    payload = priority + (fields if isinstance(fields, bytes) else block(fields))
    if priority:
        flags |= PRIORITISED
    if padding is not None:
        flags |= PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    return frame(HEADERS, flags, stream, payload)


def continuation(stream: int, fragment: bytes, *, end_headers: bool = True) -> bytes:
    return frame(CONTINUATION, END_HEADERS if end_headers else 0, stream, fragment)


def in_pieces(stream: int, fragments: Sequence[bytes], *, end_stream: bool = True) -> bytes:
    """Return a field block as a HEADERS frame and CONTINUATION frames."""
    first, *others = fragments
    output = headers(stream, first, end_stream=end_stream, end_headers=not others)
    for number, fragment in enumerate(others, 1):
        output += continuation(stream, fragment, end_headers=number == len(others))
    return output


def request(
    stream: int,
    method: bytes = b"GET",
    path: bytes = b"/",
    fields: Fields = (),
    *,
    end_stream: bool = True,
    scheme: bytes = b"https",
    authority: bytes = b"server.example",
) -> bytes:
    """Return the HEADERS frame of a request."""
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path)]
    return headers(stream, [*pseudo, *fields], end_stream=end_stream)


def data(stream: int, content: bytes = b"", *, end_stream: bool = False, padding: int | None = None) -> bytes:
    flags = END_STREAM if end_stream else 0
    if padding is not None:
        return frame(DATA, flags | PADDED, stream, bytes([padding]) + content + bytes(padding))
    return frame(DATA, flags, stream, content)


def rst(stream: int, code: int = Code.CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack("!L", code))


def ping(payload: bytes = b"12345678", *, ack: bool = False) -> bytes:
    return frame(PING, ACK if ack else 0, 0, payload)


def goaway(last: int = 0, code: int = Code.NO_ERROR, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack("!LL", last, code) + debug)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack("!L", increment))


def priority(stream: int, dependency: int = 0, weight: int = 15) -> bytes:
    return frame(PRIORITY, 0, stream, struct.pack("!LB", dependency, weight))


def priority_update(prioritized: int, value: bytes, *, stream: int = 0) -> bytes:
    """Source: RFC 9218 §7.1."""
    return frame(PRIORITY_UPDATE, 0, stream, struct.pack("!L", prioritized) + value)


def _integer(value: int) -> bytes:
    """Return an integer of HPACK with a prefix of seven bits that stand alone (RFC 7541 §5.1)."""
    if value < 127:
        return bytes([value])
    value -= 127
    output = b"\x7f"
    while value >= 128:
        output += bytes([value & 127 | 128])
        value >>= 7
    return output + bytes([value])


# What a server sends.


class Frame(NamedTuple):
    """A frame of the server. A field block is one frame, whatever it was cut into; padding is taken off."""

    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def number(self) -> int:
        """The only number of a RST_STREAM or WINDOW_UPDATE."""
        return int.from_bytes(self.payload, "big")

    @property
    def ended(self) -> bool:
        return self.kind in {DATA, HEADERS} and bool(self.flags & END_STREAM)


@dataclass
class StreamView:
    """What was seen of one stream."""

    id: int
    window: int
    """What the server may still send."""
    credit: int
    """What the client may still send."""
    frames: list[Frame] = field(default_factory=list)
    """All frames of the server."""
    interim: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    status: int | None = None
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    trailers: list[tuple[bytes, bytes]] | None = None
    ended: bool = False
    """The server has sent END_STREAM."""
    reset: int | None = None
    """The code of the server's RST_STREAM."""
    peer_ended: bool = False
    """The client has sent END_STREAM."""
    peer_reset: bool = False
    """The client has sent RST_STREAM."""
    silent: bool = False
    """The client has reset the stream and the server must have noticed."""

    @property
    def content(self) -> bytes:
        """The response's content so far."""
        return bytes(self.octets)

    def value(self, name: bytes) -> bytes | None:
        """Return the value of a field of the response that is there once, or None."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name!r} more than once: {values}"
        return values[0] if values else None


class Observer:
    """Sees both directions of one connection. Fails at what a server must not send."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.streams: dict[int, StreamView] = {}
        self.settings: dict[int, int] = {}
        """The server's."""
        self.goaways: list[tuple[int, int]] = []
        """Last stream and code of each GOAWAY."""
        self.pings: list[bytes] = []
        """What the server wants to have back."""
        self.pongs: list[bytes] = []
        """What it has sent back."""
        self.acknowledged = 0
        """Settings of the client that the server has acknowledged."""
        self.window = 65_535
        """What the server may still send on the connection."""
        self.credit = 65_535
        """What the client may still send on the connection."""
        self.limit = 65_535
        """What the client might send at first."""
        self.exact = True
        """The server answers at once; if not, its output may be older than what it was given."""
        self._initial_window = 65_535
        self._max_frame_size = 16_384
        self._decoder = hpack.Decoder(max_header_list_size=2**24)
        self._rest = b""
        self._fragments: list[bytes] = []
        self._block: Frame | None = None
        self._client_rest = b""
        self._client_started = False
        self._client_settings: list[list[tuple[int, int]]] = []
        self._client_pings: list[bytes] = []
        self._client_sent_content = False
        self._resets: list[StreamView] = []

    # What the client has sent. Only what changes the rules for the server is looked at.

    def sent(self, octets: bytes) -> None:
        """The server was given these octets."""
        rest = self._client_rest + octets
        if not self._client_started and len(rest) >= len(PREFACE):
            self._client_started = rest.startswith(PREFACE)
            rest = rest[len(PREFACE) :] if self._client_started else rest
        while self._client_started and len(rest) >= 9:
            size = int.from_bytes(rest[:3], "big")
            if len(rest) < 9 + size:
                break
            self._sent_frame(
                rest[3], rest[4], int.from_bytes(rest[5:9], "big") & MAX_WINDOW, rest[9 : 9 + size]
            )
            rest = rest[9 + size :]
        self._client_rest = rest

    def _sent_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        stream = self.streams.get(number)
        if kind == HEADERS and number % 2:
            if stream is None:
                credit = self.settings.get(INITIAL_WINDOW_SIZE, 65_535)
                stream = self.streams[number] = StreamView(number, self._initial_window, credit)
            stream.peer_ended = stream.peer_ended or bool(flags & END_STREAM)
        elif kind == DATA:
            self._client_sent_content = True
            self.credit -= len(payload)
            if stream is not None:
                stream.credit -= len(payload)
                stream.peer_ended = stream.peer_ended or bool(flags & END_STREAM)
        elif kind == RST_STREAM and stream is not None:
            stream.peer_reset = True
            self._resets.append(stream)
        elif kind == SETTINGS and not flags & ACK and len(payload) % 6 == 0:
            self._client_settings.append(list(struct.iter_unpack("!HL", payload)))
        elif kind == PING and not flags & ACK:
            self._client_pings.append(payload)
        elif kind == WINDOW_UPDATE and number == 0:
            self.window += int.from_bytes(payload, "big") & MAX_WINDOW
        elif kind == WINDOW_UPDATE and stream is not None:
            stream.window += int.from_bytes(payload, "big") & MAX_WINDOW

    def settled(self) -> None:
        """The server has answered all that it was given, and its answer was read."""
        for stream in self._resets:
            stream.silent = True
        self._resets.clear()

    # What the server has sent.

    def read(self, octets: bytes) -> list[Frame]:
        """Read whole frames of the server, and judge them."""
        frames = []
        place = 0
        while place < len(octets):
            size = int.from_bytes(octets[place : place + 3], "big")
            assert place + 9 + size <= len(octets), f"half a frame: {octets[place : place + 40]!r}"
            assert size <= self._max_frame_size, f"a frame of {size} octets"
            number = int.from_bytes(octets[place + 5 : place + 9], "big")
            payload = octets[place + 9 : place + 9 + size]
            seen = self._join(Frame(octets[place + 3], octets[place + 4], number, payload))
            place += 9 + size
            if seen is not None:
                self.frames.append(seen)
                self._judge(seen)
                frames.append(seen)
        return frames

    def _join(self, seen: Frame) -> Frame | None:
        """Return a frame without its padding, or a whole field block; None where more of it has to come."""
        if self._block is not None:
            assert seen.kind == CONTINUATION, f"{seen} inside a field block"
            assert seen.stream == self._block.stream, "a field block goes on with another stream"
        else:
            assert seen.kind != CONTINUATION, "CONTINUATION without HEADERS"
            if seen.flags & PADDED and seen.kind in {DATA, HEADERS}:
                raise AssertionError("a server of ours does not pad")
            if seen.kind != HEADERS:
                return seen
            assert not seen.flags & PRIORITISED, "a server has no priority to tell"
            self._block = seen
        self._fragments.append(seen.payload)
        if not seen.flags & END_HEADERS:
            return None
        first, self._block = self._block, None
        whole = b"".join(self._fragments)
        self._fragments = []
        fields = tuple((bytes(name), bytes(value)) for name, value in self._decoder.decode(whole, raw=True))
        assert self._decoder.header_table_size <= 4096, "a table that a peer has made larger"
        return Frame(HEADERS, first.flags, first.stream, whole, fields)

    def _judge(self, seen: Frame) -> None:
        if len(self.frames) == 1:
            assert seen.kind == SETTINGS, f"the first frame is {seen}"
            assert not seen.flags & ACK, "the first frame is an acknowledgement"
        assert not any(code for _, code in self.goaways), f"{seen} behind a connection error"
        if seen.stream == 0:
            self._judge_connection(seen)
        else:
            self._judge_stream(seen)

    def _judge_connection(self, seen: Frame) -> None:
        payload = seen.payload
        if seen.kind == SETTINGS:
            self._judge_settings(seen)
        elif seen.kind == PING:
            assert len(payload) == 8
            if seen.flags & ACK:
                assert self._client_pings.pop(0) == payload
                self.pongs.append(payload)
            else:
                self.pings.append(payload)
        elif seen.kind == GOAWAY:
            last, code = struct.unpack("!LL", payload[:8])
            if self.goaways:
                assert last <= self.goaways[-1][0], "the last stream has grown"
            self.goaways.append((last, code))
        elif seen.kind == WINDOW_UPDATE:
            assert 0 < seen.number <= MAX_WINDOW, "a window that does not grow"
            self.credit += seen.number
            if not self._client_sent_content:
                self.limit = self.credit
            assert self.credit <= min(self.limit, MAX_WINDOW), "credit for what was never sent"
        else:
            raise AssertionError(f"a server must not send {seen}")

    def _judge_settings(self, seen: Frame) -> None:
        if seen.flags & ACK:
            assert not seen.payload
            assert self._client_settings, "an acknowledgement of nothing"
            self.acknowledged += 1
            for key, value in self._client_settings.pop(0):
                if key == INITIAL_WINDOW_SIZE:
                    for stream in self.streams.values():
                        stream.window += value - self._initial_window
                    self._initial_window = value
                elif key == MAX_FRAME_SIZE:
                    self._max_frame_size = value
                elif key == HEADER_TABLE_SIZE:
                    self._decoder.max_allowed_table_size = value
            return
        for key, value in struct.iter_unpack("!HL", seen.payload):
            assert key != ENABLE_PUSH or value == 0, "a server must not promise to take pushes"
            assert key != INITIAL_WINDOW_SIZE or value <= MAX_WINDOW
            assert key != MAX_FRAME_SIZE or 16_384 <= value < 2**24
            self.settings[key] = value

    def _judge_stream(self, seen: Frame) -> None:
        assert seen.stream in self.streams, f"{seen} on a stream that nobody has opened"
        stream = self.streams[seen.stream]
        assert stream.reset is None, f"{seen} on a stream that was reset"
        assert not stream.silent, f"{seen} on a stream that the client has reset"
        if stream.ended:
            assert seen.kind in {RST_STREAM, WINDOW_UPDATE}, f"{seen} behind END_STREAM"
            assert not (stream.peer_ended and self.exact), f"{seen} on a closed stream"
        stream.frames.append(seen)
        stream.ended = stream.ended or seen.ended
        if seen.kind == DATA:
            self._judge_content(seen, stream)
        elif seen.kind == HEADERS:
            self._judge_fields(seen, stream)
        elif seen.kind == RST_STREAM:
            assert len(seen.payload) == 4
            stream.reset = seen.number
        elif seen.kind == WINDOW_UPDATE:
            assert 0 < seen.number <= MAX_WINDOW, "a window that does not grow"
            stream.credit += seen.number
            assert stream.credit <= self.settings[INITIAL_WINDOW_SIZE], "credit for what was never sent"
        else:
            raise AssertionError(f"a server must not send {seen}")
        if stream.ended and stream.octets:
            length = stream.value(b"content-length")
            assert length is None or int(length) == len(stream.octets), "not what content-length promised"

    def _judge_content(self, seen: Frame, stream: StreamView) -> None:
        size = len(seen.payload)
        assert stream.status is not None, "DATA before HEADERS"
        assert size or seen.ended, "an empty DATA frame that ends nothing"
        stream.window -= size
        self.window -= size
        assert not size or (stream.window >= 0 and self.window >= 0), f"{size} octets beyond a window"
        stream.octets += seen.payload

    def _judge_fields(self, seen: Frame, stream: StreamView) -> None:
        fields = list(seen.fields)
        for name, _ in fields[0 if stream.status is not None else 1 :]:
            assert name, "a field without a name"
            assert not name.startswith(b":"), f"{name!r} in the wrong place"
            assert name == name.lower(), "a name in upper case"
            assert name not in _CONNECTION_FIELDS, f"{name!r} does not exist in HTTP/2"
        if stream.status is not None:
            assert seen.ended, "trailers without END_STREAM"
            stream.trailers = fields
            return
        assert fields, "a response without fields"
        assert fields[0][0] == b":status", "a response without a status"
        status = int(fields[0][1])
        assert status != 101, "HTTP/2 knows no 101"
        if status < 200:
            assert not seen.ended, "an interim response that ends the stream"
            stream.interim.append(fields)
        else:
            stream.status = status
            stream.fields = fields[1:]
