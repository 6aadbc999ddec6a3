"""Laws of any connection, whatever is spoken on it: its outputs, its clock, its end, and what applications are told."""

from __future__ import annotations

import math
from typing import Final

from sansio import ClientDisconnected, InvalidMessage

from .connection_world import Call, ConnectionWorld, Outputs
from .operations import AppReceive, AppSend, Eof, Receive, Take, Timeout, Wait
from .scopes import check_soundness

__all__ = [
    "a_refused_message_changes_nothing",
    "an_end_is_final",
    "applications_hear_of_the_end",
    "asking_again_changes_nothing",
    "closed_is_closed",
    "content_that_comes_gains_time",
    "deadlines_are_not_far",
    "deadlines_lie_ahead",
    "each_exchange_is_named_once",
    "everybody_is_told_of_the_end",
    "messages_are_of_the_right_kind",
    "messages_come_in_turn",
    "nothing_comes_of_what_is_behind_the_end",
    "nothing_follows_the_end",
    "nothing_is_opened_behind_a_fault",
    "nothing_is_smuggled_into_the_output",
    "scopes_are_sound",
    "shutting_down_has_one_deadline",
    "silence_is_not_endured",
    "somebody_has_the_next_move",
    "statistics_add_up",
    "wants_write_tells_of_octets",
    "what_is_empty_or_early_changes_nothing",
    "whoever_waits_is_named",
    "whoever_waits_is_read_for",
]

_FAR: Final = 100_000.0
_SWITCHING_PROTOCOLS: Final = 101
_REQUEST_TIMEOUT: Final = 408


# Outputs.


def closed_is_closed(world: ConnectionWorld) -> None:
    """A closed connection has no octets, no deadline, no wish to read, and nothing changes it any more."""
    if world.connection.closed:
        assert world.outputs[:5] == (math.inf, False, False, 0, True), world.outputs
    if world.before.outputs.closed:
        outputs, before = world.outputs, world.before.outputs
        if isinstance(
            world.step.operation, AppReceive
        ):  # What had come may turn out to be wrong when it is read.
            before = before._replace(error=before.error or outputs.error)
        assert outputs == before, f"{before} became {outputs}"
        assert not world.step.opened


def nothing_follows_the_end(world: ConnectionWorld) -> None:
    """After `write_ended` there is nothing to write, for ever."""
    if world.connection.write_ended:
        assert not world.connection.wants_write
        assert not world.connection.size
    if world.before.outputs.write_ended:
        assert world.connection.write_ended
        assert not isinstance(world.step.operation, Take) or world.step.outcome == b""


def wants_write_tells_of_octets(world: ConnectionWorld) -> None:
    """`wants_write` is true exactly while octets wait."""
    assert world.connection.wants_write == (world.connection.size > 0)


def what_is_empty_or_early_changes_nothing(world: ConnectionWorld) -> None:
    """Empty input, a second EOF, a timeout called early or twice, and taking nothing change no output."""
    before, step = world.before.outputs, world.step
    match step.operation:
        case Receive(data=b""):
            unchanged = True
        case Eof():
            unchanged = any(isinstance(earlier.operation, Eof) for earlier in world.steps[:-1])
        case Timeout():
            unchanged = world.now < before.deadline
            assert isinstance(step.outcome, Outputs)
            assert step.outcome.deadline <= world.now or step.outcome == step.outputs, (
                "the second call was not harmless"
            )
        case Take():
            unchanged = not before.wants_write
        case _:
            unchanged = False
    if unchanged:
        assert step.outputs == before, f"{before} became {step.outputs}"
        assert not step.opened


def each_exchange_is_named_once(world: ConnectionWorld) -> None:
    """`take_ready` names no exchange twice."""
    assert len(world.named) == len(set(world.named)), "named twice"


# The clock.


def deadlines_lie_ahead(world: ConnectionWorld) -> None:
    """A deadline given out is never in the past."""
    deadline = world.connection.deadline
    assert world.late or deadline >= world.now, f"{deadline} at {world.now}"


def deadlines_are_not_far(world: ConnectionWorld) -> None:
    """A deadline given out is never further away than the longest timeout of the settings."""
    deadline, s = world.connection.deadline, world.settings
    timeouts = [
        getattr(s, name)
        for name in s.__slots__
        if name.startswith("timeout_") or name.endswith(("_timeout", "_interval"))
    ]
    longest = max(timeout for timeout in timeouts if timeout < math.inf)
    assert deadline == math.inf or deadline <= world.now + longest, f"{deadline} at {world.now}"


def somebody_has_the_next_move(world: ConnectionWorld) -> None:
    """While no deadline is set, an application is at work or the transport has octets to take."""
    connection = world.connection
    if connection.deadline == math.inf and not connection.closed:
        assert connection.wants_write or not all(call.finished for call in world.calls), "nobody is awaited"


def silence_is_not_endured(world: ConnectionWorld) -> None:
    """A peer that is silent for a very long time has ended its connection, and keeps no application waiting."""
    operation, connection = world.step.operation, world.connection
    if not isinstance(operation, Wait) or operation.seconds < _FAR or connection.wants_write or world.late:
        return
    if all(call.finished for call in world.calls):
        assert connection.closed, "silence does not end the connection"
    for call in world.open_calls:
        if call.waiting and call.scope["type"] == "http":
            assert _has_all(call), "an application waits for content for ever"
        elif call.waiting and world.settings.ws_ping_interval < math.inf:
            assert _has_all(call) or call.exchange.disconnected, "an application waits for frames for ever"


def content_that_comes_gains_time(world: ConnectionWorld) -> None:
    """Nobody is told that content took too long, unless none came for as long as the timeout."""
    error, before = world.connection.error, world.before.outputs.error
    if error is None or error == before or error.status != _REQUEST_TIMEOUT or world.connection.multiplexes:
        return
    for call in world.calls[-1:]:
        if call.exchange.disconnected and call.heard_at:
            silence = call.exchange.statistics(world.now).ended - call.heard_at
            assert silence >= world.settings.timeout_request_body, f"after {silence} seconds"


def shutting_down_has_one_deadline(world: ConnectionWorld) -> None:
    """Once asked to, the connection is closed in time, whatever its peer and its applications do."""
    if world.shut_down_at is not None and not world.connection.closed:
        last = world.shut_down_at + world.settings.timeout_graceful_shutdown
        assert world.connection.deadline <= last, f"{world.connection.deadline} is after {last}"


# The end.


def nothing_comes_of_what_is_behind_the_end(world: ConnectionWorld) -> None:
    """Octets behind the end of the peer's side, or of the connection, are an error of the embedder's or of nobody's."""
    before, step = world.before.outputs, world.step
    if isinstance(step.operation, Receive) and (world.eof or world.lost):
        refused = world.eof and not before.closed and step.operation.data
        assert bool(step.outcome) == bool(refused), f"{step.outcome!r}"
        assert step.outputs == before, f"{before} became {step.outputs}"
        assert not step.opened


def nothing_is_opened_behind_a_fault(world: ConnectionWorld) -> None:
    """After a fatal error, what the peer sends opens nothing, and adds no octet to what was queued."""
    before, step = world.before.outputs, world.step
    fatal = before.error is not None and not world.connection.multiplexes
    if isinstance(step.operation, Receive) and (fatal or before.write_ended):
        assert not step.opened, f"opened {step.opened}"
        assert step.outputs.size <= before.size, f"{before.size} octets became {step.outputs.size}"
        assert fatal <= (step.outputs.error == before.error), f"{before.error} became {step.outputs.error}"


def an_end_is_final(world: ConnectionWorld) -> None:
    """An exchange ends once and in one way: nothing that happens later changes what is said of it."""
    for call in world.calls:
        assert call.end is None or call.end == world.end_of(call), f"{call.end} became {world.end_of(call)}"


def everybody_is_told_of_the_end(world: ConnectionWorld) -> None:
    """Once the transport is gone or the connection closed, no application has anything to wait for."""
    if world.lost or world.connection.closed:
        for call in world.calls:
            e = call.exchange
            assert e.ended or e.disconnected, f"call {call.index} goes on"
            assert not call.waiting, f"call {call.index} was not woken"


def applications_hear_of_the_end(world: ConnectionWorld) -> None:
    """When the client is gone, each message is refused with `ClientDisconnected`, and each receive says so."""
    operation, before, call = world.step.operation, world.before.situation, world.actor
    if call is None or before is None:
        return
    outcome = world.step.outcome
    if isinstance(operation, AppSend) and before.disconnected:
        # What is no message at all is the application's fault, even now.
        assert isinstance(outcome, (ClientDisconnected, InvalidMessage)), f"{outcome!r}"
        if isinstance(outcome, InvalidMessage):
            assert "bad" in operation.name, f"{outcome!r}"
    elif isinstance(operation, AppReceive) and (before.ended or world.before.outputs.closed or world.lost):
        assert outcome is not None, "an application waits for a client that is gone"


# What applications are told.


def scopes_are_sound(world: ConnectionWorld) -> None:
    """A scope's types and values are what ASGI and HTTP allow, and its path is what was asked for, decoded once."""
    for scope in world.step.opened:
        check_soundness(scope, world.settings.root_path)
        secure = scope["scheme"] in {"https", "wss"}
        assert secure == world.transport.secure
        assert (scope["http_version"] == "2") == world.connection.multiplexes
        assert (scope["client"], scope["server"]) == (world.transport.client, world.transport.server)


def messages_come_in_turn(world: ConnectionWorld) -> None:
    """An application receives messages of its scope's kind, the first one first, and after a disconnect that alone."""
    call = world.actor
    if not isinstance(world.step.operation, AppReceive) or call is None or not call.received:
        return
    kinds = [message["type"] for message in call.received]
    kind = call.scope["type"]
    gone = f"{kind}.disconnect"
    first = kinds.index(gone) if gone in kinds else len(kinds)
    assert all(message == call.received[first] for message in call.received[first:]), "behind the disconnect"
    messages = call.received[:first]
    if kind == "http":
        assert set(kinds[:first]) <= {"http.request"}, kinds
        assert all(message["more_body"] for message in messages[:-1]), "behind the last message"
        assert all(message["body"] for message in messages[:-1]), "an empty message in the middle"
    else:
        assert kinds[0] == "websocket.connect", kinds
        assert set(kinds[1:first]) <= {"websocket.receive"}, kinds
        one = all((m.get("bytes") is None) != (m.get("text") is None) for m in messages[1:])
        assert one, "both kinds of content, or neither"


def messages_are_of_the_right_kind(world: ConnectionWorld) -> None:
    """A message of a WebSocket is refused by a request, and the other way round."""
    operation, before, call = world.step.operation, world.before.situation, world.actor
    if not isinstance(operation, AppSend) or call is None or before is None or before.ended:
        return
    message = world.messages[operation.name]
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind.partition(".")[0] != call.scope["type"]:
        assert isinstance(world.step.outcome, Exception), f"{kind!r} is taken by {call.scope['type']}"


def a_refused_message_changes_nothing(world: ConnectionWorld) -> None:
    """A message that raises, and one after the end, leaves octets and state as they were."""
    operation, before = world.step.operation, world.before.situation
    call = world.actor
    if isinstance(operation, AppSend) and call is not None and before is not None:
        if before.ended or world.step.outcome is not None:
            assert world.outputs == world.before.outputs
            assert world.situation(call) == before
            assert not world.step.opened


def nothing_is_smuggled_into_the_output(world: ConnectionWorld) -> None:
    """No line break of an application reaches the output."""
    if isinstance(world.step.operation, Take):
        assert isinstance(world.step.outcome, bytes)
        assert b"x-taint" not in world.step.outcome


def whoever_waits_is_named(world: ConnectionWorld) -> None:
    """Whoever waits for a message or for room is named by `take_ready` when there is one."""
    for call in world.calls:
        e = call.exchange
        if call.waiting:
            assert not e.ended, f"nobody told call {call.index} of the end"
            assert not (e.disconnected and call.scope["type"] == "http"), f"nobody told call {call.index}"
        if call.blocked:
            assert not e.disconnected, f"nobody told call {call.index} that the client is gone"
            assert not e.can_send, f"nobody told call {call.index} of room"


def whoever_waits_is_read_for(world: ConnectionWorld) -> None:
    """While an application waits for the peer's octets, reading is wanted, or octets are to be taken first."""
    c = world.connection
    if world.eof or world.lost or c.closed or c.wants_write:
        return
    for call in world.open_calls:
        if call.waiting and not call.finished and not call.exchange.disconnected and not _has_all(call):
            assert c.wants_read, f"call {call.index} waits, and nobody reads"


def asking_again_changes_nothing(world: ConnectionWorld) -> None:
    """Whoever gave up waiting, and asks again before there is anything, changes nothing and gives nobody more time."""
    before = world.before
    if isinstance(world.step.operation, AppReceive) and before.waiting and before.situation is not None:
        assert world.step.outcome is None, f"nobody told of {world.step.outcome}"
        # A head that was sent since then, and held back, goes out now.
        unchanged = before.situation.holds or world.outputs == before.outputs
        assert unchanged, f"{before.outputs} became {world.outputs}"


def statistics_add_up(world: ConnectionWorld) -> None:
    """Statistics count what applications received, know when an exchange ended, and what its end was."""
    for call in world.calls[-4:]:
        told, kind = world.situation(call).statistics, call.scope["type"]
        assert (told.kind, told.http_version) == (kind, call.scope["http_version"])
        assert told.opened <= told.ended <= max(world.now, told.opened)
        assert not told.complete or told.status is not None, "complete without a status"
        if kind == "http":
            assert len(call.content) <= told.bytes_in <= len(world.fed), told
            assert told.close_code is None
            assert not told.messages_in
            assert not told.messages_out
            continue
        codes = {m["code"] for m in call.received if m["type"] == "websocket.disconnect"}
        assert told.close_code is None or codes <= {told.close_code}, (codes, told)
        received = sum(m["type"] == "websocket.receive" for m in call.received)
        assert received <= told.messages_in <= len(world.fed), told


def _has_all(call: Call) -> bool:
    """Tell whether an application has received everything that was to come before its own answer."""
    if call.scope["type"] == "http":
        return any(not message.get("more_body", True) for message in call.received)
    return call.exchange.statistics(0.0).status != _SWITCHING_PROTOCOLS and call.scope["http_version"] != "2"
