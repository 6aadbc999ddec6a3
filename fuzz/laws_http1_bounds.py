"""Laws of HTTP/1: who is waited for, and for how long; what is read, and how much is held."""

from __future__ import annotations

import math
from typing import Final

from .laws import octets_held
from .messages import MESSAGES
from .operations import AppSend, Receive, Wait
from .world import World

__all__ = [
    "a_full_buffer_blocks",
    "a_head_has_one_deadline",
    "deadlines_are_near",
    "memory_is_bounded",
    "octets_to_write_are_bounded",
    "one_request_is_served_at_a_time",
    "reading_goes_on",
    "reading_stops",
    "silence_ends_the_connection",
    "somebody_is_awaited",
]

# An application may go on after its response while later requests are served; so many at most.
_MAX_UNFINISHED: Final = 17
_HEAD_SLACK: Final = 2_048
_MEMORY_SLACK: Final = 8_192
_FAR: Final = 100_000.0


# Time.


def deadlines_are_near(world: World) -> None:
    """A deadline given out is never further away than the longest timeout."""
    deadline = world.connection.deadline
    s = world.settings
    longest = max(
        s.timeout_request_head,
        s.timeout_keep_alive,
        s.timeout_request_body,
        s.timeout_discard,
        s.timeout_linger,
        s.timeout_graceful_shutdown,
    )
    assert deadline == math.inf or deadline <= world.now + longest, f"{deadline} at {world.now}"


def somebody_is_awaited(world: World) -> None:
    """While no deadline is set, an application or the transport has the next move."""
    connection = world.connection
    if connection.deadline == math.inf and not connection.closed:
        unfinished = sum(not call.finished for call in world.calls)
        assert connection.wants_write or any(world.open_calls) or unfinished >= _MAX_UNFINISHED


def silence_ends_the_connection(world: World) -> None:
    """A peer that does nothing for a very long time is waited for no longer."""
    operation = world.step.operation
    if not isinstance(operation, Wait) or operation.seconds < _FAR:
        return
    connection = world.connection
    if not any(world.open_calls) and sum(not call.finished for call in world.calls) < _MAX_UNFINISHED:
        assert connection.closed or connection.wants_write, world.outputs
    for call in world.open_calls:
        assert not call.waiting or world.request_of(call).end is not None, "an application waits for ever"


def a_head_has_one_deadline(world: World) -> None:
    """Further octets of a head that has begun do not put off its deadline."""
    begun = world.read_up_to
    if (
        not isinstance(world.step.operation, Receive)
        or world.step.opened
        or any(world.open_calls)
        or begun is None
    ):
        return
    if world.before.outputs.wants_write or world.ending:
        return  # It may have an end already that cannot be seen yet.
    if world.before.fed > begun and world.connection.error is None:
        assert world.connection.deadline <= world.before.outputs.deadline, world.connection.deadline


# Room.


def octets_to_write_are_bounded(world: World) -> None:
    """If applications wait while they cannot send, the outbox holds its limit and one message more, at most."""
    if not world.stubborn:
        limit = world.settings.limit_write_buffer + world.largest_message + world.largest_head + _HEAD_SLACK
        assert world.connection.size <= limit, f"{world.connection.size} beyond {limit}"


def a_full_buffer_blocks(world: World) -> None:
    """Whoever has filled the buffer cannot send until it is taken, and then can again."""
    connection = world.connection
    call = world.actor
    if (
        isinstance(world.step.operation, AppSend)
        and world.step.outcome is None
        and call is not None
        and call.open
    ):
        if connection.size > world.settings.limit_write_buffer:
            assert not call.exchange.can_send or connection.size == world.before.outputs.size, "not blocked"
    if not connection.wants_write:
        assert all(call.exchange.can_send for call in world.open_calls), "blocked by nothing"


def reading_stops(world: World) -> None:
    """While the application does not take its content, or a request waits for its turn, nothing more is wanted."""
    for call in world.open_calls:
        request = world.request_of(call)
        if request.end is None:
            held = world.situation(call).statistics.bytes_in - len(call.content)
            assert held < world.settings.limit_read_buffer or not world.connection.wants_read, f"{held} held"
        elif len(world.fed) > request.end:
            assert not world.connection.wants_read, "reads on behind a request that waits"


def reading_goes_on(world: World) -> None:
    """Whoever waits for the peer's octets gets them: reading is wanted while nothing stands in its way."""
    connection = world.connection
    if world.eof or world.lost or connection.closed:
        return
    for call in world.open_calls:
        if call.waiting and world.request_of(call).end is None:
            assert connection.wants_read, "the application waits for content, and nobody reads"
    if not any(world.open_calls) and sum(not call.finished for call in world.calls) < _MAX_UNFINISHED:
        assert connection.wants_read or connection.wants_write, "nothing stands in the way, and nobody reads"


def one_request_is_served_at_a_time(world: World) -> None:
    """At most one exchange is open, and no more than the limit were ever opened."""
    assert sum(1 for _ in world.open_calls) <= 1
    limit = world.settings.limit_requests_per_connection
    assert limit is None or len(world.calls) <= limit, len(world.calls)


def memory_is_bounded(world: World) -> None:
    """What a connection holds is bounded by its settings, for whoever reads and sends only when wanted."""
    if world.eager or world.stubborn or (len(world.steps) % 16 and not world.connection.closed):
        return
    s = world.settings
    by_app = sum(
        len(repr(MESSAGES[step.operation.name]))
        for step in world.steps
        if isinstance(step.operation, AppSend)
    )
    limit = 8 * s.limit_request_head + 2 * s.limit_read_buffer + s.limit_write_buffer
    limit += 4 * world.largest_read + 2 * by_app + _MEMORY_SLACK
    held = octets_held(world.connection, world.settings)
    assert held <= limit, f"{held} bytes held, {limit} allowed"
