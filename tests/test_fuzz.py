"""The judges of `fuzz` notice what they are there for, and a campaign keeps what it finds."""

import runpy
from pathlib import Path
from typing import Final

import pytest

from fuzz.campaign import TARGET_NAMES, load_targets, write_seeds
from fuzz.field_blocks import check_field_blocks
from fuzz.http2 import Session as Http2Session
from fuzz.http2_peer import PeerReader
from fuzz.http2_script import HELLOS
from fuzz.http2_script import SETTINGS as HTTP2_SETTINGS
from fuzz.machine import Machine, Violation
from fuzz.scopes import check_scope
from fuzz.websocket import HEAD, OFFERS, STARTS, Session
from fuzz.websocket import SETTINGS as WEBSOCKET_SETTINGS
from fuzz.wire import Deflate, ResponseReader, client_frame, read_deflate, read_frames, read_requests
from fuzz.world import SETTINGS, AppReceive, AppSend, Eof, Operation, Receive, Take, World
from tests.peers import (
    PREFACE,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    priority,
    request,
    rst,
    window_update,
)

EXAMPLE: Final = Path(__file__).parents[1] / "docs/examples/fuzz_app.py"
SESSION_HEAD: Final = HEAD % OFFERS[0]
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        ("GET", b"HTTP/1.1 200\n\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n"),
        ("GET", OK + OK),
        ("HEAD", OK),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nok"),
        ("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\nmore"),
    ],
    ids=["line feed", "nul", "chunk", "two responses", "content of head", "content of 204", "after the end"],
)
def test_the_reader_refuses_what_no_client_can_read(method: str, wire: bytes) -> None:
    def method_of(index: int) -> str:
        assert index == 0, "more responses than requests"
        return method

    reader = ResponseReader(method_of)
    with pytest.raises(AssertionError):
        reader.receive_data(wire)


@pytest.mark.parametrize("cut", [1, 1000])
def test_the_reader_reads_one_response_after_the_other(cut: int) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n"
    wire = OK + b"HTTP/1.1 100 Continue\r\n\r\n" + chunked
    reader = ResponseReader(lambda _: "GET")
    for start in range(0, len(wire), cut):
        reader.receive_data(wire[start : start + cut])
    assert [(bytes(r.content), r.complete) for r in reader.responses] == [(b"ok", True), (b"ok", True)]
    assert reader.responses[1].interim == [(100, [])]
    assert reader.responses[1].trailers == [(b"x", b"y")]
    assert reader.at_rest


def test_the_reader_sees_that_a_response_was_cut_off() -> None:
    reader = ResponseReader(lambda _: "GET")
    reader.receive_data(OK[:-1])
    reader.receive_eof()
    assert not reader.responses[0].complete


def test_requests_are_read_up_to_where_they_are_complete() -> None:
    chunked = (
        b"POST /c HTTP/1.1\r\nTE: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n"
    )
    length = b"\r\nPOST /l HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"
    first, second = read_requests(chunked + length)
    assert (first.target, first.content, first.end, first.extensions) == (b"/c", b"ok", len(chunked), 4)
    assert (second.target, second.content, second.end) == (b"/l", b"ab", None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("method", "get"),
        ("path", "/b"),
        ("raw_path", b"/%"),
        ("query_string", b"q=\xff"),
        ("http_version", "2"),
        ("headers", [(b"Host", b"a")]),
        ("headers", [(b"host", b"a\x0b")]),
        ("headers", [(b"host", b"a"), (b"host", b"a")]),
        ("headers", [[b"host", b"a"]]),
        ("client", None),
        ("extensions", {}),
    ],
)
def test_a_wrong_scope_is_noticed(key: str, value: object) -> None:
    world = World(SETTINGS[0])
    world.do(Receive(b"GET /a?q HTTP/1.1\r\nHost: a\r\n\r\n"))
    scope, request = world.calls[0].scope, world.requests[0]
    check_scope(scope, request, "")
    with pytest.raises(AssertionError):
        check_scope({**scope, key: value}, request, "")


@pytest.mark.parametrize(
    "wrong",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"x-taint: 1", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhullo"],
    ids=["nobody asked", "taint", "other content"],
)
def test_a_machine_notices_octets_that_the_application_did_not_send(wrong: bytes) -> None:
    """The connection is right, so that what it hears of the application has to be wrong."""
    machine = Machine(SETTINGS[0])
    machine.do(Receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    machine.connection.write(wrong)
    with pytest.raises(Violation, match="Receive"):
        machine.do(Take())


def test_a_violation_tells_what_led_to_it() -> None:
    operations: list[Operation] = [Receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), AppSend("start"), Eof()]
    machine = Machine(SETTINGS[1])
    for operation in operations:
        machine.do(operation)
    machine.connection.closed = True
    with pytest.raises(Violation) as caught:
        machine.do(Take())
    for operation in operations:
        assert repr(operation) in str(caught.value)
    assert "SETTINGS[1]" in str(caught.value)


BOTH: Final = Deflate({True: 15, False: 15}, {True: True, False: True})


@pytest.mark.parametrize(
    "data",
    [
        client_frame(0x81, b"a", masked=False),
        client_frame(0x83, b"a"),
        client_frame(0xA1, b"a"),
        client_frame(0x09, b"a"),
        client_frame(0x89, b"a" * 126),
        client_frame(0x80, b"a"),
        client_frame(0x01, b"a") + client_frame(0x81, b"a"),
        client_frame(0x81, b"\xff"),
        client_frame(0x88, b"\x03"),
        client_frame(0x88, b"\x03\xed"),
        client_frame(0xC9, b"a"),
        client_frame(0xC1, b"\xff"),
        b"\x82\xfe\x00\x01mask.",
    ],
    ids=[
        "not masked",
        "opcode",
        "reserved bit",
        "control fragment",
        "long ping",
        "continuation of nothing",
        "message in a message",
        "no text",
        "half a code",
        "code 1005",
        "compressed ping",
        "not deflated",
        "long length",
    ],
)
def test_the_reader_of_frames_refuses_what_is_none(data: bytes) -> None:
    """RFC 6455 §5.2, §5.4, §5.5; RFC 7692 §6.1."""
    assert read_frames(client_frame(0x82, b"ok"), BOTH, client=True).wrong == ""
    side = read_frames(client_frame(0x82, b"ok") + data + client_frame(0x82, b"late"), BOTH, client=True)
    assert side.wrong
    assert side.messages == [b"ok"]


def test_the_reader_of_frames_reads_both_sides() -> None:
    """The compressed message is the first example of RFC 7692 §7.2.3.1."""
    hello = bytes.fromhex("f248cdc9c90700")
    bye = b"\x03\xe8bye"
    said = [(0x01, b"\xc3"), (0x89, b"p"), (0x80, b"\xa9"), (0xC1, hello), (0x88, bye), (0x82, b"late")]
    for client in (True, False):
        data = b"".join(client_frame(first, payload, masked=client) for first, payload in said)
        side = read_frames(data, BOTH, client=client)
        assert (side.messages, side.pings, side.close) == (["\u00e9", "Hello"], [b"p"], (1000, "bye"))
        assert (side.fragments, side.octets, side.behind_close, side.wrong) == ([2, 1], 7, 1, "")
        assert not read_frames(data[:3], BOTH, client=client).at_rest


def test_the_reader_of_frames_reads_what_was_agreed_on() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-extensions: permessage-deflate"
    agreed = read_deflate(head + b"; server_no_context_takeover; server_max_window_bits=10")
    assert agreed == Deflate({True: 15, False: 10}, {True: True, False: False})
    assert read_deflate(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket") is None


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (b"\x81\x01a", "other messages on the wire"),
        (b"\x8a\x01p", "a pong to no ping"),
        (b"\x81\x81mask.", "no client can read the frames"),
        (b"\x88\x00\x88\x00", "frames behind the close frame"),
        (b"\x81", "not complete"),
    ],
    ids=["message", "pong", "mask", "two closes", "half a frame"],
)
def test_a_session_notices_frames_that_nobody_sent(wrong: bytes, law: str) -> None:
    """The connection is right, so that what it writes has to be changed."""
    session = Session(WEBSOCKET_SETTINGS[0])
    for operation in [Receive(SESSION_HEAD), *STARTS[0]]:
        session.do(operation)
    session.check_whole()
    session.connection.write(wrong)
    session.wire += session.connection.data_to_send()
    with pytest.raises(Violation, match=law):
        session.check_whole()


HTTP2_STORY: Final[list[Operation]] = [
    Receive(HELLOS[0]),
    Receive(request(1, b"POST", b"/1", end_stream=False) + data(1, b"hi", end_stream=True)),
    AppReceive(),
    AppSend("start"),
    AppSend("body 5 more"),
    Take(),
]


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (data(1, b"more"), "other content"),
        (
            data(1, b"", end_stream=True),
            "a response that is cut off looks complete|incomplete response looks complete",
        ),
        (headers(1, [(b"x", b"y")]), "trailers that nobody wants|looks complete"),
        (headers(1, [(b":status", b"103")], end_stream=False), "in the wrong place"),
        (rst(1, 1) + data(1, b"more"), "that was reset"),
        (rst(3), "that nobody has opened"),
        (data(1, b"x" * 66_000), "a frame of 66000"),
        (goaway(0, 0), "disowns stream 1"),
        (goaway(1, 1) + ping(), "behind a connection error"),
        (ping(ack=True), "IndexError"),
        (priority(1), "a server must not send"),
        (window_update(1, 3), "credit for what was never sent"),
    ],
    ids=[
        "content",
        "end",
        "trailers",
        "late hint",
        "behind a reset",
        "idle stream",
        "large frame",
        "goaway",
        "behind goaway",
        "pong",
        "priority",
        "credit",
    ],
)
def test_a_session_of_http2_notices_frames_that_nobody_sent(wrong: bytes, law: str) -> None:
    """The connection is right, so that what it writes has to be changed."""
    session = Http2Session(HTTP2_SETTINGS[0])
    for operation in HTTP2_STORY:
        session.do(operation)
    session.connection.write(wrong)
    with pytest.raises(Violation, match=law):
        session.do(Take())


@pytest.mark.parametrize(
    ("said", "law"),
    [
        (data(1, b"late"), "content behind the end on stream 1 is not refused"),
        (headers(1, [(b"x", b"y")]), "fields in the wrong place on stream 1 is not refused"),
        (ping() * 2_000, "2000 frames of type 6 are taken"),
        (window_update(0, 1) * 2_000, "2000 frames of type 8 are taken"),
        (frame(0x77) * 2_000, "2000 frames of type 17 are taken"),
        (
            headers(3, b"", end_headers=False) + continuation(3, b"", end_headers=False) * 200,
            "a field block in 201 frames is taken",
        ),
        (
            headers(3, b"", end_headers=False) + continuation(3, bytes(16_384), end_headers=False) * 5,
            "a field block of 81920 octets is taken",
        ),
    ],
    ids=["content", "fields", "pings", "windows", "unknown", "pieces", "large pieces"],
)
def test_a_session_of_http2_notices_what_is_not_refused(said: bytes, law: str) -> None:
    """The connection is right, so that only the judge hears what it would have refused."""
    session = Http2Session(HTTP2_SETTINGS[0])
    for operation in HTTP2_STORY:
        session.do(operation)
    session.peer.receive_data(said)
    with pytest.raises(Violation, match=law):
        session.do(Take())


def test_a_session_of_http2_notices_content_beyond_a_window() -> None:
    """RFC 9113 §6.9.1. Nothing is given to the connection, which would have ended."""
    session = Http2Session(HTTP2_SETTINGS[0])
    for operation in [*HTTP2_STORY[:1], Receive(request(1, b"POST", b"/1", end_stream=False)), Take()]:
        session.do(operation)
    session.observer.sent(data(1, bytes(16_384)) * 8 + data(1, b"x"))
    with pytest.raises(Violation, match="content beyond the window of stream 1 is not refused"):
        session.do(Take())


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (headers(1, [(b"content-length", b"2")], end_stream=False) + data(1, b"ab", end_stream=True), ""),
        (headers(1, [(b"content-length", b"2")], end_stream=False) + data(1, b"a"), ""),
        (
            headers(1, [(b"content-length", b"2")], end_stream=False) + data(1, b"abc"),
            "content of another length",
        ),
        (
            headers(1, [(b"content-length", b"2")], end_stream=False) + data(1, b"a", end_stream=True),
            "content of another length",
        ),
        (headers(1, [(b"content-length", b"2")]), "content of another length"),
        (headers(1, [], end_stream=False) * 2, "fields in the wrong place"),
        (headers(1, []) * 2, "fields in the wrong place"),
        (headers(1, [], end_stream=False) + headers(1, []), ""),
        (headers(1, []) + data(1), "content behind the end"),
    ],
    ids=[
        "right",
        "not yet",
        "more",
        "less",
        "none",
        "middle",
        "trailers too late",
        "trailers",
        "content too late",
    ],
)
def test_the_reader_of_a_client_knows_what_is_wrong(said: bytes, wrong: str) -> None:
    """RFC 9113 §8.1, §8.1.1."""
    peer = PeerReader()
    peer.receive_data(PREFACE + said)
    assert peer.streams[1].wrong == wrong


def test_the_reader_of_a_client_reads_what_belongs_to_each_stream() -> None:
    block = b"\x00\x05:path\x02/1"
    peer = PeerReader()
    said = (
        PREFACE
        + headers(1, block[:4], end_stream=False, end_headers=False, padding=3)
        + continuation(1, block[4:])
    )
    said += (
        data(1, b"a", padding=2)
        + headers(3, block)
        + rst(3)
        + data(1, b"b", end_stream=True)
        + data(1, b"late")
    )
    for octet in said:
        peer.receive_data(bytes([octet]))
    one, three = peer.streams[1], peer.streams[3]
    assert (one.fields, bytes(one.content), one.ended, one.reset) == ([(b":path", b"/1")], b"ab", True, False)
    assert (bytes(three.content), three.ended, three.reset) == (b"", True, True)
    assert (peer.frames, peer.touched, peer.at_rest) == (7, {1, 3}, True)


@pytest.mark.parametrize("block", [b"\x82", b"\x40\x01a\x01b\xbe", b"\x80", b"\x3f\xff\xff\xff", b"\x00\x01"])
def test_the_judge_of_field_blocks_agrees(block: bytes) -> None:
    """RFC 7541. Two blocks are read, and refused, by one decoder."""
    check_field_blocks(b"\x00" + (len(block).to_bytes(2, "big") + block) * 2)


def test_the_example_of_the_documentation_serves_its_seeds() -> None:
    example = runpy.run_path(str(EXAMPLE))
    for seed in example["seeds"]():
        example["check"](seed)


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_seeds_are_the_same_each_time(name: str, tmp_path: Path) -> None:
    target = load_targets()[name]
    write_seeds(target, tmp_path)
    assert sorted(file.read_bytes() for file in tmp_path.iterdir()) == sorted(set(target.seeds()))
