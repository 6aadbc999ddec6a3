"""A stream from its request to its response: content, trailers, interim responses, failures, resets.

Source: RFC 9113 §5.1, §8.1; RFC 9110; ASGI HTTP & WebSocket 2.5.
"""

from __future__ import annotations

import pytest

from sansio import ClientDisconnected, InvalidMessage, Settings, UnexpectedMessage
from tests.messages import body, early_hint, start, trailers
from tests.peers import Code, data, headers, request, rst
from tests.sansio.http2_client import Http2Pair


def test_a_request_and_its_response() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", content=b"question")
    assert call.receive() == {"type": "http.request", "body": b"question", "more_body": False}
    call.send(start(201, [(b"content-type", b"text/plain")]))
    call.send(body(b"ans", more=True))
    call.send(body(b"wer"))
    assert call.receive() == {"type": "http.disconnect"}
    call.finish()
    view = call.view
    assert (view.status, view.content, view.ended, view.reset) == (201, b"answer", True, None)
    assert view.value(b"content-type") == b"text/plain"
    assert pair.error is None


def test_a_small_response_has_its_length() -> None:
    pair = Http2Pair()
    call = pair.open()
    call.respond(b"hello")
    assert call.view.value(b"content-length") == b"5"


def test_an_empty_part_makes_no_frame() -> None:
    """RFC 9113 §10.5: an empty DATA frame that ends nothing is what attackers send."""
    pair = Http2Pair()
    call = pair.open()
    call.send(start())
    for _ in range(10):
        call.send(body(b"", more=True))
    call.send(body(b""))
    assert call.view.ended
    assert call.view.content == b""


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        (b"HEAD", 200, b"7"),
        (b"GET", 204, None),
        (b"GET", 304, b"7"),
        (b"HEAD", 304, b"7"),
        (b"HEAD", 404, b"7"),
        (b"POST", 205, b"0"),
    ],
)
def test_a_response_without_content_ends_with_its_head(
    method: bytes, status: int, length: bytes | None
) -> None:
    """RFC 9110 §6.4.1, §8.6: no DATA frame, whatever the application sends."""
    pair = Http2Pair()
    call = pair.open(method)
    call.respond(b"content", status, [(b"content-length", b"7")])
    view = call.view
    assert (view.status, view.content, view.ended) == (status, b"", True)
    assert len(view.frames) == 1
    assert view.value(b"content-length") == length


def test_a_response_without_content_and_in_parts_ends_once() -> None:
    pair = Http2Pair()
    call = pair.open(b"HEAD")
    call.send(start())
    call.send(body(b"a", more=True))
    call.send(body(b"b"))
    call.finish()
    assert (call.view.content, call.view.ended) == (b"", True)


@pytest.mark.parametrize(
    "name",
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"],
)
@pytest.mark.parametrize("value", [b"close", b"chunked"])
def test_fields_of_the_connection_do_not_go_out(name: bytes, value: bytes) -> None:
    """RFC 9113 §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific" fields."""
    pair = Http2Pair()
    call = pair.open()
    call.respond(b"x", fields=[(name, value), (b"x-kept", b"y")])
    assert call.view.value(name) is None
    assert call.view.value(b"x-kept") == b"y"
    pair.expect_service()


def test_what_must_not_go_out_is_refused_and_leaves_no_trace() -> None:
    """ASGI; RFC 9113 §8.2.1."""
    pair = Http2Pair()
    call = pair.open()
    for fields in (
        [(b":status", b"200")],
        [(b"x", b"a\r\nb: c")],
        [(b"x\x00", b"")],
        [("x", "y")],
        [(b"", b"")],
    ):
        with pytest.raises(InvalidMessage):
            call.send(start(200, fields))
    with pytest.raises(InvalidMessage):
        call.send(start(101))
    with pytest.raises(UnexpectedMessage):
        call.send(body(b"too early"))
    assert pair.take_frames() == []
    call.respond(b"fine")
    assert call.view.content == b"fine"


def test_content_comes_as_it_arrives_and_empty_frames_are_no_messages() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    assert call.receive() is None
    named = call.named
    pair.send(data(1, b""))
    assert call.named == named
    pair.send(data(1, b"one", padding=3))
    assert call.named == named + 1
    assert call.receive() == {"type": "http.request", "body": b"one", "more_body": True}
    assert call.receive() is None
    pair.send(data(1, b"two") + data(1, b"three"), data(1, b"", end_stream=True))
    assert call.receive() == {"type": "http.request", "body": b"twothree", "more_body": False}
    assert call.receive() is None
    call.respond()
    assert call.receive() == {"type": "http.disconnect"}


def test_trailers_of_a_request_end_it_and_are_dropped() -> None:
    """RFC 9113 §8.1. ASGI has no place for them."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(data(1, b"content"), headers(1, [(b"x-checksum", b"1"), (b"content-length", b"99")]))
    assert call.take() == (b"content", True)
    call.respond(b"ok")
    assert call.view.ended
    assert call.view.reset is None
    pair.expect_service()


def test_trailers_of_a_response_go_to_who_wants_them() -> None:
    """RFC 9110 §6.5.1."""
    pair = Http2Pair()
    for wanted in (True, False):
        call = pair.open(fields=[(b"te", b"trailers")] if wanted else [])
        call.send(start(trailers=True))
        call.send(body(b"content"))
        assert not call.view.ended
        call.send(trailers([(b"X-A", b"1")], more=True))
        call.send(trailers([(b"x-b", b"2")]))
        call.finish()
        assert call.view.trailers == ([(b"x-a", b"1"), (b"x-b", b"2")] if wanted else None)
        assert (call.view.content, call.view.ended) == (b"content", True)


def test_trailers_that_are_promised_and_missing_end_the_response() -> None:
    pair = Http2Pair()
    call = pair.open(fields=[(b"te", b"trailers")])
    call.send(start(trailers=True))
    call.send(body(b"content"))
    call.finish()
    assert (call.view.content, call.view.ended, call.view.reset) == (b"content", True, None)


def test_early_hints_go_before_the_response() -> None:
    """RFC 8297; RFC 9113 §8.1: interim responses do not end the stream."""
    pair = Http2Pair()
    call = pair.open()
    call.send(early_hint(b"</a.css>; rel=preload", b"</b.js>; rel=preload"))
    call.send(early_hint(b"</c.js>; rel=preload"))
    assert call.view.interim == [
        [(b":status", b"103"), (b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>; rel=preload")],
        [(b":status", b"103"), (b"link", b"</c.js>; rel=preload")],
    ]
    call.respond(b"content")
    assert (call.view.status, call.view.content) == (200, b"content")


def test_a_client_that_expects_100_is_told_to_go_on_when_the_application_reads() -> None:
    """RFC 9110 §10.1.1."""
    pair = Http2Pair()
    call = pair.open(b"POST", fields=[(b"expect", b"100-continue")], end=False)
    assert pair.take_frames() == []
    assert call.receive() is None
    assert call.receive() is None
    assert [fields[0] for fields in call.view.interim] == [(b":status", b"100")]
    pair.send(data(1, b"content", end_stream=True))
    assert call.take() == (b"content", True)
    call.respond()
    assert call.view.status == 200


def test_nobody_is_told_to_go_on_who_goes_on_or_is_answered() -> None:
    """RFC 9110 §10.1.1: a server "MAY omit sending a 100"; after a final response it makes no sense."""
    pair = Http2Pair()
    sending = pair.open(b"POST", fields=[(b"expect", b"100-continue")], content=b"at once", end=False)
    assert sending.take() == (b"at once", False)
    answered = pair.open(b"POST", fields=[(b"expect", b"100-continue")], end=False)
    answered.respond(b"no", 403)
    empty = pair.open(fields=[(b"expect", b"100-continue")])
    assert empty.take() == (b"", True)
    assert empty.receive() is None
    for call in (sending, answered, empty):
        assert call.view.interim == []


def test_an_early_response_asks_the_client_to_stop() -> None:
    """RFC 9113 §8.1: RST_STREAM(NO_ERROR) "after sending a complete response"."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"some")
    call.respond(b"enough", 403)
    view = call.view
    assert (view.status, view.content, view.ended, view.reset) == (403, b"enough", True, Code.NO_ERROR)
    assert call.exchange.disconnected is False
    pair.send(data(1, b"x" * 1_000), data(1, b"", end_stream=True), rst(1))
    pair.expect_service()


def test_an_early_response_that_waits_for_its_window_is_sent_whole_before_the_reset() -> None:
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open(b"POST", end=False)
    call.respond(b"enough", 403)
    assert (call.view.content, call.view.reset) == (b"eno", None)
    pair.upload(1, b"more")
    pair.grant(1, 10)
    assert (call.view.content, call.view.ended, call.view.reset) == (b"enough", True, Code.NO_ERROR)


def test_a_response_to_a_complete_request_is_not_followed_by_a_reset() -> None:
    pair = Http2Pair()
    for content in (None, b"", b"content"):
        call = pair.open(b"POST", content=content)
        call.respond(b"answer")
        assert (call.view.ended, call.view.reset) == (True, None)


# Content-Length.


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        (b"5", [data(1, b"1234", end_stream=True)]),
        (b"5", [data(1, b"123456", end_stream=True)]),
        (b"5", [data(1, b"123456")]),
        (b"5", [data(1, b"12345"), data(1, b"6", end_stream=True)]),
        (b"5", [data(1, b"", end_stream=True)]),
        (b"5", [data(1, b"123"), headers(1, [(b"x", b"y")])]),
        (b"5", [headers(1, [])]),
        (b"0", [data(1, b"1", end_stream=True)]),
        (b"5", [data(1, b"123"), headers(1, [(b"content-length", b"3")])]),
        (b"5", [data(1, b"1234", padding=1, end_stream=True)]),
    ],
    ids=[
        "short",
        "long",
        "long, not ended",
        "long at the end",
        "empty",
        "short by trailers",
        "trailers alone",
        "none was promised",
        "trailers lie",
        "padding is no content",
    ],
)
def test_content_that_is_not_as_long_as_promised_never_ends(length: bytes, pieces: list[bytes]) -> None:
    """RFC 9113 §8.1.1: a request is malformed if Content-Length "does not equal the sum of the DATA frame" sizes."""
    pair = Http2Pair()
    call = pair.open(b"POST", fields=[(b"content-length", length)], end=False)
    pair.send(*pieces)
    message = call.receive()
    while message is not None and message["type"] == "http.request":
        assert message["more_body"], "the application takes it for whole"
        message = call.receive()
    assert message == {"type": "http.disconnect"}
    with pytest.raises(ClientDisconnected):
        call.send(start())
    call.finish()
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


def test_content_as_long_as_promised_ends_in_any_way() -> None:
    pair = Http2Pair()
    promise = [(b"content-length", b"5")]
    first = pair.open(b"POST", fields=promise, content=b"12345")
    second = pair.open(b"POST", fields=promise, end=False)
    pair.send(data(3, b"12", padding=9), data(3, b"345"), headers(3, [(b"x", b"y")]))
    third = pair.open(b"POST", fields=promise, end=False)
    pair.send(data(5, b"12345"), data(5, b"", end_stream=True))
    assert [call.take() for call in (first, second, third)] == [(b"12345", True)] * 3


def test_content_beyond_the_limit_is_answered_with_413() -> None:
    pair = Http2Pair(Settings(limit_request_body=10))
    call = pair.open(b"POST", content=b"0123456789", end=False)
    assert call.take() == (b"0123456789", False)
    pair.upload(1, b"x")
    view = call.view
    assert (view.status, view.ended, view.reset) == (413, True, Code.NO_ERROR)
    assert call.is_disconnected()
    call.finish()
    fits = pair.open(b"POST", content=b"0123456789")
    assert fits.take() == (b"0123456789", True)
    pair.expect_service()


def test_content_beyond_the_limit_that_is_the_last_of_it_leaves_nothing_to_stop() -> None:
    """RFC 9113 §5.1: the stream is closed with the response, and nothing may follow on a closed stream."""
    pair = Http2Pair(Settings(limit_request_body=10))
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"0123456789x", end=True)
    assert (call.view.status, call.view.ended, call.view.reset) == (413, True, None)
    assert call.is_disconnected()
    call.finish()
    pair.expect_service()


def test_content_beyond_the_limit_after_the_response_began_ends_the_stream() -> None:
    pair = Http2Pair(Settings(limit_request_body=10))
    call = pair.open(b"POST", end=False)
    call.send(start())
    call.send(body(b"begun", more=True))
    pair.upload(1, b"0123456789x")
    assert call.is_disconnected()
    assert call.view.status == 200
    assert not call.view.ended
    assert call.view.reset is not None
    call.finish()
    pair.expect_service()


# Applications that fail.


@pytest.mark.parametrize("error", [None, ValueError("broken")], ids=["returned", "raised"])
@pytest.mark.parametrize("started", [False, True], ids=["nothing", "held head"])
def test_an_application_without_a_response_makes_a_500(error: Exception | None, started: bool) -> None:
    pair = Http2Pair()
    call = pair.open()
    if started:
        call.send(start(200, [(b"x", b"y")]))
    call.finish(error)
    assert (call.view.status, call.view.ended, call.view.reset) == (500, True, None)
    assert call.view.value(b"x") is None
    assert b"broken" not in call.view.content
    pair.expect_service()


@pytest.mark.parametrize("error", [None, ValueError("broken")], ids=["returned", "raised"])
@pytest.mark.parametrize("ended", [False, True], ids=["uploading", "uploaded"])
def test_an_application_that_fails_in_the_middle_has_its_stream_reset(
    error: Exception | None, ended: bool
) -> None:
    """RFC 9113 §5.4.2: INTERNAL_ERROR. Without it the client would wait for ever."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=ended)
    call.send(start())
    call.send(body(b"half", more=True))
    call.finish(error)
    assert (call.view.content, call.view.ended) == (b"half", False)
    pair.expect_stream_error(1, Code.INTERNAL_ERROR)


def test_a_500_for_a_head_request_has_no_content() -> None:
    pair = Http2Pair()
    call = pair.open(b"HEAD")
    call.finish()
    assert (call.view.status, call.view.content, call.view.ended) == (500, b"", True)


def test_an_application_that_sends_after_its_end_is_ignored() -> None:
    """ASGI: "any further messages on the channel will be ignored"."""
    pair = Http2Pair()
    call = pair.open()
    call.respond(b"whole")
    pair.take_frames()
    call.exchange.send(body(b"more"), pair.now)
    pair.settle()
    assert pair.take_frames() == []


# Resets.


@pytest.mark.parametrize("code", [Code.CANCEL, Code.NO_ERROR, Code.INTERNAL_ERROR, 0xDEAD], ids=str)
def test_a_reset_by_the_client_is_one_disconnect(code: int) -> None:
    """RFC 9113 §6.4, §7: codes that are not known are no reason for anything."""
    pair = Http2Pair()
    call = pair.open(b"POST", content=b"content", end=False)
    call.send(start())
    call.send(body(b"begun", more=True))
    named = call.named
    pair.reset(call, code)
    assert call.named == named + 1
    assert call.is_disconnected()
    with pytest.raises(ClientDisconnected):
        call.send(body(b"more"))
    call.finish(ClientDisconnected())
    assert pair.view(1).content == b"begun"
    pair.send(rst(1, code))
    assert pair.view(1).reset is None
    pair.expect_service()


def test_a_reset_wakes_an_application_that_waits_once() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    assert call.receive() is None
    named = call.named
    pair.reset(call)
    assert call.named == named + 1
    assert call.receive() == {"type": "http.disconnect"}


def test_a_reset_after_the_response_changes_nothing() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    call.respond(b"enough")
    pair.reset(call)
    assert not call.exchange.disconnected
    statistics = call.exchange.statistics(pair.now)
    assert statistics.complete
    pair.expect_service()


def test_a_request_that_is_reset_in_the_same_read_reaches_no_application() -> None:
    """RFC 9113 §10.5: a client that resets at once must not get work done."""
    pair = Http2Pair()
    pair.send(request(1) + rst(1))
    pair.send(request(3, b"POST", end_stream=False) + data(3, b"content") + rst(3))
    pair.send(request(5) + request(7) + rst(5) + request(9))
    assert [call.scope["path"] for call in pair.calls] == ["/", "/"]
    for call, stream in zip(pair.calls, [7, 9], strict=True):
        call.respond(b"here")
        assert pair.view(stream).content == b"here"
    for stream in (1, 3, 5):
        assert pair.view(stream).frames == []


def test_statistics_tell_what_became_of_a_request() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", b"/a?b", [(b"x", b"y")], content=b"question")
    pair.run_until(pair.now + 1.0)
    call.take()
    call.respond(b"answer", 201)
    statistics = call.exchange.statistics(pair.now)
    assert (statistics.kind, statistics.scheme, statistics.http_version) == ("http", "https", "2")
    assert (statistics.method, statistics.target, statistics.status) == ("POST", b"/a?b", 201)
    assert (statistics.bytes_in, statistics.bytes_out, statistics.complete) == (8, 6, True)
    assert statistics.ended - statistics.opened == 1.0
