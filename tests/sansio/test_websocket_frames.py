"""Frames that are read: messages, text, and close frames. RFC 6455 §5, §7.4, §8.1."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from sansio import websocket_frames
from sansio.websocket_frames import Close, Control, FrameReader

from .websocket_frame_octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    RSV1,
    TEXT,
    cut,
    deflated,
    facts,
    first_bad_octet,
    frame,
    inflating,
    may_be_received,
    octet_by_octet,
    place_of_failure,
    plain,
    read,
)

ROOT: Final = Path(__file__).resolve().parents[2]

compressions = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])


@pytest.fixture
def without_speedups(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is where the C code of websockets is not installed."""
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    source = Path(websocket_frames.__file__).with_name(
        "websocket_frames.py"
    )  # The other one may be compiled.
    spec = importlib.util.spec_from_file_location("sansio.websocket_frames_slow", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message(opcode: int, pieces: list[bytes], *, compressed: bool = False, between: bytes = b"") -> bytes:
    """Return a message in as many frames as there are pieces, and octets between the frames."""
    frames = []
    for number, piece in enumerate(pieces):
        rsv = RSV1 if compressed and number == 0 else 0
        fin = number == len(pieces) - 1
        frames.append(frame(CONTINUATION if number else opcode, piece, fin=fin, rsv=rsv))
    return between.join(frames)


def pieces_of(data: bytes, count: int) -> list[bytes]:
    size = len(data) // count + 1
    return [data[start : start + size] for start in range(0, size * count, size)]


# Messages.


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_a_message_in_one_frame_comes_as_it_was_sent(opcode: int, size: int) -> None:
    payload = bytes(32 + place % 90 for place in range(size))

    expected = payload.decode() if opcode == TEXT else payload
    data = frame(opcode, payload)

    assert read(plain(), [data]) == [expected]
    assert read(plain(), cut(data, [*range(20), size // 2, len(data) - 1])) == [expected]


def test_the_examples_of_the_rfc_are_read() -> None:
    """RFC 6455 §5.7; the fragmented one and the ping masked, as a client must."""
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    fragments = bytes.fromhex("018337fa213d7f9f4d 808237fa213d5b95")
    pong = bytes.fromhex("8a8537fa213d7f9f4d5158")

    assert read(plain(), [hello + fragments + pong]) == ["Hello", "Hello", Control(PONG, b"Hello")]


@pytest.mark.parametrize(
    "payload",
    [
        "f248cdc9c90700",
        # "two DEFLATE blocks", "no compression", and "BFINAL set to 1".
        "f248050000 00ffffcac9c90700",
        "000500faff48656c6c6f00",
        "f348cdc9c9070000",
    ],
    ids=["one block", "two blocks", "no compression", "final block"],
)
def test_the_compressed_examples_of_the_rfc_are_read(payload: str) -> None:
    """RFC 7692 §7.2.3; and the message behind is as readable."""
    data = frame(TEXT, bytes.fromhex(payload), rsv=RSV1) * 2

    assert read(inflating(), [data]) == ["Hello", "Hello"]
    assert read(inflating(), octet_by_octet(data)) == ["Hello", "Hello"]


def test_a_reading_ends_with_each_frame() -> None:
    """So that whoever reads can stop between two messages."""
    first, second = frame(TEXT, b"one"), frame(BINARY, b"two")
    reader = plain()

    assert reader.read(b"xx" + first + second, 2) == (2 + len(first), "one")
    assert reader.read(first + second, len(first)) == (len(first + second), b"two")


@compressions
@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_fragments_and_control_frames_between_them_leave_a_message_alone(
    opcode: int, count: int, compressed: bool
) -> None:
    """RFC 6455 §5.4: control frames "MAY be injected in the middle of a fragmented message"; RFC 7692 §6.1."""
    content = "Grüße, \U0001f600! ".encode() * 9
    expected = content.decode() if opcode == TEXT else content
    sent = deflated(content) if compressed else content
    between = frame(PING, b"\xff\x00") + frame(PONG)

    data = message(opcode, pieces_of(sent, count), compressed=compressed, between=between) + frame(
        TEXT, b"end"
    )
    events = read(inflating(), [data])

    assert [event for event in events if not isinstance(event, Control)] == [expected, "end"]
    assert [event for event in events if isinstance(event, Control)] == [
        Control(PING, b"\xff\x00"),
        Control(PONG, b""),
    ] * (count - 1)
    assert facts(read(inflating(), octet_by_octet(data))) == facts(events)


@compressions
def test_empty_fragments_are_nothing(compressed: bool) -> None:
    sent = deflated(b"abc") if compressed else b"abc"
    data = message(BINARY, [b"", b"", sent[:1], b"", sent[1:], b"", b""], compressed=compressed)

    assert read(inflating(), [data]) == [b"abc"]


def test_compressed_and_plain_messages_take_turns() -> None:
    """RFC 7692 §6: the bit tells "for each message" whether it is compressed."""
    frames = [
        frame(TEXT, deflated(b"abc"), rsv=RSV1),
        frame(TEXT, b"abc"),
        frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"bc"),
        frame(BINARY, deflated(b""), rsv=RSV1),
        frame(BINARY, b"\x00", rsv=RSV1),
    ]
    assert read(inflating(), [b"".join(frames)]) == ["abc", "abc", b"abc", b"", b""]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_bad_gateway_is_a_code_like_others(size: int) -> None:
    """RFC 6455 §11.7: the registry has 1014, and wsproto does not."""
    data = frame(PING, b"\x03\xf6") + frame(CLOSE, b"\x03\xf6why")
    found = read(plain(10), cut(data, range(0, len(data), size)))
    assert found == [Control(PING, b"\x03\xf6"), Close(1014, "why")]


@pytest.mark.parametrize("size", [1, 5, 100, 100_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_messages_that_are_nobody_s_are_not_inflated_and_the_end_is_found(opcode: int, size: int) -> None:
    """RFC 6455 §1.4: after a close frame "any further data received" is discarded."""
    bomb = deflated(bytes(16 << 20))
    half = len(bomb) // 2
    begun = frame(opcode, bomb[:50], fin=False, rsv=RSV1)
    rest = frame(CONTINUATION, bomb[50:half], fin=False) + frame(CONTINUATION, b"not deflated")
    closing = frame(opcode, bomb, rsv=RSV1) + frame(CLOSE, b"\x03\xe8")
    reader = inflating(1 << 20)
    assert read(reader, [begun]) == []
    reader.drop_messages()
    found = read(reader, cut(rest + closing, range(0, len(rest + closing), size)))
    empty = "" if opcode == TEXT else b""
    assert found == [empty, empty, Close(1000, "")]


def test_a_message_of_many_small_pieces_is_whole() -> None:
    text = "ä€\U0001f600x" * 400
    content = text.encode()

    assert read(plain(), octet_by_octet(frame(TEXT, content) + frame(BINARY, content))) == [text, content]
    fragments = message(TEXT, [content[place : place + 1] for place in range(len(content))])
    assert read(plain(), [fragments]) == [text]
    assert read(plain(), [message(BINARY, [b"ab"] * 2_100)]) == [b"ab" * 2_100]


# The mask.


def test_a_mask_in_python_gives_what_the_mask_in_c_gives(without_speedups: ModuleType) -> None:
    """RFC 6455 §5.3, for every length and from every place in the key."""
    content = bytes(range(256)) * 2
    for size in [*range(34), 125, 126, 127, 500]:
        for place in range(6):
            for key in (KEY, b"\x00\x00\x00\x00", b"\xff\x00\x00\x01"):
                parts = cut(frame(BINARY, content[:size], key=key), [6 + place, 11, 30])
                assert read(plain(), parts) == [content[:size]]
                reader: FrameReader = without_speedups.FrameReader(1_000, 1, None)
                assert read(reader, parts) == [content[:size]]


def test_frames_can_be_read_where_websockets_is_not_installed() -> None:
    script = """
import sys
sys.modules["websockets"] = sys.modules["websockets.speedups"] = None
from sansio.websocket_frames import FrameReader
reader = FrameReader(1_000, 10, None)
print(reader.read(bytes.fromhex("818537fa213d7f9f4d5158"), 0))
print(reader.read(bytes.fromhex("828537fa213d7f9f"), 0), reader.read(bytes.fromhex("4d5158"), 0))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert run.stderr == ""
    assert run.stdout == "(11, 'Hello')\n(8, None) (3, b'Hello')\n"


# Text.

NOT_UTF8: Final = {
    "continuation alone": b"\x80",
    "lower bound": b"ab\xc0\x80",
    "overlong, two": b"\xc1\xbf",
    "overlong, three": b"\xe0\x9f\xbf",
    "overlong, four": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"a\xed\xa0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "beyond 10FFFF": b"\xf4\x90\x80\x80",
    "F5": b"\xf5\x80\x80\x80",
    "FF": b"abcd\xff",
    "cut within": b"\xe2\x82a",
    "cut after one": b"\xf0a",
    "cut after three": b"\xf0\x9f\x98\xc3",
    "later": "ä€\U0001f600".encode() * 30 + b"\xfe",
}


@pytest.mark.parametrize("content", NOT_UTF8.values(), ids=NOT_UTF8)
@pytest.mark.parametrize("fragmented", [False, True], ids=["whole", "fragments"])
def test_text_that_is_not_utf_8_fails_at_the_first_octet_that_cannot_be(
    content: bytes, fragmented: bool
) -> None:
    """RFC 6455 §8.1; where it fails is told by the table of RFC 3629 §4.

    Python's decoder, which wsproto has too, waits for the third octet of a surrogate.
    """
    bad = first_bad_octet(content)
    assert bad is not None
    if content[bad - 1] == 0xED:
        bad += 1
    pieces = [content[:1], b"", content[1:] + b"behind"] if fragmented else [content + b"behind"]
    data = message(TEXT, pieces)
    headers = 6 if not fragmented else 6 + (12 if bad else 0)
    if len(pieces[-1]) > 125:
        headers += 2

    assert place_of_failure(plain(), data) == (headers + bad + 1, 1007)
    assert facts(read(plain(), [data])) == [("failure", 1007, "")]
    start = data[: headers + bad]
    assert read(plain(), [start]) == []
    assert facts(read(plain(), [start, data[headers + bad : headers + bad + 1]])) == [("failure", 1007, "")]


@compressions
@pytest.mark.parametrize("content", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"], ids=repr)
@pytest.mark.parametrize("count", [1, 3])
def test_text_that_ends_within_a_character_fails_where_it_ends(
    content: bytes, count: int, compressed: bool
) -> None:
    sent = deflated(content) if compressed else content
    data = message(TEXT, pieces_of(sent, count), compressed=compressed)

    assert place_of_failure(inflating(), data) == (len(data), 1007)
    assert facts(read(inflating(), [data])) == [("failure", 1007, "")]


def test_a_binary_message_may_hold_what_is_not_utf_8() -> None:
    for content in NOT_UTF8.values():
        assert read(plain(), [frame(BINARY, content)]) == [content]


def test_text_may_be_any_character() -> None:
    text = "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\ufeff\ufffe\uffff\U00010000\U0010ffff"
    content = text.encode()

    assert read(plain(), [frame(TEXT, content)]) == [text]
    assert read(plain(), octet_by_octet(message(TEXT, [content[:3], content[3:]]))) == [text]


# Close frames.

CODES: Final = [0, 1, 999, *range(1000, 1014), *range(1015, 1018), 1100, 2000, 2999, 3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", [*CODES, 5000, 32_768, 65_535])
def test_a_close_code_is_one_that_may_be_sent(code: int) -> None:
    """RFC 6455 §7.4.1 and §7.4.2, and the registry. 1014 is younger than wsproto's table."""
    data = frame(CLOSE, code.to_bytes(2, "big") + b"why")

    expected = ("close", code, "why") if may_be_received(code) else ("failure", 1002, "")
    assert facts(read(plain(), [data])) == [expected]
    assert facts(read(plain(), octet_by_octet(data))) == [expected]


def test_a_close_without_a_code_is_1005() -> None:
    """RFC 6455 §7.1.5."""
    assert facts(read(plain(), [frame(CLOSE)])) == [("close", 1005, "")]


@pytest.mark.parametrize("content", NOT_UTF8.values(), ids=NOT_UTF8)
def test_a_reason_that_is_not_utf_8_ends_the_session_with_1007(content: bytes) -> None:
    data = frame(CLOSE, b"\x03\xe8" + content[-100:])
    assert facts(read(plain(), [data])) == [("failure", 1007, "")]


@pytest.mark.parametrize("reason", ["", "x" * 123, "€" * 41, "\U0001f600"], ids=len)
def test_a_reason_is_told(reason: str) -> None:
    data = frame(CLOSE, b"\x0b\xb8" + reason.encode())
    assert read(plain(), [data]) == [Close(3000, reason)]
    assert isinstance(read(plain(), octet_by_octet(data))[0], Close)


def test_a_close_may_come_within_a_message() -> None:
    """RFC 6455 §5.4; the message is lost."""
    data = frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe8")
    assert facts(read(plain(), [data])) == [("close", 1000, "")]
