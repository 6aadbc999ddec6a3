"""What ASGI says of HTTP: the messages of a request, the messages of a response, and what comes of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from sansio import (
    ClientDisconnected,
    Connection,
    InvalidMessage,
    Message,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)
from tests.messages import body, early_hint, start, trailers
from tests.pair import Fields, Pair

HOST = b"Host: a\r\n"

REQUEST_END: Message = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT: Message = {"type": "http.disconnect"}


def opened(method: str = "GET", *, fields: Fields = (), content: bytes = b"") -> Pair:
    """One request, whose exchange is open."""
    pair = Pair()
    pair.request(method, "/", fields=fields, body=content)
    return pair


def exact_types(value: object) -> bool:
    """Nothing in a message is of a subclass: "byte string" means bytes."""
    if isinstance(value, dict):
        return all(type(key) is str and exact_types(item) for key, item in value.items())
    return type(value) in {str, bytes, bool}


# Receiving.


@pytest.mark.parametrize("reader", ["fast", "h11"])
def test_a_request_without_content_is_one_message(reader: Any) -> None:
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.request()
    assert pair.call.receive() == REQUEST_END
    assert exact_types(pair.call.received[0])
    assert pair.call.receive() is None


@pytest.mark.parametrize("reader", ["fast", "h11"])
@pytest.mark.parametrize("chunked", [False, True])
def test_content_arrives_whole_in_order_and_as_plain_bytes(reader: Any, chunked: bool) -> None:
    pair = Pair(settings=Settings(http1_reader=reader))
    content: Any = [b"one,", b"two,", b"three"] if chunked else b"one,two,three"
    pair.request("POST", "/", body=content, cuts=range(0, 300, 3))
    messages = []
    while (message := pair.call.receive()) is not None:
        messages.append(message)
    assert b"".join([message["body"] for message in messages]) == b"one,two,three"
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]
    assert all(map(exact_types, messages))


def test_content_that_waits_is_given_in_one_message() -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\nab")
    pair.send(b"cd")
    assert pair.call.receive() == {"type": "http.request", "body": b"abcd", "more_body": True}
    assert pair.call.receive() is None
    pair.send(b"ef")
    assert pair.call.receive() == {"type": "http.request", "body": b"ef", "more_body": False}


def test_content_in_crumbs_takes_hardly_more_memory_than_its_octets() -> None:
    """Each object of one octet would take forty."""
    size = 20_000
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size, 0.0)
    [exchange] = connection.take_ready()
    tracemalloc.start()
    try:
        for number in range(size // 2):
            connection.receive_data(b"%02d" % (number % 100), 0.0)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 5 * size
    content = b"".join([b"%02d" % number for number in range(100)]) * (size // 200)
    assert exchange.receive(0.0) == {"type": "http.request", "body": content, "more_body": False}


def test_the_end_of_content_may_come_alone() -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    assert pair.call.receive() == {"type": "http.request", "body": b"ab", "more_body": True}
    pair.send(b"0\r\n\r\n")
    assert pair.call.receive() == REQUEST_END


def test_a_transfer_coding_is_taken_off_the_content_but_not_off_the_fields() -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
    pair.send(b"2\r\nab\r\n0\r\nX-Checked: yes\r\n\r\n")
    call = pair.call
    assert call.receive() == {"type": "http.request", "body": b"ab", "more_body": False}
    assert call.scope["headers"] == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]


def test_after_the_last_request_message_receive_waits_and_then_gives_disconnects() -> None:
    """ASGI, Disconnect: "if receive is called after a response has been sent"."""
    call = (pair := opened()).call
    assert call.receive() == REQUEST_END
    assert call.receive() is None
    assert call.receive() is None
    named = call.named
    call.send(start())
    call.send(body(b"hi"))
    assert call.named == named + 1
    assert [call.receive() for _ in range(3)] == [DISCONNECT] * 3
    call.finish()
    assert call.receive() == DISCONNECT
    assert pair.response.body == b"hi"


def test_content_that_was_not_taken_before_the_response_was_complete_is_dropped() -> None:
    call = opened("POST", content=b"abc").call
    call.respond()
    assert call.receive() == DISCONNECT


def lose(pair: Pair) -> None:
    pair.lose()


def end(pair: Pair) -> None:
    pair.eof()


def break_chunk(pair: Pair) -> None:
    pair.send(b"no chunk\r\n")


def stay_silent(pair: Pair) -> None:
    pair.run_until_closed()


@pytest.mark.parametrize("vanish", [lose, end, break_chunk, stay_silent])
@pytest.mark.parametrize("waits", [False, True])
def test_content_cut_short_becomes_a_disconnect_and_never_looks_complete(vanish: Any, waits: bool) -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    call = pair.call
    if waits or vanish is stay_silent:
        call.receive()
        assert call.receive() is None
    named = call.named
    vanish(pair)
    assert call.named > named
    assert [call.receive() for _ in range(3)] == [DISCONNECT] * 3
    assert call.exchange.disconnected
    with pytest.raises(ClientDisconnected):
        call.send(start())


def test_a_disconnect_names_the_exchange_even_if_nobody_waits() -> None:
    """Detection must not depend on the application's writing: "the server should raise" (ASGI 2.4)."""
    pair = opened()
    pair.lose()
    assert pair.call.named == 2
    assert pair.call.exchange.disconnected
    assert pair.call.exchange.ended


# Starting a response.


def test_all_but_type_and_status_may_be_left_out() -> None:
    call = (pair := opened()).call
    call.send({"type": "http.response.start", "status": 404})
    call.send({"type": "http.response.body"})
    assert (pair.response.status, pair.response.body, pair.response.complete) == (404, b"", True)


def test_unknown_keys_of_a_message_are_ignored() -> None:
    call = (pair := opened()).call
    call.send(start(201, later=object()))
    call.send({**body(b"x"), "later": 1})
    assert (pair.response.status, pair.response.body) == (201, b"x")


@pytest.mark.parametrize("status", [None, "200", True, 199, 600])
def test_what_is_no_final_status_is_refused(status: Any) -> None:
    call = (pair := opened()).call
    with pytest.raises(InvalidMessage, match="'status' must be an int from 200 to 599"):
        call.send(start(status))
    call.respond(b"ok")
    assert pair.response.body == b"ok"


# Content.


@pytest.mark.parametrize("content", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_content_is_anything_like_bytes(content: Any) -> None:
    call = (pair := opened()).call
    call.send(start())
    with pytest.raises(InvalidMessage, match="'body' must be bytes, got str"):
        call.send(body("abc"))
    call.send(body(content))
    assert pair.response.body == b"abc"


def test_a_response_in_one_message_gets_its_length() -> None:
    call = (pair := opened()).call
    call.respond(b"hello")
    assert pair.response.values(b"content-length") == [b"5"]
    assert pair.response.values(b"transfer-encoding") == []


def test_a_response_in_several_messages_is_chunked() -> None:
    call = (pair := opened()).call
    call.send(start())
    for part in (b"a", b"", b"bc"):
        call.send(body(part, more=True))
    assert (pair.response.body, pair.response.complete) == (b"abc", False)
    call.send(body(b"d"))
    assert (pair.response.body, pair.response.complete) == (b"abcd", True)
    assert pair.response.values(b"transfer-encoding") == [b"chunked"]
    assert pair.response.values(b"content-length") == []


@pytest.mark.parametrize("more", [None, 0, 1, "yes"])
def test_a_flag_that_is_no_bool_is_refused(more: Any) -> None:
    call = (pair := opened()).call
    with pytest.raises(InvalidMessage, match="'trailers' must be a bool"):
        call.send(start(trailers=more))
    call.send(start(trailers=True))
    with pytest.raises(InvalidMessage, match="'more_body' must be a bool"):
        call.send(body(b"", more=more))
    call.send(body(b"ok"))
    with pytest.raises(InvalidMessage, match="'more_trailers' must be a bool"):
        call.send(trailers([(b"a", b"b")], more=more))
    call.send(trailers())
    assert (pair.response.body, pair.response.complete) == (b"ok", True)


@pytest.mark.parametrize("first", [None, b"", b"a", b"abc"])
def test_too_much_content_is_refused_and_may_be_corrected(first: bytes | None) -> None:
    """RFC 9110 §8.6: the length that was announced is the length that goes out; nothing of the excess does."""
    call = (pair := opened()).call
    call.send(start(headers=[(b"content-length", b"3")]))
    if first is not None:
        call.send(body(first, more=True))
    before = pair.output
    with pytest.raises(InvalidMessage, match="bytes longer than its content-length"):
        call.send(body(b"abcd", more=True))
    assert pair.output == before
    call.send(body(b"abc"[len(first or b"") :]))
    assert (pair.response.body, pair.response.complete) == (b"abc", True)


def test_too_little_content_is_refused_and_cut_off_if_it_is_not_corrected() -> None:
    call = (pair := opened()).call
    call.send(start(headers=[(b"content-length", b"3")]))
    call.send(body(b"a", more=True))
    with pytest.raises(InvalidMessage, match="body is 1 bytes shorter than its content-length"):
        call.send(body(b"b"))
    assert not pair.response.complete
    call.finish(ValueError("short"))
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"a", False, True)


# Responses without content.


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 205), ("GET", 304)])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_response_that_has_no_content_has_none_on_the_wire(method: str, status: int, parts: int) -> None:
    """RFC 9110 §6.4.1: whatever the application sends."""
    call = (pair := opened(method)).call
    call.send(start(status))
    for number in range(parts):
        call.send(body(b"abc", more=number < parts - 1))
    assert (pair.response.status, pair.response.complete) == (status, True)
    assert pair.output.endswith(b"\r\n\r\n")
    assert call.receive() == DISCONNECT


# Extensions.


@pytest.mark.parametrize("parts", [1, 2])
def test_trailers_complete_a_response_that_announced_them(parts: int) -> None:
    call = (pair := opened(fields=[(b"TE", b"trailers")])).call
    call.send(start(trailers=True))
    call.send(body(b"content", more=parts == 2))
    if parts == 2:
        call.send(body(b"."))
    assert not pair.response.complete
    call.send(trailers([(b"x-a", b"1")], more=True))
    call.send(trailers([(b"x-b", b"2")]))
    assert (pair.response.complete, pair.response.trailers) == (True, [(b"x-a", b"1"), (b"x-b", b"2")])
    assert call.receive() == DISCONNECT


@pytest.mark.parametrize("error", [None, ValueError()])
def test_trailers_that_stay_out_end_the_response_without_them(error: Exception | None) -> None:
    call = (pair := opened()).call
    call.send(start(trailers=True))
    call.send(body(b"content"))
    call.finish(error)
    assert (pair.response.body, pair.response.complete) == (b"content", True)
    failure = "the application announced trailers and did not send them"
    assert call.exchange.failure == (failure if error is None else None)
    assert not pair.eof_received


def test_early_hints_go_out_before_the_head_and_are_ignored_after_it() -> None:
    call = (pair := opened()).call
    call.send(early_hint(b"</a>"))
    call.send(start())
    call.send(early_hint())
    call.send(early_hint(b"</b>", b"</c>"))
    with pytest.raises(InvalidMessage, match="'links' must be an iterable of bytes"):
        call.send({"type": "http.response.early_hint", "links": b"</d>"})
    call.send(body(b"x", more=True))
    call.send(early_hint(b"</e>"))
    call.send(body())
    links = [(b"link", b"</b>"), (b"link", b"</c>")]
    assert pair.response.interim == [(103, [(b"link", b"</a>")]), (103, links)]
    assert (pair.response.body, pair.response.complete) == (b"x", True)


def test_a_client_that_has_ended_its_side_may_still_read() -> None:
    """RFC 9112 §9.6: the application is told, "nor does it imply that the client is no longer interested"."""
    call = (pair := opened("POST", content=b"abc")).call
    named = call.named
    pair.eof()
    assert call.named == named + 1
    assert (call.exchange.half_closed, call.exchange.disconnected) == (True, False)
    assert call.receive() == {"type": "http.request", "body": b"abc", "more_body": False}
    assert [call.receive() for _ in range(2)] == [DISCONNECT] * 2
    call.respond(b"hi")
    assert (pair.response.body, pair.response.complete) == (b"hi", True)


@pytest.mark.parametrize(
    ("messages", "status", "complete"), [([], 500, True), ([start(), body(b"part", more=True)], 200, False)]
)
def test_who_was_told_that_the_client_has_ended_may_leave_all_as_it_is(
    messages: list[Message], status: int, complete: bool
) -> None:
    """ASGI: a disconnect is the end of what an application can be blamed for."""
    call = (pair := opened()).call
    call.receive()
    for message in messages:
        call.send(message)
    pair.eof()
    assert call.receive() == DISCONNECT
    call.finish()
    assert call.exchange.failure is None
    assert (pair.response.status, pair.response.complete) == (status, complete)


# The head is held back.


def test_a_head_waits_for_its_content() -> None:
    call = (pair := opened()).call
    call.send(start())
    assert call.exchange.holds
    assert pair.output == b""
    call.send(body(b"x"))
    assert not call.exchange.holds
    assert pair.response.body == b"x"


def test_a_head_goes_out_when_the_application_turns_to_waiting() -> None:
    call = (pair := opened()).call
    call.receive()
    call.send(start())
    assert call.receive() is None
    assert pair.response.status == 200
    assert not call.exchange.holds
    call.send(body(b"event", more=True))
    assert pair.response.body == b"event"


def test_a_head_goes_out_when_it_is_flushed() -> None:
    call = (pair := opened()).call
    call.flush()
    assert pair.output == b""
    call.send(start(headers=[(b"content-length", b"2")]))
    call.flush()
    call.flush()
    assert pair.response.values(b"content-length") == [b"2"]
    call.send(body(b"hi"))
    call.flush()
    assert (pair.response.body, pair.response.complete) == (b"hi", True)


# What is legal when.

START, BODY, TRAILERS, HINT = start(), body(b"x", more=True), trailers(), early_hint(b"</a>")
UNKNOWN: list[Message] = [
    {"type": "http.response.push", "path": "/", "headers": []},
    {"type": "http.response.pathsend", "path": "/etc/passwd"},
    {"type": "http.response.zerocopysend", "file": 1},
    {"type": "http.response.debug", "info": {}},
    {"type": "http.request", "body": b""},
    {"type": "http.disconnect"},
    {"type": "websocket.accept"},
    {"type": "HTTP.RESPONSE.BODY"},
    {"type": ""},
    {"type": b"http.response.body"},
    {"type": None},
]
BEGINNINGS: dict[str, list[Message]] = {
    "no response was started yet": [],
    "the head was accepted and is held back until the first body": [start(trailers=True)],
    "the head was already sent": [start(trailers=True), BODY],
    "the body is complete and trailers were announced": [start(trailers=True), body(b"x")],
}
ILLEGAL = {
    "no response was started yet": [BODY, TRAILERS],
    "the head was accepted and is held back until the first body": [START, TRAILERS],
    "the head was already sent": [START, TRAILERS],
    "the body is complete and trailers were announced": [START, BODY],
}
LEGAL = {
    "no response was started yet": "'http.response.start' or 'http.response.early_hint'",
    "the head was accepted and is held back until the first body": "'http.response.body' or 'http.response.early_hint'",
    "the head was already sent": "'http.response.body'",
    "the body is complete and trailers were announced": "'http.response.trailers'",
}


@pytest.mark.parametrize("state", BEGINNINGS)
def test_a_message_out_of_order_is_refused_and_leaves_no_trace(state: str) -> None:
    """ASGI, Error Handling: an invalid event raises an exception out of send, back to the application."""
    call = (pair := opened(fields=[(b"TE", b"trailers")])).call
    for message in BEGINNINGS[state]:
        call.send(message)
    output, statistics = pair.output, call.exchange.statistics(0)
    for message in [*ILLEGAL[state], *UNKNOWN]:
        with pytest.raises(UnexpectedMessage) as caught:
            call.send(message)
        assert str(caught.value) == f"expected {LEGAL[state]}, got {message['type']!r}; {state}"
    assert (pair.output, call.exchange.statistics(0)) == (output, statistics)
    for message in [start(trailers=True), body(b"x", more=True), body(b"y"), trailers([(b"a", b"b")])]:
        try:
            call.send(message)
        except UnexpectedMessage:
            continue
    assert (pair.response.complete, pair.response.trailers) == (True, [(b"a", b"b")])


@pytest.mark.parametrize("state", [*BEGINNINGS, "the response is complete", "the client has disconnected"])
@pytest.mark.parametrize(
    "message", [None, 5, "http.response.start", [], {}, {"Type": "x"}, {"type": []}], ids=repr
)
def test_what_is_no_message_is_refused_in_every_state(state: str, message: Any) -> None:
    call = (pair := opened()).call
    for first in BEGINNINGS.get(state, []):
        call.send(first)
    if state == "the response is complete":
        call.respond()
    elif state == "the client has disconnected":
        pair.lose()
    before = pair.output
    with pytest.raises(InvalidMessage, match="a message must be a dict with a 'type' that is a str"):
        call.send(message)
    assert pair.output == before


def test_trailers_that_were_not_announced_are_ignored_like_all_that_comes_after_the_end() -> None:
    """ASGI, Response Body: "any further messages on the channel will be ignored"."""
    call = (pair := opened(fields=[(b"TE", b"trailers")])).call
    call.respond(b"x")
    before = pair.output
    for message in [START, BODY, TRAILERS, HINT, *UNKNOWN]:
        call.send(message)
    assert pair.output == before
    assert pair.response.trailers == []


def test_every_message_to_a_client_that_is_gone_raises_an_os_error() -> None:
    """ASGI 2.4: "If send() is called on a closed connection the server should raise [...] OSError"."""
    call = (pair := opened()).call
    call.send(start())
    pair.lose()
    for message in [START, BODY, TRAILERS, HINT, *UNKNOWN]:
        with pytest.raises(ClientDisconnected) as caught:
            call.send(message)
        assert isinstance(caught.value, OSError)
    assert pair.output == b""
    call.flush()
    call.finish(ClientDisconnected())
    assert call.exchange.failure is None


# Finishing.


@pytest.mark.parametrize("error", [None, ValueError("secret")])
@pytest.mark.parametrize("messages", [[], [HINT], [start(headers=[(b"x-a", b"b")])], [start(204), HINT]])
def test_an_application_that_fails_before_its_first_content_becomes_a_500(
    messages: list[Message], error: Exception | None
) -> None:
    call = (pair := opened()).call
    for message in messages:
        call.send(message)
    call.finish(error)
    assert (pair.response.status, pair.response.complete) == (500, True)
    assert pair.response.values(b"connection") == [b"close"]
    assert pair.response.values(b"x-a") == []
    assert b"secret" not in pair.output
    assert pair.eof_received
    failure = "the application returned without completing a response"
    assert call.exchange.failure == (failure if error is None else None)
    assert call.exchange.statistics(pair.now).status == 500


def test_a_500_to_head_has_no_content() -> None:
    call = (pair := opened("HEAD")).call
    call.finish()
    assert pair.response.status == 500
    assert pair.output.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("error", [None, ValueError()])
@pytest.mark.parametrize("fields", [[], [(b"content-length", b"9")]])
def test_an_application_that_stops_in_the_middle_leaves_a_visible_cut(
    error: Exception | None, fields: Fields
) -> None:
    """RFC 9112 §8: without the last chunk, or with too little content, a message is incomplete."""
    call = (pair := opened()).call
    call.send(start(headers=fields))
    call.send(body(b"part", more=True))
    call.finish(error)
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"part", False, True)
    assert b"0\r\n\r\n" not in pair.output
    failure = "the application returned in the middle of its response"
    assert call.exchange.failure == (failure if error is None else None)
    assert not call.exchange.statistics(pair.now).complete
    assert call.receive() == DISCONNECT


@pytest.mark.parametrize("messages", [[], [START], [START, BODY], [START, body()]])
def test_what_is_sent_after_the_application_has_returned_is_ignored(messages: list[Message]) -> None:
    call = (pair := opened()).call
    for message in messages:
        call.send(message)
    call.finish()
    before = pair.output
    for message in [START, BODY, TRAILERS, HINT]:
        call.send(message)
    call.flush()
    assert pair.output == before
    assert call.receive() == DISCONNECT


@pytest.mark.parametrize("error", [None, ValueError()])
def test_what_happens_after_a_complete_response_does_not_touch_the_connection(
    error: Exception | None,
) -> None:
    call = (pair := opened()).call
    call.send(start())
    call.send(body(b"x"))
    call.finish(error)
    assert call.exchange.failure is None
    pair.request()
    pair.calls[1].respond(b"y")
    assert [response.body for response in pair.responses] == [b"x", b"y"]


# Statistics.


def test_statistics_tell_what_an_access_log_wants_to_know() -> None:
    pair = Pair(now=100.0)
    pair.send(b"POST /a%20b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    exchange = pair.call.exchange
    pair.run_until(102.0)
    early = exchange.statistics(102.0)
    assert (early.kind, early.client, early.scheme, early.method) == ("http", None, "http", "POST")
    assert (early.target, early.http_version, early.status) == (b"/a%20b?c", "1.1", None)
    assert (early.bytes_in, early.bytes_out, early.opened, early.ended) == (2, 0, 100.0, 102.0)
    assert (early.complete, list(early.response_fields)) == (False, [])
    assert list(early.fields) == [(b"host", b"a"), (b"content-length", b"4")]
    pair.send(b"cd")
    pair.call.respond(b"hello", 201, [(b"X-A", b"b"), (b"transfer-encoding", b"chunked")])
    late = exchange.statistics(200.0)
    assert (late.status, late.bytes_in, late.bytes_out, late.ended, late.complete) == (201, 4, 5, 102.0, True)
    assert list(late.response_fields) == [(b"x-a", b"b"), (b"content-length", b"5")]


def test_statistics_count_content_without_its_framing() -> None:
    call = (pair := opened("POST", content=b"12345")).call
    call.send(start())
    call.send(body(b"ab", more=True))
    call.send(body(b"cde", more=True))
    pair.run_until(pair.now + 1)
    pair.lose()
    statistics = call.exchange.statistics(pair.now + 5)
    assert (statistics.bytes_in, statistics.bytes_out) == (5, 5)
    assert (statistics.complete, statistics.ended) == (False, pair.now)
    assert list(statistics.response_fields) == []


def test_statistics_of_a_500_tell_what_was_sent() -> None:
    call = (pair := opened()).call
    call.send(start(headers=[(b"content-length", b"3")]))
    call.finish(ValueError())
    statistics = call.exchange.statistics(pair.now)
    assert (statistics.status, statistics.bytes_out) == (500, len(pair.response.body))
