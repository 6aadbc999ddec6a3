"""The laws of `fuzz.machine` that only HTTP/1 has: each of them can be broken, for its own reason."""

import math
from collections.abc import Callable
from typing import Any, Final

import pytest

from fuzz import machine as http1
from fuzz.http1_givens import SETTINGS
from fuzz.machine import Machine
from fuzz.operations import (
    AppFinish,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Receive,
    ShutDown,
    Take,
    Timeout,
    Wait,
)
from fuzz.wire import ReadResponse
from fuzz.world import World
from sansio import ClientDisconnected, PeerError

from .broken import (
    GET,
    PART,
    POST,
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
    seen_outputs,
    written,
)

Change = Callable[[World], object]

TWO: Final = Receive(GET.data * 2)
WHOLE: Final = Receive(POST.data + b"hello")
CHUNKED: Final = Receive(
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"
)
LAST: Final = Receive(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
TRAILERS: Final = Receive(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
BAD: Final = Receive(b"bad\r\n")
DISCONNECT: Final = {"type": "http.disconnect"}
SERVED: Final = (GET, *RESPOND, Take())


def more_calls(number: int) -> Change:
    """Return what makes it so that the newest call was opened once more, for the request with this number."""

    def change(world: World) -> None:
        call = world.calls[-1]
        world.calls.append(type(call)(call.exchange, number, call.scope, call.model))

    return change


def requested(**changes: Any) -> Change:
    """Return what changes the first request on the wire."""

    def change(world: World) -> None:
        for name, value in changes.items():
            setattr(world.requests[0], name, value)

    return change


def responded(change: Callable[[ReadResponse], object]) -> Change:
    """Return what changes the first response on the wire."""
    return lambda world: change(world.reader.responses[0])


def without(name: bytes) -> Change:
    """Return what takes a field away from the first response."""

    def change(world: World) -> None:
        response = world.reader.responses[0]
        response.fields = [field for field in response.fields if field[0] != name]

    return change


def with_field(name: bytes, value: bytes) -> Change:
    return responded(lambda response: response.fields.append((name, value)))


def interim(status: int) -> Change:
    return responded(lambda response: response.interim.append((status, [])))


def modelled(**changes: Any) -> Change:
    """Return what changes what the first application has sent."""

    def change(world: World) -> None:
        for name, value in changes.items():
            setattr(world.calls[0].model, name, value)

    return change


BROKEN: Final[dict[str, list[Row[Machine]]]] = {
    "requests_are_opened_in_order": [
        Row([GET], lambda world: world.requests.clear(), "no such request is on the wire"),
        Row([TWO], more_calls(1), "the response before it is not complete"),
    ],
    "scopes_say_what_was_asked": [
        Row([GET], lambda world: world.calls[0].scope.update(method="PUT"), "== request.method"),
        Row([GET], lambda world: world.calls[0].scope.update(headers=[(b"host", b"b")]), "\nfields$"),
    ],
    "limits_are_kept": [
        Row([GET], asked(limit_request_head=20), "limit_request_head"),
        Row([LAST], asked(limit_request_fields=1), "limit_request_fields"),
        Row([WHOLE, AppReceive()], asked(limit_request_body=4), "limit_request_body"),
        Row([CHUNKED, AppReceive()], asked(limit_chunk_extensions=3), "limit_chunk_extensions"),
    ],
    "nothing_is_opened_after_the_end": [
        Row([GET], before(write_ended=True), "not before.write_ended"),
        Row([GET], before(closed=True), "not before.closed"),
        Row([GET], before(error=PeerError(400, "a fault")), "before.error is None"),
        Row([GET], note("lost", True), "not world.lost"),
        Row(
            [Receive(GET.data[:10]), ShutDown(), Receive(GET.data[10:])],
            see(opened=({}, {})),
            "a second request after shut_down()",
        ),
        Row([*SERVED, GET], with_field(b"connection", b"close"), "opened behind a response that closes"),
        Row(
            [*SERVED, GET],
            requested(fields=[(b"connection", b"x, Close")]),
            "opened behind a request that closes",
        ),
        Row([*SERVED, GET], requested(version=b"HTTP/1.0"), "opened behind a request of HTTP/1.0"),
    ],
    "one_request_is_served_at_a_time": [
        Row([TWO], more_calls(1), "open_calls"),
        Row([*SERVED, GET], asked(limit_requests_per_connection=1), "\n2$"),
    ],
    "messages_come_in_order": [
        Row(
            [WHOLE, AppReceive()],
            lambda world: world.calls[0].received.insert(0, DISCONNECT),
            "message in before",
        ),
        Row([GET, Lost(), AppReceive()], last_received(code=1000), "'code': 1000"),
        Row([PART, AppReceive()], last_received(more=True), "'more': True"),
        Row([PART, AppReceive()], last_received(type="http.content"), '== "http.request"'),
        Row([PART, AppReceive()], last_received(body=bytearray(b"hel")), "is bytes"),
        Row([PART, AppReceive()], last_received(more_body=1), "is bool"),
        Row([PART, AppReceive()], last_received(body=b""), "an empty message in the middle"),
        Row(
            [WHOLE, AppReceive()],
            received({"type": "http.request", "body": b"", "more_body": False}),
            "a message after the last one",
        ),
    ],
    "content_is_what_was_sent": [
        Row([PART, AppReceive()], at_the_first(content=bytearray(b"hex")), "\nother content"),
        Row([PART, AppReceive()], last_received(more_body=False), "a request cut short looks complete"),
        Row([WHOLE, AppReceive()], at_the_first(content=bytearray(b"hell")), "content is missing"),
        Row([GET, Lost(), AppReceive()], see(outcome=None), "an exchange that has ended has no disconnect"),
        Row([POST, AppReceive()], requested(content=b"hel"), "content that has come is kept back"),
        Row([POST, AppReceive()], requested(end=len(POST.data)), "the end that has come is kept back"),
        Row([PART, AppReceive()], last_received(body=bytes(70_000)), "more held than allowed"),
    ],
    "waiting_applications_are_woken": [
        Row([GET, Lost()], at_the_first(waiting=True), "situation.ended"),
        Row([GET, Eof()], at_the_first(waiting=True), "situation.half_closed"),
        Row([PART], at_the_first(waiting=True), "nobody told the application of content"),
        Row([GET, Lost()], at_the_first(blocked=True), "situation.disconnected"),
        Row(
            [GET, AppSend("start"), AppSend("body 5 more"), Take()],
            at_the_first(blocked=True),
            "nobody told the application of room",
            settings=2,
        ),
    ],
    "a_lost_client_is_told_of": [
        Row([GET], note("lost", True), "any"),
        Row([GET], exchange("disconnected", True), "call.exchange.disconnected"),
    ],
    "messages_are_refused_as_asgi_says": [
        Row([GET, AppSend("body")], see(outcome=None), "None instead of <class '.*UnexpectedMessage'>"),
        Row([GET, AppSend("start")], see(outcome=ClientDisconnected("gone")), "instead of None: gone"),
        Row(
            [GET, *RESPOND, AppSend("start")],
            see(outcome=ClientDisconnected("gone")),
            "outcome is None or .*\ngone",
        ),
        Row([GET, Lost(), AppSend("start")], see(outcome=None), "ClientDisconnected, InvalidMessage"),
    ],
    "responses_are_what_was_sent": [
        Row(SERVED, lambda world: world.reader.responses.clear(), "an accepted response is kept back"),
        Row(SERVED, responded(lambda response: setattr(response, "status", 201)), "response.status =="),
        Row(SERVED, with_field(b"x-more", b"1"), "not in added.*(?s:.*)b'x-more'"),
        Row(SERVED, without(b"date"), "b'date' is there 0 times"),
        Row(SERVED, with_field(b"server", b"other"), "b'server' is there 2 times"),
        Row(
            [GET, AppSend("start 204"), AppSend("body"), Take()],
            with_field(b"content-length", b"0"),
            "not response.values",
        ),
        Row(
            [GET, AppSend("start length 5"), AppSend("body 5"), Take()],
            with_field(b"content-length", b"5"),
            "model.length",
        ),
        Row(SERVED, responded(lambda response: response.content.extend(b"!")), "== content, .*other content"),
        Row(
            [GET, AppSend("start"), AppSend("body 5 more"), Take(), Lost(), Take()],
            responded(lambda response: response.content.extend(b"!")),
            "startswith.*other content",
        ),
        Row(
            SERVED,
            responded(lambda response: setattr(response, "complete", False)),
            "a complete response looks incomplete",
        ),
        Row(
            [TRAILERS, AppSend("start trailers"), AppSend("body 5"), AppSend("trailers last"), Take()],
            responded(lambda response: response.trailers.append((b"x-more", b"1"))),
            "== model.trailers",
        ),
        Row(
            SERVED,
            all_of(
                responded(lambda response: response.trailers.append((b"x-last", b"2"))),
                modelled(trailers=[(b"x-last", b"2")]),
            ),
            'name == b"te"',
        ),
        Row([BAD, Take()], responded(lambda response: setattr(response, "status", 200)), "STATUSES.*\n200"),
        Row([BAD, Take()], without(b"connection"), "response.closes"),
        Row([BAD, Take()], without(b"date"), 'b"date"'),
        Row([BAD, Take()], with_field(b"content-length", b"1"), 'b"content-length"'),
        Row([BAD, Take()], without(b"content-type"), 'b"content-type"'),
        Row(
            [GET, AppFinish(), Take()],
            responded(lambda response: setattr(response, "complete", False)),
            "assert response.complete",
        ),
    ],
    "interim_responses_are_due": [
        Row(SERVED, interim(100), r"count\(100\)"),
        Row(SERVED, interim(102), r"== len\(statuses\)"),
        Row(SERVED, interim(103), "<= call.model.hints"),
        Row(
            [GET, AppSend("hint"), *RESPOND, Take()],
            responded(lambda response: response.interim.clear()),
            "a hint is lost",
        ),
    ],
    "the_end_is_announced": [
        Row(
            [LAST, AppSend("start"), AppSend("body 5"), Take()],
            without(b"connection"),
            "the client was not told",
        )
    ],
    "a_cut_response_is_seen_to_be_cut": [
        Row(
            [GET, AppSend("start"), AppSend("body 5 more"), AppFinish(failed=True), Take()],
            at_the_first(completed=2),
            "a complete response was cut off",
        )
    ],
    "statistics_are_true": [
        Row([PART], requested(content=b"he"), "statistics.bytes_in"),
        Row([PART, AppReceive()], at_the_first(content=bytearray(b"hello")), "statistics.bytes_in"),
        Row(SERVED, modelled(start={"status": 201}), "statistics.status == call"),
        Row(SERVED, modelled(content=bytearray(b"hell")), "statistics.bytes_out"),
        Row(SERVED, at_the_first(released=None), "statistics.status == 500"),
    ],
    "deadlines_are_near": [Row([GET], output("deadline", 10_000.0), "10000.0 at 1000.0")],
    "somebody_is_awaited": [
        Row(SERVED, lambda world: world.connection.stop_deadlines(), "connection.wants_write or")
    ],
    "silence_ends_the_connection": [
        Row([Wait(200_000.0)], output("closed", False), "connection.closed or"),
        Row(
            [GET, AppReceive(), AppReceive(), Wait(200_000.0)],
            requested(end=None),
            "an application waits for ever",
        ),
    ],
    "a_head_has_one_deadline": [
        Row([Receive(b"GET /"), Receive(b" ")], output("deadline", 1_031.0), "before.*\n1031.0")
    ],
    "octets_to_write_are_bounded": [Row([GET], written(bytes(100_000)), "100000 beyond")],
    "a_full_buffer_blocks": [
        Row(
            [GET, AppSend("start"), AppSend("body 5 more")],
            exchange("can_send", True),
            "not blocked",
            settings=2,
        ),
        Row([GET], exchange("can_send", False), "blocked by nothing"),
    ],
    "reading_stops": [
        Row([PART], output("wants_read", True), "3 held", settings=2),
        Row([TWO], output("wants_read", True), "reads on behind a request that waits"),
    ],
    "reading_goes_on": [
        Row([POST, AppReceive()], output("wants_read", False), "waits for content, and nobody reads"),
        Row(SERVED, output("wants_read", False), "nothing stands in the way, and nobody reads"),
    ],
    "memory_is_bounded": [
        Row([*[Timeout()] * 15, GET], written(bytes(10_000_000)), "10[0-9]{6} bytes held"),
    ],
    "the_same_again_gives_the_same": [
        Row(SERVED, see(outcome=b"other"), "outcome b'other' became b'HTTP"),
        Row(SERVED, seen_outputs(deadline=math.inf), "outputs"),
        Row([GET], see(opened=()), r"opened \(\) became"),
    ],
    "cuts_do_not_matter": [
        Row([GET], again(see(opened=()), lambda other: other.operations[0].cut == 1), "became"),
        Row([GET], again(see(opened=()), lambda other: other.operations[0].cut == 7), "became"),
    ],
    "both_readers_agree": [
        Row([GET], again(see(opened=()), lambda other: other.settings.http1_reader == "h11"), "opened")
    ],
    "refused_messages_leave_no_trace": [
        Row(
            [GET, AppSend("bad none"), *RESPOND],
            again(seen_outputs(size=1), lambda other: len(other.steps) == 4),
            "outputs .* became .*size=1,",
        )
    ],
    "shutting_down_ends": [
        Row([GET], again(asked(timeout_graceful_shutdown=1.0)), "not closed at 1001.0"),
    ],
    "nothing_is_held_after_the_end": [
        Row(
            [GET],
            again(lambda world: setattr(world.connection, "error", world.calls[0].exchange)),
            "Exchange is held",
        )
    ],
}

LAWS = own_laws(http1)


@pytest.mark.parametrize(("name", "row"), rows(BROKEN))
def test_a_law_of_http1_notices_what_it_is_there_for(name: str, row: Row[Machine]) -> None:
    break_law(LAWS[name], Machine(SETTINGS[row.settings]), row)


def test_every_law_of_http1_can_be_broken() -> None:
    assert LAWS.keys() == BROKEN.keys()
