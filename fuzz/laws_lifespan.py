"""What must hold of every lifespan, whatever its application and its embedder do.

Source: ASGI Lifespan 2.0.
"""

from __future__ import annotations

from sansio import Connection, LifespanState, Settings, TransportInfo, UnexpectedMessage

from .lifespan_world import LifespanWorld, Step
from .operations import AppFinish, AppFlush, AppReceive, AppSend, ShutDown

__all__ = [
    "a_lifespan_has_no_statistics",
    "a_question_comes_with_a_phase",
    "a_refused_message_changes_nothing",
    "an_application_that_asks_is_answered",
    "an_end_is_final",
    "asking_again_changes_nothing",
    "failures_have_a_reason",
    "messages_are_refused_as_asgi_says",
    "questions_come_once_and_in_order",
    "refused_messages_leave_no_trace",
    "requests_find_the_state",
    "shutting_down_ends",
    "the_end_is_where_nothing_follows",
    "the_phase_is_what_was_said",
    "the_same_again_gives_the_same",
    "the_state_is_one",
    "there_is_no_client_who_could_leave",
    "time_does_not_matter",
]

_STARTUP, _SHUTDOWN = "lifespan.startup", "lifespan.shutdown"
_LAST = {LifespanState.STOPPED, LifespanState.FAILED, LifespanState.UNSUPPORTED}
_GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def the_phase_is_what_was_said(world: LifespanWorld) -> None:
    """Start-up is complete, failed or unsupported exactly as the application said, and so is shutdown.

    Who returns or raises before it has answered does not support the lifespan.
    """
    assert world.lifespan.phase is world.model.phase, f"{world.lifespan.phase}, not {world.model.phase}"


def questions_come_once_and_in_order(world: LifespanWorld) -> None:
    """The application is told to start first, and to shut down after start-up was complete; each once, if at all."""
    assert world.received in ([], [_STARTUP], [_SHUTDOWN], [_STARTUP, _SHUTDOWN]), world.received
    message = world.step.outcome
    if isinstance(world.step.operation, AppReceive) and message is not None:
        assert message in ({"type": _STARTUP}, {"type": _SHUTDOWN}), message
        starting = world.step.before.phase is LifespanState.STARTING
        assert starting is (message == {"type": _STARTUP}), f"{message} in {world.step.before.phase}"


def an_application_that_asks_is_answered(world: LifespanWorld) -> None:
    """A receive gives what the application was not asked yet, and nothing where there is no question."""
    if isinstance(world.step.operation, AppReceive):
        due = None if world.due is None else {"type": world.due}
        assert world.step.outcome == due, f"{world.step.outcome}, and {due} was due"


def a_question_comes_with_a_phase(world: LifespanWorld) -> None:
    """Whoever found nothing is given something only in another phase: its change is all that wakes an application."""
    waked = isinstance(world.step.operation, AppReceive) and world.step.outcome is not None
    assert not waked or world.waited is not world.step.before.phase, (
        "there is a question, and no change told of it"
    )


def messages_are_refused_as_asgi_says(world: LifespanWorld) -> None:
    """An answer is taken after its question, once, with a text that is one; every other message is refused."""
    if isinstance(world.step.operation, AppSend):
        outcome, expected = world.step.outcome, world.expected
        raised = None if outcome is None else str(outcome).partition("(")[0]
        assert raised == (expected and expected.__name__), f"{outcome}, and {expected} was expected"


def a_refused_message_changes_nothing(world: LifespanWorld) -> None:
    """A message that was refused leaves everything as it was."""
    if _is_refused(world.step):
        assert world.seen == world.step.before, f"{world.step.before} became {world.seen}"


def asking_again_changes_nothing(world: LifespanWorld) -> None:
    """A receive or a flush changes no output, nor does a shutdown outside of what has started and goes on."""
    step = world.step
    shut_down = isinstance(step.operation, ShutDown) and step.before.phase is not LifespanState.STARTED
    if shut_down or isinstance(step.operation, (AppReceive, AppFlush)):
        assert world.seen == step.before, f"{step.before} became {world.seen}"


def the_end_is_where_nothing_follows(world: LifespanWorld) -> None:
    """It has ended in the phases from which none follows, and in no other."""
    assert world.lifespan.ended is (world.lifespan.phase in _LAST), world.seen


def an_end_is_final(world: LifespanWorld) -> None:
    """Nothing changes a lifespan that has ended."""
    if world.step.before.ended:
        assert world.seen == world.step.before, f"{world.step.before} became {world.seen}"


def failures_have_a_reason(world: LifespanWorld) -> None:
    """The reason of a failure is what the application said, or that it returned too early; its error needs no other."""
    e = world.lifespan
    assert e.message == world.model.said, f"{e.message!r} was not said"
    assert (e.failure is not None) is world.model.blamed, f"the failure is {e.failure!r}"


def there_is_no_client_who_could_leave(world: LifespanWorld) -> None:
    """An application can always send, nobody is gone, and nothing is held back."""
    e = world.lifespan
    assert (e.can_send, e.disconnected, e.half_closed, e.holds) == (True, False, False, False), world.seen


def the_state_is_one(world: LifespanWorld) -> None:
    """What the application puts into its state is in the server's: both are the same object, and the scope stays."""
    scope = world.lifespan.scope
    assert scope["state"] is world.lifespan.state, "two states"
    assert scope.keys() == {"type", "asgi", "state"}, scope
    assert scope["type"] == "lifespan", scope
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}, scope
    state = world.lifespan.state
    assert state.keys() == world.stored.keys(), state
    assert all(state[key] is value for key, value in world.stored.items()), "another value"


def a_lifespan_has_no_statistics(world: LifespanWorld) -> None:
    """Asked for its statistics, a lifespan says that it has none, and nothing changes."""
    before = world.seen
    try:
        statistics = world.lifespan.statistics(world.now)
    except UnexpectedMessage:
        assert world.seen == before
    else:
        raise AssertionError(f"statistics of no request: {statistics}")


# The whole story.


def the_same_again_gives_the_same(world: LifespanWorld) -> None:
    """The same operations give the same outcomes and the same outputs."""
    assert world.replay(world.operations).steps == world.steps


def refused_messages_leave_no_trace(world: LifespanWorld) -> None:
    """Without the messages that were refused, the same happens."""
    others = [step for step in world.steps if not _is_refused(step)]
    assert world.replay([step.operation for step in others]).steps == others


def time_does_not_matter(world: LifespanWorld) -> None:
    """A lifespan has no deadline: what happens in the same order at other times gives the same."""
    other = world.replay([])
    for step in world.steps:
        other.now -= 1_000_000.0
        other.do(step.operation)
    assert other.steps == world.steps


def shutting_down_ends(world: LifespanWorld) -> None:
    """Whatever has happened, who was shut down and says so has stopped, and who returns has ended."""
    other = world.replay(world.operations)
    goes_on = not other.lifespan.ended and other.lifespan.phase is not LifespanState.STARTING
    for operation in (ShutDown(), AppReceive(), AppSend("stopped"), AppFinish()):
        other.do(operation)
    assert not goes_on or other.lifespan.phase is LifespanState.STOPPED, other.lifespan.phase
    assert other.lifespan.ended, "it goes on without its application"


def requests_find_the_state(world: LifespanWorld) -> None:
    """The first request, and each that follows, has all that the application has put into the state."""
    connection = Connection(TransportInfo(), Settings(), world.now, world.lifespan.state)
    connection.receive_data(_GET, world.now)
    [exchange] = connection.take_ready()
    found = exchange.scope["state"]
    assert found.keys() == world.stored.keys(), found
    assert all(found[key] is value for key, value in world.stored.items()), "another value"
    found["of a request"] = True
    assert "of a request" not in world.lifespan.state, "a request changes the state of all"


def _is_refused(step: Step) -> bool:
    return isinstance(step.operation, AppSend) and step.outcome is not None
