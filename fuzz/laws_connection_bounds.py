"""Laws of any connection, whatever is spoken on it: how much is held, and how many there are of what."""

from __future__ import annotations

from typing import Any, Final

from .connection_world import Call, ConnectionWorld
from .laws import octets_held
from .operations import AppSend, Receive

__all__ = [
    "applications_at_work_are_limited",
    "memory_is_bounded_by_the_settings",
    "messages_are_fewer_than_octets",
    "octets_to_write_are_few",
    "requests_are_limited",
    "what_is_not_received_stops_the_peer",
]

# An application may go on after its response while later requests are served; so many at most.
_MAX_UNFINISHED: Final = 17
_HEAD_SIZE: Final = 2_048
_CONTROL_SIZE: Final = 65_536 + 100
_LARGEST_FRAME: Final = 65_545
_SLACK: Final = 65_536
_OFTEN: Final = 8


def applications_at_work_are_limited(world: ConnectionWorld) -> None:
    """No more applications are at work than the limit, though streams were reset or responses are complete."""
    unfinished = [call for call in world.calls if not call.finished]
    busy = [call for call in unfinished if call.open or call.exchange.disconnected]
    if world.connection.multiplexes:
        most = world.settings.http2_max_concurrent_streams
        assert len(busy) <= most, f"{len(busy)} at work, {most} allowed"
        assert len(unfinished) <= 2 * most, f"{len(unfinished)} go on, {2 * most} allowed"
    else:
        assert sum(1 for _ in world.open_calls) <= 1, "two at a time"
        assert len(unfinished) <= _MAX_UNFINISHED, f"{len(unfinished)} go on"


def requests_are_limited(world: ConnectionWorld) -> None:
    """No more requests are opened than the limit for one connection."""
    limit = world.settings.limit_requests_per_connection
    assert limit is None or len(world.calls) <= limit, f"{len(world.calls)} requests"


def messages_are_fewer_than_octets(world: ConnectionWorld) -> None:
    """Applications receive no more messages than octets have come, but for the first and the last of each scope."""
    count = 0
    for call in world.calls:
        count += sum(not message["type"].endswith(".disconnect") for message in call.received)
    assert count <= len(world.fed) + 2 * len(world.calls), f"{count} messages of {len(world.fed)} octets"
    assert len(world.calls) <= len(world.fed), "more requests than octets"


def what_is_not_received_stops_the_peer(world: ConnectionWorld) -> None:
    """Behind content that its application does not take, reading stops, or the peer's window is closed."""
    for call in world.open_calls:
        http, told = call.scope["type"] == "http", call.exchange.statistics(world.now)
        received = len(call.content) if http else sum(map(_size_of, call.received))
        held = told.bytes_in - received
        if call.finished or call.exchange.disconnected or not held:
            continue
        if world.connection.multiplexes:
            assert not http or held <= world.settings.http2_initial_window_size, f"{held} beyond the window"
        elif held >= world.settings.limit_read_buffer:
            # Of a session one read more is taken, and not looked at. Then it stops.
            operation = world.step.operation
            more = (
                isinstance(operation, Receive) and operation.data and told.bytes_in == world.before.octets_in
            )
            if told.bytes_in < _promised(call) if http else more:
                assert not world.connection.wants_read, f"{held} held, and reading goes on"


def _promised(call: Call) -> int:
    """Return what Content-Length says, and 0 without one: only the machine knows whether chunks have ended."""
    return next((int(value) for name, value in call.scope["headers"] if name == b"content-length"), 0)


def _size_of(message: dict[str, Any]) -> int:
    """Return what `ExchangeStatistics` counts for a message: the octets, or the characters."""
    return len(message.get("text") or message.get("bytes") or b"")


def octets_to_write_are_few(world: ConnectionWorld) -> None:
    """If applications wait while they cannot send, the outbox holds its limit and what one turn adds, at most."""
    if world.stubborn:
        return
    heads = _HEAD_SIZE * (1 + len(world.calls)) + world.largest_head * len(world.calls)
    bound = world.settings.limit_write_buffer + heads + world.largest_read
    bound += world.largest_message
    if world.connection.multiplexes:
        bound += _CONTROL_SIZE + _LARGEST_FRAME + len(world.calls) * world.largest_message
    assert world.connection.size <= bound, f"{world.connection.size} beyond {bound}"


def memory_is_bounded_by_the_settings(world: ConnectionWorld) -> None:
    """What a connection holds is bounded by its settings and by what its applications sent, for any input."""
    if world.eager or world.stubborn or (len(world.steps) % _OFTEN and not world.connection.closed):
        return
    s = world.settings
    by_applications = sum(
        len(repr(world.messages[step.operation.name]))
        for step in world.steps
        if isinstance(step.operation, AppSend)
    )
    bound = s.limit_write_buffer + 4 * world.largest_read + 2 * by_applications + _SLACK
    if world.connection.multiplexes:
        most = s.http2_max_concurrent_streams
        unfinished = sum(not call.finished for call in world.calls)
        bound += 2 * most * s.http2_initial_window_size + _CONTROL_SIZE + 2 * most * s.ws_max_size
        bound += 3 * s.http2_max_header_list_size * (1 + unfinished) + _HEAD_SIZE * len(world.calls)
    else:
        bound += 8 * s.limit_request_head + 2 * s.limit_read_buffer + 6 * s.ws_max_size
    held = octets_held(world.connection, s)
    assert held <= bound, f"{held} octets held, {bound} allowed"
