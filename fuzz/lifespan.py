"""A lifespan under fire: a script of octets makes an application and an embedder, and the laws are held.

In a script each operation has two octets: its kind, and what it needs. An octet that is left out is zero.

A `LifespanMachine` holds every law in the two lists below against what happened, after each operation; and, when asked
at the end, those that need the whole story.
"""

from __future__ import annotations

import enum
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Final

from .generate import Chooser
from .laws import Violation, hold
from .laws_lifespan import (
    a_lifespan_has_no_statistics,
    a_question_comes_with_a_phase,
    a_refused_message_changes_nothing,
    an_application_that_asks_is_answered,
    an_end_is_final,
    asking_again_changes_nothing,
    failures_have_a_reason,
    messages_are_refused_as_asgi_says,
    questions_come_once_and_in_order,
    refused_messages_leave_no_trace,
    requests_find_the_state,
    shutting_down_ends,
    the_end_is_where_nothing_follows,
    the_phase_is_what_was_said,
    the_same_again_gives_the_same,
    the_state_is_one,
    there_is_no_client_who_could_leave,
    time_does_not_matter,
)
from .lifespan_world import AppStore, LifespanWorld, Operation
from .messages import LIFESPAN_MESSAGES
from .operations import AppFinish, AppFlush, AppReceive, AppSend, ShutDown, Wait

__all__ = ["AFTER_EACH", "AT_THE_END", "Kind", "LifespanMachine"]
__all__ += ["check_lifespan", "lifespan_seeds", "mutate_lifespan", "read_lifespan", "write_lifespan"]

AFTER_EACH: Final[tuple[Callable[[LifespanWorld], None], ...]] = (
    the_phase_is_what_was_said,
    questions_come_once_and_in_order,
    an_application_that_asks_is_answered,
    a_question_comes_with_a_phase,
    messages_are_refused_as_asgi_says,
    a_refused_message_changes_nothing,
    asking_again_changes_nothing,
    the_end_is_where_nothing_follows,
    an_end_is_final,
    failures_have_a_reason,
    there_is_no_client_who_could_leave,
    the_state_is_one,
    a_lifespan_has_no_statistics,
)

AT_THE_END: Final[tuple[Callable[[LifespanWorld], None], ...]] = (
    the_same_again_gives_the_same,
    refused_messages_leave_no_trace,
    time_does_not_matter,
    shutting_down_ends,
    requests_find_the_state,
)


class Kind(enum.IntEnum):
    """What an operation is, by the octet that names it."""

    RECEIVE, SEND, FLUSH, FINISH, STORE, SHUT_DOWN, WAIT = range(7)


_NAMES: Final = tuple(LIFESPAN_MESSAGES)
_SECONDS: Final = (0.0, 1.0, 100_000.0)
_KEYS: Final = 4
_MAX_OPERATIONS: Final = 40
_RANDOM_SEEDS: Final = 60


class LifespanMachine(LifespanWorld):
    """A lifespan under test."""

    def do(self, operation: Operation) -> None:
        """Let one thing happen, and hold the laws against what comes of it. Raises `Violation`."""
        try:
            super().do(operation)
        except Exception as error:
            name = type(error).__name__
            raise Violation(self.tell(f"nothing undocumented is raised, but {name}: {error}")) from error
        hold(AFTER_EACH, self, self.tell)

    def check_whole(self) -> None:
        """Hold the laws that need the whole story. Raises `Violation`."""
        hold(AT_THE_END, self, self.tell)

    def tell(self, what: str) -> str:
        lines = "".join(f"    {operation!r},\n" for operation in self.operations)
        return f"{what}\nafter\n[\n{lines}]"


def check_lifespan(data: bytes) -> None:
    """Let a whole lifespan happen, and hold every law."""
    machine = LifespanMachine()
    for operation in read_lifespan(data):
        machine.do(operation)
    machine.check_whole()


def read_lifespan(data: bytes) -> list[Operation]:
    """Return the operations that these octets stand for."""
    pairs = itertools.zip_longest(data[::2], data[1::2], fillvalue=0)
    return [_read(kind, number) for kind, number in itertools.islice(pairs, _MAX_OPERATIONS)]


def _read(kind: int, number: int) -> Operation:
    match kind % len(Kind):
        case Kind.RECEIVE:
            return AppReceive()
        case Kind.SEND:
            return AppSend(_NAMES[number % len(_NAMES)])
        case Kind.FLUSH:
            return AppFlush()
        case Kind.FINISH:
            return AppFinish(0, bool(number & 1))
        case Kind.STORE:
            return AppStore(number % _KEYS)
        case Kind.SHUT_DOWN:
            return ShutDown()
        case _:
            return Wait(_SECONDS[number % len(_SECONDS)])


def write_lifespan(operations: Sequence[Operation]) -> bytes:
    """Return octets that `read_lifespan` makes these of."""
    return b"".join(map(_write, operations))


def _write(operation: Operation) -> bytes:
    match operation:
        case AppReceive():
            return bytes([Kind.RECEIVE, 0])
        case AppSend(name):
            return bytes([Kind.SEND, _NAMES.index(name)])
        case AppFlush():
            return bytes([Kind.FLUSH, 0])
        case AppFinish(_, failed):
            return bytes([Kind.FINISH, failed])
        case AppStore(key):
            return bytes([Kind.STORE, key])
        case ShutDown():
            return bytes([Kind.SHUT_DOWN, 0])
        case Wait(seconds):
            return bytes([Kind.WAIT, _SECONDS.index(seconds)])


def mutate_lifespan(data: bytes, chooser: Chooser) -> bytes:
    """Leave out, repeat, move or invent operations."""
    operations = read_lifespan(data)
    for _ in range(chooser.randint(1, 3)):
        place = chooser.randint(0, len(operations))
        way = chooser.randint(0, 3)
        if way == 0:
            del operations[place : place + chooser.randint(1, 2)]
        elif way == 1 and operations:
            operations.insert(place, chooser.choice(operations))
        else:
            operations.insert(place, _read(chooser.choice(tuple(Kind)), chooser.randint(0, 255)))
    return write_lifespan(operations)


_ASK: Final = AppReceive()
_STARTED: Final = AppSend("started")
_STOPPED: Final = AppSend("stopped")
_PHASES: Final[tuple[list[Operation], ...]] = (
    [],
    [_ASK],
    [_ASK, AppStore(), _STARTED],
    [_ASK, _STARTED, _ASK, ShutDown()],
    [_ASK, _STARTED, _ASK, ShutDown(), _ASK],
    [_ASK, _STARTED, ShutDown(), _ASK, _STOPPED],
    [_ASK, AppSend("not started")],
    [_ASK, AppFinish()],
    [_STARTED, ShutDown(), _ASK, AppSend("not stopped")],
    [_ASK, _STARTED, AppFinish(0, failed=True)],
)
"""How one comes into each phase."""
_END: Final[list[Operation]] = [_ASK, AppStore(1), ShutDown(), _ASK, AppFlush(), Wait(1.0), AppFinish()]


def lifespan_seeds() -> list[bytes]:
    """Return, in each phase, each message and each other thing that can happen; and what comes of changing them."""
    others: list[Operation] = [
        _ASK,
        ShutDown(),
        AppFlush(),
        AppStore(2),
        AppFinish(),
        AppFinish(0, failed=True),
    ]
    each = [*map(AppSend, _NAMES), *others]
    seeds = [write_lifespan([*phase, one, *_END]) for phase in _PHASES for one in each]
    rng = random.Random(7)
    return seeds + [
        mutate_lifespan(mutate_lifespan(rng.choice(seeds), rng), rng) for _ in range(_RANDOM_SEEDS)
    ]
