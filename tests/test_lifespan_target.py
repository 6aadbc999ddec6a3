"""The laws of `fuzz.lifespan`: each of them can be broken; and what a script stands for."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import lifespan
from fuzz.laws import Violation
from fuzz.lifespan import (
    LifespanMachine,
    check_lifespan,
    lifespan_seeds,
    mutate_lifespan,
    read_lifespan,
    write_lifespan,
)
from fuzz.lifespan_world import AppStore, LifespanWorld, Operation
from fuzz.messages import LIFESPAN_MESSAGES
from fuzz.operations import AppFinish, AppReceive, AppSend, ShutDown, Wait
from fuzz.properties import FEW
from fuzz.stateful import Drawn
from sansio import Connection, ExchangeStatistics, Lifespan, LifespanState, Settings, TransportInfo

SEEDS: Final = st.sampled_from(lifespan_seeds())
STARTED: Final = AppSend("started")
STOPPED: Final = AppSend("stopped")


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    return mutate_lifespan(draw(SEEDS), Drawn(draw))


@settings(FEW, max_examples=30)
@given(script=scripts())
def test_a_script_stands_for_the_operations_it_was_written_from(script: bytes) -> None:
    assert write_lifespan(read_lifespan(script)) == script


@settings(FEW)
@given(script=st.one_of(scripts(), st.binary(max_size=100)))
def test_no_order_of_operations_breaks_a_law(script: bytes) -> None:
    check_lifespan(script)


def test_the_seeds_come_into_every_phase_and_send_every_message_there() -> None:
    found = set()
    for seed in lifespan_seeds():
        machine = LifespanMachine()
        for operation in read_lifespan(seed):
            machine.do(operation)
        found |= {
            (step.before.phase, step.operation.name)
            for step in machine.steps
            if isinstance(step.operation, AppSend)
        }
    assert found == {(phase, name) for phase in LifespanState for name in LIFESPAN_MESSAGES}


# Each law can be broken: the lifespan is right, so that what was seen of it has to be changed.

Change = Callable[[LifespanWorld], None]


def output(name: str, value: object) -> Change:
    return lambda world: setattr(world.lifespan, name, value)


def see(**changes: Any) -> Change:
    """Return what changes the last step."""

    def change(world: LifespanWorld) -> None:
        world.steps[-1] = world.step._replace(**changes)

    return change


def note(name: str, value: object) -> Change:
    return lambda world: setattr(world, name, value)


class Counted(Lifespan):
    """A lifespan that has statistics: those of a request."""

    def statistics(self, now: float) -> ExchangeStatistics:
        connection = Connection(TransportInfo(), Settings(), now)
        connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", now)
        [exchange] = connection.take_ready()
        return exchange.statistics(now)


def begin_anew(world: LifespanWorld) -> None:
    world.lifespan = Counted()


BROKEN: Final[dict[str, tuple[list[Operation], Change]]] = {
    "the_phase_is_what_was_said": ([STARTED], output("phase", LifespanState.STARTING)),
    "questions_come_once_and_in_order": (
        [AppReceive(), STARTED, ShutDown(), AppReceive()],
        lambda world: world.received.append("lifespan.startup"),
    ),
    "an_application_that_asks_is_answered": ([AppReceive()], see(outcome=None)),
    "a_question_comes_with_a_phase": ([AppReceive()], note("waited", LifespanState.STARTING)),
    "messages_are_refused_as_asgi_says": ([STOPPED], see(outcome=None)),
    "a_refused_message_changes_nothing": ([STOPPED], output("message", "changed")),
    "asking_again_changes_nothing": ([AppReceive()], output("holds", True)),
    "the_end_is_where_nothing_follows": ([STARTED], output("ended", True)),
    "an_end_is_final": ([AppFinish(), Wait(1.0)], output("phase", LifespanState.FAILED)),
    "failures_have_a_reason": ([AppSend("not started")], output("message", "")),
    "there_is_no_client_who_could_leave": ([AppReceive()], output("can_send", False)),
    "the_state_is_one": ([AppStore()], lambda world: output("state", dict(world.lifespan.state))(world)),
    "a_lifespan_has_no_statistics": ([AppReceive()], begin_anew),
    "the_same_again_gives_the_same": ([AppReceive()], see(outcome=None)),
    "refused_messages_leave_no_trace": ([STOPPED, AppReceive()], see(outcome=None)),
    "time_does_not_matter": ([AppReceive()], see(outcome=None)),
    "requests_find_the_state": ([AppStore()], lambda world: world.lifespan.state.clear()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_law_notices_what_it_is_there_for(name: str) -> None:
    operations, change = BROKEN[name]
    law = getattr(lifespan, name)
    machine = LifespanMachine()
    for operation in operations:
        machine.do(operation)
    law(machine)
    change(machine)
    with pytest.raises(AssertionError):
        law(machine)


class Deaf(LifespanMachine):
    """A machine in which nobody hears of a shutdown when it is played again."""

    def replay(self, operations: Sequence[Operation]) -> LifespanWorld:
        other = super().replay(operations)
        other.lifespan.phase = LifespanState.FAILED
        return other


BROKEN_AGAIN: Final[dict[str, type[LifespanMachine]]] = {"shutting_down_ends": Deaf}


@pytest.mark.parametrize("name", BROKEN_AGAIN)
def test_a_law_of_the_whole_story_notices_what_it_is_there_for(name: str) -> None:
    law = getattr(lifespan, name)
    right, wrong = LifespanMachine(), BROKEN_AGAIN[name]()
    for machine in (right, wrong):
        machine.do(STARTED)
    law(right)
    with pytest.raises(AssertionError):
        law(wrong)


def test_every_law_can_be_broken() -> None:
    laws = {law.__name__ for law in (*lifespan.AFTER_EACH, *lifespan.AT_THE_END)}
    assert laws == BROKEN.keys() | BROKEN_AGAIN.keys()


def test_a_machine_names_the_law_and_the_operations() -> None:
    machine = LifespanMachine()
    machine.do(STARTED)
    machine.lifespan.can_send = False
    with pytest.raises(Violation, match=r"(?s)there is no client who could leave: .*AppSend\(name='started'"):
        machine.do(AppReceive())


def test_what_nobody_has_documented_is_a_find() -> None:
    machine = LifespanMachine()
    machine.lifespan.scope = {}
    with pytest.raises(Violation, match="nothing undocumented is raised, but KeyError"):
        machine.do(AppStore())
