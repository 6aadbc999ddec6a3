"""How an HTTP/2 connection ends in peace: by the server, by the client, by the number of requests.

Source: RFC 9113 §6.8, §8.7.
"""

from __future__ import annotations

import pytest

from sansio import ClientDisconnected, Settings
from tests.messages import body, start
from tests.peers import Code, Frame, data, goaway, ping, request, rst, window_update
from tests.sansio.http2_client import Http2Pair

LAST = 2**31 - 1


def answer_pings(pair: Http2Pair) -> None:
    """Let the server know that what it sent has come."""
    while len(pair.observer.pings) > 0 and not pair.ended:
        pair.send(ping(pair.observer.pings.pop(0), ack=True))


def test_a_shutdown_lets_open_streams_finish() -> None:
    """RFC 9113 §6.8: GOAWAY with 2**31-1, then, after a round trip, with the last stream."""
    pair = Http2Pair()
    first = pair.open(b"POST", end=False)
    second = pair.open()
    pair.shut_down()
    assert pair.observer.goaways == [(LAST, Code.NO_ERROR)]
    assert not pair.ended
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    assert pair.observer.goaways[1:] == [(3, Code.NO_ERROR)]
    second.respond(b"second")
    assert not pair.ended
    pair.upload(1, b"content", end=True)
    assert first.take() == (b"content", True)
    first.respond(b"first")
    assert (first.view.content, second.view.content) == (b"first", b"second")
    assert pair.ended
    pair.eof()
    assert pair.connection.closed


def test_the_second_goaway_comes_as_soon_as_the_client_has_answered() -> None:
    """RFC 9113 §6.8: "allow time for any in-flight stream creation (at least one round-trip time)"."""
    pair = Http2Pair()
    pair.open()
    pair.shut_down()
    pair.send(ping(b"another!", ack=True))
    assert len(pair.observer.goaways) == 1
    answer_pings(pair)
    assert pair.observer.goaways == [(LAST, Code.NO_ERROR), (1, Code.NO_ERROR)]


def test_a_client_that_answers_no_ping_gets_the_second_goaway_all_the_same() -> None:
    pair = Http2Pair()
    call = pair.open()
    pair.shut_down()
    pair.run_until(pair.now + 10.0)
    assert pair.observer.goaways == [(LAST, Code.NO_ERROR), (1, Code.NO_ERROR)]
    call.respond(b"x")
    assert pair.ended


def test_a_request_on_its_way_is_served() -> None:
    """RFC 9113 §6.8: what the client sent before it saw the first GOAWAY is not lost."""
    pair = Http2Pair()
    first = pair.open()
    pair.shut_down()
    second = pair.open()
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    assert pair.observer.goaways == [(LAST, Code.NO_ERROR), (3, Code.NO_ERROR)]
    first.respond(b"first")
    second.respond(b"second")
    assert (first.view.content, second.view.content) == (b"first", b"second")
    assert pair.ended


def test_a_request_behind_the_last_stream_reaches_nobody() -> None:
    """RFC 9113 §6.8: such streams may be ignored; what they carry still counts for the connection's windows."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2, http2_initial_window_size=65_536))
    first = pair.open(b"POST", end=False)
    pair.shut_down()
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    for stream in range(3, 23, 2):
        pair.send(request(stream, b"POST", end_stream=False), data(stream, bytes(16_000)), data(stream, b"x"))
    pair.send(rst(3), window_update(5, 1))
    assert len(pair.calls) == 1
    assert pair.error is None
    assert all(pair.view(stream).reset in {None, Code.REFUSED_STREAM} for stream in range(3, 23, 2))
    assert pair.observer.credit > 40_000
    first.respond(b"first")
    assert first.view.content == b"first"
    assert pair.ended
    assert [last for last, _ in pair.observer.goaways] == sorted(
        [last for last, _ in pair.observer.goaways], reverse=True
    )


def test_an_idle_connection_is_shut_down_at_once() -> None:
    pair = Http2Pair()
    pair.open().respond()
    pair.shut_down()
    answer_pings(pair)
    pair.run_until(pair.now + 2.0)
    assert pair.ended
    assert pair.observer.goaways[-1] == (1, Code.NO_ERROR)
    pair.run_until_closed(within=10.0)


def test_a_connection_without_a_word_is_shut_down_at_once() -> None:
    pair = Http2Pair(hello=None)
    pair.shut_down()
    pair.run_until_closed(within=10.0)


def test_a_shutdown_that_takes_too_long_is_cut_off() -> None:
    pair = Http2Pair(Settings(timeout_graceful_shutdown=30.0))
    call = pair.open()
    call.send(start())
    call.send(body(b"begun", more=True))
    pair.shut_down()
    pair.run_until(pair.now + 29.0)
    assert not call.exchange.disconnected
    pair.run_until(pair.now + 1.0)
    assert call.is_disconnected()
    with pytest.raises(ClientDisconnected):
        call.send(body(b"more"))
    call.finish()
    assert pair.connection.closed


def test_a_shutdown_twice_is_one() -> None:
    pair = Http2Pair()
    call = pair.open()
    pair.shut_down()
    pair.shut_down()
    assert pair.observer.goaways == [(LAST, Code.NO_ERROR)]
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    pair.shut_down()
    assert len(pair.observer.goaways) == 2
    call.respond()
    assert pair.ended
    pair.shut_down()
    pair.run_until_closed(within=10.0)


def test_a_response_that_waits_for_its_window_outlives_the_shutdown_s_beginning() -> None:
    pair = Http2Pair(hello=((4, 4),))
    call = pair.open()
    call.respond(b"too long")
    pair.shut_down()
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    assert not pair.ended
    pair.grant(1, 100)
    assert (call.view.content, call.view.ended) == (b"too long", True)
    assert pair.ended


def test_a_connection_error_during_a_shutdown_is_told() -> None:
    pair = Http2Pair()
    call = pair.open()
    pair.shut_down()
    pair.send(data(0, b"x"))
    assert call.is_disconnected()
    pair.expect_connection_error(Code.PROTOCOL_ERROR)


# The client's GOAWAY.


@pytest.mark.parametrize("code", [Code.NO_ERROR, Code.PROTOCOL_ERROR, 0xDEAD], ids=str)
@pytest.mark.parametrize("debug", [b"", b"because"])
def test_streams_outlive_the_client_s_goaway(code: int, debug: bytes) -> None:
    """RFC 9113 §6.8: the client takes no streams of ours any more, of which there are none; its own go on."""
    pair = Http2Pair()
    first = pair.open(b"POST", end=False)
    second = pair.open()
    pair.send(goaway(0, code, debug))
    assert not pair.ended
    pair.upload(1, b"content", end=True)
    assert first.take() == (b"content", True)
    first.respond(b"first")
    second.respond(b"second")
    assert (first.view.content, second.view.content) == (b"first", b"second")
    pair.run_until(pair.now + 5.0)
    assert pair.ended
    pair.run_until_closed(within=10.0)


def test_a_goaway_of_a_client_without_streams_ends_the_connection() -> None:
    pair = Http2Pair()
    pair.open().respond()
    pair.send(goaway())
    pair.run_until(pair.now + 5.0)
    assert pair.ended
    assert pair.error is None


def test_a_client_may_say_goaway_twice_and_control_frames_are_answered() -> None:
    pair = Http2Pair()
    call = pair.open()
    pair.send(goaway(LAST), ping(), goaway(0), window_update(1, 5))
    assert pair.observer.pongs == [b"12345678"]
    call.respond(b"x")
    assert call.view.ended


# The number of requests.


def test_the_last_request_that_is_allowed_ends_the_connection_with_notice() -> None:
    pair = Http2Pair(Settings(limit_requests_per_connection=2))
    first = pair.open()
    assert pair.observer.goaways == []
    second = pair.open()
    assert pair.observer.goaways
    pair.send(request(5))
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    assert len(pair.calls) <= 3
    for call, stream in zip(pair.calls, [1, 3, 5], strict=False):
        call.respond(b"x")
        assert pair.view(stream).ended
    assert first.view.content == second.view.content == b"x"
    assert pair.ended
    assert pair.error is None


def test_no_more_applications_are_called_than_allowed() -> None:
    """Requests that were on their way are refused, so that they may be tried again (RFC 9113 §8.7)."""
    pair = Http2Pair(Settings(limit_requests_per_connection=3))
    pair.send(b"".join(request(2 * number + 1) for number in range(20)))
    assert len(pair.calls) == 3
    for call in pair.calls:
        call.respond(b"x")
    answer_pings(pair)
    pair.run_until(pair.now + 5.0)
    refused = [view for view in pair.observer.streams.values() if view.status is None]
    assert len(refused) == 17
    last = pair.observer.goaways[-1][0]
    assert all(view.reset == Code.REFUSED_STREAM or view.id > last for view in refused)
    assert pair.ended


def test_the_goaway_of_an_error_names_the_last_stream_that_was_seen() -> None:
    pair = Http2Pair()
    pair.open()
    pair.send(request(77))
    pair.send(data(0, b""))
    assert pair.observer.goaways == [(77, Code.PROTOCOL_ERROR)]


def test_a_goaway_says_why_to_people_too() -> None:
    """RFC 9113 §6.8: "Additional Debug Data". It holds nothing of what the client sent."""
    pair = Http2Pair()
    pair.send(data(0, b"secret"))
    frame: Frame = pair.frames[-1]
    assert b"secret" not in frame.payload
