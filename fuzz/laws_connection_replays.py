"""Laws of any connection that need the whole story: it is played again in other ways.

Two stories are compared step by step, but for what is nobody's concern. How long a connection lingers once its side
has ended depends on what came in one read with the end. What zlib found wrong hides what came before it in one read.
And on HTTP/2 what is sent before a window opens again, or a stream is reset, depends on what came in one read with it:
there the comparison is of what came of it all, and it ends where a stream or the connection breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sansio import Exchange, InvalidMessage, UnexpectedMessage
from tests.peers import DATA, HEADERS, PREFACE, RST_STREAM

from .connection_world import ConnectionWorld, Step
from .laws import reachable
from .operations import AppReceive, Lost, Operation, Receive, ShutDown, Take, Timeout, ToDeadline, Wait

__all__ = [
    "a_clock_that_goes_back_does_no_harm",
    "a_receive_that_was_given_up_loses_nothing",
    "however_octets_are_cut_the_same_comes_of_them",
    "nothing_is_held_after_the_end",
    "nothing_was_kept_back",
    "refused_messages_leave_no_trace",
    "shutting_down_ends",
    "the_same_again_gives_the_same",
    "what_is_empty_or_early_leaves_no_trace",
]

_CUTS: Final = (1, 7)
_MAX_OCTETS: Final = 10_000
_BACK: Final = 7.0
_MAX_TURNS: Final = 1_000
_FRAME_HEAD: Final = 9


def the_same_again_gives_the_same(world: ConnectionWorld) -> None:
    """The same inputs, messages and times give the same outputs, to the octet."""
    again = world.replay(world.operations)
    for number, (step, other) in enumerate(zip(world.steps, again.steps, strict=True)):
        assert _told(step) == _told(other), f"step {number}, {step} became {other}"


def what_is_empty_or_early_leaves_no_trace(world: ConnectionWorld) -> None:
    """With empty reads, and timeouts before their deadline, between any two steps, everything goes the same way."""
    other = world.replay([])
    for number, step in enumerate(world.steps):
        if not other.eof:
            other.connection.receive_data(b"", other.now)
        if other.connection.deadline > other.now:
            other.connection.handle_timeout(other.now)
        assert not other.connection.has_ready, f"something came of nothing before step {number}"
        other.do(step.operation)
        assert _told(step) == _told(other.step), f"step {number}, {step} became {other.step}"


def refused_messages_leave_no_trace(world: ConnectionWorld) -> None:
    """Without the messages that were refused, everything goes the same way."""
    refused = (InvalidMessage, UnexpectedMessage)
    steps = [step for step in world.steps if not isinstance(step.outcome, refused)]
    if len(steps) < len(world.steps):
        other = world.replay([step.operation for step in steps])
        for number, (step, again) in enumerate(zip(steps, other.steps, strict=True)):
            assert _told(step) == _told(again), f"step {number}, {step} became {again}"


def a_receive_that_was_given_up_loses_nothing(world: ConnectionWorld) -> None:
    """Whoever gives up waiting for a message, and asks again, gets the same messages."""
    other = world.replay([])
    for number, step in enumerate(world.steps):
        other.do(step.operation)
        assert _told(step) == _told(other.step), f"step {number}, {step} became {other.step}"
        if isinstance(step.operation, AppReceive) and step.outcome is None:
            other.do(step.operation)
            assert other.step.outcome is None, f"kept back before: {other.step.outcome}"
            assert other.step.outputs == step.outputs, f"step {number}, {step} became {other.step}"


def nothing_was_kept_back(world: ConnectionWorld) -> None:
    """Whoever waits, and was not named since, would wait again: there is nothing for it."""
    other = world.replay(world.operations)
    for number, call in enumerate(other.calls):
        if call.waiting:
            other.do(AppReceive(len(other.calls) - 1 - number))
            assert other.step.outcome is None, f"nobody told call {number} of {other.step.outcome}"


def however_octets_are_cut_the_same_comes_of_them(world: ConnectionWorld) -> None:
    """However octets are cut on their way, the same requests are opened, and the same is received and written."""
    if len(world.fed) > _MAX_OCTETS:
        return
    for cut in _CUTS:
        other = world.replay([])
        for step in world.steps:
            other.do(_at_the_same_time(step, other, cut))
        if world.connection.multiplexes or other.connection.multiplexes:
            _compare_streams(world, other)
        else:
            _compare_steps(world, other)


def a_clock_that_goes_back_does_no_harm(world: ConnectionWorld) -> None:
    """If time goes backwards now and then, nothing is raised, and the connection can still be shut down in time."""
    other = world.replay([])
    latest = other.now
    for number, step in enumerate(world.steps):
        if number % 3 == 2:
            other.now -= _BACK
        other.do(step.operation)
        latest = max(latest, other.now)
    other.now = latest
    _shut_down(other)


def shutting_down_ends(world: ConnectionWorld) -> None:
    """From any state, shutting down reaches `closed` in time, though peer and applications do nothing."""
    other = world.replay(world.operations)
    _shut_down(other)


def nothing_is_held_after_the_end(world: ConnectionWorld) -> None:
    """A connection that is lost is closed and holds no exchange."""
    other = world.replay(world.operations)
    other.do(Lost())
    assert other.connection.closed, "lost, and not closed"
    held = [x for x in reachable(other.connection, other.settings) if isinstance(x, Exchange)]
    assert not held, f"an exchange is held after the end: {held}"


def _shut_down(world: ConnectionWorld) -> None:
    last = world.now + world.settings.timeout_graceful_shutdown
    world.do(ShutDown())
    world.do(Take())
    for _ in range(_MAX_TURNS):
        if world.connection.closed:
            return
        assert world.connection.deadline <= last, f"not closed at {last}: {world.outputs}"
        world.do(ToDeadline())
        world.do(Take())
    raise AssertionError("it goes on and on")


def _told(step: Step) -> tuple[object, ...]:
    """Return what can be compared of a step."""
    outcome = repr(step.outcome) if isinstance(step.outcome, Exception) else step.outcome
    return (outcome, step.opened, step.outputs, step.now)


def _at_the_same_time(step: Step, other: ConnectionWorld, cut: int) -> Operation:
    """Return the operation for a world in which deadlines of the end may differ."""
    if isinstance(step.operation, Receive):
        return Receive(step.operation.data, cut)
    if isinstance(step.operation, ToDeadline):
        return Wait(max(0.0, step.now - other.now))
    return step.operation


def _compare_steps(world: ConnectionWorld, other: ConnectionWorld) -> None:
    deflates = world.settings.ws_per_message_deflate
    for number, (step, again) in enumerate(zip(world.steps, other.steps, strict=True)):
        where = f"step {number}, {step.operation}"
        assert again.opened == step.opened, f"{where}: opened {step.opened} became {again.opened}"
        if deflates and _same_fault(step, again):
            return
        if again.outputs != step.outputs:
            ended = _have_ended(world, other, number)
            assert ended, f"{where}: outputs {step.outputs} became {again.outputs}"
            return
        one, two = (repr(x.outcome) for x in (step, again))
        assert isinstance(step.operation, Timeout) or one == two, f"{where}: outcome {one} became {two}"


def _same_fault(one: Step, two: Step) -> bool:
    """Tell whether it is too long in one and garbage in the other."""
    errors = [step.outputs.error for step in (one, two)]
    return None not in errors and errors[0] != errors[1]


def _have_ended(world: ConnectionWorld, other: ConnectionWorld, number: int) -> bool:
    """Tell whether two connections have ended their side with the same octets: they differ in how long they linger."""
    one, two = world.steps[number].outputs, other.steps[number].outputs
    if (one.size, one.error) != (two.size, two.error):
        return False
    for each in (world, other):
        before = each.replay(each.operations[: number + 1])
        before.do(Take())
        if not before.ending:
            return False
    return True


def _compare_streams(world: ConnectionWorld, other: ConnectionWorld) -> None:
    """Compare what came of each stream, if none broke."""
    both = (world, other)
    kinds = [kind for each in both for octets in (each.fed, each.wire) for kind, _, _ in _frames(octets)]
    if RST_STREAM in kinds or any(each.connection.error or each.dropped for each in both):
        return
    one, two = ([call.scope for call in each.calls] for each in both)
    assert one == two, f"opened {one} became {two}"
    for mine, its in zip(world.calls, other.calls, strict=True):
        same = mine.content == its.content and _messages(mine.received) == _messages(its.received)
        assert same, f"call {mine.index}: {mine.received} became {its.received}"
    written = [_written(each.wire) for each in both]
    for stream in written[0].keys() | written[1].keys():
        first, second = (sides.get(stream, (b"", b"")) for sides in written)
        assert first[0] == second[0], f"stream {stream}: other fields"
        assert _agree(first[1], second[1]), f"stream {stream}: {first[1]!r} became {second[1]!r}"


def _messages(received: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    return [message for message in received if message["type"] != "http.request"]


def _agree(one: bytes, two: bytes) -> bool:
    return one.startswith(two) or two.startswith(one)


def _frames(octets: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, stream and payload of each frame of HTTP/2, as far as they are whole."""
    data = bytes(octets).removeprefix(PREFACE)
    position = 0
    while position + _FRAME_HEAD <= len(data):
        size = int.from_bytes(data[position : position + 3], "big")
        stream = int.from_bytes(data[position + 5 : position + _FRAME_HEAD], "big") & 0x7FFF_FFFF
        payload = data[position + _FRAME_HEAD : position + _FRAME_HEAD + size]
        yield data[position + 3], stream, payload
        position += _FRAME_HEAD + size


def _written(octets: bytes | bytearray) -> dict[int, tuple[bytes, bytes]]:
    """Return, by stream, the field blocks and the content that a server has written."""
    streams: dict[int, tuple[bytes, bytes]] = {}
    for kind, stream, payload in _frames(octets):
        fields, content = streams.get(stream, (b"", b""))
        if kind == HEADERS:
            fields += payload
        elif kind == DATA:
            content += payload
        streams[stream] = (fields, content)
    return streams
