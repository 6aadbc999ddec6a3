"""Frames that are refused, and with which code. RFC 6455 §5, §7.4."""

from __future__ import annotations

from typing import Final

import pytest

from sansio.websocket_frames import Failure

from .websocket_frame_octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    cut,
    deflated,
    facts,
    frame,
    header,
    inflating,
    octet_by_octet,
    plain,
    read,
)

# Frames that are not allowed.

REFUSED: Final = {
    "not masked": frame(TEXT, b"a", key=None),
    "not masked, empty": frame(TEXT, key=None),
    "not masked, control": frame(PING, b"a", key=None),
    "not masked, 16 bits": frame(BINARY, bytes(200), key=None),
    "not masked, 64 bits": header(BINARY, 70_000, key=None) + b"a",
    "16 bits for 125": frame(TEXT, b"a" * 125, form="H"),
    "16 bits for 0": frame(BINARY, form="H"),
    "64 bits for 0": frame(BINARY, form="Q"),
    "64 bits for 126": frame(TEXT, b"a" * 126, form="Q"),
    "64 bits for 65535": header(BINARY, 65_535, form="Q"),
    "63rd bit": header(BINARY, 1 << 63),
    "all 64 bits": header(TEXT, (1 << 64) - 1),
    "a continuation of nothing": frame(CONTINUATION, b"a"),
    "a continuation of nothing, not final": frame(CONTINUATION, b"a", fin=False),
    "an empty continuation of nothing": frame(CONTINUATION),
    "a continuation of a whole message": frame(TEXT, b"a") + frame(CONTINUATION, b"a"),
    "text within a message": frame(TEXT, b"a", fin=False) + frame(TEXT, b"a"),
    "binary within a message": frame(TEXT, b"a", fin=False) + frame(BINARY, b"a", fin=False),
    "text within a compressed message": frame(TEXT, deflated(b"a"), fin=False, rsv=RSV1) + frame(TEXT, b"a"),
    "compressed within a message": frame(TEXT, b"a", fin=False) + frame(TEXT, deflated(b"a"), rsv=RSV1),
    "garbage within a message": frame(BINARY, b"a", fin=False) + frame(TEXT, b"\xff" * 9, rsv=RSV1),
    "compressed continuation": frame(TEXT, deflated(b"a"), fin=False, rsv=RSV1)
    + frame(CONTINUATION, b"a", rsv=RSV1),
    "compressed continuation of a plain message": frame(TEXT, b"a", fin=False)
    + frame(CONTINUATION, deflated(b"a"), rsv=RSV1),
    "a close of one octet": frame(CLOSE, b"\x03"),
    **{f"opcode {opcode}": frame(opcode, b"a") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"empty, opcode {opcode}": frame(opcode) for opcode in (3, 7, 11, 15)},
    **{
        f"RSV {rsv:03b} of {opcode}": frame(opcode, b"", rsv=rsv)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
        for rsv in range(1, 8)
        if rsv != RSV1 or opcode >= CLOSE
    },
    **{f"fragment of control {opcode}": frame(opcode, b"", fin=False) for opcode in (CLOSE, PING, PONG)},
    **{f"control {opcode} of 126 octets": frame(opcode, b"a" * 126) for opcode in (CLOSE, PING, PONG)},
    **{f"control {opcode} with 16 bits": frame(opcode, b"a", form="H") for opcode in (CLOSE, PING, PONG)},
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_a_frame_that_is_not_allowed_ends_the_session_with_1002(data: bytes) -> None:
    """RFC 6455 §5.1 (masked), §5.2 (bits, opcodes, minimal lengths), §5.4 (fragments), §5.5 (control frames)."""
    before = frame(TEXT, b"before")
    for parts in ([before + data], octet_by_octet(before + data), cut(before + data, [len(before)])):
        *events, last = read(inflating(), parts)
        assert events[0] == "before"
        assert isinstance(last, Failure)
        assert last.code == 1002
        assert not [event for event in events[1:] if not isinstance(event, str)]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_the_bit_of_compression_means_nothing_where_none_was_agreed_on(opcode: int) -> None:
    """RFC 6455 §5.2: "MUST be 0 unless an extension is negotiated"."""
    events = read(plain(), [frame(opcode, deflated(b"a"), rsv=RSV1)])
    assert facts(events) == [("failure", 1002, "")]


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x06", b"\x01\x00\x00\xff\x00"], ids=repr)
def test_garbage_that_is_not_deflated_ends_the_session_with_1007(payload: bytes) -> None:
    for opcode in (TEXT, BINARY):
        data = frame(opcode, payload, rsv=RSV1)
        assert facts(read(inflating(), [data])) == [("failure", 1007, "")]
        assert facts(read(inflating(), octet_by_octet(data))) == [("failure", 1007, "")]


@pytest.mark.parametrize(
    "data",
    [frame(TEXT, b"\xff"), frame(3), frame(CLOSE, b"\x03\xe8\xff"), header(TEXT, 101)],
    ids=["text", "opcode", "reason", "size"],
)
def test_the_phrase_of_a_failure_is_not_an_exception_of_python(data: bytes) -> None:
    (failure,) = read(plain(100), [data])
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("WebSocket ")


# What is too big. More of that is in test_websocket_frames_bounds.py.


@pytest.mark.parametrize(
    "data",
    [
        header(TEXT, 101),
        header(BINARY, 70_000),
        header(BINARY, 1 << 62, fin=False),
        header(TEXT, 1 << 62, rsv=RSV1),
        frame(TEXT, b"a" * 60, fin=False) + header(CONTINUATION, 41),
        frame(BINARY, b"", fin=False) + frame(CONTINUATION, fin=False) * 9 + header(CONTINUATION, 0),
        frame(TEXT, deflated(b"a" * 101), rsv=RSV1),
        frame(BINARY, deflated(bytes(1_000_000)), rsv=RSV1),
        frame(TEXT, b"", fin=False, rsv=RSV1) + frame(CONTINUATION, deflated(b"a" * 101)),
    ],
    ids=[
        *("text", "16 bits", "64 bits", "compressed, 64 bits", "continuation", "fragments"),
        *("inflated", "bomb", "inflated continuation"),
    ],
)
def test_what_is_beyond_the_limits_ends_the_session_with_1009(data: bytes) -> None:
    """RFC 6455 §7.4.1. Where a header tells, nothing of the payload is waited for."""
    before = frame(TEXT, b"a" * 100) + frame(BINARY, deflated(b"a" * 100), rsv=RSV1)
    expected = [("text", TEXT, "a" * 100), ("binary", BINARY, b"a" * 100), ("failure", 1009, "")]

    assert facts(read(inflating(100, 10), [before + data])) == expected
    assert facts(read(inflating(100, 10), octet_by_octet(before + data))) == expected
