"""The table of deadlines does what the simplest model of it does."""

from __future__ import annotations

import math
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.deadlines import Deadline, Deadlines

names = st.sampled_from(Deadline)
times = st.integers(0, 5).map(float) | st.floats(0, 5) | st.just(math.inf)
Step: TypeAlias = tuple[str, Deadline, float]
steps: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(["set", "set", "set", "stop", "stop all", "take"]), names, times
)


@given(st.lists(steps))
def test_it_does_what_a_dictionary_does(script: list[Step]) -> None:
    deadlines = Deadlines()
    model: dict[Deadline, float] = {}
    for step, name, at in script:
        if step == "set":
            deadlines.set_deadline(name, at)
            model[name] = at
        elif step == "stop":
            deadlines.stop_deadline(name)
            model.pop(name, None)
        elif step == "stop all":
            deadlines.stop_deadlines()
            model.clear()
        elif at < math.inf:
            due = sorted((when, each) for each, when in model.items() if when <= at)
            assert deadlines.take_expired(at) == [each for _, each in due]
            for _, each in due:
                del model[each]
        assert deadlines.deadline == min(model.values(), default=math.inf)
        assert [deadlines.get_deadline(each) for each in Deadline] == [
            model.get(each, math.inf) for each in Deadline
        ]


def test_nothing_is_pending_at_first() -> None:
    assert Deadlines().deadline == math.inf
    assert Deadlines().take_expired(1e300) == []


@pytest.mark.parametrize("name", Deadline)
def test_a_deadline_is_due_at_its_time_and_not_before(name: Deadline) -> None:
    deadlines = Deadlines()
    deadlines.set_deadline(name, 10.0)
    assert deadlines.take_expired(math.nextafter(10.0, 0.0)) == []
    assert deadlines.deadline == 10.0
    assert deadlines.take_expired(10.0) == [name]
    assert deadlines.take_expired(10.0) == []
    assert deadlines.deadline == math.inf


def test_those_that_are_due_come_earliest_first() -> None:
    deadlines = Deadlines()
    deadlines.set_deadline(Deadline.HEAD, 3.0)
    deadlines.set_deadline(Deadline.BODY, 1.0)
    deadlines.set_deadline(Deadline.DRAIN, 2.0)
    deadlines.set_deadline(Deadline.CLOSE, 4.0)
    assert deadlines.take_expired(3.5) == [Deadline.BODY, Deadline.DRAIN, Deadline.HEAD]
    assert deadlines.deadline == 4.0


def test_two_tables_share_nothing() -> None:
    one, other = Deadlines(), Deadlines()
    one.set_deadline(Deadline.HEAD, 1.0)
    assert other.deadline == math.inf
    one.stop_deadlines()
    one.set_deadline(Deadline.BODY, 2.0)
    assert Deadlines().take_expired(5.0) == []
