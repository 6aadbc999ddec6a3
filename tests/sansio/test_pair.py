"""The pair itself: what the other tests stand on works, and notices what it should notice."""

from __future__ import annotations

import pytest

from sansio import ClientDisconnected, Scope, Settings, UnexpectedMessage
from tests.pair import Call, Pair, Receive, Send, cut, echo, request_bytes, respond


def test_a_get_is_answered() -> None:
    pair = Pair(respond(b"hi", fields=[(b"x-a", b"1")]))
    pair.request("GET", "/a?b")
    assert pair.call.scope["path"] == "/a"
    assert pair.response.status == 200
    assert pair.response.values(b"x-a") == [b"1"]
    assert pair.response.body == b"hi"
    assert pair.response.complete
    assert pair.call.done
    assert not pair.eof_received


@pytest.mark.parametrize("body", [b"some content", [b"some ", b"content"]], ids=["length", "chunks"])
def test_a_post_is_echoed_however_it_is_cut(body: bytes | list[bytes]) -> None:
    size = len(request_bytes("POST", body=body))
    for cuts in ((), range(size), (size - 1,), (7, 30)):
        pair = Pair(echo)
        pair.request("POST", body=body, cuts=cuts)
        assert pair.response.body == b"some content"
        assert pair.response.complete


def test_a_pipelined_pair_is_answered_in_order() -> None:
    pair = Pair(echo)
    pair.send(request_bytes("POST", body=b"one") + request_bytes("POST", body=b"two"))
    assert [response.body for response in pair.responses] == [b"one", b"two"]


def test_a_response_to_head_among_pipelined_ones_is_read_without_content() -> None:
    pair = Pair(respond(b"hello"))
    pair.send(request_bytes("HEAD") + request_bytes("GET"))
    assert [response.body for response in pair.responses] == [b"", b"hello"]
    assert pair.responses[0].values(b"content-length") == [b"5"]


def test_the_clock_jumps_to_the_end_of_the_keep_alive_time() -> None:
    pair = Pair(respond(), Settings(timeout_keep_alive=7.0), now=100.0)
    pair.request()
    assert pair.connection.deadline == 107.0
    pair.run_until(106.9)
    assert (pair.now, pair.closed) == (106.9, False)
    assert pair.advance()
    assert (pair.now, pair.closed, pair.eof_received) == (107.0, True, True)
    assert not pair.advance()


def test_a_script_can_play_the_application() -> None:
    pair = Pair()
    pair.request("POST", body=b"content")
    call = pair.call
    assert call.receive() == {"type": "http.request", "body": b"content", "more_body": False}
    assert call.receive() is None
    with pytest.raises(UnexpectedMessage):
        call.send({"type": "http.response.body"})
    call.respond(b"yes", 201)
    assert (pair.response.status, pair.response.body) == (201, b"yes")
    assert call.receive() == {"type": "http.disconnect"}
    assert call.received[-1] == {"type": "http.disconnect"}


def test_a_held_head_goes_out_alone_after_a_moment() -> None:
    pair = Pair()
    pair.request()
    pair.call.send({"type": "http.response.start", "status": 200})
    assert pair.output == b""
    assert pair.advance()
    assert pair.response.status == 200
    assert not pair.response.complete


def test_a_script_can_flush_a_held_head() -> None:
    pair = Pair()
    pair.request()
    pair.call.send({"type": "http.response.start", "status": 200})
    pair.call.flush()
    assert pair.response.status == 200


def test_interim_responses_are_kept_apart() -> None:
    pair = Pair(echo)
    head, _, body = request_bytes("POST", fields=[(b"Expect", b"100-continue")], body=b"abc").partition(
        b"\r\n\r\n"
    )
    pair.send(head + b"\r\n\r\n")
    assert [status for status, _ in pair.responses[0].interim + pair.interim] == [100]
    pair.send(body)
    assert pair.response.body == b"abc"


def test_an_application_can_sleep_and_wait() -> None:
    times: list[float] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await pair.sleep(3)
        times.append(pair.now)
        await pair.until(lambda: go)
        times.append(pair.now)
        await respond()(_scope, _receive, send)

    go = False
    pair = Pair(app, now=0.0)
    pair.request()
    pair.run_until(5.0)
    go = True
    pair.settle()
    assert times == [3.0, 5.0]
    assert pair.response.complete


def test_a_client_that_takes_nothing_blocks_the_application() -> None:
    sent = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for number in range(10):
            await send({"type": "http.response.body", "body": bytes(1000), "more_body": number < 9})
            sent.append(number)

    pair = Pair(app, Settings(limit_write_buffer=2500))
    pair.stall()
    pair.request()
    assert len(sent) == 2
    pair.resume()
    assert len(sent) == 10
    assert len(pair.response.body) == 10_000


def test_what_the_connection_does_not_want_stays_on_the_wire() -> None:
    pair = Pair(settings=Settings(limit_read_buffer=4))
    pair.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
    pair.send(b"1234")
    pair.send(b"5678")
    assert pair.unread == 4
    assert pair.call.receive() == {"type": "http.request", "body": b"1234", "more_body": True}
    assert pair.unread == 0
    assert pair.call.receive() == {"type": "http.request", "body": b"5678", "more_body": False}


def test_a_lost_transport_disconnects_and_cuts_the_response_off() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await receive()
        await receive()
        await send({"type": "http.response.body", "body": b"b"})

    pair = Pair(app)
    pair.request()
    pair.lose()
    assert isinstance(pair.call.error, ClientDisconnected)
    assert pair.response.body == b"a"
    assert not pair.response.complete
    assert pair.closed


def test_an_application_can_be_cancelled_where_it_waits() -> None:
    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        await receive()

    pair = Pair(app)
    pair.request()
    pair.call.cancel()
    assert pair.call.done
    assert pair.response.status == 500
    assert pair.eof_received
    pair.eof()
    assert pair.closed


def test_a_shutdown_closes_an_idle_connection() -> None:
    pair = Pair(respond())
    pair.request()
    pair.shut_down()
    assert pair.closed


def test_a_refusal_without_an_exchange_is_read_with_the_method_told() -> None:
    pair = Pair()
    pair.refused_method = "HEAD"
    pair.send(b"HEAD / HTTP/1.1\r\n\r\n")
    assert (pair.response.status, pair.response.body, pair.response.complete) == (400, b"", True)
    pair.run_until_closed()


def test_many_pipelined_requests_are_no_deeper_than_one() -> None:
    pair = Pair(respond(b"x"))
    pair.send(request_bytes() * 3000)
    assert len(pair.responses) == 3000


def test_bytes_are_cut_at_places_inside_them() -> None:
    assert cut(b"abcd", (2, 0, 9, 1, 2)) == [b"a", b"b", b"cd"]
    assert cut(b"abcd", ()) == [b"abcd"]


def test_running_on_when_nothing_can_happen_any_more_fails() -> None:
    pair = Pair()
    pair.lose()
    with pytest.raises(AssertionError, match="nothing will ever happen"):
        pair.run_until(lambda: False)


def test_finishing_twice_fails() -> None:
    pair = Pair()
    pair.request()
    call: Call = pair.call
    call.respond()
    with pytest.raises(AssertionError, match="finished twice"):
        call.finish()
