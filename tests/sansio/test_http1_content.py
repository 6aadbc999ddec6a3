"""Content by its length and in chunks: what it is, where it ends, what is refused, and that cuts do not matter."""

from typing import Final

import pytest

from sansio import PeerError, Settings
from sansio.http1_content import ChunkedGate, LengthGate

from .http1_octets import cut, octets

SETTINGS: Final = Settings()
LIMITED: Final = Settings(limit_request_head=64, limit_request_fields=2)


def test_content_of_a_known_length_is_counted() -> None:
    gate = LengthGate(5)

    assert gate.receive_data(b"--ab", 2) == b"ab"
    assert (gate.position, gate.passed, gate.remaining, gate.ended) == (4, 4, 3, False)
    assert gate.receive_data(b"cdeGET", 0) == b"cde"
    assert (gate.position, gate.passed, gate.remaining, gate.ended) == (3, 3, 0, True)
    assert gate.refusal is None


CHUNKED: Final = {
    "empty": (b"0\r\n\r\n", b""),
    "many-zeros": (b"0000000000000000\r\n\r\n", b""),
    "chunks": (b"3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
    "capital-digits": (b"0A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "line-ends-in-it": (b"4\r\n\r\n0\r\r\n0\r\n\r\n", b"\r\n0\r"),
    "extension": (b"1;a\r\nx\r\n0;b\r\n\r\n", b"x"),
    "extension-with-a-value": (b"1;a=b;c=d\r\nx\r\n0\r\n\r\n", b"x"),
    "extension-with-white-space": (b"1; \ta\t = \tb ; c \r\nx\r\n0\r\n\r\n", b"x"),
    "quoted-extension": (b'1;a="\t \\"\\\\;\xff\r\n"\r\nx\r\n0\r\n\r\n'.replace(b'\r\n"', b'"'), b"x"),
    "trailers": (b"0\r\nX: y\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: x\r\n\r\n", b""),
}


@pytest.mark.parametrize(("data", "expected"), CHUNKED.values(), ids=CHUNKED)
def test_content_in_chunks_is_read(data: bytes, expected: bytes) -> None:
    """RFC 9112 §7.1."""
    gate = ChunkedGate(SETTINGS)

    assert gate.receive_data(b"--" + data + b"GET", 2) == expected
    assert (gate.position, gate.ended, gate.refusal) == (2 + len(data), True, None)
    assert gate.remaining is None


@pytest.mark.parametrize(("data", "expected"), CHUNKED.values(), ids=CHUNKED)
def test_content_in_chunks_is_read_octet_by_octet(data: bytes, expected: bytes) -> None:
    gate = ChunkedGate(SETTINGS)

    content = b""
    for octet in octets(data):
        assert not gate.ended
        content += gate.receive_data(octet, 0)
        assert (gate.position, gate.refusal) == (1, None)
    assert content == expected
    assert gate.ended


@pytest.mark.parametrize("place", range(1, 8))
def test_where_the_chunks_end_and_the_trailers_begin_is_told(place: int) -> None:
    data = b"0\r\nX:y\r\n\r\n"
    gate = ChunkedGate(SETTINGS)

    gate.receive_data(data[:place], 0)
    assert gate.passed == min(place, 3)
    gate.receive_data(data[place:], 0)
    assert gate.passed == max(3 - place, 0)
    assert gate.ended


MALFORMED: Final = {
    "no-size": b"\r\n",
    "prefix": b"0x5\r\n",
    "plus": b"+5\r\n",
    "minus": b"-5\r\n",
    "underscore": b"5_0\r\n",
    "no-digit": b"g\r\n",
    "space-before": b" 5\r\n",
    "space-after": b"5 \r\n",
    "tab-after": b"5\t\r\n",
    "space-before-an-extension": b"5 ;a\r\n",
    "too-many-digits": b"00000000000000005\r\n",
    "bare-lf": b"5\n",
    "bare-cr": b"5\rabcde\r\n",
    "cr-cr-lf": b"5\r\r\n",
    "no-size-but-an-extension": b";a\r\n",
    "empty-extension": b"5;\r\n",
    "empty-extension-at-the-end": b"5;a;\r\n",
    "no-value": b"5;a=\r\n",
    "no-name": b"5;=b\r\n",
    "bare-cr-in-an-extension": b'5;a="b\rc"\r\n',
    "bare-lf-in-an-extension": b"5;a\nb\r\n",
    "null-in-an-extension": b"5;a\x00\r\n",
    "control-character-in-a-quoted-value": b'5;a="\x01"\r\n',
    "quotes-left-open": b'5;a="b\r\n',
    "two-words": b"5;a b\r\n",
    "high-octet": b"5;\xff\r\n",
    "chunk-too-long": b"1\r\nabc",
    "chunk-too-short": b"5\r\nab\r\n0\r\n\r\n",
    "bare-lf-after-a-chunk": b"1\r\na\n",
    "wrong-octet-after-cr": b"1\r\na\rb",
    "lf-cr-after-a-chunk": b"1\r\na\n\r",
    "chunk-line-beyond-the-limit": b"5;a=" + b"x" * 4_093,
    "trailer-without-a-colon": b"0\r\nX\r\n",
    "trailer-with-a-space": b"0\r\nX : y\r\n",
    "trailer-that-is-folded": b"0\r\nX: y\r\n z\r\n",
    "trailer-with-a-control-character": b"0\r\nX: \x00\r\n",
    "trailer-with-a-bare-lf": b"0\r\nX: y\n",
    "bare-lf-after-the-last-chunk": b"0\r\n\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_chunks_are_refused_at_the_same_octet_however_they_come(data: bytes) -> None:
    """RFC 9112 §7.1: what another parser would read differently is where a request can be smuggled."""

    def refuse(pieces: list[bytes]) -> tuple[bytes, PeerError | None]:
        gate = ChunkedGate(SETTINGS)
        content = b""
        for piece in pieces:
            content += gate.receive_data(piece, 0)
            if gate.refusal is not None:
                break
        assert not gate.ended
        return content, gate.refusal

    content, refusal = refuse([data])

    assert refusal is not None
    assert refusal.status == 400
    assert refuse(octets(data)) == (content, refusal)
    for place in range(0, len(data), 1 + len(data) // 100):
        assert refuse(cut(data, place)) == (content, refusal)


@pytest.mark.parametrize("digits", [b"ffffffffffffffff", b"7fffffffffffffff", b"0fffffffffffffff"])
def test_a_chunk_of_any_size_that_can_be_said_allocates_nothing(digits: bytes) -> None:
    gate = ChunkedGate(SETTINGS)

    assert gate.receive_data(digits + b"\r\nabc", 0) == b"abc"
    assert gate.receive_data(b"d", 0) == b"d"
    assert (gate.ended, gate.refusal) == (False, None)


def refusal_of(data: bytes, settings: Settings) -> PeerError | None:
    """Return what is wrong with a chunked content; whole, in halves and in octets alike."""
    results = []
    for pieces in ([data], cut(data, len(data) // 2), octets(data)):
        gate = ChunkedGate(settings)
        for piece in pieces:
            gate.receive_data(piece, 0)
            if gate.refusal is not None or gate.ended:
                break
        results.append(gate.refusal)
    assert results[0] == results[1] == results[2]
    return results[0]


@pytest.mark.parametrize(
    ("size", "refused"), [(4_095, False), (4_096, False), (4_097, True), (100_000, True)]
)
def test_a_chunk_line_up_to_the_limit_passes(size: int, refused: bool) -> None:
    line = b"1;a=" + b"x" * (size - 6) + b"\r\n"

    refusal = refusal_of(line + b"a\r\n0\r\n\r\n", SETTINGS)

    assert (refusal == PeerError(400, "chunk line beyond 4096 bytes")) is refused
    assert (refusal is None) is not refused


@pytest.mark.parametrize(("total", "refused"), [(39, False), (40, False), (41, True)])
def test_chunk_extensions_up_to_the_limit_pass(total: int, refused: bool) -> None:
    """RFC 9112 §7.1.1: "a server ought to limit the total length of chunk extensions received in a request"."""
    chunks = b"1;%b\r\na\r\n" % (b"x" * 9)
    last = b"0;%b\r\n\r\n" % (b"x" * (total - 31))

    refusal = refusal_of(chunks * 3 + last, Settings(limit_chunk_extensions=40))

    assert refusal == (PeerError(400, "more than 40 bytes of extensions") if refused else None)


@pytest.mark.parametrize(("size", "refused"), [(63, False), (64, False), (65, True), (10_000, True)])
def test_a_trailer_section_up_to_the_limit_passes(size: int, refused: bool) -> None:
    section = (b"X: y\r\n" + b"Y: " + b"x" * (size - 13) + b"\r\n\r\n")[:size]

    refusal = refusal_of(b"0\r\n" + section, LIMITED)

    assert (refusal is not None and refusal.status == 431) is refused
    assert (refusal is None) is not refused


@pytest.mark.parametrize(("count", "status"), [(1, None), (2, None), (3, 431)])
def test_so_many_trailers_pass(count: int, status: int | None) -> None:
    refusal = refusal_of(b"0\r\n" + b"a:\r\n" * count + b"\r\n", LIMITED)

    assert (refusal and refusal.status) == status


def test_trailers_without_end_are_refused() -> None:
    refusal = refusal_of(b"0\r\n" + b"a:b\r\n" * 100_000, SETTINGS)

    assert refusal == PeerError(431, "more than 100 fields")
