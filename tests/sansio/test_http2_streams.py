"""A stream of HTTP/2: how one exchange's messages become frames, and frames its messages.

Source: RFC 9113 §5.1, §8.1; RFC 9110 §10.1.1.
"""

from __future__ import annotations

from typing import Final

import pytest

from sansio import ClientDisconnected, DefaultFields, Settings
from tests.messages import body, early_hint, start, trailers
from tests.peers import (
    DATA,
    HEADERS,
    RST_STREAM,
    Code,
    data,
    headers,
    request,
    settings,
    window_update,
)
from tests.sansio.http2_client import Call, Http2Pair

NOW: Final = 1000.0
TRAILERS: Final = ((b"te", b"trailers"),)


def shapes(call: Call) -> list[tuple[int, int, bool]]:
    """Return kind, size and end of the stream's frames; of HEADERS no size."""
    return [
        (seen.kind, 0 if seen.kind == HEADERS else len(seen.payload), seen.ended) for seen in call.view.frames
    ]


# Responses.


@pytest.mark.parametrize("size", [1, 4_096, 4_097, 16_384, 40_000])
def test_a_whole_response_is_a_head_and_content(size: int) -> None:
    pair = Http2Pair()
    call = pair.open()
    call.respond(bytes(size), 201, [(b"x", b"y")])
    view = call.view
    assert (view.status, view.content, view.ended, view.reset) == (201, bytes(size), True, None)
    assert view.fields == [(b"x", b"y"), (b"content-length", b"%d" % size)]


@pytest.mark.parametrize(
    ("method", "status", "content"), [(b"GET", 204, b""), (b"GET", 304, b""), (b"HEAD", 200, b"abc")]
)
def test_a_response_without_content_is_a_head_that_ends_the_stream(
    method: bytes, status: int, content: bytes
) -> None:
    """RFC 9113 §8.1: a HEADERS frame "with the END_STREAM flag set"."""
    pair = Http2Pair()
    call = pair.open(method)
    call.respond(content, status)
    assert shapes(call) == [(HEADERS, 0, True)]


def test_a_response_in_parts_goes_out_part_by_part() -> None:
    pair = Http2Pair()
    call = pair.open()
    call.send(start())
    assert shapes(call) == []  # The head waits for what may come with it.
    for part in (b"one", b"", b"three"):
        call.send(body(part, more=True))
    call.send(body(b""))
    assert shapes(call) == [(HEADERS, 0, False), (DATA, 3, False), (DATA, 5, False), (DATA, 0, True)]


def test_a_head_that_is_let_go_stands_alone() -> None:
    pair = Http2Pair()
    call = pair.open()
    call.send(start())
    call.exchange.flush(pair.now)
    pair.settle()
    assert shapes(call) == [(HEADERS, 0, False)]
    call.send(body(b"", more=True))
    call.send(body(b"x"))
    assert shapes(call)[1:] == [(DATA, 1, True)]


@pytest.mark.parametrize("fields", [(), TRAILERS], ids=["not asked for", "asked for"])
@pytest.mark.parametrize("lines", [[], [(b"checksum", b"1")]], ids=["none", "one"])
@pytest.mark.parametrize("content", [b"", b"content"])
def test_trailers_go_to_who_asks_for_them(
    fields: tuple[tuple[bytes, bytes], ...], lines: list[tuple[bytes, bytes]], content: bytes
) -> None:
    """RFC 9110 §6.5.1; RFC 9113 §8.1."""
    pair = Http2Pair()
    call = pair.open(fields=fields)
    call.send(start(trailers=True))
    call.send(body(content))
    assert not call.view.ended
    call.send(trailers(lines))
    assert (call.view.content, call.view.ended) == (content, True)
    assert call.view.trailers == (lines if fields and lines else None)


def test_trailers_wait_for_the_content_before_them() -> None:
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open(fields=TRAILERS)
    call.send(start(trailers=True))
    call.send(body(b"abcdef"))
    call.send(trailers([(b"checksum", b"1")]))
    assert [seen.kind for seen in call.view.frames] == [HEADERS, DATA]
    pair.send(window_update(1, 3))
    assert (call.view.content, call.view.trailers) == (b"abcdef", [(b"checksum", b"1")])


def test_early_hints_come_before_the_response() -> None:
    """RFC 8297."""
    pair = Http2Pair()
    call = pair.open()
    call.send(early_hint(b"</a>; rel=preload", b"</b>"))
    call.send(start())
    call.send(early_hint(b"</c>"))
    call.send(body(b"x"))
    assert call.view.interim == [
        [(b":status", b"103"), (b"link", b"</a>; rel=preload"), (b"link", b"</b>")],
        [(b":status", b"103"), (b"link", b"</c>")],
    ]
    assert call.view.status == 200


@pytest.mark.parametrize("began", [False, True], ids=["nothing was sent", "the head is held"])
def test_an_application_that_fails_early_is_a_500(began: bool) -> None:
    defaults = DefaultFields(b"tricorn")
    pair = Http2Pair(Settings(default_fields=defaults))
    call = pair.open()
    if began:
        call.send(start())
    call.finish(ValueError())
    assert (call.view.status, call.view.content) == (500, b"Internal Server Error\n")
    assert call.view.value(b"server") == b"tricorn"
    statistics = call.exchange.statistics(pair.now)
    assert (statistics.status, statistics.bytes_out) == (500, 22)


def test_a_500_for_head_has_no_content() -> None:
    """RFC 9110 §9.3.2."""
    pair = Http2Pair()
    call = pair.open(b"HEAD")
    call.finish(ValueError())
    assert shapes(call) == [(HEADERS, 0, True)]
    assert call.view.value(b"content-length") == b"22"
    assert call.exchange.statistics(pair.now).bytes_out == 0


def test_an_application_that_fails_late_leaves_a_visible_cut() -> None:
    """RFC 9113 §8.1: not END_STREAM, which would say that the response is complete."""
    pair = Http2Pair()
    call = pair.open()
    call.send(start())
    call.send(body(b"part", more=True))
    call.finish()
    assert (call.view.content, call.view.ended, call.view.reset) == (b"part", False, Code.INTERNAL_ERROR)
    pair.expect_service()


# Requests.


def test_content_comes_as_it_is_taken() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    assert call.receive() is None
    pair.upload(1, b"one")
    pair.upload(1, b"two", padding=5)
    assert call.receive() == {"type": "http.request", "body": b"onetwo", "more_body": True}
    pair.upload(1, b"three", end=True)
    assert call.take() == (b"three", True)


def test_trailers_of_a_request_are_its_end() -> None:
    """RFC 9113 §8.1."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"content")
    pair.send(headers(1, [(b"checksum", b"1")]))
    assert call.take() == (b"content", True)


def test_credit_comes_back_with_the_content_that_is_taken() -> None:
    """RFC 9113 §5.2.2."""
    pair = Http2Pair(Settings(http2_initial_window_size=16_384))
    call = pair.open(b"POST", end=False)
    for _ in range(5):
        pair.upload(1, bytes(16_384))
        assert call.view.credit == 0
        assert call.take() == (bytes(16_384), False)
        assert call.view.credit == 16_384


def test_content_that_nobody_will_read_is_taken_at_once() -> None:
    """A client that sends before it reads must not be held up by its own response."""
    pair = Http2Pair(Settings(http2_initial_window_size=16_384), hello=((4, 0),))
    call = pair.open(b"POST", end=False)
    call.respond(b"an answer that waits")
    for _ in range(5):
        pair.upload(1, bytes(16_384))
    pair.upload(1, b"", end=True)
    pair.send(window_update(1, 100))
    assert (call.view.content, call.view.ended, call.view.reset) == (b"an answer that waits", True, None)


@pytest.mark.parametrize("method", ["asked for", "not asked for", "answered first", "came before"])
def test_a_100_is_sent_to_who_waits_when_the_content_is_wanted(method: str) -> None:
    """RFC 9110 §10.1.1."""
    pair = Http2Pair()
    call = pair.open(b"POST", fields=[(b"expect", b"100-continue")], end=False)
    assert call.view.interim == []
    if method == "asked for":
        assert call.receive() is None
        assert call.view.interim == [[(b":status", b"100")]]
    elif method == "answered first":
        call.send(start())
        call.send(body(b"a", more=True))
        assert call.receive() is None
    elif method == "came before":
        pair.upload(1, b"content")
        assert call.take() == (b"content", False)
    pair.upload(1, b"more", end=True)
    assert call.take() == (b"more", True)
    assert len(call.view.interim) == (method == "asked for")


def test_a_request_that_has_ended_is_waited_for_by_nobody() -> None:
    pair = Http2Pair(Settings(timeout_request_body=5.0))
    call = pair.open(b"POST", content=b"all")
    assert call.take() == (b"all", True)
    assert call.receive() is None  # Until the client leaves.
    pair.run_until(NOW + 10.0)
    call.respond()
    assert call.view.ended


# Refusals.


def test_a_request_that_is_too_large_is_answered_in_place_of_the_application() -> None:
    pair = Http2Pair(Settings(limit_request_body=10))
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"01234567890")
    assert (call.view.status, call.view.ended, call.view.reset) == (413, True, Code.NO_ERROR)
    assert call.is_disconnected()
    error = pair.connection.error
    assert error is not None
    assert error.status == 413
    with pytest.raises(ClientDisconnected):
        call.send(start())


@pytest.mark.parametrize("held", [True, False], ids=["the head is held", "the head was sent"])
def test_a_refusal_takes_the_place_of_a_head_and_cuts_a_response(held: bool) -> None:
    pair = Http2Pair(Settings(limit_request_body=10))
    call = pair.open(b"POST", end=False)
    call.send(start(200, [(b"x", b"y")]))
    if not held:
        call.send(body(b"part", more=True))
    pair.upload(1, b"01234567890")
    assert call.is_disconnected()
    error = pair.connection.error
    assert error is not None
    if held:
        assert (call.view.status, error.status) == (413, 413)
        assert call.view.value(b"x") is None
    else:
        assert (call.view.status, call.view.reset, error.status) == (200, Code.CANCEL, None)


def test_a_refusal_that_waits_for_its_window_is_not_repeated() -> None:
    pair = Http2Pair(Settings(limit_request_body=10), hello=((4, 0),))
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"01234567890")
    pair.upload(1, b"more")
    pair.upload(1, b"the end", end=True)
    pair.send(window_update(1, 1_000))
    assert [seen.kind for seen in call.view.frames] == [HEADERS, DATA]
    assert (call.view.status, call.view.ended) == (413, True)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_request_that_reaches_no_application_is_answered_too(method: bytes) -> None:
    pair = Http2Pair()
    pair.send(request(1, method, fields=[(b"x", b"y")] * 200))
    view = pair.view(1)
    assert (view.status, view.ended, view.reset) == (431, True, None)
    assert bool(view.content) == (method == b"GET")
    pair.send(request(3, b"PO ST"))
    assert pair.view(3).reset == Code.PROTOCOL_ERROR
    error = pair.connection.error
    assert error is not None
    assert error.status == 431  # The first.


def test_an_answer_to_a_request_that_reaches_no_application_may_wait() -> None:
    pair = Http2Pair(hello=((4, 0),))
    pair.send(
        request(1, fields=[(b"x", b"y")] * 200), request(3, fields=[(b"x", b"y")] * 200, end_stream=False)
    )
    pair.send(data(3, b"on its way"))
    pair.send(settings((4, 1_000)))
    for number in (1, 3):
        assert (pair.view(number).status, pair.view(number).ended) == (431, True)
    assert not pair.calls


# Waiting.


def test_an_application_waits_while_its_content_does() -> None:
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open()
    call.send(start())
    call.send(body(b"ab", more=True))
    assert call.exchange.can_send
    named = call.named
    call.send(body(b"cdef", more=True))
    assert not call.exchange.can_send
    pair.send(window_update(1, 2))
    assert not call.exchange.can_send
    pair.send(window_update(1, 2))
    assert call.exchange.can_send
    assert call.named == named + 1
    assert call.view.content == b"abcdef"


def test_an_application_waits_while_its_head_does() -> None:
    """Nobody takes the bytes: the memory is bounded, and so is a flood of early hints."""
    pair = Http2Pair(Settings(limit_write_buffer=1_000))
    call = pair.open()
    pair.stall()
    call.send(early_hint(b"<" + b"a" * 2_000 + b">"))
    assert not call.exchange.can_send
    pair.resume()
    assert call.exchange.can_send


@pytest.mark.parametrize("cause", ["reset", "lose"])
def test_an_application_that_waits_is_told_of_the_end(cause: str) -> None:
    pair = Http2Pair(hello=((4, 0),))
    call = pair.open()
    call.send(start())
    call.send(body(b"abc", more=True))
    assert not call.exchange.can_send
    if cause == "reset":
        pair.reset(call)
    else:
        pair.lose()
    assert call.exchange.can_send
    assert call.is_disconnected()


def test_an_application_that_has_sent_all_is_not_told_of_the_end() -> None:
    pair = Http2Pair(hello=((4, 0),))
    call = pair.open()
    call.respond(b"abc")
    pair.reset(call)
    assert not call.exchange.disconnected
    assert call.exchange.can_send
    assert [seen.kind for seen in call.view.frames if seen.kind == RST_STREAM] == []
    assert call.exchange.statistics(pair.now).complete


def test_crumbs_end_the_connection_in_the_middle_of_a_message() -> None:
    """RFC 9113 §10.5."""
    pair = Http2Pair(Settings(http2_control_burst=2, http2_control_rate=1), hello=((4, 1),))
    calls = [pair.open() for _ in range(3)]
    for call in calls:
        call.send(start())
        call.send(body(b"abc", more=True))
    assert all(call.is_disconnected() for call in calls)
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)
