"""The target `against_websocket`: wsproto, websockets and we agree about its seeds, and a difference is noticed."""

from typing import Final

import pytest

from fuzz.against_websocket import (
    against_websocket_seeds,
)
from fuzz.against_websocket_differences import DIFFERENCES, WEBSOCKETS, WSPROTO, End, Verdict
from fuzz.against_websocket_frames import OFFERS, deflate, encode, read_frames
from fuzz.against_websocket_judge import Trial
from fuzz.against_websocket_offers import OFFER_DIFFERENCES, check_offer

SEEDS: Final = against_websocket_seeds()
DEFLATE: Final = b"permessage-deflate"
LIBRARIES: Final = (WSPROTO, WEBSOCKETS)


def test_frames_are_cut_where_they_end() -> None:
    frames = [
        encode(0x81, b"a"),
        encode(0x02, b"b" * 126),
        encode(0x80, b"", None),
        encode(0x82, b"c" * 65_536),
    ]
    assert read_frames(b"".join(frames)) == frames
    assert read_frames(frames[0] + frames[1][:-1]) == [frames[0], frames[1][:-1]]


# The tables.


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_has_an_example(name: str) -> None:
    row = DIFFERENCES[name]
    trial = Trial(row.offer, row.limit)
    for octets in row.example:
        assert not trial.over
        trial.give(octets)
    noted = [note for notes in trial.notes for note in notes]
    assert {library for library, _ in noted} <= row.whose
    assert {rows for _, rows in noted} == {(name,)}


@pytest.mark.parametrize("name", OFFER_DIFFERENCES)
def test_each_difference_about_offers_has_an_example(name: str) -> None:
    trial = Trial(OFFER_DIFFERENCES[name].example, 1_000)
    assert trial.offer_notes == [name]


# What is noticed.


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("planted", "then"),
    [
        (encode(0x01, b"hello"), encode(0x80, b"")),
        (encode(0x01, b"hello"), encode(0x81, b"")),
        (encode(0x88, b""), encode(0x81, b"hello")),
        (encode(0x88, b""), encode(0x89, b"hello")),
        (b"\x81", encode(0x81, b"hello")),
        (encode(0xC2, deflate(b"hello")), encode(0xC2, b"\x02\x13\x00\x00")),
    ],
    ids=["a beginning", "another beginning", "an end", "an end before a ping", "an octet", "a window"],
)
def test_what_one_library_alone_was_given_is_noticed(library: str, planted: bytes, then: bytes) -> None:
    trial = Trial(DEFLATE, 1_000)
    trial.servers[library].give(planted)
    with pytest.raises(AssertionError):
        trial.give(then)


@pytest.mark.parametrize(
    ("planted", "then"),
    [
        (encode(0x01, b"hello"), encode(0x80, b"")),
        (encode(0x88, b""), encode(0x81, b"hello")),
        (b"\x81", encode(0x81, b"hello")),
    ],
    ids=["a beginning", "an end", "an octet"],
)
def test_what_only_we_were_given_is_noticed(planted: bytes, then: bytes) -> None:
    trial = Trial(b"", 1_000)
    trial.ours.give(planted, 0)
    with pytest.raises(AssertionError):
        trial.give(then)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_that_reads_something_else_is_noticed(library: str) -> None:
    trial = Trial(b"", 1_000)
    trial.clients[library].give(encode(0x82, b"never sent", None)[:-4])
    with pytest.raises(AssertionError, match=library):
        trial.give(encode(0x81, b"hello"))


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (b"permessage-deflate", b"permessage-deflate; client_max_window_bits=12"),
        (b"permessage-deflate; server_max_window_bits=9", b"permessage-deflate; server_max_window_bits=10"),
        (b"permessage-deflate; server_max_window_bits=9", b"permessage-deflate"),
        (b"permessage-deflate; server_no_context_takeover", b"permessage-deflate"),
        (b"permessage-deflate; client_max_window_bits=9", b"permessage-deflate; client_max_window_bits=10"),
        (b"permessage-deflate; unknown", b"permessage-deflate"),
        (b"x-other", b"permessage-deflate"),
        (b"permessage-deflate", None),
    ],
)
def test_an_answer_that_no_client_can_take_is_noticed(offer: bytes, answer: bytes | None) -> None:
    """RFC 7692 §7.1."""
    with pytest.raises(AssertionError):
        check_offer(offer, 101, answer)


def test_a_refusal_of_an_offer_that_is_well_formed_is_noticed() -> None:
    with pytest.raises(AssertionError):
        check_offer(DEFLATE, 400, None)


# What all agree about.


@pytest.mark.parametrize("cut", [0, 1, 5])
@pytest.mark.parametrize("offer", OFFERS)
def test_a_conversation_is_the_same_to_all(offer: bytes, cut: int) -> None:
    frames = [
        encode(0x81, "κόσμε".encode()),
        encode(0x02, b"\x00"),
        encode(0x89, b"between"),
        encode(0x80, b"\xff" * 200),
        encode(0x88, b"\x03\xe8bye"),
    ]
    trial = Trial(offer, 1_000, cut)
    for octets in frames:
        trial.give(octets)
    assert [step.ours for step in trial.steps] == [
        Verdict(messages=["κόσμε"]),
        Verdict(),
        Verdict(pongs=[b"between"]),
        Verdict(messages=[b"\x00" + b"\xff" * 200]),
        Verdict(end=End(failed=False, code=1000, reason="bye")),
    ]
    assert trial.notes == [[]] * len(frames)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (encode(0x83, b""), 1002),
        (encode(0x81, b"", None), 1002),
        (encode(0x80, b""), 1002),
        (encode(0x88, b"\x03"), 1002),
        (encode(0x88, b"\x03\xed"), 1002),
        (encode(0x81, b"\xed\xa0\x80"), 1007),
        (encode(0x88, b"\x03\xe8\xff"), 1007),
        (encode(0x82, b"x" * 101), 1009),
        (encode(0xC2, deflate(b"x" * 101)), 1009),
    ],
)
def test_what_is_wrong_is_refused_by_all_with_the_same_code(octets: bytes, code: int) -> None:
    trial = Trial(DEFLATE, 100)
    trial.give(octets)
    assert trial.steps[-1].ours.failure == code
    assert trial.notes == [[]]
