"""Laws that are broken: stories, what changes what was seen of them, and how a law tells that it does not hold.

The core is right, so that what was seen of it has to be changed: into what a core would show that is not.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import pytest

from fuzz import connection
from fuzz.connection_world import ConnectionWorld
from fuzz.operations import AppFinish, AppSend, Operation, Receive

__all__ = [
    "GET",
    "PART",
    "POST",
    "RESPOND",
    "Change",
    "Row",
    "again",
    "all_of",
    "asked",
    "at",
    "at_the_first",
    "before",
    "break_law",
    "exchange",
    "last_received",
    "note",
    "output",
    "own_laws",
    "received",
    "rows",
    "see",
    "seen_outputs",
    "written",
]

GET: Final = Receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
POST: Final = Receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
PART: Final = Receive(POST.data + b"hel")
RESPOND: Final = (AppSend("start"), AppSend("body 5"), AppFinish())

W = TypeVar("W", bound=ConnectionWorld)
Change = Callable[[ConnectionWorld], None]


class Row(NamedTuple, Generic[W]):
    """A story at whose end a law holds, and what makes it not hold."""

    operations: Sequence[Operation]
    change: Callable[[W], object]
    told: str
    """A pattern of what the assertion says: its code, and its text behind that."""
    settings: int = 0
    """Which of the target's."""


def rows(table: Mapping[str, Iterable[Row[W]]]) -> list[Any]:
    """Return name and row, for each row of each law, as parameters of a test."""
    return [pytest.param(name, row, id=name) for name, found in table.items() for row in found]


def own_laws(target: ModuleType) -> dict[str, Callable[[Any], None]]:
    """Return the laws of a target that a connection of any protocol has not, by name."""
    shared = {*connection.AFTER_EACH, *connection.AT_THE_END}
    laws = (*target.AFTER_EACH, *target.AT_THE_END)
    return {law.__name__: law for law in laws if law not in shared}


def break_law(law: Callable[[W], None], world: W, row: Row[W]) -> None:
    """Tell a story, see that the law holds, and that it does not after the change, for the reason that is told."""
    for operation in row.operations:
        world.do(operation)
    law(world)
    row.change(world)
    with pytest.raises(AssertionError) as caught:
        law(world)
    said = f"{caught.traceback[-1].statement}\n{caught.value}"
    assert re.search(row.told, said), said


# What was seen.


def see(**changes: Any) -> Change:
    """Return what changes the last step."""

    def change(world: ConnectionWorld) -> None:
        world.steps[-1] = replace(world.step, **changes)

    return change


def seen_outputs(**changes: Any) -> Change:
    return lambda world: see(outputs=world.step.outputs._replace(**changes))(world)


def before(**changes: Any) -> Change:
    """Return what changes the outputs before the last step."""
    return lambda world: setattr(world.before, "outputs", world.before.outputs._replace(**changes))


def note(name: str, value: object) -> Change:
    return lambda world: setattr(world, name, value)


def at(seconds: float) -> Change:
    return lambda world: setattr(world, "now", world.now + seconds)


def asked(**changes: Any) -> Change:
    """Return what makes it so that the settings have asked for something else."""
    return lambda world: setattr(world, "settings", replace(world.settings, **changes))


def output(name: str, value: object) -> Change:
    return lambda world: setattr(world.connection, name, value)


def written(data: bytes) -> Change:
    return lambda world: world.connection.write(data)


def exchange(name: str, value: object) -> Change:
    """Return what changes the first exchange."""
    return lambda world: setattr(world.calls[0].exchange, name, value)


def at_the_first(**changes: Any) -> Change:
    """Return what changes the first call."""

    def change(world: ConnectionWorld) -> None:
        for name, value in changes.items():
            setattr(world.calls[0], name, value)

    return change


def received(*messages: dict[str, Any]) -> Change:
    return lambda world: world.calls[0].received.extend(messages)


def last_received(**changes: Any) -> Change:
    """Return what changes the last message that the first application received."""
    return lambda world: world.calls[0].received[-1].update(changes)


def all_of(*changes: Callable[[W], object]) -> Callable[[W], None]:
    def change(world: W) -> None:
        for each in changes:
            each(world)

    return change


def again(
    change: Callable[[Any], object], when: Callable[[Any], bool] = lambda other: True
) -> Callable[[ConnectionWorld], None]:
    """Return what changes the same story when it is played again, or only some of the ways to play it."""

    def play_otherwise(world: ConnectionWorld) -> None:
        replay = world.replay

        def replay_otherwise(operations: Sequence[Operation], **changes: Any) -> ConnectionWorld:
            other = replay(operations, **changes)
            if when(other):
                change(other)
            return other

        world.replay = replay_otherwise  # type: ignore[method-assign] # That of this world only.

    return play_otherwise
