"""The laws of `fuzz.http2` that only HTTP/2 has: each of them can be broken, for its own reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from fuzz import http2
from fuzz.http2 import Session
from fuzz.http2_peer import PeerReader, Said
from fuzz.http2_script import HELLOS, SETTINGS
from fuzz.http2_world import Http2World
from fuzz.operations import (
    AppReceive,
    AppSend,
    Lost,
    Operation,
    Receive,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)
from fuzz.wire import client_frame
from sansio import PeerError

from .broken import (
    RESPOND,
    Row,
    again,
    all_of,
    asked,
    at_the_first,
    before,
    break_law,
    exchange,
    last_received,
    note,
    output,
    own_laws,
    received,
    rows,
    see,
    written,
)
from .peers import DATA, HEADERS, Code, Frame, StreamView, data, headers, request

Change = Callable[[Http2World], object]

OPEN: Final = (Receive(HELLOS[0]), Take())
HASTY: Final = 3
"""The settings with short timeouts."""
GET: Final = Receive(request(1, b"GET", b"/1"))
POST: Final = Receive(request(1, b"POST", b"/1", end_stream=False))
PART: Final = Receive(POST.data + data(1, b"hel"))
WHOLE: Final = Receive(POST.data + data(1, b"hello", end_stream=True))
MEASURED: Final = Receive(
    request(1, b"POST", b"/1", [(b"content-length", b"5")], end_stream=False)
    + data(1, b"hello", end_stream=True)
)
TRAILERS: Final = Receive(request(1, b"GET", b"/1", [(b"te", b"trailers")]))
PIECE: Final = Receive(headers(1, b"\x82", end_headers=False))
UNMET: Final = Receive(request(1, b"GET", b"/1", [(b"expect", b"200-maybe")]))
SERVED: Final = (*OPEN, GET, *RESPOND, Take())
SESSION: Final[tuple[Operation, ...]] = (
    *OPEN,
    Receive(
        headers(
            1,
            [
                (b":method", b"CONNECT"),
                (b":protocol", b"websocket"),
                (b":scheme", b"https"),
                (b":authority", b"a"),
                (b":path", b"/1"),
                (b"sec-websocket-version", b"13"),
            ],
            end_stream=False,
        )
    ),
    AppReceive(),
)
ACCEPTED: Final = (*SESSION, AppSend("accept"), Take())
TEXT: Final = client_frame(0x81, b"hello")


def seen(**changes: Any) -> Change:
    """Return what changes what the server was seen to do on the first stream."""

    def change(world: Http2World) -> None:
        world.observer.streams[1] = replace(world.observer.streams[1], **changes)

    return change


def seen_more(change: Callable[[StreamView], object]) -> Change:
    return lambda world: change(world.observer.streams[1])


def with_field(name: bytes, value: bytes) -> Change:
    return seen_more(lambda view: view.fields.append((name, value)))


def interim(status: bytes) -> Change:
    return seen_more(lambda view: view.interim.append([(b":status", status)]))


def more_octets(octets: bytes) -> Change:
    """Return what makes the server send more content on the first stream."""
    return seen_more(lambda view: view.octets.extend(octets))


def said(**changes: Any) -> Change:
    """Return what changes what the client has said on the first stream."""

    def change(world: Http2World) -> None:
        world.peer.streams[1] = replace(world.peer.streams[1], **changes)

    return change


def said_more(change: Callable[[Said], object]) -> Change:
    return lambda world: change(world.peer.streams[1])


def by_client(name: str, value: object) -> Change:
    return lambda world: setattr(world.peer, name, value)


def by_server(name: str, value: object) -> Change:
    return lambda world: setattr(world.observer, name, value)


def scope(**changes: Any) -> Change:
    return lambda world: world.calls[0].exchange.scope.update(changes)


def more_calls(times: int) -> Change:
    """Return what makes it so that each call was opened so often."""
    return lambda world: setattr(world, "calls", world.calls * times)


def goaway(last: int, code: int = Code.NO_ERROR) -> Change:
    return lambda world: world.observer.goaways.append((last, code))


BROKEN: Final[dict[str, list[Row[Session]]]] = {
    "frames_are_read_to_the_end": [
        Row([*OPEN, GET], output("wants_read", False), "frames are not read"),
        Row([*OPEN, GET], before(write_ended=True), "a request is opened after the end"),
    ],
    "silence_ends": [
        Row(
            [*OPEN, Wait(80.0), Take(), Wait(200_000.0)],
            output("closed", False),
            "silence does not end the connection",
        ),
        Row(
            [*OPEN, GET, Wait(200_000.0)],
            at_the_first(blocked=True),
            "waits for room for ever",
        ),
        Row(
            [*OPEN, GET, AppReceive(), AppReceive(), Wait(200_000.0)],
            said(ended=False),
            "waits for content for ever",
        ),
    ],
    "what_is_held_is_bounded": [
        Row([*OPEN, GET], more_calls(2), "2 applications on 1 streams", settings=2),
        Row(
            [*OPEN, GET, AppSend("start"), AppSend("body 5")],
            more_calls(3),
            "too many applications that go on after their response",
            settings=2,
        ),
        Row(
            SERVED,
            all_of(more_calls(2), asked(limit_requests_per_connection=1)),
            "more requests than allowed",
        ),
        Row([*OPEN, GET], written(bytes(1_000_000)), "octets to write are not bounded: 1000000"),
        Row(
            [*[Timeout()] * 13, *OPEN, GET],
            exchange("failure", "x" * 10**7),
            "memory is not bounded: 1[0-9]{7} octets held",
            settings=5,
        ),
    ],
    "scopes_say_what_was_asked": [
        Row([*OPEN, GET], note("lost", True), "a request is opened on a connection that is lost"),
        Row([*OPEN, GET], scope(http_version="1.1"), '"http_version"'),
        Row([*OPEN, GET], scope(headers=[(b"host", b"other")]), "other fields"),
        Row([*OPEN, TRAILERS], asked(limit_request_fields=4), "more fields than allowed"),
        Row([*OPEN, GET], said(reset=True), "a request that its client took back is opened"),
    ],
    "messages_come_in_order": [
        Row(
            [*OPEN, GET, Lost(), AppReceive()],
            received({"type": "http.request", "body": b"", "more_body": False}),
            "messages behind the disconnect",
        ),
        Row(
            [*OPEN, WHOLE, AppReceive()],
            received({"type": "http.request", "body": b"", "more_body": False}),
            "a message behind the last one",
        ),
        Row(
            [*OPEN, WHOLE, AppReceive()],
            lambda world: world.calls[0].received.insert(
                0, {"type": "http.request", "body": b"", "more_body": True}
            ),
            "an empty message in the middle",
        ),
        Row([*OPEN, PART, AppReceive()], at_the_first(content=bytearray(b"hex")), "other content"),
        Row(
            [*OPEN, PART, AppReceive()], last_received(more_body=False), "a request cut short looks complete"
        ),
        Row([*OPEN, WHOLE, AppReceive()], at_the_first(content=bytearray(b"hell")), "content is missing"),
        Row(
            [*OPEN, MEASURED, AppReceive()],
            said(fields=[(b"content-length", b"6")]),
            "not what content-length promises",
        ),
        Row(
            [*OPEN, PART, AppReceive(), AppReceive()],
            said(content=bytearray(b"hello")),
            "content that has come is kept back",
        ),
        Row(
            [*OPEN, PART, AppReceive(), AppReceive()],
            said(ended=True),
            "the end that has come is kept back",
        ),
        Row([*OPEN, PART, AppReceive()], asked(limit_request_body=2), "more content than allowed"),
        Row(
            [*OPEN, PART, AppReceive()],
            asked(http2_initial_window_size=2),
            "more content held than the window",
        ),
        Row(SESSION, last_received(type="websocket.receive"), "connect is not first"),
        Row(SESSION, received({"type": "websocket.accept"}), "messages out of order"),
        Row(
            [*SESSION, Lost(), AppReceive()],
            received({"type": "websocket.disconnect", "code": 1000}),
            "another disconnect",
        ),
        Row(SESSION, received({"type": "websocket.receive"}), "a message before accept"),
    ],
    "waiting_applications_are_woken": [
        Row([*OPEN, GET, Lost()], at_the_first(waiting=True), "nobody told the application of the end"),
        Row([*OPEN, PART], at_the_first(waiting=True), "nobody told the application of content"),
        Row([*OPEN, GET, Lost()], at_the_first(blocked=True), "told the application that the client is gone"),
        Row([*OPEN, GET], at_the_first(blocked=True), "nobody told the application of room"),
        Row([*OPEN, GET], exchange("disconnected", True), "disconnected, and not ended"),
    ],
    "a_disconnect_has_a_reason": [
        Row([*OPEN, GET, Take()], exchange("disconnected", True), "stream 1 is cut off for nothing"),
        Row(
            [*OPEN, GET, Receive(data(1, b"late")), Take()],
            note("touched", {3}),
            "stream 1 is reset for what it did not do: 5",
        ),
    ],
    "patience_ends_for_a_reason": [
        Row(
            [Receive(HELLOS[3]), Take(), ToDeadline()],
            by_client("acknowledged", True),
            "\nsettings that are not acknowledged",
        ),
        Row([*OPEN, PIECE, ToDeadline()], note("peer", PeerReader()), "in_block.*\nrequest head took"),
        Row(
            [*OPEN, GET, ToDeadline(), Take(), ToDeadline()],
            by_client("pongs", [b"hello? :"]),
            "answered and.*\nno answer to a ping",
            settings=HASTY,
        ),
        Row(
            [*OPEN, POST, AppReceive(), Take(), Wait(60.0), Take()],
            lambda world: world.content_at.update({1: world.now - 1.0}),
            "408, and content came",
        ),
    ],
    "a_field_block_has_one_deadline": [
        Row([*OPEN, PIECE, Wait(20.0)], output("deadline", 1_050.0), "1050.0 is after 1030.0")
    ],
    "who_waits_for_room_has_time_of_its_own": [
        Row(
            [Receive(HELLOS[1]), GET, AppSend("start"), AppSend("body 5 more"), Take(), Wait(60.0), Take()],
            lambda world: world.moved_at.update({1: world.now - 20.0}),
            "stream 1 has waited for 20.0",
        ),
    ],
    "what_is_wrong_is_refused": [
        Row([*OPEN, POST, Take()], said(wrong="no trailers"), "no trailers on stream 1 is not refused"),
        Row([*OPEN, POST, Take()], seen(credit=-1), "beyond the window of stream 1 is not refused"),
        Row([*OPEN, POST, Take()], by_server("credit", -1), "beyond the connection's window is not refused"),
    ],
    "what_brings_nothing_forward_ends": [
        Row(OPEN, by_client("octets_in_pieces", 70_000), "a field block of 70000 octets is taken"),
        Row(OPEN, by_client("pieces", 101), "a field block in 101 frames is taken"),
        Row(OPEN, by_client("kinds", {6: 1_001}), "1001 frames of type 6 are taken"),
        Row(
            SERVED,
            lambda world: world.observer.streams.update(
                {number: StreamView(number, 0, 0, peer_reset=True) for number in range(3, 2_500, 2)}
            ),
            "1249 streams that are reset",
        ),
        Row(
            SERVED,
            lambda world: world.observer.frames.extend([Frame(DATA, 0, 1, b"a")] * 1_100),
            "frames with hardly anything in them",
        ),
    ],
    "goaways_cover_what_is_served": [
        Row([*OPEN, GET, Take()], goaway(0), "GOAWAY with 0 disowns stream 1"),
        Row([*OPEN, GET, Take()], goaway(1, Code.ENHANCE_YOUR_CALM), "no reason to ask for calm"),
    ],
    "responses_are_what_was_sent": [
        Row([*OPEN, UNMET, Take()], seen(status=200), "stream 1 has a response of nobody's"),
        Row([*OPEN, UNMET, Take()], interim(b"103"), "not view.interim"),
        Row(SERVED, interim(b"100"), "100 \\(Continue\\) to nobody who waits"),
        Row(SERVED, interim(b"103"), "other hints"),
        Row([*OPEN, GET, AppSend("hint"), Take()], seen(interim=[[(b":status", b"102")]]), "other hints"),
        Row(SERVED, seen(status=None), "an accepted response is kept back"),
        Row([*OPEN, GET, Take()], seen(status=200), "200 by nobody"),
        Row(SERVED, seen(status=201), "201 instead of 200"),
        Row(SERVED, with_field(b"x-more", b"1"), "other fields: .*b'x-more'"),
        Row(SERVED, with_field(b"server", b"other"), "b'server' is not there once"),
        Row(
            [*OPEN, GET, AppSend("start length 5"), AppSend("body 5"), Take()],
            seen_more(lambda view: view.fields.remove((b"content-length", b"5"))),
            "another content-length",
        ),
        Row(SERVED, more_octets(b"!"), "other content"),
        Row(SERVED, seen(octets=bytearray(b"hell")), "a response that is cut off looks complete"),
        Row(
            [*OPEN, GET, AppSend("start"), AppSend("body 5 more"), Take()],
            seen(ended=True),
            "an incomplete response looks complete",
        ),
        Row(SERVED, seen(trailers=[]), "trailers that nobody wants"),
        Row(
            [*OPEN, TRAILERS, AppSend("start trailers"), AppSend("body 5"), AppSend("trailers last"), Take()],
            seen(trailers=[(b"x-last", b"2")]),
            "other trailers",
        ),
        Row(ACCEPTED, interim(b"103"), "an interim response to a WebSocket's handshake"),
        Row([*SESSION, Take()], seen(status=200), "200, and nothing was accepted"),
        Row([*SESSION, AppSend("deny"), AppSend("deny body"), Take()], seen(status=200), "401, 403.*\n200"),
        Row(ACCEPTED, seen(status=101), "accepted, and the status is 101"),
        Row(ACCEPTED, more_octets(TEXT), "no client can read the frames"),
        Row(ACCEPTED, more_octets(b"\x88\x00" * 2), "frames behind the close frame"),
        Row([*ACCEPTED, AppSend("text"), Take()], more_octets(b"\x81\x01a"), "other messages on the wire"),
        Row(ACCEPTED, more_octets(b"\x8a\x01p"), "a pong to no ping"),
        Row(
            ACCEPTED, received({"type": "websocket.receive", "bytes": None, "text": "a"}), "other messages: "
        ),
        Row(
            [*ACCEPTED, AppReceive(), Take()],
            said_more(lambda side: side.content.extend(TEXT)),
            r"messages do not come: \['hello'\]",
        ),
        Row(
            [*ACCEPTED, Receive(data(1, TEXT)), AppReceive(), Take()],
            asked(ws_max_size=4),
            "a message beyond the limit",
        ),
    ],
    "fields_have_no_line_breaks": [
        Row(
            SERVED,
            lambda world: world.fresh.append(Frame(HEADERS, 4, 1, b"", ((b"x", b"a\r\nb"),))),
            r"stream 1: b'x': b'a\\r\\nb'",
        )
    ],
    "cuts_do_not_matter": [
        Row(
            [*OPEN, WHOLE],
            again(output("error", PeerError(400, "a cut"))),
            r"cuts matter: None became PeerError\(status=400, reason='a cut'\)",
        ),
        Row([*OPEN, WHOLE, AppReceive()], see(outcome=None), "None became {'type': 'http.request'"),
        Row(
            [*OPEN, GET],
            again(lambda other: other.connection.connection_lost(other.now)),
            "cuts matter: other requests",
        ),
    ],
    "what_was_accepted_arrives": [
        Row(SERVED, again(seen(ended=False)), "a complete response on stream 1 does not arrive"),
        Row(SERVED, again(at_the_first(blocked=True)), "blocked, and everything was taken"),
        Row(SERVED, again(by_server("credit", 0)), "[0-9]{8} octets of credit are lost"),
    ],
}

LAWS = own_laws(http2)


@pytest.mark.parametrize(("name", "row"), rows(BROKEN))
def test_a_law_of_http2_notices_what_it_is_there_for(name: str, row: Row[Session]) -> None:
    break_law(LAWS[name], Session(SETTINGS[row.settings]), row)


def test_every_law_of_http2_can_be_broken() -> None:
    assert LAWS.keys() == BROKEN.keys()
