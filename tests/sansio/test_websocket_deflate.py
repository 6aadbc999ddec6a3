"""permessage-deflate: messages come and go as they are, in every agreement, and no bomb goes off.

The client is zlib by itself, or wsproto in the client role. Which offers are taken has a file of its own.
"""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode, RsvBits

from sansio.websocket_deflate import Deflater, Inflater, negotiate
from tests.sansio.websocket_deflated import (
    MEBIBYTE,
    NOISE,
    agreed_on,
    compress,
    cut,
    inflate,
    messages,
    read_offers,
    sizes,
)

TAIL = b"\x00\x00\xff\xff"


def final(data: bytes) -> bytes:
    """Return a stream that ends with a block with BFINAL."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH)


def bomb(mebibytes: int) -> bytes:
    """Return a payload of a kilobyte for each mebibyte that it stands for."""
    compressor = zlib.compressobj(9, wbits=-15)
    unit = compressor.compress(bytes(MEBIBYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return unit * mebibytes


# Every agreement.

COMBINATIONS = [
    "".join(parts)
    for server in ("", "; server_no_context_takeover")
    for client in ("", "; client_no_context_takeover")
    for server_bits in ("", "; server_max_window_bits=9", "; server_max_window_bits=15")
    for client_bits in ("", "; client_max_window_bits", "; client_max_window_bits=9")
    if (parts := (server, client, server_bits, client_bits))
]


@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_another_client_understands_the_answer(parameters: str) -> None:
    """This one is wsproto. All combinations, and messages that use what a context remembers."""
    agreed = agreed_on(parameters)
    given = dict(part.partition("=")[::2] for part in parameters.split("; ")[1:])
    client = PerMessageDeflate(
        client_no_context_takeover="client_no_context_takeover" in given,
        client_max_window_bits=int(given.get("client_max_window_bits") or 15),
        server_no_context_takeover="server_no_context_takeover" in given,
        server_max_window_bits=int(given.get("server_max_window_bits") or 15),
    )
    client.finalize(agreed.answer.decode())
    protocol = FrameProtocol(client=True, extensions=[client])
    inflater, deflater = Inflater(agreed), Deflater(agreed)
    for content in (b"", NOISE[:6_000], NOISE[:6_000], b"", b"", NOISE[:9_000] * 2, b"a"):
        _, sent = client.frame_outbound(protocol, Opcode.BINARY, RsvBits(False, False, False), content, True)
        assert inflate(inflater, cut(sent, 1_000)) == content
        payload = deflater.deflate(content)
        client.frame_inbound_header(protocol, Opcode.BINARY, RsvBits(True, False, False), len(payload))
        received = client.frame_inbound_payload_data(protocol, payload)
        rest = client.frame_inbound_complete(protocol, True)
        assert isinstance(received, bytes)
        assert isinstance(rest, bytes)
        assert received + rest == content


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "foo",
        "permessage-deflate; foo",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "foo, permessage-deflate; server_max_window_bits, permessage-deflate; client_max_window_bits=16",
    ],
)
def test_there_is_no_agreement_without_an_offer_that_can_be_kept(offers: str) -> None:
    """RFC 7692 §7: "MUST decline". The WebSocket is then one without compression."""
    assert negotiate(read_offers(offers)) is None


# The context and the window.


def test_the_rfcs_examples_are_read() -> None:
    """RFC 7692 §7.2.3.1 to §7.2.3.6, in the order in which they can share a context."""
    inflater = Inflater(agreed_on())
    for payload in (
        "f248cdc9c90700",  # One block with fixed codes.
        "f200110000",  # The same again, with the window.
        "000500faff48656c6c6f00",  # A block without compression.
        "f348cdc9c9070000",  # A block with BFINAL.
        "f24805000000ffffcac9c90700",  # Two blocks in one message.
    ):
        assert inflate(inflater, [bytes.fromhex(payload)]) == b"Hello"
    assert inflate(inflater, [b"\x00"]) == b""


def test_the_clients_context_is_kept_unless_it_was_given_up() -> None:
    """RFC 7692 §7.1.1.2, and the example of §7.2.3.2: the second "Hello" refers to the first."""
    first, second = bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")
    inflater = Inflater(agreed_on())
    assert [inflate(inflater, [payload]) for payload in (first, second, second)] == [b"Hello"] * 3
    inflater = Inflater(agreed_on("; client_no_context_takeover"))
    assert [inflate(inflater, [payload]) for payload in (first, first)] == [b"Hello"] * 2
    with pytest.raises(zlib.error):
        inflate(inflater, [second])


def test_the_servers_context_is_kept_unless_it_was_given_up() -> None:
    """RFC 7692 §7.1.1.1."""
    deflater = Deflater(agreed_on())
    first, second = deflater.deflate(NOISE[:2_000]), deflater.deflate(NOISE[:2_000])
    assert len(second) < len(first) // 10
    deflater = Deflater(agreed_on("; server_no_context_takeover"))
    payloads = [deflater.deflate(NOISE[:2_000]) for _ in range(2)]
    assert [zlib.decompressobj(-12).decompress(payload + TAIL) for payload in payloads] == [NOISE[:2_000]] * 2


@pytest.mark.parametrize("bits", range(9, 16))
def test_the_server_refers_no_further_back_than_was_agreed(bits: int) -> None:
    """RFC 7692 §7.1.2.1. The client inflates a little at a time, and so with no more than its window."""
    deflater = Deflater(agreed_on(f"; server_max_window_bits={bits}"))
    client = zlib.decompressobj(-min(bits, 12))
    for distance in (100, 400, 900, 2_000, 4_000, 8_000, 16_000):
        content = NOISE[:distance] * 2
        data = deflater.deflate(content) + TAIL
        received = b""
        while data:
            received += client.decompress(data, 16)
            data = client.unconsumed_tail
        assert received + client.decompress(b"") == content


@pytest.mark.parametrize(
    "content", [b"", b"a", NOISE, bytes(100_000)], ids=["empty", "short", "noise", "zeros"]
)
def test_a_message_ends_without_the_tail_of_its_flush(content: bytes) -> None:
    """RFC 7692 §7.2.1: "remove 4 octets"; §7.2.3.6: an empty message is one octet, each time."""
    deflater = Deflater(agreed_on())
    client = zlib.decompressobj(-12)
    for _ in range(3):
        payload = deflater.deflate(content)
        assert payload
        assert not payload.endswith(TAIL)
        assert client.decompress(payload + TAIL) == content


# Blocks with BFINAL.


@pytest.mark.parametrize("parameters", ["", "; client_no_context_takeover"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_blocks_with_bfinal_do_not_end_the_message_nor_the_connection(parameters: str, size: int) -> None:
    """RFC 7692 §7.2.3.4; §7.2.1: "The next DEFLATE block follows the padded data if any."."""
    inflater = Inflater(agreed_on(parameters))
    for _ in range(3):
        assert inflate(inflater, cut(final(b"Hello") + b"\x00", size)) == b"Hello"
        assert inflate(inflater, cut(compress(b"again"), size)) == b"again"
        assert (
            inflate(inflater, cut(final(b"a") + final(b"") + compress(b"b" * 99), size)) == b"a" + b"b" * 99
        )


def test_a_message_of_many_streams_is_an_error() -> None:
    """Each block with BFINAL takes two octets of the client, and a new decompressor of ours."""
    inflater = Inflater(agreed_on())
    for _ in range(2):
        assert inflate(inflater, [final(b"a") * 40 + b"\x00"]) == b"a" * 40
    with pytest.raises(zlib.error):
        inflate(inflater, [final(b"") * 50_000])
    with pytest.raises(zlib.error):
        inflate(Inflater(agreed_on()), [final(b"")] * 50_000)


# Slices.


@settings(max_examples=60, deadline=None)
@given(messages, sizes, st.sampled_from([9, 12, 15]), st.integers(0, 9))
def test_what_any_compressor_makes_is_read(contents: list[bytes], size: int, bits: int, level: int) -> None:
    content = b"".join(contents)
    assert inflate(Inflater(agreed_on()), cut(compress(content, bits, level), size)) == content


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 300_000])
@pytest.mark.parametrize("cuts", [1_000_000, 100, 1], ids=["at once", "cut", "octets"])
def test_a_long_message_comes_in_slices_and_nothing_stays_behind(size: int, cuts: int) -> None:
    """Where a slice is full just when the octets end, zlib may still hold more."""
    inflater = Inflater(agreed_on())
    content = b"a" * size
    for payload, expected in (
        (compress(content), content),
        (final(content) + b"\x00", content),
        (final(content) + compress(b"b"), content + b"b"),
    ):
        slices = [part for piece in cut(payload, cuts) for part in inflater.inflate(piece)]
        slices += inflater.finish()
        assert b"".join(slices) == expected
        assert all(0 < len(part) <= 65_536 for part in slices)


@pytest.mark.parametrize("limit", [0, 1_000, 65_536, MEBIBYTE, 4 * MEBIBYTE])
@pytest.mark.parametrize("size", [100_000, 1_000], ids=["at once", "cut"])
def test_a_bomb_of_16_kilobytes_takes_no_more_memory_than_was_asked_for(limit: int, size: int) -> None:
    """RFC 7692 says nothing of it: 16 KB stand for 16 MiB, and who stops asking has not paid for the rest."""
    payload = bomb(16)
    assert len(payload) < 17_000
    inflater = Inflater(agreed_on())
    kept = []
    room = limit
    tracemalloc.start()
    try:
        for part in (part for piece in cut(payload, size) for part in inflater.inflate(piece)):
            if len(part) > room:
                break
            kept.append(part)
            room -= len(part)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert limit - 65_536 < sum(map(len, kept)) <= limit
    # A slice and the next one, the window, and the payload, of which zlib copies what it did not use.
    assert peak < limit + 4 * 65_536


@pytest.mark.parametrize("makes", [bomb, lambda size: compress(bomb(size) * 64)], ids=["1 GiB", "nested"])
def test_a_bomb_of_a_gibibyte_costs_only_what_is_asked_for(makes: Callable[[int], bytes]) -> None:
    """A bomb in a bomb is inflated once: what is in it is content."""
    payload = makes(1_024)
    inflater = Inflater(agreed_on())
    tracemalloc.start()
    try:
        assert inflate(inflater, cut(payload, 65_536), 65_536) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The cuts, what was inflated and joined by the test, two slices, and the window.
    assert peak < len(payload) + 10 * 65_536


def test_nothing_is_made_of_a_block_that_says_more_than_there_is() -> None:
    """A stored block's length is only what its header says."""
    assert b"".join(Inflater(agreed_on()).inflate(b"\x00\xff\xff\x00\x00" + b"abc")) == b"abc"


def test_what_a_connection_keeps_is_small() -> None:
    """A compressor of zlib's own choice takes 268 kB, for as long as the connection lives."""
    agreed = agreed_on("; client_max_window_bits")
    inflater, deflater = Inflater(agreed), Deflater(agreed)
    payload = compress(NOISE, 12)
    tracemalloc.start()
    try:
        assert inflate(inflater, [payload]) == NOISE
        deflater.deflate(NOISE)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 65_536


# Garbage.


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x07", id="block type 3"),
        pytest.param(b"\x00\x05\x00\x05\x00Hello", id="stored block with a wrong length"),
        pytest.param(b"\xf2\x00\x11\x00\x00", id="a distance too far back"),
        pytest.param(b"\xff" * 20, id="ones"),
        pytest.param(b"Hello, this is not compressed", id="text"),
        pytest.param(zlib.compress(b"Hello"), id="a zlib header"),
        pytest.param(b"\x1f\x8b\x08" + bytes(7), id="a gzip header"),
        pytest.param(final(b"Hello") + b"\xff\xff", id="after a block with BFINAL"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_not_deflated_is_an_error(payload: bytes, size: int) -> None:
    """RFC 7692 §7.2.2; RFC 6455 §7.4.1: this becomes a 1007."""
    with pytest.raises(zlib.error):
        inflate(Inflater(agreed_on()), cut(payload, size))


def outcome(payload: bytes, size: int, limit: int) -> list[bytes | None]:
    """Return what comes of the same message twice; None: a failure, after which there is nothing."""
    inflater = Inflater(agreed_on())
    results: list[bytes | None] = []
    for _ in range(2):
        try:
            results.append(inflate(inflater, cut(payload, size), limit))
        except zlib.error:
            results.append(None)
        if results[-1] is None:
            break
    return results


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=40)
    | st.builds(
        lambda content, place, octet: content[:place] + bytes([octet]) + content[place:],
        st.sampled_from([compress(NOISE[:300] * 3), final(b"Hello") * 3, compress(bytes(5_000)), b"\x00"]),
        st.integers(0, 400),
        st.integers(0, 255),
    ),
    st.sampled_from([1, 2, 5, 50]),
    st.sampled_from([0, 1, 100, 1_000_000]),
)
def test_nothing_but_an_error_of_zlib_is_raised_and_cuts_change_nothing(
    payload: bytes, size: int, limit: int
) -> None:
    results = outcome(payload, size, limit)
    assert results == outcome(payload, 1_000_000, limit)
    assert all(len(result) <= limit for result in results if result is not None)
