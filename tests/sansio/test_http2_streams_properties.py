"""What holds for any frames in any cuts: the same verdicts, and one stream's errors are nobody else's."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Connection, Settings
from tests.client import cut
from tests.peers import (
    PREFACE,
    PRIORITY,
    Observer,
    block,
    continuation,
    data,
    frame,
    goaway,
    headers,
    in_pieces,
    ping,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import H2, Http2Pair

NOW: Final = 1000.0
HEAD: Final = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/p")]
LIMITS: Final = Settings(
    http2_max_concurrent_streams=3, http2_reset_burst=6, http2_control_burst=8, limit_request_body=40_000
)

streams = st.sampled_from([1, 1, 3, 3, 5, 7, 9, 2, 0])
contents = st.sampled_from([b"", b"x", b"content", bytes(5_000), bytes(16_384)])

legal_frames = st.one_of(
    st.builds(request, streams, st.just(b"POST"), end_stream=st.booleans()),
    st.builds(request, streams, st.just(b"GET"), end_stream=st.just(True)),
    st.builds(data, streams, contents, end_stream=st.booleans()),
    st.builds(data, streams, st.just(b"padded"), padding=st.integers(0, 255)),
    st.builds(
        lambda stream, end: in_pieces(stream, [block(HEAD)[:7], b"", block(HEAD)[7:]], end_stream=end),
        streams,
        st.booleans(),
    ),
    st.builds(headers, streams, st.just([(b"x", b"trailer")])),
    st.builds(rst, streams),
    st.builds(window_update, streams, st.integers(1, 1_000)),
    st.builds(lambda size: settings((4, size)), st.sampled_from([0, 10, 65_535])),
    st.builds(ping),
    st.builds(priority, streams),
    st.builds(priority_update, streams, st.sampled_from([b"u=0", b"u=7", b"?"])),
    st.just(frame(0xBE, 0, 0, b"unknown")),
)
illegal_frames = st.one_of(
    st.builds(headers, streams, st.just([*HEAD, (b"X", b"y")])),
    st.builds(headers, streams, st.just([*HEAD, (b"content-length", b"3")]), end_stream=st.booleans()),
    st.builds(headers, streams, st.just(b"\x80")),
    st.builds(headers, streams, st.just(HEAD), end_headers=st.just(False)),
    st.builds(continuation, streams, st.just(b"")),
    st.builds(window_update, streams, st.sampled_from([0, 2**31 - 1])),
    st.builds(frame, st.sampled_from([0, 3, 4, 6, 7, 8]), st.just(0), streams, st.binary(max_size=9)),
    st.just(frame(PRIORITY, 0, 1, b"123")),
    st.just(frame(0, 0, 1, length=20_000)),
    st.just(goaway()),
    st.binary(min_size=1, max_size=30),
)
sequences = st.lists(st.one_of(legal_frames, legal_frames, illegal_frames), max_size=12)


def run(pieces: list[bytes]) -> tuple[Any, ...]:
    """Feed pieces without a word from any application, and return all that can be seen at the end."""
    connection = Connection(H2, LIMITS, NOW)
    observer = Observer()
    observer.exact = False
    output = connection.data_to_send()
    observer.read(output)
    for piece in pieces:
        observer.sent(piece)
        connection.receive_data(piece, NOW)
    answers = connection.data_to_send()
    observer.read(answers)
    output += answers
    exchanges = [exchange for exchange in connection.take_ready() if not exchange.disconnected]
    messages = []
    for exchange in exchanges:
        content = b""
        ended = False
        while not ended and (message := exchange.receive(NOW)) is not None:
            content += message.get("body", b"")
            ended = not message.get("more_body", False)
        messages.append(
            (exchange.scope["raw_path"], exchange.scope["method"], content, ended, exchange.ended)
        )
        exchange.send({"type": "http.response.start", "status": 200}, NOW)
        exchange.send({"type": "http.response.body", "body": b"answer" + content}, NOW)
        exchange.finish(None, NOW)
    output += connection.data_to_send()
    return (
        output,
        messages,
        connection.error,
        connection.write_ended,
        connection.closed,
        connection.wants_read,
    )


@hypothesis_settings(max_examples=150, deadline=None)
@given(frames=sequences, places=st.lists(st.integers(1, 2_000), max_size=8), octets=st.booleans())
def test_the_same_frames_in_any_cuts_mean_the_same(
    frames: list[bytes], places: list[int], octets: bool
) -> None:
    whole = PREFACE + settings() + settings(ack=True) + b"".join(frames)
    cuts = range(1, len(whole)) if octets and len(whole) < 2_000 else places
    assert run(cut(whole, cuts)) == run([whole])


def harm(kind: str, stream: int) -> bytes:
    return {
        "reset": rst(stream),
        "no increment": window_update(stream, 0),
        "overflow": window_update(stream, 2**31 - 1) * 2,
        "bad trailers": headers(stream, [(b":path", b"/")]),
        "no end": headers(stream, [(b"x", b"y")], end_stream=False),
        "wrong length": data(stream, b"too much for its length", end_stream=True),
        "second end": data(stream, b"1", end_stream=True) + data(stream, b"2", end_stream=True),
    }[kind]


HARM: Final = ["reset", "no increment", "overflow", "bad trailers", "no end", "wrong length", "second end"]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    uploads=st.lists(st.sampled_from([b"", b"a", b"bcd" * 100, bytes(5_000)]), min_size=1, max_size=4),
    harms=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([*HARM, "malformed", "failure"])), max_size=8
    ),
)
def test_an_error_of_a_stream_is_seen_on_no_other(uploads: list[bytes], harms: list[tuple[int, str]]) -> None:
    """RFC 9113 §5.4.2: "A stream error is an error related to a specific stream that does not affect" others."""

    def converse(*, with_harm: bool) -> tuple[Any, ...]:
        pair = Http2Pair(hello=((4, 3_000),))
        good = pair.open(b"POST", b"/good", end=False)
        for number, content in enumerate(uploads):
            pair.upload(good.stream, content, end=False)
            for at, kind in harms if with_harm else ():
                if at == number:
                    do_harm(pair, kind)
        pair.send(data(good.stream, b"", end_stream=True))
        taken = good.take()
        good.respond(taken[0] * 2, fields=[(b"x", b"y")])
        for at, kind in harms if with_harm else ():
            if at >= len(uploads):
                do_harm(pair, kind)
        pair.grant(good.stream, 100_000)
        view = good.view
        return taken, view.status, view.fields, view.content, view.ended, view.reset, pair.error

    def do_harm(pair: Http2Pair, kind: str) -> None:
        if kind == "malformed":
            pair.send(headers(pair.next_id(), [*HEAD, (b"connection", b"close")]))
            return
        bad = pair.open(b"POST", b"/bad", [(b"content-length", b"1")], end=False)
        bad.send({"type": "http.response.start", "status": 200})
        bad.send({"type": "http.response.body", "body": bytes(5_000), "more_body": True})
        if kind != "failure":
            pair.send(harm(kind, bad.stream))
            assert bad.is_disconnected()
        bad.finish()

    assert converse(with_harm=True) == converse(with_harm=False)


@hypothesis_settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.one_of(legal_frames, illegal_frames), max_size=25), answer=st.booleans())
def test_whatever_comes_the_connection_keeps_its_rules(frames: list[bytes], answer: bool) -> None:
    """The observer judges each frame, and the pair what always has to be true."""
    pair = Http2Pair(LIMITS)
    for octets in frames:
        if not pair.connection.wants_read:
            break
        pair.send(octets)
        for call in pair.calls:
            if not call.finished and (answer or call.exchange.disconnected):
                while (message := call.receive()) is not None:
                    if message["type"] == "http.disconnect" or not message["more_body"]:
                        break
                if call.exchange.disconnected:
                    call.finish()
                else:
                    call.respond(b"x" * 20)
    pair.eof()
    for call in pair.calls:
        if not call.finished:
            call.finish()
    pair.run_until_closed()
