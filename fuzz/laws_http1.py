"""Laws of HTTP/1: what comes of requests, and what becomes of responses."""

from __future__ import annotations

from typing import Final

from sansio import ClientDisconnected, InvalidMessage

from .connection_world import Call
from .messages import fields_of
from .operations import AppReceive, AppSend, Oversleep, Receive, ShutDown, Take, Timeout, ToDeadline, Wait
from .scopes import check_scope
from .wire import ReadResponse
from .world import World

__all__ = [
    "a_cut_response_is_seen_to_be_cut",
    "a_lost_client_is_told_of",
    "content_is_what_was_sent",
    "interim_responses_are_due",
    "limits_are_kept",
    "messages_are_refused_as_asgi_says",
    "messages_come_in_order",
    "nothing_is_opened_after_the_end",
    "requests_are_opened_in_order",
    "responses_are_what_was_sent",
    "scopes_say_what_was_asked",
    "statistics_are_true",
    "the_end_is_announced",
    "waiting_applications_are_woken",
]

_SERVER_FIELDS: Final = {b"date", b"server", b"x-extra"}
_FRAMING_FIELDS: Final = {b"connection", b"content-length", b"transfer-encoding"}
_SERVER_STATUSES: Final = {400, 408, 413, 414, 417, 431, 500, 501, 505}


# Requests.


def requests_are_opened_in_order(world: World) -> None:
    """A request is opened when the response before it is complete and the content before it was read."""
    for call in world.calls[world.before.calls :]:
        assert call.index < len(world.requests), "no such request is on the wire"
        if call.index:
            earlier = world.calls[call.index - 1]
            assert world.situation(earlier).statistics.complete, "the response before it is not complete"
            assert world.request_of(earlier).end is not None, "the content before it is not complete"


def nothing_is_opened_after_the_end(world: World) -> None:
    """After a decision to close, on either side, no request is opened."""
    if not world.step.opened:
        return
    before = world.before.outputs
    assert not before.write_ended
    assert not before.closed
    assert before.error is None
    assert not world.lost
    if world.shut_down_at is not None:
        first = next(n for n, step in enumerate(world.steps) if isinstance(step.operation, ShutDown))
        assert sum(len(step.opened) for step in world.steps[first:]) <= 1, (
            "a second request after shut_down()"
        )
    for index, response in enumerate(world.reader.responses):
        assert not response.closes or len(world.calls) <= index + 1, "opened behind a response that closes"
    for request in world.requests[: len(world.calls) - 1]:
        assert not _closes(request.fields), "opened behind a request that closes"
        assert request.version != b"HTTP/1.0", "opened behind a request of HTTP/1.0"


def _closes(fields: list[tuple[bytes, bytes]]) -> bool:
    values = b",".join([value for name, value in fields if name == b"connection"]).lower()
    return b"close" in [member.strip(b" \t") for member in values.split(b",")]


def scopes_say_what_was_asked(world: World) -> None:
    """A scope's types and values are what ASGI and HTTP allow, and say what the octets say."""
    for call in world.calls[world.before.calls :]:
        check_scope(call.scope, world.request_of(call), world.settings.root_path)


def limits_are_kept(world: World) -> None:
    """No request is opened, and no content completed, that is beyond a limit."""
    s = world.settings
    for call in world.calls[-1:]:
        request = world.request_of(call)
        assert request.head_end - request.start <= s.limit_request_head
        assert len(request.fields) <= s.limit_request_fields
        if s.limit_request_body is not None:
            assert len(call.content) <= s.limit_request_body
        if any(not message.get("more_body", True) for message in call.received):
            assert request.extensions <= s.limit_chunk_extensions


def messages_come_in_order(world: World) -> None:
    """An application receives ``request(more)* request(last)? disconnect*``; nothing empty but the last."""
    call = world.actor
    if not isinstance(world.step.operation, AppReceive) or call is None or not call.received:
        return
    before, last = call.received[:-1], call.received[-1]
    assert not any(message["type"] == "http.disconnect" for message in before) or last == {
        "type": "http.disconnect"
    }
    if last["type"] == "http.disconnect":
        assert last == {"type": "http.disconnect"}, last
        return
    assert set(last) == {"type", "body", "more_body"}, last
    assert last["type"] == "http.request"
    assert type(last["body"]) is bytes
    assert type(last["more_body"]) is bool
    assert last["body"] or not last["more_body"], "an empty message in the middle"
    assert all(message["more_body"] for message in before), "a message after the last one"


def content_is_what_was_sent(world: World) -> None:
    """The content that an application receives is the request's; it is complete exactly when the request is."""
    operation = world.step.operation
    call = world.actor
    if not isinstance(operation, AppReceive) or call is None:
        return
    request = world.request_of(call)
    assert request.content.startswith(call.content), "other content"
    has_last = any(not message.get("more_body", True) for message in call.received)
    if has_last:
        assert request.end is not None, "a request cut short looks complete"
        assert call.content == request.content, "content is missing"
    if world.step.outcome is None:
        assert call.open, "an exchange that has ended has no disconnect"
        assert call.content == request.content, "content that has come is kept back"
        assert has_last or request.end is None, "the end that has come is kept back"
    elif not has_last and call.open:
        limit = world.settings.limit_read_buffer + world.largest_read
        assert world.eager or len(call.received[-1].get("body", b"")) <= limit, "more held than allowed"


def waiting_applications_are_woken(world: World) -> None:
    """Whoever waits for a message or for room is named by `take_ready` when there is one."""
    for call in world.calls:
        situation = world.situation(call)
        if call.waiting:
            assert not situation.ended, "nobody told the application of the end"
            assert not situation.half_closed, "nobody told the application of the end"
            assert situation.statistics.bytes_in == len(call.content), (
                "nobody told the application of content"
            )
        if call.blocked:
            assert not situation.disconnected, "nobody told the application of the end"
            assert not situation.can_send, "nobody told the application of room"


def a_lost_client_is_told_of(world: World) -> None:
    """Once the transport is gone or the connection closed, no exchange is open."""
    if world.lost or world.connection.closed:
        assert not any(world.open_calls)
    for call in world.calls:
        assert call.exchange.ended or not call.exchange.disconnected


# Responses.


def messages_are_refused_as_asgi_says(world: World) -> None:
    """A message raises what its state and its values ask for, and nothing else."""
    operation, before, outcome = world.step.operation, world.before.situation, world.step.outcome
    if not isinstance(operation, AppSend) or before is None:
        return
    if not before.ended:
        raised = None if outcome is None else type(outcome)
        assert raised is world.expected, f"{raised} instead of {world.expected}: {outcome}"
    elif not before.disconnected:  # Complete, or given up by its application.
        assert outcome is None or isinstance(outcome, InvalidMessage), outcome
    else:
        assert isinstance(outcome, (ClientDisconnected, InvalidMessage)), outcome


def responses_are_what_was_sent(world: World) -> None:
    """Each response on the wire has the status, fields, content and trailers that its application sent."""
    if not isinstance(world.step.operation, Take):
        return
    responses = world.reader.responses
    for call in world.calls[-2:]:
        response = responses[call.index] if call.index < len(responses) else None
        if call.released is not None:
            if response is None or response.status is None:
                assert world.lost or world.dropped, "an accepted response is kept back"
            else:
                _check_response(world, call, response)
        elif response is not None and response.status is not None:
            _check_server_response(response)
    for response in responses[len(world.calls) :]:
        _check_server_response(response)


def interim_responses_are_due(world: World) -> None:
    """A 100 is sent once, to a client that waits; a 103 for each hint; none of them to HTTP/1.0."""
    if not isinstance(world.step.operation, Take):
        return
    for call, response in zip(
        world.calls[-2:], world.reader.responses[len(world.calls[:-2]) :], strict=False
    ):
        statuses = [status for status, _ in response.interim]
        current = call.scope["http_version"] == "1.1"
        expects = (b"expect", b"100-continue") in [(n, v.lower()) for n, v in call.scope["headers"]]
        assert statuses.count(100) <= (current and expects)
        assert statuses.count(103) == len(statuses) - statuses.count(100)
        assert statuses.count(103) <= call.model.hints * current
        if not (world.lost or world.dropped):
            assert statuses.count(103) == call.model.hints * current, "a hint is lost"


def the_end_is_announced(world: World) -> None:
    """If it is clear at the head that the connection ends with a response, the response says so."""
    if not isinstance(world.step.operation, Take) or world.before.outputs.write_ended or not world.ending:
        return
    call = world.calls[-1] if world.calls else None
    if call is None or call.completed is None or call.released != call.completed or world.eof or world.lost:
        return
    if not world.settings.timeout_keep_alive:
        return  # The time between two requests is over when it begins.
    between = world.steps[call.completed + 1 :]
    inputs = (Receive, Wait, ToDeadline, Timeout, ShutDown, Oversleep)
    if world.connection.error is None and not any(isinstance(step.operation, inputs) for step in between):
        assert world.reader.responses[-1].closes, "the client was not told"


def a_cut_response_is_seen_to_be_cut(world: World) -> None:
    """Whatever response is incomplete when the connection ends was not completed by its application."""
    if isinstance(world.step.operation, Take) and world.ending and world.reader.responses:
        response = world.reader.responses[-1]
        if not response.complete and len(world.reader.responses) <= len(world.calls):
            call = world.calls[len(world.reader.responses) - 1]
            assert call.completed is None or world.lost or world.dropped, "a complete response was cut off"


def statistics_are_true(world: World) -> None:
    """Statistics count the octets of content in both directions."""
    for call in world.calls[-2:]:
        statistics = world.situation(call).statistics
        request = world.request_of(call)
        assert len(call.content) <= statistics.bytes_in <= len(request.content)
        if call.released is not None:
            assert call.model.start is not None
            assert statistics.status == call.model.start["status"]
            assert statistics.bytes_out == (0 if call.model.bodyless else len(call.model.content))
        if statistics.complete and call.released is None:
            assert statistics.status == 500


def _check_response(world: World, call: Call, response: ReadResponse) -> None:
    model = call.model
    assert model.start is not None
    assert response.status == model.start["status"]
    own = {name for name, _ in fields_of(model.start)}
    added = (_SERVER_FIELDS - own) | _FRAMING_FIELDS
    assert [field for field in response.fields if field[0] not in added] == fields_of(model.start), (
        response.fields
    )
    for name in _SERVER_FIELDS - own:
        assert len(response.values(name)) == 1, f"{name!r} is there {len(response.values(name))} times"
    if response.status == 204:
        assert not response.values(b"content-length")
    elif model.length is not None and response.status != 205:
        assert response.values(b"content-length") == [b"%d" % model.length]
    content = b"" if model.bodyless else bytes(model.content)
    if world.lost or world.dropped:
        assert content.startswith(response.content), "other content"
    else:
        assert response.content == content, "other content"
    if call.completed is not None and not (world.lost or world.dropped):
        closing = not response.values(b"content-length") and not response.values(b"transfer-encoding")
        assert response.complete or (closing and not world.ending), "a complete response looks incomplete"
    if response.complete and response.trailers:
        assert response.trailers == model.trailers
        assert any(name == b"te" for name, _ in call.scope["headers"])


def _check_server_response(response: ReadResponse) -> None:
    assert response.status in _SERVER_STATUSES, response.status
    assert response.closes
    assert len(response.values(b"date")) == 1
    assert len(response.values(b"content-length")) == 1
    assert response.values(b"content-type") == [b"text/plain; charset=utf-8"]
    assert response.complete
