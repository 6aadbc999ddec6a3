"""Any sequence of frames, messages, silence and a transport that is slow: the rules of a connection hold.

The observer judges each frame, and the pair what always has to be true; at the end everything comes to an end.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import ClientDisconnected, Settings, UnexpectedMessage
from tests.messages import body, early_hint, start, trailers
from tests.peers import (
    data,
    frame,
    goaway,
    headers,
    ping,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import Call, Http2Pair

Step: TypeAlias = tuple[str, int, int]

LIMITS: Final = Settings(
    http2_max_concurrent_streams=4,
    http2_initial_window_size=65_536,
    limit_write_buffer=20_000,
    limit_request_body=50_000,
    http2_window_timeout=20.0,
    timeout_request_body=10.0,
    timeout_keep_alive=40.0,
    http2_keep_alive_interval=15.0,
    http2_keep_alive_timeout=500.0,
    http2_control_burst=60,
    http2_reset_burst=20,
)

steps_ = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(st.just("upload"), st.integers(0, 5), st.sampled_from([0, 1, 5_000, 16_384])),
        st.tuples(st.just("end"), st.integers(0, 5), st.integers(0, 2)),
        st.tuples(st.just("harm"), st.integers(0, 5), st.integers(0, 6)),
        st.tuples(st.just("window"), st.integers(0, 5), st.sampled_from([1, 500, 40_000])),
        st.tuples(st.just("settings"), st.sampled_from([0, 1, 1_000, 65_535]), st.just(0)),
        st.tuples(st.just("receive"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("start"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(st.just("say"), st.integers(0, 5), st.sampled_from([0, 10, 30_000])),
        st.tuples(st.just("complete"), st.integers(0, 5), st.sampled_from([0, 10, 30_000])),
        st.tuples(st.just("finish"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(
            st.sampled_from(["stall", "resume", "shut down", "goaway", "answer"]), st.just(0), st.just(0)
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 11, 30]), st.just(0)),
    ),
    max_size=40,
)


def client(pair: Http2Pair, step: Step) -> None:
    """Do what a client does."""
    kind, which, value = step
    streams = [view.id for view in pair.observer.streams.values()][-6:]
    stream = streams[which % len(streams)] if streams else 1
    if kind == "open":
        fields = [(b"te", b"trailers"), (b"priority", b"u=%d" % which)]
        pair.send(request(pair.next_id(), b"POST", b"/", fields, end_stream=bool(value)))
    elif kind == "upload" and streams:
        view = pair.view(stream)
        if not view.peer_ended and not view.peer_reset and min(view.credit, pair.observer.credit) >= value:
            pair.send(data(stream, bytes(value)))
    elif kind == "end" and streams and not pair.view(stream).peer_ended:
        octets = [data(stream, b"", end_stream=True), headers(stream, [(b"x", b"y")]), rst(stream)][value]
        pair.send(octets)
    elif kind == "harm":
        pair.send(
            [
                window_update(stream, 0),
                headers(pair.next_id(), [(b"x", b"y")]),
                data(stream, b"whatever"),
                frame(0xBE, 0, stream),
                ping(),
                priority_update(stream, b"u=%d" % (which % 8)),
                headers(stream, [(b":path", b"/")]),
            ][value]
        )
    elif kind == "window":
        pair.send(window_update(0, value) + (window_update(stream, value) if streams else b""))
    elif kind == "settings":
        pair.send(settings((4, which)))
    elif kind == "goaway":
        pair.send(goaway())
    elif kind == "answer":
        for payload in pair.observer.pings:
            pair.send(ping(payload, ack=True))
        pair.observer.pings.clear()


def application(call: Call, step: Step) -> None:
    """Do what an application does, at the wrong time or not."""
    kind, _, value = step
    try:
        if kind == "receive":
            call.receive()
        elif kind == "start":
            call.send(early_hint(b"</a>"))
            call.send(start(200, trailers=bool(value)))
        elif kind == "say":
            call.send(body(bytes(value), more=True))
        elif kind == "complete":
            call.send(body(bytes(value)))
            call.send(trailers([(b"x", b"y")]))
        elif kind == "finish":
            call.finish(ValueError("broken") if value else None)
    except (ClientDisconnected, UnexpectedMessage):
        pass


@hypothesis_settings(max_examples=120, deadline=None)
@given(
    steps=steps_, opened=st.lists(st.integers(0, 1), max_size=5), initial=st.sampled_from([0, 100, 65_535])
)
def test_any_sequence_keeps_the_rules_and_comes_to_an_end(
    steps: list[Step], opened: list[int], initial: int
) -> None:
    pair = Http2Pair(LIMITS, hello=((4, initial),))
    for ended in opened:
        client(pair, ("open", 3, ended))
    for step in steps:
        calls = [call for call in pair.calls if not call.finished]
        if step[0] == "stall":
            pair.stall()
        elif step[0] == "resume":
            pair.resume()
        elif step[0] == "shut down":
            pair.shut_down()
        elif step[0] == "wait":
            pair.run_until(pair.now + step[1])
        elif step[0] in {"receive", "start", "say", "complete", "finish"}:
            if calls:
                application(calls[step[1] % len(calls)], step)
        else:
            client(pair, step)
    pair.resume()
    for call in pair.calls:
        if not call.finished:
            application(call, ("complete", 0, 5))
            call.finish()
    pair.run_until_closed(within=2_000.0)
    for view in pair.observer.streams.values():
        assert not (view.ended and view.reset), "a stream that has ended well and badly"
