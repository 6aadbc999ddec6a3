"""A connection of any protocol: what happens to it, and the laws that hold whatever is spoken.

A `ConnectionMachine` holds every law in the two lists below against what happened, after each operation; and, when
asked at the end, those that need the whole story.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from .connection_script import LANGUAGE, WORLDS
from .connection_world import ConnectionWorld
from .laws import LawfulWorld, hold
from .laws_any import AFTER_EACH_OF_ANY, AT_THE_END_OF_ANY
from .laws_connection import (
    content_that_comes_gains_time,
    silence_is_not_endured,
)
from .laws_connection_bounds import (
    applications_at_work_are_limited,
    memory_is_bounded_by_the_settings,
    messages_are_fewer_than_octets,
    octets_to_write_are_few,
    requests_are_limited,
    what_is_not_received_stops_the_peer,
)
from .laws_connection_replays import (
    a_clock_that_goes_back_does_no_harm,
    a_receive_that_was_given_up_loses_nothing,
    refused_messages_leave_no_trace,
    what_is_empty_or_early_leaves_no_trace,
)
from .laws_work import work_is_in_proportion
from .operations import Take

__all__ = ["AFTER_EACH", "AT_THE_END", "ConnectionMachine", "check_connection"]

_SAMPLE: Final = 32
"""One script of so many is played once more to count what it costs."""

AFTER_EACH: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    *AFTER_EACH_OF_ANY,
    silence_is_not_endured,
    content_that_comes_gains_time,
    applications_at_work_are_limited,
    requests_are_limited,
    messages_are_fewer_than_octets,
    what_is_not_received_stops_the_peer,
    octets_to_write_are_few,
    memory_is_bounded_by_the_settings,
)

AT_THE_END: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    *AT_THE_END_OF_ANY,
    what_is_empty_or_early_leaves_no_trace,
    refused_messages_leave_no_trace,
    a_receive_that_was_given_up_loses_nothing,
    a_clock_that_goes_back_does_no_harm,
)


class ConnectionMachine(LawfulWorld):
    """A connection under test."""

    after_each = AFTER_EACH
    at_the_end = AT_THE_END

    def __init__(self, world: int) -> None:
        super().__init__(*WORLDS[world])
        self._world = world

    @property
    def settings_name(self) -> str:
        return f"WORLDS[{self._world}]"


def check_connection(data: bytes) -> None:
    """Let a whole connection happen, and hold every law."""
    world, operations = LANGUAGE.read(data)
    machine = ConnectionMachine(world)
    for operation in operations:
        machine.do(operation)
    machine.do(Take())
    machine.check_whole()
    if zlib.crc32(data) % _SAMPLE == 0:
        hold((work_is_in_proportion,), machine, machine.tell)
