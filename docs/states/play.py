"""Machines, and what they do: each is given everything that can happen to it, in every state that it can reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FORBIDDEN: Final = "refused"
IGNORED: Final = "ignored"


@dataclass(frozen=True)
class Step:
    """Something that happened to a machine in one state, and where it led."""

    state: str
    event: str
    reached: str
    """The next state."""
    said: str | None = None
    """What the machine said, if that is more worth telling."""
    condition: str = ""

    @property
    def outcome(self) -> str:
        """What to tell of it."""
        return self.reached if self.said is None else self.said


class Played:
    """What was seen of one machine."""

    def __init__(self) -> None:
        self._steps: dict[Step, None] = {}

    def add(self, step: Step) -> None:
        """Keep one step, once."""
        self._steps[step] = None

    def steps(self, state: str, event: str) -> list[Step]:
        """Return what was seen when this happened in that state, in the order of conditions."""
        found = [step for step in self._steps if step.state == state and step.event == event]
        return sorted(found, key=lambda step: (step.condition, step.outcome))

    def changes(self, states: Sequence[str]) -> list[tuple[str, str, list[str]]]:
        """Return each pair of states that something leads along, with all that does, in the order of the states."""
        found: dict[tuple[str, str], list[str]] = {}
        for step in self._steps:
            if step.reached != step.state:
                events = found.setdefault((step.state, step.reached), [])
                always = len({other.reached for other in self.steps(step.state, step.event)}) == 1
                event = step.event if always else f"{step.event} {step.condition}".strip()
                if event not in events:
                    events.append(event)
        ordered = sorted(found, key=lambda pair: (states.index(pair[0]), states.index(pair[1])))
        return [(*pair, found[pair]) for pair in ordered]


def explore(
    make: Callable[[], Any],
    events: Mapping[str, Callable[[Any], str | None]],
    look: Callable[[Any], tuple[Any, ...]],
) -> list[tuple[tuple[Any, ...], str, str | None, tuple[Any, ...]]]:
    """Give every event to a machine in every situation that it can get into.

    A situation is what `look` returns. An event returns what the machine said, if it is worth telling, and raises
    `Impossible` where it cannot happen. A situation is reached again by playing the events that led there.
    """
    seen = []
    paths: dict[tuple[Any, ...], list[str]] = {look(make()): []}
    waiting = list(paths)
    while waiting:
        situation = waiting.pop(0)
        for event, happen in events.items():
            machine = make()
            for earlier in paths[situation]:
                events[earlier](machine)
            try:
                said = happen(machine)
            except Impossible:
                continue
            reached = look(machine)
            seen.append((situation, event, said, reached))
            if reached not in paths:
                paths[reached] = [*paths[situation], event]
                waiting.append(reached)
    return seen


class Impossible(Exception):
    """This cannot happen here."""
