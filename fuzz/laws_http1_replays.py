"""Laws of HTTP/1 that need the whole story: it is played again in other ways, and the same comes of it."""

from __future__ import annotations

from dataclasses import replace

from sansio import Exchange, InvalidMessage

from .connection_world import Step
from .laws import reachable
from .operations import Lost, Receive, ShutDown, Take, ToDeadline
from .world import World

__all__ = [
    "both_readers_agree",
    "cuts_do_not_matter",
    "nothing_is_held_after_the_end",
    "refused_messages_leave_no_trace",
    "shutting_down_ends",
    "the_same_again_gives_the_same",
]


def the_same_again_gives_the_same(world: World) -> None:
    """The same inputs, messages and times give the same outputs."""
    _compare(world, world.replay(world.operations))


def cuts_do_not_matter(world: World) -> None:
    """However octets are cut on their way, the same comes of them."""
    for cut in (0, 1, 7):
        operations = [
            replace(operation, cut=cut) if isinstance(operation, Receive) else operation
            for operation in world.operations
        ]
        _compare(world, world.replay(operations))


def both_readers_agree(world: World) -> None:
    """With `Settings.http1_reader` the other way round, the same comes of the same."""
    other = "h11" if world.settings.http1_reader == "fast" else "fast"
    _compare(world, world.replay(world.operations, http1_reader=other))


def refused_messages_leave_no_trace(world: World) -> None:
    """Without the messages that were refused, everything goes the same way."""
    steps = [step for step in world.steps if not isinstance(step.outcome, (InvalidMessage, RuntimeError))]
    if len(steps) < len(world.steps):
        _compare(world, world.replay([step.operation for step in steps]), steps)


def shutting_down_ends(world: World) -> None:
    """From any state, shutting down reaches `closed` in time, though peer and applications do nothing."""
    other = world.replay(world.operations)
    other.do(ShutDown())
    assert other.shut_down_at is not None
    last = other.shut_down_at + other.settings.timeout_graceful_shutdown
    other.do(Take())
    while not other.connection.closed:
        assert other.connection.deadline <= last, f"not closed at {last}: {other.outputs}"
        other.do(ToDeadline())
        other.do(Take())


def nothing_is_held_after_the_end(world: World) -> None:
    """A closed connection holds no exchange and no octets."""
    other = world.replay(world.operations)
    other.do(Lost())
    assert other.connection.closed
    for item in reachable(other.connection, other.settings):
        assert not isinstance(item, Exchange), f"{type(item).__name__} is held"


def _compare(world: World, other: World, steps: list[Step] | None = None) -> None:
    """Compare two worlds step by step. How long each lingers, once both have ended their side, may differ.

    Octets behind the end are counted until there are too many, and those that came in the same read as the one that
    brought the end are not.
    """
    ended = False
    for number, (step, again) in enumerate(zip(steps or world.steps, other.steps, strict=True)):
        where = f"step {number}, {step.operation}"
        assert again.opened == step.opened, f"{where}: opened {step.opened} became {again.opened}"
        if not ended and again.outputs != step.outputs:
            ended = _have_ended(world, step, other, again)
            assert ended, f"{where}: outputs {step.outputs} became {again.outputs}"
        if not ended:
            one, two = (repr(x) if isinstance(x, Exception) else x for x in (step.outcome, again.outcome))
            assert one == two, f"{where}: outcome {one} became {two}"


def _have_ended(world: World, step: Step, other: World, again: Step) -> bool:
    """Tell whether these outputs differ only in how long a connection lingers that has ended its side."""
    one, two = step.outputs, again.outputs
    if (one.size, one.error) != (two.size, two.error):
        return False
    ends = []
    for each, last in ((world, step), (other, again)):
        number = next(number for number, found in enumerate(each.steps) if found is last)
        before = each.replay(each.operations[: number + 1])
        before.do(Take())
        ends.append(before.ending)
    return all(ends)
