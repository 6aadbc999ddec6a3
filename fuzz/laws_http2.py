"""Laws of HTTP/2: everything that must hold of a connection after each thing that happens to it.

That each frame is one that a server may send, and within the client's windows, is a law of `tests.peers.Observer`.
"""

from __future__ import annotations

from typing import Final

from tests.peers import DATA, RST_STREAM, WINDOW_UPDATE, Code, rst, window_update

from .connection_world import START, Call
from .http2_responses import OWN_STATUSES, check_response, check_session, is_own
from .http2_world import Http2World
from .laws import octets_held
from .operations import AppFinish, AppReceive, AppSend, Receive, Take, Timeout, ToDeadline, Wait

__all__ = [
    "a_disconnect_has_a_reason",
    "a_field_block_has_one_deadline",
    "cuts_do_not_matter",
    "fields_have_no_line_breaks",
    "frames_are_read_to_the_end",
    "goaways_cover_what_is_served",
    "messages_come_in_order",
    "patience_ends_for_a_reason",
    "responses_are_what_was_sent",
    "scopes_say_what_was_asked",
    "silence_ends",
    "waiting_applications_are_woken",
    "what_brings_nothing_forward_ends",
    "what_is_held_is_bounded",
    "what_is_wrong_is_refused",
    "what_was_accepted_arrives",
    "who_waits_for_room_has_time_of_its_own",
]

_FAR: Final = 100_000.0
_MAX_WINDOW: Final = 2**31 - 1
_CONTROL_SIZE: Final = 65_536 + 100
_HEAD_SIZE: Final = 2_048
_USEFUL_SIZE: Final = 256
_MAX_PIECES: Final = 100
_SERVER_STATUSES: Final = {400, 408, 413, 417, 426, 431, 500, 501}
_OF_WINDOWS: Final = ("too many WINDOW_UPDATE", "too many frames with hardly anything in them")
_FAULTS: Final = {Code.PROTOCOL_ERROR, Code.STREAM_CLOSED, Code.FLOW_CONTROL_ERROR}
_FORBIDDEN: Final = frozenset(b"\r\n\0")


# The connection.


def _has_ended(call: Call) -> bool:
    """Tell whether nothing comes of a call any more, but for messages of a WebSocket that came before its end."""
    e = call.exchange
    return e.ended or (call.kind == "websocket" and e.disconnected)


def frames_are_read_to_the_end(s: Http2World) -> None:
    """While nothing is to be written first, frames are read (RFC 9113 §5.2.2); behind the end they open nothing."""
    c, before = s.connection, s.before.outputs
    assert c.wants_read or c.closed or before.closed or c.wants_write, "frames are not read"
    assert not (before.write_ended and s.newly), "a request is opened after the end"


def silence_ends(s: Http2World) -> None:
    """A peer that does nothing for a very long time is waited for no longer."""
    operation = s.step.operation
    if not isinstance(operation, Wait) or operation.seconds < _FAR or s.connection.wants_write or s.late:
        return
    calls = [call for call in s.calls if not (call.finished and call.exchange.ended)]
    assert s.connection.closed or calls, "silence does not end the connection"
    for call in calls:
        said = s.said(call)
        assert not call.blocked or call.kind != "http", "an application waits for room for ever"
        if call.waiting and call.kind == "http" and said is not None:
            assert said.ended, "an application waits for content for ever"


def what_is_held_is_bounded(s: Http2World) -> None:
    """Octets to write, applications at work, and memory stay within what the settings allow."""
    settings, c = s.settings, s.connection
    unfinished = [call for call in s.calls if not call.finished]
    most = settings.http2_max_concurrent_streams
    busy = [call for call in unfinished if call.exchange.disconnected or not call.exchange.ended]
    assert len(busy) <= most, f"{len(busy)} applications on {most} streams"
    assert len(unfinished) <= 2 * most, "too many applications that go on after their response"
    limit = settings.limit_requests_per_connection
    assert limit is None or len(s.calls) <= limit, "more requests than allowed"
    heads = _HEAD_SIZE * (len(s.calls) + len(s.observer.streams) + 1)
    if not s.stubborn:
        bound = settings.limit_write_buffer + _CONTROL_SIZE + 65_545 + heads + s.octets_of_apps
        assert c.size <= bound, f"octets to write are not bounded: {c.size}"
    if not (c.closed or len(s.steps) % 16 == 0):
        return
    bound = 2 * most * settings.http2_initial_window_size + settings.limit_write_buffer + _CONTROL_SIZE
    bound += 3 * settings.http2_max_header_list_size * (1 + len(unfinished))
    bound += 2 * settings.ws_max_size * min(most, len(s.sessions))
    bound += heads + 4 * s.octets_of_apps + 2 * s.largest_read + 65_536
    held = octets_held(c, settings)
    assert held <= bound, f"memory is not bounded: {held} octets held, {bound} allowed"


# Requests.


def scopes_say_what_was_asked(s: Http2World) -> None:
    """A scope has the fields of the one request on the wire that has its method and its path."""
    for call in s.newly:
        said, scope = s.said(call), call.exchange.scope
        assert not s.lost, "a request is opened on a connection that is lost"
        assert scope["http_version"] == "2", scope
        if said is None:
            continue
        authority = said.value(b":authority")
        fields = [] if authority is None else [(b"host", authority)]
        crumbs = [value for name, value in said.fields if name == b"cookie"]
        for name, value in said.fields:
            if name == b"cookie" and crumbs:
                fields.append((name, b"; ".join(crumbs)))
                crumbs = []
            elif not (name[:1] == b":" or name == b"cookie" or (name == b"host" and authority is not None)):
                fields.append((name, value))
        assert scope["headers"] == fields, f"other fields: {scope['headers']}, {fields}"
        assert len(said.fields) <= s.settings.limit_request_fields, "more fields than allowed"
        assert not said.reset, "a request that its client took back is opened"


def messages_come_in_order(s: Http2World) -> None:
    """An application receives its request's content, all of it if it is told so, and disconnects, and nothing else."""
    call = s.actor
    if call is None or not isinstance(s.step.operation, AppReceive):
        return
    if call.kind == "websocket":
        if call.received:
            _check_websocket_messages(s, call)
        return
    kinds = [message["type"] for message in call.received]
    first = kinds.index("http.disconnect") if "http.disconnect" in kinds else len(kinds)
    assert set(kinds[first:]) <= {"http.disconnect"}, f"messages behind the disconnect: {kinds}"
    requests = call.received[:first]
    assert all(message["more_body"] for message in requests[:-1]), "a message behind the last one"
    assert all(message["body"] for message in requests[:-1]), "an empty message in the middle"
    complete = bool(requests) and not requests[-1]["more_body"]
    said = s.said(call)
    if said is not None:
        assert said.content.startswith(call.content), "other content"
        # Content-Length alone may say that there is none, before the request ends.
        if complete and (said.value(b"content-length") or b"1").strip(b"0"):
            assert said.ended, "a request cut short looks complete"
            assert call.content == said.content, "content is missing"
            length = said.value(b"content-length")
            assert length is None or int(length) == len(call.content), "not what content-length promises"
        if s.step.outcome is None and not s.ending:
            assert call.content == said.content, "content that has come is kept back"
            assert complete or not said.ended, "the end that has come is kept back"
        limit = s.settings.limit_request_body
        assert limit is None or len(call.content) <= limit, "more content than allowed"
    held = call.received[-1].get("body", b"") if call.received else b""
    assert len(held) <= s.settings.http2_initial_window_size, "more content held than the window"


def _check_websocket_messages(s: Http2World, call: Call) -> None:
    kinds = [message["type"].removeprefix("websocket.") for message in call.received]
    assert kinds[0] == "connect" and "connect" not in kinds[1:], f"connect is not first: {kinds}"  # noqa: PT018
    first = kinds.index("disconnect") if "disconnect" in kinds else len(kinds)
    assert set(kinds[1:first]) <= {"receive"}, f"messages out of order: {kinds}"
    assert all(message == call.received[first] for message in call.received[first:]), "another disconnect"
    assert s.sessions[call].state == "open" or "receive" not in kinds, "a message before accept"


def waiting_applications_are_woken(s: Http2World) -> None:
    """Whoever waits for a message or for room is named by `take_ready` when there is one."""
    for call in s.calls:
        e = call.exchange
        if call.waiting:
            assert not e.ended, "nobody told the application of the end"
            assert call.kind != "http" or e.statistics(s.now).bytes_in == len(call.content), (
                "nobody told the application of content"
            )
        if call.blocked:
            assert not e.disconnected, "nobody told the application that the client is gone"
            assert not e.can_send, "nobody told the application of room"
        assert _has_ended(call) or not e.disconnected, "disconnected, and not ended"


def a_disconnect_has_a_reason(s: Http2World) -> None:
    """An application is cut off by what happens on its own stream, or to the connection, and nothing else."""
    if not isinstance(s.step.operation, Take) or s.connection.wants_write:
        return  # What is to be written may tell the reason.
    for call in s.calls:
        view = s.view(call)
        if call.exchange.disconnected and view is not None and not s.ending:
            own = view.ended and is_own(call, view)
            assert (
                view.reset is not None
                or view.peer_reset
                or own
                or view.status in OWN_STATUSES
                or (call.kind == "websocket")
            ), f"stream {view.id} is cut off for nothing"
    for view in s.observer.streams.values():
        new = view.reset is not None and view.frames[-1] in s.fresh
        if new and view.reset in _FAULTS:
            assert view.id in s.touched, f"stream {view.id} is reset for what it did not do: {view.reset}"


def what_is_wrong_is_refused(s: Http2World) -> None:
    """Content and fields in the wrong place, and content beyond a window, end their stream or the connection."""
    if not isinstance(s.step.operation, Take) or s.connection.wants_write or s.ending:
        return
    last = s.observer.goaways[-1][0] if s.observer.goaways else _MAX_WINDOW
    for number, view in s.observer.streams.items():
        said = s.peer.streams.get(number)
        if (
            number <= last
            and said is not None
            and not (view.ended or view.reset is not None or view.peer_reset)
            and view.status not in _SERVER_STATUSES  # It is refused already, and what comes is dropped.
        ):
            assert not said.wrong, f"{said.wrong} on stream {number} is not refused"
            assert view.credit >= 0, f"content beyond the window of stream {number} is not refused"
    assert s.observer.credit >= 0, "content beyond the connection's window is not refused"


def what_brings_nothing_forward_ends(s: Http2World) -> None:
    """Of each kind of frame only so many are taken, and only so many streams are reset (RFC 9113 §10.5)."""
    if not isinstance(s.step.operation, Take) or s.connection.wants_write or s.ending:
        return
    settings, streams, elapsed = s.settings, s.observer.streams, s.now - START
    burst = settings.http2_control_burst + settings.http2_control_rate * elapsed
    sent = [seen for seen in s.observer.frames if seen.kind == DATA]
    excused = {WINDOW_UPDATE: 2 * len(sent), DATA: len(streams), RST_STREAM: len(streams)}
    size = s.peer.octets_in_pieces
    assert size <= settings.http2_max_header_list_size, f"a field block of {size} octets is taken"
    assert s.peer.pieces <= _MAX_PIECES, f"a field block in {s.peer.pieces} frames is taken"
    for kind, count in s.peer.kinds.items():
        assert count <= burst + excused.get(kind, 0), f"{count} frames of type {kind} are taken"
    last = s.observer.goaways[-1][0] if s.observer.goaways else _MAX_WINDOW
    resets = [
        view
        for view in streams.values()
        if view.id <= last
        and (view.reset in _FAULTS or (view.peer_reset and not view.ended and view.reset is None))
    ]
    most = settings.http2_reset_burst + settings.http2_reset_rate * elapsed
    assert len(resets) <= most, f"{len(resets)} streams that are reset"
    if all(call.kind == "http" for call in s.calls):
        small = sum(len(seen.payload) < _USEFUL_SIZE for seen in sent)
        messages = sum(isinstance(operation, AppSend | AppFinish) for operation in s.operations) + len(
            streams
        )
        crumbs = small - messages
        assert crumbs <= burst + len(sent) - small, f"{crumbs} frames with hardly anything in them"


def patience_ends_for_a_reason(s: Http2World) -> None:
    """Nobody is told that time is up who has done what was waited for."""
    error = s.connection.error
    if error is not None and s.before.outputs.error is None:
        assert not (s.peer.acknowledged and error.reason == "settings that are not acknowledged"), (
            error.reason
        )
        if isinstance(s.step.operation, Wait | ToDeadline | Timeout):
            assert s.peer.in_block or error.reason != "request head took too long", error.reason
        # A WebSocket's pings are its own.
        if isinstance(s.step.operation, ToDeadline) and not (s.before.outputs.wants_write or s.sessions):
            answered = all(ping in s.peer.pongs[before:] for ping, before in s.asked.items())
            assert not (answered and error.reason == "no answer to a ping"), error.reason
    for seen in s.fresh if isinstance(s.step.operation, Take) else ():
        at = s.content_at.get(seen.stream)
        call = next((call for call in s.calls if s.stream(call) == seen.stream), None)
        if seen.fields[:1] == ((b":status", b"408"),) and call is not None and call.model.start is None:
            assert at is None or s.now - at >= s.settings.timeout_request_body, "408, and content came"


def a_field_block_has_one_deadline(s: Http2World) -> None:
    """The time for a field block runs from its first frame, whatever comes of it meanwhile."""
    over = s.ending or s.late or s.peer.broken or s.connection.error is not None
    over = over or s.connection.wants_write  # What is to be written may be the end.
    if s.block_since is not None and not over:
        last = s.block_since + s.settings.timeout_request_head
        assert s.connection.deadline <= last, f"{s.connection.deadline} is after {last}"


def who_waits_for_room_has_time_of_its_own(s: Http2World) -> None:
    """A stream is reset for want of room only if nothing of it went for as long as that may take."""
    for seen in s.fresh if isinstance(s.step.operation, Take) else ():
        call = next((call for call in s.calls if s.stream(call) == seen.stream and call.kind == "http"), None)
        # Content that is late, or too much, has the same code.
        ended = s.ended_in.get(seen.stream, s.taken_in) < s.taken_in
        if seen.kind == RST_STREAM and seen.number == Code.CANCEL and call in s.began_at and ended:
            waits = s.now - max(s.began_at[call], s.moved_at.get(seen.stream, 0.0))
            assert waits >= s.settings.http2_window_timeout, f"stream {seen.stream} has waited for {waits}"


def goaways_cover_what_is_served(s: Http2World) -> None:
    """The last stream of each GOAWAY is not below one that was opened (RFC 9113 §6.8)."""
    if s.observer.goaways:
        last, code = s.observer.goaways[-1]
        opened = [stream for stream in s.streams if stream is not None]
        assert max(opened, default=0) <= last, f"GOAWAY with {last} disowns stream {max(opened)}"
        if code == Code.ENHANCE_YOUR_CALM:
            settings = s.settings
            burst = min(settings.http2_control_burst, settings.http2_reset_burst)
            streams = max(1, len(s.observer.streams))
            large = s.largest_read > settings.http2_max_header_list_size
            assert large or s.peer.frames * streams >= burst or s.peer.frames > 60, (
                "no reason to ask for calm"
            )


# Responses.


def responses_are_what_was_sent(s: Http2World) -> None:
    """What the client sees on a stream is what its application sent, as far as it came, or the server's own."""
    if not isinstance(s.step.operation, Take):
        return
    known = set()
    for call in s.calls:
        view = s.view(call)
        if view is not None:
            known.add(view.id)
            if call.kind == "http":
                check_response(s, call, view)
            else:
                check_session(s, call, view)
    if None not in s.streams:
        for view in s.observer.streams.values():
            if view.id not in known and view.status is not None:
                assert view.status in _SERVER_STATUSES, f"stream {view.id} has a response of nobody's"
                assert not view.interim


def fields_have_no_line_breaks(s: Http2World) -> None:
    """No field that is written has a line break or a NUL in it, whoever it is from."""
    for seen in s.fresh if isinstance(s.step.operation, Take) else ():
        for name, value in seen.fields:
            assert not _FORBIDDEN & {*name, *value}, f"stream {seen.stream}: {name!r}: {value!r}"


# The whole story, played again in other ways.


def cuts_do_not_matter(s: Http2World) -> None:
    """However octets are cut on their way, the verdict is the same; and if it is good, applications see the same.

    What is sent before a window opens again, or a stream or connection breaks, depends on what comes in one read.
    """
    if len(s.fed) > 20_000:
        return
    again = s.replay([])
    for step in s.steps:
        operation = step.operation
        if isinstance(operation, Receive):
            operation = Receive(operation.data, 1)
        elif isinstance(operation, ToDeadline):  # Deadlines of later may differ.
            operation = Wait(max(0.0, step.now - again.now))
        again.do(operation)
    error, other = s.connection.error, again.connection.error
    if any(each is not None and each.reason.startswith(_OF_WINDOWS) for each in (error, other)):
        return  # How many updates are excused, and how many frames they make, depends on what is sent meanwhile.
    assert other == error, f"cuts matter: {error} became {other}"
    if error is not None:
        return
    if not any(view.peer_reset or view.reset for view in s.observer.streams.values()):
        for step, later in zip(s.steps, again.steps, strict=True):
            if isinstance(step.operation, AppReceive | AppSend):
                one, two = repr(step.outcome), repr(later.outcome)
                assert one == two, f"cuts matter: {step.operation}: {one} became {two}"
    assert len(s.calls) == len(again.calls) or any(said.reset for said in s.peer.streams.values()), (
        "cuts matter: other requests"
    )


def what_was_accepted_arrives(s: Http2World) -> None:
    """With windows wide open, each complete response arrives whole, and the client gets all its credit back."""
    other = s.replay(s.operations)
    if not _is_alive(other):
        return
    windows = {0: other.observer.window}
    for number, view in other.observer.streams.items():
        if not (view.ended or view.reset is not None or view.peer_reset):
            windows[number] = view.window
    room = {number: min(10**7, _MAX_WINDOW - max(0, window)) for number, window in windows.items()}
    opened = [window_update(number, size) for number, size in room.items() if size > 0]
    other.do(Receive(b"".join(opened)))
    _drain(other)
    if not _is_alive(other):
        return
    for call in other.calls:
        seen = other.view(call)
        if seen is None or seen.reset is not None or seen.peer_reset or call.kind != "http":
            continue
        if call.model.complete:
            assert seen.ended, f"a complete response on stream {seen.id} does not arrive"
        assert not call.blocked, "blocked, and everything was taken"
    for call in other.calls:
        if not call.finished:
            other.do(AppFinish(len(other.calls) - 1 - call.index))
    resets = [view.id for view in other.observer.streams.values() if not (view.ended and view.peer_ended)]
    resets = [n for n in resets if other.observer.streams[n].reset is None and n in other.peer.streams]
    other.do(Receive(b"".join(map(rst, resets))))
    _drain(other)
    if _is_alive(other):
        owed = other.observer.limit - other.observer.credit
        assert 2 * owed < max(2, s.settings.http2_initial_window_size), f"{owed} octets of credit are lost"


def _is_alive(s: Http2World) -> bool:
    """Nothing has ended, and what comes now is read as frames."""
    return s.peer.at_rest and not s.ending and not s.late and s.connection.error is None


def _drain(s: Http2World) -> None:
    for _ in range(2_000):
        s.do(Take())
        if not s.connection.wants_write:
            return
    raise AssertionError("octets to write never end")
