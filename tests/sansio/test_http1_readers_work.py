"""Work and memory: what a peer sends costs no more than in proportion to its size, and nothing grows beyond its limit.

Operations are counted, not seconds: steps of the interpreter, and octets copied from and searched in what was read.
"""

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

import pytest

from sansio import Connection, Settings, TransportInfo
from sansio.http1_content import ChunkedGate
from sansio.http1_gate import HeadGate

from .http1_octets import CHUNKED_HEAD, SMUGGLED, converse, head_of, octets

HOST: Final = b"Host: a"
READERS: Final = {"fast": Settings(), "h11": Settings(http1_reader="h11")}


class Counted(bytes):
    """Octets that count how many of them are copied out of them, or looked at in a search."""

    touched: int = 0

    def __getitem__(self, index: Any) -> Any:
        result = super().__getitem__(index)
        self.touched += len(result) if isinstance(result, bytes) else 1
        return result

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        start = arguments[1] if len(arguments) > 1 else 0
        end = min(arguments[2], len(self)) if len(arguments) > 2 else len(self)
        self.touched += (end if found < 0 else found + 1) - start
        return found


def steps(action: Callable[[], object]) -> int:
    """Count the steps that the interpreter takes for an action."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def peak_memory(action: Callable[[], object]) -> int:
    """Return how many bytes an action held at most, beside what there was before."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def long_value(size: int) -> bytes:
    return head_of(b"GET / HTTP/1.1", HOST, b"X: " + b"x" * size)


def many_fields(size: int) -> bytes:
    return head_of(b"GET / HTTP/1.1", HOST, *[b"X: y"] * (size // 6))


def long_target(size: int) -> bytes:
    return head_of(b"GET /%b HTTP/1.1" % (b"x" * size), HOST)


def tiny_chunks(size: int) -> bytes:
    return CHUNKED_HEAD + b"1\r\na\r\n" * (size // 6) + b"0\r\n\r\n"


def extensions(size: int) -> bytes:
    return CHUNKED_HEAD + b"1;x\r\na\r\n" * (size // 8) + b"0\r\n\r\n"


def trailers(size: int) -> bytes:
    return CHUNKED_HEAD + b"0\r\n" + b"X:y\r\n" * (size // 5) + b"\r\n"


def one_chunk(size: int) -> bytes:
    return CHUNKED_HEAD + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"


def pipelined(size: int) -> bytes:
    return SMUGGLED * (size // len(SMUGGLED))


def pipelined_with_another_form(size: int) -> bytes:
    request = head_of(b"GET http://a/ HTTP/1.1", HOST)
    return request * (size // len(request))


def empty_lines(size: int) -> bytes:
    return b"\r\n" * (size // 2)


def line_feeds(size: int) -> bytes:
    return CHUNKED_HEAD + b"\n" * size


SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        long_value,
        many_fields,
        long_target,
        tiny_chunks,
        extensions,
        trailers,
        one_chunk,
        pipelined,
        pipelined_with_another_form,
        empty_lines,
        line_feeds,
    )
}
# Limits that are out of the way: what has no limit shows best how it grows.
ENDLESS: Final = {
    reader: Settings(
        http1_reader=reader,
        limit_request_head=2**30,
        limit_request_fields=2**30,
        limit_chunk_extensions=2**30,
    )
    for reader in ("fast", "h11")
}


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("slow", [False, True], ids=["whole", "octets"])
def test_the_steps_grow_no_faster_than_the_octets(
    make: Callable[[int], bytes], reader: str, slow: bool
) -> None:
    def work(size: int) -> int:
        data = make(size)
        pieces = octets(data) if slow else [data]
        return steps(lambda: converse(pieces, ENDLESS[reader]))

    work(1)  # CPython 3.12 counts single steps only from the second time on.
    small, large = work(500), work(4_000)

    assert large < 12 * small


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("reader", READERS)
def test_no_octet_is_touched_more_often_because_more_follow(
    make: Callable[[int], bytes], reader: str
) -> None:
    """However many messages or chunks are in one read, going on to the next does not copy or search the rest."""

    def touched(size: int) -> float:
        data = Counted(make(size))
        converse([data], ENDLESS[reader])
        return data.touched / len(data)

    assert touched(64_000) < 2 * touched(4_000) + 1
    assert touched(64_000) < 10


@pytest.mark.parametrize("reader", READERS)
def test_a_head_of_32_kib_in_octets_is_held_once(reader: str) -> None:
    """The peak is a few times the head and does not depend on the number of reads."""
    data = head_of(b"GET / HTTP/1.1", HOST, *[b"X: " + b"x" * 995] * 32)
    pieces = octets(data)

    whole = peak_memory(lambda: converse([data], READERS[reader]))
    slow = peak_memory(lambda: converse(pieces, READERS[reader]))

    assert len(converse(pieces, READERS[reader]).calls) == 1
    assert slow < 8 * len(data)
    assert whole < 8 * len(data)


ENDLESS_STREAMS: Final = {
    "request-line": (b"GET /", b"x" * 1_000, 32_768, 414),
    "field": (b"GET / HTTP/1.1\r\nX: ", b"x" * 1_000, 32_768, 431),
    "fields": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 20, 1_000, 431),
    "long-fields": (b"GET / HTTP/1.1\r\n", b"X: %b\r\n" % (b"y" * 995), 33_768, 431),
    "empty-lines": (b"", b"\r\n", 12, 400),
    "chunk-size": (CHUNKED_HEAD, b"0" * 100, 4_300, 400),
    "extension": (CHUNKED_HEAD + b"1;a=", b"x" * 100, 4_300, 400),
    "extensions": (CHUNKED_HEAD, b"1;%b\r\na\r\n" % (b"x" * 4_000), 21_000, 400),
    "trailers": (CHUNKED_HEAD + b"0\r\n", b"X: y\r\n", 1_000, 431),
    "trailer": (CHUNKED_HEAD + b"0\r\nX: ", b"y" * 100, 33_000, 431),
}


@pytest.mark.parametrize(
    ("start", "more", "expected", "status"), ENDLESS_STREAMS.values(), ids=ENDLESS_STREAMS
)
@pytest.mark.parametrize("reader", READERS)
def test_what_never_ends_is_refused_at_its_limit(
    start: bytes, more: bytes, expected: int, status: int, reader: str
) -> None:
    """A refusal comes after the limit and one read, and memory stays where the limit is."""
    connection = Connection(TransportInfo(), READERS[reader], 0.0)
    taken = 0

    def send_without_end() -> Iterator[bytes]:
        nonlocal taken
        connection.receive_data(start, 0.0)
        for _ in range(10_000):
            if connection.error is not None:
                return
            taken += len(more)
            connection.receive_data(more, 0.0)
            yield more

    peak = peak_memory(lambda: sum(map(len, send_without_end())))

    assert connection.error is not None
    assert connection.error.status == status
    assert taken <= expected + len(start) + len(more)
    assert peak < 200_000


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (long_target, 414),
        (long_value, 431),
        (many_fields, 431),
        (trailers, 431),
        (extensions, 400),
        (empty_lines, 400),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_at_once_is_answered_as_it_is_in_octets(
    make: Callable[[int], bytes], status: int, reader: str
) -> None:
    whole = converse([make(1_000_000)], READERS[reader])
    slow = converse(octets(make(80_000)), READERS[reader])

    assert whole.statuses == slow.statuses == [status]


def test_the_gate_keeps_no_more_of_a_large_read_than_its_limit() -> None:
    data = b"GET /" + b"x" * 5_000_000
    gate = HeadGate(Settings())

    assert peak_memory(lambda: gate.receive_data(data, 0)) < 100_000
    assert gate.refusal is not None


@pytest.mark.parametrize("reader", READERS)
def test_many_tiny_chunks_become_few_messages(reader: str) -> None:
    data = b"1\r\na\r\n" * 20_000

    result = converse([CHUNKED_HEAD, data, data, b"0\r\n\r\n"], READERS[reader])

    assert result.contents == [b"a" * 40_000]
    assert result.calls[0].messages == 3


@pytest.mark.parametrize("reader", READERS)
def test_a_length_of_many_petabytes_costs_nothing(reader: str) -> None:
    head = head_of(b"POST / HTTP/1.1", HOST, b"Content-Length: 999999999999999999")

    assert peak_memory(lambda: converse([head, b"abc"], READERS[reader])) < 100_000
    assert converse(
        [head], Settings(limit_request_body=10**9, http1_reader=READERS[reader].http1_reader)
    ).statuses == [413]


@pytest.mark.parametrize("digits", [b"fffffffffffffff", b"ffffffffffffffff"])
@pytest.mark.parametrize("reader", READERS)
def test_a_chunk_of_many_petabytes_costs_nothing(digits: bytes, reader: str) -> None:
    pieces = [CHUNKED_HEAD, digits + b"\r\n", b"abc"]

    assert peak_memory(lambda: converse(pieces, READERS[reader])) < 100_000


def test_content_is_copied_no_more_than_once() -> None:
    """One chunk in one read is handed on as one slice of it."""
    data = Counted(b"%x\r\n%b\r\n0\r\n\r\n" % (50_000, b"x" * 50_000))

    assert len(ChunkedGate(Settings()).receive_data(data, 0)) == 50_000

    assert data.touched < 50_200
