"""The law of the readers: whatever the fast one accepts, the gate and h11 accept with the same result.

And whole connections give the same results whoever reads, and however the octets were cut.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sansio import PeerError, Settings, http1_fast, http1_h11
from sansio.http1_content import ChunkedGate
from sansio.http1_gate import HeadGate
from sansio.http1_h11 import H11Content

from .http1_octets import (
    CHUNKED_HEAD,
    SMUGGLED,
    chunked_contents,
    connections,
    converse,
    cut,
    facts,
    head_of,
    heads,
    judge_head,
    mutated,
    octets,
    places,
)

ROOMY: Final = Settings()
TIGHT: Final = Settings(
    limit_request_head=90, limit_request_fields=4, limit_chunk_extensions=6, limit_request_body=40
)
EITHER: Final = st.sampled_from([ROOMY, TIGHT])

thorough: Final = settings(
    max_examples=4 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
FRESH: Final = itertools.count()


def read_fast(data: bytes, limits: Settings) -> tuple[dict[str, str], int] | None:
    """Read with the fast reader, and hold what it accepts to the law."""
    result = http1_fast.read_head(data, 0, limits)
    if result is None:
        return None
    head, end = result

    gate = HeadGate(limits)
    assert gate.receive_data(data, 0) == end
    assert gate.refusal is None
    passed = gate.take_head()
    assert passed == data[:end]

    library = http1_h11.read_head(passed)
    assert not isinstance(library, PeerError)
    assert facts(library[0]) == facts(head)
    return facts(head), end


def forget_all_lines() -> None:
    """Read more different lines than any cache may hold."""
    for _ in range(15):
        lines = [b"x-other: %d" % next(FRESH) for _ in range(90)]
        assert http1_fast.read_head(head_of(b"GET / HTTP/1.1", b"Host: a", *lines), 0, ROOMY) is not None


@thorough
@given(data=st.binary(max_size=200), limits=EITHER)
@example(data=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits=ROOMY)
def test_the_law_holds_for_arbitrary_octets(data: bytes, limits: Settings) -> None:
    read_fast(data, limits)


@thorough
@given(data=st.binary(max_size=60), place=st.integers(0, 44), limits=EITHER)
def test_the_law_holds_for_arbitrary_octets_in_a_good_head(data: bytes, place: int, limits: Settings) -> None:
    good = b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\nTE: z\r\n\r\n"

    read_fast(good[:place] + data + good[place:], limits)


@thorough
@given(data=mutated(heads()), limits=EITHER)
def test_the_law_holds_for_heads_that_were_tampered_with(data: bytes, limits: Settings) -> None:
    read_fast(data, limits)


@thorough
@given(data=heads())
@example(data=head_of(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: ChunKed"))
@example(data=head_of(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 010", b"Expect: 100-Continue"))
def test_the_law_holds_for_heads_as_the_grammar_has_them(data: bytes) -> None:
    read_fast(data, ROOMY)


@pytest.mark.parametrize("octet", range(256))
@pytest.mark.parametrize("change", ["insert", "replace"])
def test_the_law_holds_with_any_octet_in_any_place(octet: int, change: str) -> None:
    good = head_of(
        b"POST /a HTTP/1.1", b"Host: a", b"Content-Length: 3", b"Connection: close", b"TE: trailers"
    )

    for place in range(len(good)):
        read_fast(good[:place] + bytes([octet]) + good[place + (change == "replace") :], ROOMY)


@settings(thorough, max_examples=settings().max_examples)
@given(inputs=st.lists(mutated(heads(), 2), min_size=1, max_size=5), limits=EITHER)
def test_what_was_read_before_changes_nothing(inputs: list[bytes], limits: Settings) -> None:
    """No order of heads, good and bad, teaches the cache anything that is not so."""
    forget_all_lines()
    first = [read_fast(data, limits) for data in inputs]
    second = [read_fast(data, limits) for data in reversed(inputs)][::-1]
    alone = []
    for data in inputs:
        forget_all_lines()
        alone.append(read_fast(data, limits))

    assert first == second == alone


POISON: Final = {
    "length-then-coding": [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
    "coding-in-a-head-without-host": [b"Transfer-Encoding: chunked", b"Host: b"],
    "tunnelled-name": [b"X-A: b: chunked", b"X-A: b"],
    "almost-close": [b"Connection: xclose", b"Connection: close"],
    "host-in-another-case": [b"HOST: a", b"host: b"],
    "not-quite-chunked": [b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked"],
    "control-character": [b"X: \x00", b"X: \x01"],
    "folded": [b" X: y", b"\tX: y"],
    "empty-name": [b": y", b":"],
    "split-by-a-bare-lf": [b"X: y\nHost: b", b"Host: b"],
    "expectations": [b"Expect: coffee", b"Expect: 100-continue"],
}


@pytest.mark.parametrize("lines", POISON.values(), ids=POISON)
@pytest.mark.parametrize("settled", [False, True], ids=["cold", "warm"])
def test_lines_that_were_fed_on_purpose_are_judged_as_ever(lines: list[bytes], settled: bool) -> None:
    """Each line, alone, twice, and beside every other: warm or cold, the gate agrees with the fast reader."""
    if not settled:
        forget_all_lines()
    start = (b"POST / HTTP/1.1", b"Host: a")
    for chosen in [*itertools.product(lines, repeat=2), *[(line,) for line in lines]]:
        octets_ = head_of(*start, *chosen)
        accepted = read_fast(octets_, ROOMY)
        refused = judge_head([octets_], ROOMY).head is None

        assert not (accepted and refused)
        assert read_fast(octets_, ROOMY) == accepted


# What the gate passes, h11 reads; and what it says does not depend on the cuts.


@thorough
@given(data=mutated(heads()), limits=EITHER, where=places())
def test_the_gates_verdict_does_not_depend_on_the_cuts(
    data: bytes, limits: Settings, where: Sequence[int]
) -> None:
    verdict = judge_head([data], limits)

    assert judge_head(octets(data), limits) == verdict
    assert judge_head(cut(data, *where), limits) == verdict
    if verdict.head is not None:
        assert not isinstance(http1_h11.read_head(verdict.head), PeerError)


@thorough
@given(data=st.binary(max_size=60), where=places())
def test_the_gates_verdict_on_arbitrary_octets_does_not_depend_on_the_cuts(
    data: bytes, where: Sequence[int]
) -> None:
    assert judge_head(octets(data)) == judge_head(cut(data, *where)) == judge_head([data])


def read_content(
    reader: ChunkedGate | H11Content, pieces: list[bytes]
) -> tuple[bytes, bool, PeerError | None, int]:
    content, total = b"", 0
    for piece in pieces:
        content += reader.receive_data(piece, 0)
        total += reader.position
        if reader.ended or reader.refusal is not None:
            break
    return content, reader.ended, reader.refusal, total


@thorough
@given(data=mutated(chunked_contents()), limits=EITHER, where=places())
def test_both_readers_of_chunks_agree_however_they_are_cut(
    data: bytes, limits: Settings, where: Sequence[int]
) -> None:
    expected = read_content(ChunkedGate(limits), [data])

    for pieces in ([data], cut(data, *where), octets(data)):
        assert read_content(ChunkedGate(limits), pieces) == expected
        head = http1_h11.read_head(CHUNKED_HEAD)
        assert not isinstance(head, PeerError)
        assert read_content(H11Content(head[1], head[0], limits), pieces) == expected


def decode_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Read chunks without extensions, and no trailers, by the letter; return the content and what follows."""
    content = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        size = int(line, 16)
        if not end or not size:
            return (content, data[2:]) if data.startswith(b"\r\n") else None
        if len(data) < size + 2 or data[size : size + 2] != b"\r\n":
            return None
        content += data[:size]
        data = data[size + 2 :]


@thorough
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=6),
    rest=st.binary(max_size=9),
    where=places(),
)
def test_chunks_are_what_an_independent_decoder_finds(
    chunks: list[bytes], rest: bytes, where: Sequence[int]
) -> None:
    encoded = b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]) + b"0\r\n\r\n"

    content, ended, refusal, position = read_content(ChunkedGate(ROOMY), cut(encoded + rest, *where))

    assert (ended, refusal, position) == (True, None, len(encoded))
    assert decode_chunks(encoded + rest) == (content, rest) == (b"".join(chunks), rest)


# Whole connections.


@thorough
@given(data=mutated(connections()), limits=EITHER, where=places(), ended=st.booleans())
@example(data=CHUNKED_HEAD + b"0\r\nX: y\r\n\r\n" + SMUGGLED, limits=ROOMY, where=[62, 63], ended=False)
@example(data=b"\r\n" * 5 + head_of(b"HEAD / HTTP/1.1", b"Host: a"), limits=ROOMY, where=[], ended=False)
@example(
    data=head_of(b"HEAD / HTTP/1.1", b"Host: a", b"Content-Length: 99"), limits=TIGHT, where=[], ended=False
)
def test_connections_give_the_same_results_whoever_reads_and_however_they_are_cut(
    data: bytes, limits: Settings, where: Sequence[int], ended: bool
) -> None:
    expected = converse([data], limits, ended=ended).comparable()
    with_h11 = replace(limits, http1_reader="h11")

    for pieces in (cut(data, *where), octets(data)):
        assert converse(pieces, limits, ended=ended).comparable() == expected
        assert converse(pieces, with_h11, ended=ended).comparable() == expected
    assert converse([data], with_h11, ended=ended).comparable() == expected


@thorough
@given(data=st.binary(max_size=60), where=places())
def test_arbitrary_octets_give_the_same_results_however_they_are_cut(
    data: bytes, where: Sequence[int]
) -> None:
    assert converse(cut(data, *where)).comparable() == converse([data]).comparable()


@thorough
@given(data=mutated(connections()), where=places())
def test_after_a_refusal_nothing_is_opened_and_nothing_is_said(data: bytes, where: Sequence[int]) -> None:
    """RFC 9112 §11.2: the octets behind a message that could be read in two ways belong to nobody."""
    before = converse(cut(data, *where))
    if before.status is None:
        return

    after = converse([*cut(data, *where), SMUGGLED, SMUGGLED])

    assert after.sent == before.sent
    assert after.targets == before.targets
