"""After `shut_down` a connection finishes what it has begun, and is closed in time, whatever anybody does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sansio import ClientDisconnected, InvalidMessage, Settings, UnexpectedMessage
from tests.messages import body, early_hint, start, trailers
from tests.pair import Pair, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = POST[:-2] % 5 + b"Expect: 100-continue\r\n\r\n"

SETTINGS = Settings(timeout_graceful_shutdown=20.0, limit_write_buffer=1_000, limit_read_buffer=1_000)


def begin(pair: Pair) -> None:
    pair.send(GET)
    pair.call.send(start())
    pair.call.send(body(b"part", more=True))


def hold(pair: Pair) -> None:
    pair.send(GET)
    pair.call.send(start())


def ask(pair: Pair) -> None:
    pair.send(EXPECT)
    pair.call.receive()


def fill_writing(pair: Pair) -> None:
    pair.stall()
    begin(pair)
    pair.call.send(body(b"a" * 2_000, more=True))


def fill_reading(pair: Pair) -> None:
    pair.send(POST % 5_000 + b"a" * 2_000)


def await_trailers(pair: Pair) -> None:
    pair.send(GET)
    pair.call.send(start(trailers=True))
    pair.call.send(body(b"part"))


def answer_unread(pair: Pair) -> None:
    pair.send(POST % 500)
    pair.call.respond()


def answer_in_background(pair: Pair) -> None:
    for number in range(17):
        pair.send(GET)
        pair.calls[number].send(start())
        pair.calls[number].send(body())


def half_close(pair: Pair) -> None:
    pair.send(GET)
    pair.eof()


def half_close_stalled(pair: Pair) -> None:
    pair.stall()
    pair.send(GET)
    pair.call.respond(b"hi")
    pair.connection.receive_eof(pair.now)
    pair.settle()


def send(data: bytes) -> Callable[[Pair], None]:
    return lambda pair: pair.send(data)


STATES: dict[str, Callable[[Pair], None]] = {
    "new": send(b""),
    "an empty line": send(b"\r\n"),
    "within a head": send(GET[:10]),
    "open": send(GET),
    "within content": send(POST % 5 + b"ab"),
    "within a chunk": send(CHUNKED + b"5\r\nab"),
    "within trailers": send(CHUNKED + b"0\r\nX"),
    "pipelined": send(GET + GET),
    "refused": send(b"bad\r\n"),
    "begun": begin,
    "held": hold,
    "asked to continue": ask,
    "unasked to continue": send(EXPECT),
    "full of bytes to write": fill_writing,
    "full of content": fill_reading,
    "waiting for trailers": await_trailers,
    "answered, content to come": answer_unread,
    "answered, work to be done": answer_in_background,
    "half-closed": half_close,
    "half-closed, nothing taken": half_close_stalled,
}
states = pytest.mark.parametrize("state", STATES.values(), ids=STATES)


@states
@pytest.mark.parametrize("stalls", [False, True])
def test_a_shutdown_ends_in_time_if_nobody_does_anything(state: Callable[[Pair], None], stalls: bool) -> None:
    pair = Pair(settings=SETTINGS)
    state(pair)
    at = pair.now
    if stalls:
        pair.stall()
    pair.shut_down()
    pair.run_until_closed()
    assert pair.now <= at + 20
    assert all(call.exchange.ended for call in pair.calls)


@states
def test_a_shutdown_lets_what_is_open_be_finished(state: Callable[[Pair], None]) -> None:
    pair = Pair(settings=SETTINGS)
    state(pair)
    opened = len(pair.calls)
    pair.shut_down()
    for call in pair.calls:
        for message in (start(), body(b"x"), trailers()):
            try:
                call.send(message)
            except UnexpectedMessage:
                continue
        if not call.done:
            call.finish()
    assert len(pair.calls) == opened
    pair.resume()
    for response in pair.responses:
        assert response.complete
    if len(pair.responses) == 1 and b"connection: close" not in pair.output:
        assert state in {begin, fill_writing, await_trailers, answer_unread, half_close_stalled}


@states
def test_nothing_new_is_opened_after_a_shutdown(state: Callable[[Pair], None]) -> None:
    pair = Pair(settings=SETTINGS)
    state(pair)
    begun = len(pair.calls) + (state is STATES["within a head"])
    pair.shut_down()
    pair.app = respond()
    for piece in (GET[10:], b"a" * 5_000, b"\r\n\r\n" + GET + GET):
        if state not in {half_close, half_close_stalled}:
            pair.send(piece)
    for call in pair.calls[:17]:
        if not call.done and state is not STATES["within a head"]:
            call.finish()
    assert len(pair.calls) <= begun


def test_a_second_shutdown_grants_no_more_time() -> None:
    pair = Pair(settings=SETTINGS)
    begin(pair)
    at = pair.now
    for number in range(20):
        pair.run_until(at + number)
        pair.shut_down()
    pair.run_until_closed()
    assert pair.now == at + 20


def test_a_shutdown_within_the_response_ends_the_connection_behind_it() -> None:
    pair = Pair(settings=SETTINGS)
    begin(pair)
    pair.send(GET)
    pair.shut_down()
    pair.call.send(body(b"ial"))
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"partial", True, True)
    assert len(pair.calls) == 1


def test_an_application_that_is_cut_off_is_told() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(GET)
    pair.call.receive()
    assert pair.call.receive() is None
    pair.shut_down()
    assert pair.call.receive() is None
    pair.run_until_closed()
    assert pair.call.receive() == {"type": "http.disconnect"}
    with pytest.raises(ClientDisconnected):
        pair.call.send(start())


messages = st.sampled_from(
    [
        start(),
        start(204),
        start(trailers=True),
        body(b"a" * 600, more=True),
        body(b"b"),
        trailers(),
        early_hint(b"</a>"),
    ]
)
octets = st.sampled_from(
    [
        GET,
        GET * 3,
        GET[:7],
        GET[7:],
        POST % 5,
        b"abc",
        CHUNKED,
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        EXPECT,
        b"bad\r\n\r\n",
    ]
)
acts = st.one_of(
    st.tuples(st.just("send"), octets),
    st.tuples(st.just("say"), messages),
    st.tuples(
        st.sampled_from(["receive", "finish", "fail", "eof", "stall", "resume", "flush", "wait"]), st.none()
    ),
)


@given(st.lists(acts, max_size=10), st.lists(acts, max_size=10), st.sampled_from([0.0, 2.0]))
@example([("send", GET), ("say", start()), ("flush", None), ("eof", None)], [("finish", None)], 2.0)
@example([("send", GET), ("stall", None)], [("finish", None)], 0.0)
@example([("send", GET), ("stall", None), ("eof", None)], [("say", start()), ("say", body(b"b"))], 2.0)
def test_a_shutdown_ends_in_time_whatever_peer_and_application_do(
    before: list[tuple[str, object]], after: list[tuple[str, object]], linger: float
) -> None:
    settings = Settings(
        timeout_graceful_shutdown=20.0, timeout_linger=linger, limit_write_buffer=1_000, limit_read_buffer=10
    )
    pair = Pair(settings=settings)
    ended = False
    for act, value in before:
        do(pair, act, value, ended=ended)
        ended = ended or act == "eof"
    at = pair.now
    pair.shut_down()
    for act, value in after:
        do(pair, act, value, ended=ended)
        ended = ended or act == "eof"
    pair.run_until_closed()
    assert pair.now <= at + 20
    for call in pair.calls:
        assert call.exchange.ended
        if not call.done:
            call.finish()


def do(pair: Pair, act: str, value: object, *, ended: bool) -> None:
    open_calls = [call for call in pair.calls if not call.done]
    if act == "send" and isinstance(value, bytes) and not ended:
        pair.send(value)
    elif act == "eof":
        pair.eof()
    elif act == "stall":
        pair.stall()
    elif act == "resume":
        pair.resume()
    elif act == "wait":
        pair.run_until(pair.now + 1)
    for call in open_calls[-1:]:
        if act == "receive":
            call.receive()
        elif act == "flush":
            call.flush()
        elif act == "finish":
            call.finish()
        elif act == "fail":
            call.finish(ValueError())
        elif act == "say" and isinstance(value, dict):
            with contextlib.suppress(UnexpectedMessage, InvalidMessage, ClientDisconnected):
                call.send(value)
