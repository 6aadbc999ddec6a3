"""A response in place of a WebSocket: the ASGI extension ``websocket.http.response``."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sansio import ClientDisconnected, InvalidMessage, Message, Settings, UnexpectedMessage
from tests.sansio.websocket_client import HANDSHAKE, WebSocketPair, frame

ACCEPT: Message = {"type": "websocket.accept"}
GONE = (1006, "")


def start(status: Any = 401, headers: Any = (), **more: Any) -> Message:
    return {"type": "websocket.http.response.start", "status": status, "headers": headers, **more}


def body(content: Any = b"", *, more: Any = False) -> Message:
    return {"type": "websocket.http.response.body", "body": content, "more_body": more}


def ask(settings: Settings | None = None) -> WebSocketPair:
    pair = WebSocketPair(settings)
    pair.send(HANDSHAKE)
    assert pair.receive() == {"type": "websocket.connect"}
    return pair


@pytest.mark.parametrize("status", [200, 204, 302, 401, 403, 404, 426, 500, 599])
def test_a_response_is_sent_whole_and_ends_the_connection(status: int) -> None:
    pair = ask()
    pair.tell(start(status, [(b"x-a", b"1")]))
    assert pair.output == b""
    pair.tell(body(b"no"))
    assert pair.status == status
    assert {b"x-a: 1", b"connection: close"} <= set(pair.head)
    assert (b"content-length: 2" in pair.head) is (status != 204)
    assert pair.content == (b"" if status == 204 else b"no")
    assert pair.connection.write_ended
    assert pair.disconnect() == GONE
    pair.finish()
    assert pair.exchange.failure is None
    statistics = pair.exchange.statistics(pair.now)
    assert (statistics.status, statistics.complete, statistics.close_code) == (status, True, None)


@pytest.mark.parametrize("status", [101, 100, 103, 199, 600, 0, "401", None, True, 401.0], ids=repr)
def test_a_status_that_no_response_has_raises(status: Any) -> None:
    """RFC 9110 §15.2.2: a 101 is what accepting is."""
    pair = ask()
    with pytest.raises(InvalidMessage, match="'status' must be an int from 200 to 599"):
        pair.tell(start(status))
    assert pair.output == b""
    pair.tell(ACCEPT)
    assert pair.status == 101


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (start(headers=[(b"x", b"a\nb")]), "control character"),
        (start(headers=5), "iterable"),
        (start(headers=[(b"content-length", b"x")]), "content-length"),
    ],
    ids=["split", "int", "length"],
)
def test_fields_that_are_wrong_raise_and_change_nothing(message: Message, problem: str) -> None:
    pair = ask()
    with pytest.raises(InvalidMessage, match=problem):
        pair.tell(message)
    pair.tell(start())
    pair.tell(body())
    assert pair.status == 401


def test_a_response_is_streamed() -> None:
    pair = ask()
    pair.tell(start())
    pair.tell(body(b"one", more=True))
    assert pair.content == b"3\r\none\r\n"
    assert pair.receive() is None
    pair.tell(body(b"", more=True))
    pair.tell(body(b"two", more=True))
    pair.tell(body())
    assert pair.content == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert pair.connection.write_ended


def test_a_head_goes_out_when_the_application_waits() -> None:
    pair = ask()
    pair.tell(start())
    assert pair.exchange.holds
    assert pair.receive() is None
    assert pair.status == 401
    assert not pair.exchange.holds
    pair.tell(body(b"later"))
    assert pair.content == b"5\r\nlater\r\n0\r\n\r\n"


def test_a_response_keeps_its_content_length() -> None:
    pair = ask()
    pair.tell(start(headers=[(b"content-length", b"3")]))
    with pytest.raises(InvalidMessage, match="1 bytes longer"):
        pair.tell(body(b"four"))
    with pytest.raises(InvalidMessage, match="1 bytes shorter"):
        pair.tell(body(b"no"))
    pair.tell(body(b"yes"))
    assert pair.content == b"yes"


def test_a_client_that_does_not_read_holds_the_response_up() -> None:
    pair = ask(Settings(limit_write_buffer=100))
    pair.stall()
    pair.tell(start())
    pair.tell(body(b"a" * 200, more=True))
    assert not pair.exchange.can_send
    pair.resume()
    assert pair.exchange.can_send
    pair.tell(body())
    assert pair.connection.write_ended


@pytest.mark.parametrize("error", [None, ValueError()], ids=["return", "error"])
def test_a_response_that_was_not_begun_on_the_wire_becomes_a_500(error: BaseException | None) -> None:
    pair = ask()
    pair.tell(start())
    pair.finish(error)
    assert pair.status == 500
    assert pair.connection.write_ended
    assert pair.disconnect() == GONE
    assert (pair.exchange.failure is None) is (error is not None)


@pytest.mark.parametrize("error", [None, ValueError()], ids=["return", "error"])
def test_a_response_that_is_not_completed_is_cut(error: BaseException | None) -> None:
    """RFC 9112 §8: the last chunk stays out."""
    pair = ask()
    pair.tell(start())
    pair.tell(body(b"one", more=True))
    pair.finish(error)
    assert pair.content == b"3\r\none\r\n"
    assert pair.connection.write_ended
    assert pair.disconnect() == GONE
    assert (pair.exchange.failure is None) is (error is not None)


WRONG: list[Message] = [
    ACCEPT,
    {"type": "websocket.send", "text": "a"},
    {"type": "websocket.close"},
    start(),
    {"type": "websocket.http.response.trailers", "headers": []},
    {"type": "websocket.http.response.early_hint", "links": [b"</a>"]},
    {"type": "http.response.body", "body": b"a"},
    {"type": "http.response.start", "status": 200},
    {"type": "body"},
]


@pytest.mark.parametrize("message", WRONG, ids=lambda message: str(message["type"]))
@pytest.mark.parametrize("stage", ["started", "begun", "complete"])
def test_nothing_but_a_body_follows_the_start_of_a_response(message: Message, stage: str) -> None:
    pair = ask()
    pair.tell(start(headers=[(b"content-length", b"2")]))
    if stage != "started":
        pair.tell(body(b"a", more=stage == "begun") if stage == "begun" else body(b"ab"))
    before = pair.output
    expected = "nothing more" if stage == "complete" else "'websocket.http.response.body'"
    with pytest.raises(UnexpectedMessage, match=f"expected {expected}, got '{message['type']}'; .*refused"):
        pair.tell(message)
    assert pair.output == before
    if stage != "complete":
        pair.tell(body(b"ab" if stage == "started" else b"b"))
    assert pair.content == b"ab"


@pytest.mark.parametrize("message", [None, {}, {"type": 5}, {"type": []}, "websocket.close"], ids=repr)
@pytest.mark.parametrize("denied", [False, True])
def test_what_is_no_message_is_the_applications_mistake(message: Any, denied: bool) -> None:
    pair = ask()
    if denied:
        pair.tell(start())
    with pytest.raises((InvalidMessage, UnexpectedMessage)):
        pair.tell(message)
    pair.tell(body() if denied else ACCEPT)
    assert pair.status == (401 if denied else 101)


def test_trailers_cannot_be_announced() -> None:
    pair = ask()
    pair.tell(start(trailers=True))
    pair.tell(body(b"a"))
    assert pair.connection.write_ended


@pytest.mark.parametrize("how", ["lose", "drain"])
def test_a_client_that_leaves_in_the_middle_is_told(how: str) -> None:
    pair = ask(Settings(timeout_graceful_shutdown=5.0))
    pair.tell(start())
    pair.tell(body(b"a", more=True))
    assert pair.receive() is None
    if how == "lose":
        pair.lose()
    else:
        pair.shut_down()
        pair.run_until(pair.now + 5)
    assert pair.disconnect() == GONE
    for message in (body(b"b"), ACCEPT):
        with pytest.raises(ClientDisconnected):
            pair.tell(message)
    pair.finish()
    assert pair.connection.deadline == math.inf


def test_frames_that_came_too_early_are_not_read_as_a_request() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE + frame(1, b"a") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    pair.tell({"type": "websocket.close"})
    pair.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert pair.output.count(b"HTTP/1.1") == 1
    assert len(pair.exchanges) == 1
    pair.receive()
    assert pair.disconnect() == GONE


def test_a_client_that_has_ended_its_side_still_gets_the_response() -> None:
    """RFC 9112 §9.6."""
    pair = ask()
    pair.eof()
    pair.tell(start())
    pair.tell(body(b"no"))
    assert (pair.status, pair.content, pair.connection.closed) == (401, b"no", True)
