"""What ASGI says of HTTP: the messages of a response, when each of them is legal, and what comes of them."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import (
    ClientDisconnected,
    InvalidMessage,
    Message,
    UnexpectedMessage,
)
from tests.messages import body, early_hint, start, trailers
from tests.pair import Fields, Pair

DISCONNECT: Message = {"type": "http.disconnect"}


def opened(method: str = "GET", *, fields: Fields = (), content: bytes = b"") -> Pair:
    """One request, whose exchange is open."""
    pair = Pair()
    pair.request(method, "/", fields=fields, body=content)
    return pair


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
