"""Whatever an application sends, in whatever order: what is refused leaves no trace, and what goes out is HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sansio import ExchangeStatistics, InvalidMessage, Message, UnexpectedMessage
from tests.messages import body, early_hint, start, trailers
from tests.pair import Pair

TAINTED: list[Any] = [
    [(b"x-a", b"b\r\nx-injected: 1")],
    [(b"x-a", b"b\nx-injected: 1")],
    [(b"x-injected: 1\r\nx-a", b"b")],
    [(b"x-a", b"b\rx-injected: 1")],
    [(b"x-a", b"\x00")],
    [(b"", b"")],
    [(b":status", b"200")],
    [("x-a", "b")],
    [b"ab"],
    [(b"x-a",)],
    [None],
    None,
    5,
]
GOOD: list[Any] = [
    (),
    [(b"X-A", b"1"), [b"x-a", b"2"]],
    [(b"content-length", b"3")],
    [(b"content-length", b"0")],
    [(b"connection", b"close")],
    [(b"transfer-encoding", b"chunked"), (b"content-length", b"6")],
    [(b"date", b"today")],
    [(b"upgrade", b"h2c"), (b"connection", b"upgrade")],
]
headers = st.sampled_from(GOOD + TAINTED)
flags = st.sampled_from([False, True, True, None, 1])
contents: st.SearchStrategy[Any] = st.one_of(
    st.binary(max_size=4),
    st.sampled_from([b"abc", b"HTTP/1.1 200 OK\r\n\r\n", None, "abc", bytearray(b"abc")]),
)
messages: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        start, st.sampled_from([200, 200, 204, 205, 304, 500, 100, 101, "200"]), headers, trailers=flags
    ),
    st.builds(start, st.just(200), st.sampled_from(GOOD), trailers=st.booleans()),
    st.builds(body, contents, more=flags),
    st.builds(body, st.sampled_from([b"", b"a", b"abc"]), more=st.just(True)),
    st.builds(trailers, headers, more=flags),
    st.builds(early_hint, st.sampled_from([b"</a>", b"</a>\r\nx-injected: 1", "</a>"])),
    st.sampled_from([{"type": "http.response.push"}, {"type": None}, {}, None, "http.response.body"]),
)
REQUESTS = {
    "get": b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
    "head": b"HEAD / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
    "old": b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n",
    "post": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    "expectant": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
}
requests = st.sampled_from(sorted(REQUESTS))


def play(request: str, script: list[Any], error: Exception | None) -> tuple[Pair, list[Message]]:
    """Send the messages and return those that were accepted. None stands for a call of receive."""
    pair = Pair()
    pair.send(REQUESTS[request])
    call = pair.call
    accepted: list[Any] = []
    for message in script:
        before = observe(pair)
        try:
            if message == "receive":
                call.receive()
            else:
                call.send(message)
        except (InvalidMessage, UnexpectedMessage):
            assert observe(pair) == before
        else:
            accepted.append(message)
    call.finish(error)
    return pair, accepted


def observe(pair: Pair) -> tuple[bytes, ExchangeStatistics, tuple[bool, ...], float]:
    exchange = pair.call.exchange
    states = (exchange.can_send, exchange.ended, exchange.holds, exchange.disconnected, pair.closed)
    return pair.output, exchange.statistics(pair.now), states, pair.connection.deadline


scripts = st.lists(st.one_of(messages, messages, messages, st.just("receive")), max_size=8)


@given(requests, scripts, st.sampled_from([None, ValueError()]))
@example("get", [start(trailers=True), body(), trailers([(b"x-a", b"1"), (b"te", b"")]), trailers()], None)
@example("expectant", [start(), body(b"a", more=True), "receive", body()], None)
def test_any_application_gets_at_most_one_response_and_what_is_refused_leaves_no_trace(
    request: str, script: list[Any], error: Exception | None
) -> None:
    pair, accepted = play(request, script, error)
    assert len(pair.responses) == 1
    response = pair.response
    assert b"\nx-injected" not in pair.output
    again, accepted_again = play(request, accepted, error)
    assert accepted_again == accepted
    assert observe(again) == observe(pair)
    statistics = pair.call.exchange.statistics(pair.now)
    assert statistics.status == response.status
    assert statistics.bytes_out == len(response.body)
    if statistics.complete:
        assert response.complete
    else:
        assert pair.eof_received
        if response.values(b"transfer-encoding"):
            assert not response.complete  # RFC 9112 §8: the last chunk stays out.
    if request == "head" or response.status in {204, 205, 304}:
        assert response.body == b""


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=5), st.booleans(), st.booleans(), requests)
def test_the_parts_of_a_body_reach_the_client_joined(
    parts: list[bytes], length: bool, wait: bool, request: str
) -> None:
    content = b"".join(parts)
    pair = Pair()
    pair.send(REQUESTS[request])
    pair.call.send(start(headers=[(b"content-length", b"%d" % len(content))] if length else []))
    if wait:
        pair.call.flush()
    for part in parts[:-1]:
        pair.call.send(body(part, more=True))
    pair.call.send(body(parts[-1]))
    assert pair.response.complete
    assert pair.response.body == (b"" if request == "head" else content)


@pytest.mark.parametrize("headers", TAINTED, ids=repr)
def test_no_field_of_the_application_can_forge_another(headers: Any) -> None:
    """RFC 9110 §5.5: CR, LF and NUL "are invalid and dangerous"."""
    pair = Pair()
    pair.send(REQUESTS["get"])
    call = pair.call
    with pytest.raises(InvalidMessage):
        call.send(start(headers=headers))
    call.send(start(trailers=True))
    call.send(body())
    with pytest.raises(InvalidMessage):
        call.send(trailers(headers))
    call.send(trailers())
    assert (pair.response.fields, pair.response.trailers) == ([(b"transfer-encoding", b"chunked")], [])
