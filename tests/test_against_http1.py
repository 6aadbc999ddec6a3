"""Readers of HTTP/1 are held against each other: what is noticed, what is known, and who is right."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.against_http1 import (
    ORACLES,
    Disagreement,
    Message,
    Reader,
    Refused,
    check_against_http1,
    compare,
    differential,
    explain,
    http1_streams,
    is_no_smuggling,
    mutate_http1,
)
from fuzz.generate import pipeline
from fuzz.http1_differences import DIFFERENCES
from fuzz.http1_gate import check_gate
from fuzz.http1_mutations import splice
from fuzz.http1_readers import read_by_h11, read_by_llhttp, read_by_us
from fuzz.properties import FEW

EXAMPLE: Final = Path(__file__).parents[1] / "docs/examples/fuzz_parser.py"
GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST: Final = b"POST /p?q HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED: Final = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
)
CLOSING: Final = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MESSAGE: Final = Message(b"GET", b"/", b"1.1", ((b"host", b"a"),), closes=False)


def saying(*messages: Message, refused: str = "") -> Reader:
    """Return a reader that says this of any octets."""

    def reader(stream: bytes) -> Iterator[Message]:
        yield from messages
        if refused:
            raise Refused(refused)

    return reader


def found_by(mine: Reader, theirs: Reader) -> str:
    return "".join(found.what for found in compare(mine, {"other": theirs}, b""))


# The table.


@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_row_is_needed_for_its_example(name: str) -> None:
    """Should a later h11 or llhttp see it as we do, the row can go."""
    row = DIFFERENCES[name]
    found = compare(read_by_us, ORACLES, row.example)
    assert {each.oracle for each in found} == row.oracles
    for each in found:
        assert [
            other for other, row in DIFFERENCES.items() if each.oracle in row.oracles and row.knows(each)
        ] == [name]


@pytest.mark.parametrize("name", DIFFERENCES)
def test_every_row_says_who_is_right_and_where_it_is_written(name: str) -> None:
    right, oracles = DIFFERENCES[name].right, DIFFERENCES[name].oracles
    assert right.startswith(("we: ", "both: "))
    assert "§" in right
    assert oracles <= set(ORACLES)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_examples_are_read_alike_in_any_cut(name: str) -> None:
    check_against_http1(DIFFERENCES[name].example + GET)


# What is compared.


@pytest.mark.parametrize(
    "stream", [GET * 3, POST + GET, CHUNKED + CLOSING, CLOSING + GET, POST[:-1], GET[:-1], b"\xff"]
)
def test_all_readers_see_the_same(stream: bytes) -> None:
    assert compare(read_by_us, {**ORACLES, "cut": lambda data: read_by_us(data, cut=1)}, stream) == []


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(MESSAGE, method=b"get"), "another method"),
        (replace(MESSAGE, target=b"/b"), "another target"),
        (replace(MESSAGE, version=b"1.0"), "another version"),
        (replace(MESSAGE, fields=((b"host", b"b"),)), "another fields"),
        (replace(MESSAGE, fields=((b"host", b"a"), (b"host", b"a"))), "another fields"),
        (replace(MESSAGE, content=b"c"), "another content"),
        (replace(MESSAGE, complete=False), "other waits for content that is complete"),
        (replace(MESSAGE, closes=True), "goes on where other does not"),
    ],
)
def test_a_difference_in_any_part_of_a_message_is_seen(other: Message, what: str) -> None:
    assert what in found_by(saying(MESSAGE), saying(other))
    assert what in found_by(saying(MESSAGE, MESSAGE), saying(MESSAGE, other))
    assert found_by(saying(other), saying(MESSAGE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (replace(MESSAGE, fields=((b"HOST", b" a\t"),)), MESSAGE),
        (
            replace(MESSAGE, target=b"HTTP://a"),
            replace(MESSAGE, fields=((b"Host", b"b"),), target=b"http://a/"),
        ),
        (replace(MESSAGE, target=b"http://a?b"), replace(MESSAGE, target=b"/?b")),
        (
            replace(MESSAGE, method=b"OPTIONS", target=b"http://a"),
            replace(MESSAGE, method=b"OPTIONS", target=b"*"),
        ),
        (replace(MESSAGE, version=b"1.9"), MESSAGE),
        (replace(MESSAGE, closes=None), MESSAGE),
        (replace(MESSAGE, content=b"ab", complete=False), replace(MESSAGE, content=b"a", complete=False)),
    ],
    ids=["case", "authority", "empty path", "asterisk", "minor version", "silent", "seen so far"],
)
def test_what_means_the_same_is_the_same(one: Message, other: Message) -> None:
    """RFC 9110 §2.5, §5.1, §5.5; RFC 9112 §3.2."""
    assert found_by(saying(one), saying(other)) == found_by(saying(other), saying(one)) == ""


def test_a_message_that_only_one_reader_sees_is_a_difference() -> None:
    assert "sees no message" in found_by(saying(MESSAGE), saying(MESSAGE, MESSAGE))
    assert "sees no message" in found_by(saying(MESSAGE), saying())
    assert "other refuses (why) what this reader takes" in found_by(saying(MESSAGE), saying(refused="why"))
    assert "this reader refuses (why)" in found_by(saying(refused="why"), saying(MESSAGE))


def test_a_refusal_that_comes_early_or_late_is_none() -> None:
    incomplete = replace(MESSAGE, complete=False, closes=None)
    assert found_by(saying(MESSAGE, refused="a"), saying(MESSAGE)) == ""
    assert found_by(saying(incomplete, refused="a"), saying(incomplete)) == ""
    assert found_by(saying(incomplete, refused="a"), saying(refused="b")) == ""


def test_nothing_is_read_behind_a_message_that_closes() -> None:
    """RFC 9112 §9.6."""
    closing = replace(MESSAGE, closes=True)
    assert found_by(saying(closing, MESSAGE), saying(closing, refused="what follows")) == ""


@pytest.mark.parametrize(
    ("one", "other", "refusal"),
    [
        (saying(MESSAGE), saying(refused="why"), True),
        (saying(replace(MESSAGE, complete=False), refused="why"), saying(MESSAGE), True),
        (saying(MESSAGE), saying(replace(MESSAGE, content=b"c"), refused="what follows"), False),
        (saying(MESSAGE), saying(), False),
    ],
    ids=["head", "content", "behind it", "waits"],
)
def test_a_refusal_is_no_smuggling(one: Reader, other: Reader, refusal: bool) -> None:
    (found,) = compare(one, {"other": other}, b"")
    assert found.refusal is refusal
    assert bool(is_no_smuggling(found)) is refusal


def test_a_disagreement_shows_the_octets_that_it_is_about() -> None:
    (found,) = compare(read_by_us, {"h11": read_by_h11}, POST + GET.replace(b"\r\nHost", b"\nHost") + POST)
    assert (found.number, found.head, found.framing) == (1, b"GET / HTTP/1.1\nHost: a\r\n", POST)
    assert found.i_refuse.startswith("400")
    assert not found.they_refuse
    assert "h11" in str(found)


# What is noticed.


def without_last_field(message: Message) -> Message:
    return replace(message, fields=message.fields[:-1])


def upper_case(message: Message) -> Message:
    return replace(message, fields=tuple((name, value.upper()) for name, value in message.fields))


@pytest.mark.parametrize("oracle", [read_by_us, read_by_h11, read_by_llhttp])
@pytest.mark.parametrize(
    "change",
    [
        without_last_field,
        upper_case,
        lambda message: replace(message, content=message.content + b"x"),
        lambda message: replace(message, target=message.target.partition(b"?")[0]),
        lambda message: replace(message, closes=not message.closes),
        lambda message: replace(message, complete=False),
        lambda message: replace(message, version=b"1.0"),
    ],
    ids=["field", "value", "content", "target", "closes", "complete", "version"],
)
def test_a_reader_with_a_mistake_is_noticed(oracle: Reader, change: Callable[[Message], Message]) -> None:
    check = differential(lambda stream: map(change, read_by_us(stream)), {"h11": oracle})
    with pytest.raises(AssertionError):
        check(POST)
    differential(read_by_us, {"h11": oracle})(POST)


@pytest.mark.parametrize(
    "lenient",
    [
        lambda stream: stream.replace(b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked"),
        lambda stream: stream.replace(b"\x0b", b" "),
        lambda stream: stream.replace(b"+", b""),
        lambda stream: stream.replace(b"\x00", b""),
        lambda stream: stream.replace(b" :", b":"),
        lambda stream: stream.replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n"),
    ],
    ids=["coding", "vertical tab", "sign", "nul", "colon", "line feed"],
)
def test_the_seeds_show_a_reader_that_repairs(lenient: Callable[[bytes], bytes]) -> None:
    check = differential(lambda stream: read_by_us(lenient(stream)))
    wrong = 0
    for stream in http1_streams():
        try:
            check(stream)
        except AssertionError:
            wrong += 1
    assert wrong


def test_an_exception_of_the_reader_is_not_hidden() -> None:
    def broken(stream: bytes) -> Iterator[Message]:
        raise IndexError(len(stream))

    with pytest.raises(IndexError):
        differential(broken)(GET)


def test_what_is_known_is_the_authors_choice() -> None:
    heard: list[Disagreement] = []

    def known(found: Disagreement) -> str:
        heard.append(found)
        return "known"

    differential(saying(), known=known)(GET)
    assert [found.oracle for found in heard] == ["h11", "llhttp"]
    assert [explain(found) for found in heard] == ["", ""]


# What is tried.


@settings(FEW, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_whatever_is_changed_all_readers_agree_or_a_row_says_why(chooser: random.Random) -> None:
    check_against_http1(mutate_http1(pipeline(chooser), chooser))


@settings(FEW, max_examples=60)
@given(st.integers(0, 255), st.randoms(use_true_random=False))
def test_whatever_is_changed_no_cut_and_no_reader_makes_a_difference(
    number: int, chooser: random.Random
) -> None:
    check_gate(bytes([number]) + mutate_http1(pipeline(chooser), chooser))


@pytest.mark.parametrize("start", [b"\r\r", b"\n", b"\r\n", b"\r\n" * 4, b"\r\n" * 5, b"\r\n\r"])
@pytest.mark.parametrize("line", [b"HEAD ", b"HEAD /\r\n", b"HEAD / HTTP/1.1\r\n\r\n"])
def test_a_refused_request_is_answered_for_its_method(start: bytes, line: bytes) -> None:
    """RFC 9110 §9.3.2. What stands before it decides whether HEAD is its method."""
    check_gate(b"\x00" + start + line)


def test_changes_are_the_same_for_the_same_choices() -> None:
    first, second = random.Random(7), random.Random(7)
    changed = [mutate_http1(POST + CHUNKED, first) for _ in range(200)]
    assert changed == [mutate_http1(POST + CHUNKED, second) for _ in range(200)]
    assert len(set(changed)) > 100


def test_streams_are_spliced_at_the_ends_of_lines() -> None:
    spliced = {splice(GET, CLOSING, random.Random(seed)) for seed in range(100)}
    assert b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n" in spliced
    assert all(len(line) in {0, 7, 14, 17} for stream in spliced for line in stream.split(b"\r\n"))


# The example of the documentation.


def example(repair: str = "") -> Callable[[bytes], None]:
    """Return the check of the example, with or without its mistake."""
    source = EXAMPLE.read_text()
    assert "coding.strip() ==" in source
    names: dict[str, Any] = {"__name__": "example"}
    exec(source.replace("coding.strip()", f"coding.strip(){repair}"), names)  # noqa: S102 - it is ours.
    check: Callable[[bytes], None] = names["check"]
    return check


def test_the_seeds_show_the_mistake_of_the_example() -> None:
    check = example()
    wrong = []
    for stream in http1_streams():
        try:
            check(stream)
        except AssertionError:
            wrong.append(stream.lower())
    assert wrong
    assert all(b"chunked" in stream for stream in wrong)


def test_the_example_without_its_mistake_reads_all_seeds_like_the_oracles() -> None:
    check = example(".lower()")
    for stream in http1_streams():
        check(stream)
