"""Frames of a client, and readings of them: by the reader, by wsproto alone, and by a decoder of the tests' own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sansio.websocket_deflate import Inflater, Parameters
from sansio.websocket_frames import Close, Control, Event, Failure, FrameReader

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

RSV1: Final = 4
KEY: Final = b"\x37\xfa\x21\x3d"
"""The masking key of the examples in RFC 6455 §5.7."""

ROOMY: Final = 1 << 40

Fact: TypeAlias = tuple[str, int, str | bytes]
"""What kind of event, its opcode or code, and what it carries."""


_FORMS: Final = {"H": 126, "Q": 127}


def masked(data: bytes, key: bytes) -> bytes:
    """RFC 6455 §5.3, octet by octet."""
    return bytes(octet ^ key[place % 4] for place, octet in enumerate(data))


def header(
    opcode: int, size: int, *, fin: bool = True, rsv: int = 0, key: bytes | None = KEY, form: str = ""
) -> bytes:
    """Return a header; `form` asks for a length of 7, 16 ("H") or 64 bits ("Q")."""
    first = fin << 7 | rsv << 4 | opcode
    mask = 0x80 if key is not None else 0
    if not form:
        form = "" if size < 126 else "H" if size < 65_536 else "Q"
    length = bytes((mask | size,)) if not form else struct.pack("!B" + form, mask | _FORMS[form], size)
    return bytes((first,)) + length + (key or b"")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
    form: str = "",
) -> bytes:
    content = payload if key is None else masked(payload, key)
    return header(opcode, len(payload), fin=fin, rsv=rsv, key=key, form=form) + content


def deflated(data: bytes) -> bytes:
    """RFC 7692 §7.2.1."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflating(max_size: int = ROOMY, max_fragments: int = 100_000) -> FrameReader:
    """Return a reader for a connection with permessage-deflate."""
    return FrameReader(max_size, max_fragments, Inflater(Parameters()))


def plain(max_size: int = 1 << 63, max_fragments: int = 100_000) -> FrameReader:
    return FrameReader(max_size, max_fragments, None)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut the octets at these places, as far as there are any."""
    ends = [*sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def octet_by_octet(data: bytes) -> list[bytes]:
    return cut(data, range(len(data)))


def read(reader: FrameReader, parts: Sequence[bytes]) -> list[Event]:
    """Read all parts, up to what ends the session."""
    events: list[Event] = []
    for part in parts:
        start = 0
        while start < len(part):
            start, event = reader.read(part, start)
            if event is not None:
                events.append(event)
            if isinstance(event, (Close, Failure)):
                return events
    return events


def place_of_failure(reader: FrameReader, data: bytes) -> tuple[int, int]:
    """Read octet by octet; return how many octets it took to fail, and the code."""
    for count in range(len(data)):
        _, event = reader.read(data[count : count + 1], 0)
        if isinstance(event, Failure):
            return count + 1, event.code
    return 0, 0


def facts(events: Sequence[Event]) -> list[Fact]:
    """Tell what can be compared: two kinds of event can be equal as tuples, and a phrase is for people."""
    return [_fact(event) for event in events]


def _fact(event: Event) -> Fact:
    if isinstance(event, str):
        return "text", TEXT, event
    if isinstance(event, bytes):
        return "binary", BINARY, event
    if isinstance(event, Control):
        return "control", event.opcode, event.payload
    if isinstance(event, Close):
        return "close", event.code, event.reason
    return "failure", event.code, ""


def through_wsproto(data: bytes) -> list[Fact]:
    """Tell what plain wsproto makes of it: no extension, no limit."""
    library = Connection(ConnectionType.SERVER)
    library.receive_data(data)
    result: list[Fact] = []
    text = ""
    octets = b""
    for event in library.events():
        if isinstance(event, TextMessage):
            text += event.data
            if event.message_finished:
                result.append(("text", TEXT, text))
                text = ""
        elif isinstance(event, BytesMessage):
            octets += event.data
            if event.message_finished:
                result.append(("binary", BINARY, octets))
                octets = b""
        elif isinstance(event, Ping):
            result.append(("control", PING, bytes(event.payload)))
        elif isinstance(event, Pong):
            result.append(("control", PONG, bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            if library.state is ConnectionState.REMOTE_CLOSING:
                result.append(("close", int(event.code), event.reason or ""))
            else:
                result.append(("failure", int(event.code), ""))
    return result


class Decoder:
    """Decodes whole frames by the text of RFC 6455 §5 and RFC 7692 §7, with neither speed nor thrift.

    A frame may break several rules at once; `codes` then has all the codes that are right.
    """

    def __init__(self, max_size: int, max_fragments: int, *, compression: bool) -> None:
        self.max_size = max_size
        self.max_fragments = max_fragments
        self.compression = compression
        self.events: list[Fact] = []
        self.codes: set[int] = set()
        self.opcode = CONTINUATION
        self.compressed = False
        self.payload = b""
        self.fragments = 0
        self.inflater = zlib.decompressobj(-15)

    @property
    def ended(self) -> bool:
        return bool(self.codes) or (bool(self.events) and self.events[-1][0] == "close")

    def decode(
        self, opcode: int, payload: bytes, *, fin: bool, rsv: int, key: bytes | None, form: str
    ) -> None:
        """Decode the frame that `frame` makes of the same arguments."""
        control = opcode >= CLOSE
        size = len(payload)
        begins = opcode in (TEXT, BINARY)
        allowed = RSV1 if self.compression and begins else 0
        self.codes = set()
        if (
            opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
            or key is None
            or rsv & ~allowed
            or (form == "H" and size < 126)
            or (form == "Q" and size < 65_536)
            or (control and (not fin or size > 125))
            or (not control and begins == bool(self.fragments))
        ):
            too_big = self.fragments == self.max_fragments or len(self.payload) + size > self.max_size
            self.codes = {1002, 1009} if too_big and not control else {1002}
        elif control:
            self._control(opcode, payload)
        else:
            self._data(opcode, payload, fin=fin, compressed=bool(rsv))

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode != CLOSE:
            self.events.append(("control", opcode, payload))
            return
        if not payload:
            self.events.append(("close", 1005, ""))
            return
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not may_be_received(code):
            self.codes = {1002}
            return
        try:
            self.events.append(("close", code, payload[2:].decode()))
        except UnicodeDecodeError:
            self.codes = {1007}

    def _data(self, opcode: int, payload: bytes, *, fin: bool, compressed: bool) -> None:
        if opcode:
            self.opcode = opcode
            self.compressed = compressed
            self.payload = b""
        self.fragments += 1
        if self.fragments > self.max_fragments:
            self.codes = {1009}
            return
        try:
            self.payload += self._inflate(payload, fin=fin) if self.compressed else payload
        except zlib.error:
            self.codes = {1007}
            return
        if self.opcode == TEXT and not begins_utf8(self.payload[: self.max_size], whole=False):
            self.codes = {1007}
        if len(self.payload) > self.max_size:
            self.codes = self.codes if self.compressed and self.codes else {1009}
        elif self.opcode == TEXT and not begins_utf8(self.payload, whole=fin):
            self.codes = {1007}
        if fin and not self.codes:
            text = self.opcode == TEXT
            self.events.append(("text" if text else "binary", self.opcode, _decoded(self.payload, text=text)))
            self.fragments = 0
            self.payload = b""

    def _inflate(self, payload: bytes, *, fin: bool) -> bytes:
        """Inflate up to one octet beyond the limit; a block with BFINAL is followed by another stream."""
        data = payload + b"\x00\x00\xff\xff" if fin else payload
        result = b""
        while len(self.payload) + len(result) <= self.max_size:
            result += self.inflater.decompress(data, self.max_size + 1 - len(self.payload) - len(result))
            if not self.inflater.eof:
                break
            data = self.inflater.unused_data
            self.inflater = zlib.decompressobj(-15)
            if not data:
                break
        return result


def _decoded(payload: bytes, *, text: bool) -> str | bytes:
    return payload.decode() if text else payload


def may_be_received(code: int) -> bool:
    """RFC 6455 §7.4, and the registry of close codes as wsproto knows it."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1013 or 3000 <= code <= 4999


def begins_utf8(data: bytes, *, whole: bool) -> bool:
    bad = first_bad_octet(data)
    if not whole and bad == len(data) - 1 and data[bad - 1 : bad] == b"\xed" and 0xA0 <= data[bad] <= 0xBF:
        return True  # Python's decoder, and so wsproto, knows a surrogate by its third octet only.
    return bad is None and (not whole or _open_sequence(data) == 0)


# The table of RFC 3629 §4: first octet, and what the second may be. All others are 80 to BF.
_SEQUENCES: Final = (
    (0x00, 0x7F, 1, 0, 0),
    (0xC2, 0xDF, 2, 0x80, 0xBF),
    (0xE0, 0xE0, 3, 0xA0, 0xBF),
    (0xE1, 0xEC, 3, 0x80, 0xBF),
    (0xED, 0xED, 3, 0x80, 0x9F),
    (0xEE, 0xEF, 3, 0x80, 0xBF),
    (0xF0, 0xF0, 4, 0x90, 0xBF),
    (0xF1, 0xF3, 4, 0x80, 0xBF),
    (0xF4, 0xF4, 4, 0x80, 0x8F),
)


def _walk(data: bytes) -> tuple[int | None, int]:
    """Return the place of the first octet that cannot be in UTF-8, and what the last sequence lacks."""
    lacking, low, high = 0, 0x80, 0xBF
    for place, octet in enumerate(data):
        if lacking:
            if not low <= octet <= high:
                return place, lacking
            lacking, low, high = lacking - 1, 0x80, 0xBF
            continue
        for first, last, size, second_low, second_high in _SEQUENCES:
            if first <= octet <= last:
                lacking, low, high = size - 1, second_low, second_high
                break
        else:
            return place, 0
    return None, lacking


def first_bad_octet(data: bytes) -> int | None:
    return _walk(data)[0]


def _open_sequence(data: bytes) -> int:
    return _walk(data)[1]
