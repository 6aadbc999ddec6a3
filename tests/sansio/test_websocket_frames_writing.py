"""Frames that are written: their header, and what a close frame says. RFC 6455 §5.2, §5.5.1, §7.4."""

from __future__ import annotations

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection

from sansio.websocket_frames import encode_close, encode_header

from .websocket_frame_octets import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "8200"),
        (125, "827d"),
        (126, "827e007e"),
        (65_535, "827effff"),
        (65_536, "827f0000000000010000"),
        ((1 << 63) - 1, "827f7fffffffffffffff"),
    ],
)
def test_a_header_has_the_shortest_length_and_no_mask(size: int, expected: str) -> None:
    """RFC 6455 §5.1: "A server MUST NOT mask"; §5.2: "the minimal number of bytes MUST be used"."""
    assert encode_header(BINARY, size).hex() == expected


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_a_header_has_its_opcode_and_the_bit_of_compression_alone(opcode: int) -> None:
    """RFC 6455 §5.2, RFC 7692 §6."""
    assert encode_header(opcode, 5) == bytes((0x80 | opcode, 5))
    assert encode_header(opcode, 5, compressed=True) == bytes((0xC0 | opcode, 5))
    assert encode_header(opcode, 300, compressed=True)[0] == 0xC0 | opcode


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_client_reads_what_was_written(size: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(encode_header(BINARY, size) + bytes(size))
    events = list(client.events())
    assert events == [BytesMessage(data=bytes(size))]


def test_a_close_frame_has_its_code_and_its_reason() -> None:
    assert encode_close(1000, "") == b"\x88\x02\x03\xe8"
    assert encode_close(4999, "bye €") == b"\x88\x09\x13\x87" + "bye €".encode()


def test_1005_is_never_sent() -> None:
    """RFC 6455 §7.4.1: it "MUST NOT be set as a status code in a Close control frame"; it stands for none."""
    assert encode_close(1005, "") == encode_close(1005, "why") == b"\x88\x00"


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        ("€" * 41, "€" * 41),
        ("€" * 42, "€" * 41),
        ("x" + "€" * 41, "x" + "€" * 40),
        ("xx" + "\U0001f600" * 31, "xx" + "\U0001f600" * 30),
        ("xxx" + "\U0001f600" * 31, "xxx" + "\U0001f600" * 30),
    ],
)
def test_a_reason_that_is_too_long_is_cut_between_two_characters(reason: str, sent: str) -> None:
    """RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less"."""
    data = encode_close(1011, reason)

    assert data == bytes((0x88, 2 + len(sent.encode()), 0x03, 0xF3)) + sent.encode()
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    assert list(client.events()) == [CloseConnection(code=1011, reason=sent)]
