"""What an application receives of a request, whatever the client does."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from sansio import (
    ClientDisconnected,
    Connection,
    Message,
    Settings,
    TransportInfo,
)
from tests.messages import body, start
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
