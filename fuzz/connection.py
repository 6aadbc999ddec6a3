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
from .laws_connection import (
    a_refused_message_changes_nothing,
    an_end_is_final,
    applications_hear_of_the_end,
    asking_again_changes_nothing,
    closed_is_closed,
    content_that_comes_gains_time,
    deadlines_are_not_far,
    deadlines_lie_ahead,
    each_exchange_is_named_once,
    everybody_is_told_of_the_end,
    messages_are_of_the_right_kind,
    messages_come_in_turn,
    nothing_comes_of_what_is_behind_the_end,
    nothing_follows_the_end,
    nothing_is_opened_behind_a_fault,
    nothing_is_smuggled_into_the_output,
    scopes_are_sound,
    shutting_down_has_one_deadline,
    silence_is_not_endured,
    somebody_has_the_next_move,
    statistics_add_up,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    whoever_waits_is_named,
    whoever_waits_is_read_for,
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
    however_octets_are_cut_the_same_comes_of_them,
    nothing_is_held_after_the_end,
    nothing_was_kept_back,
    refused_messages_leave_no_trace,
    shutting_down_ends,
    the_same_again_gives_the_same,
    what_is_empty_or_early_leaves_no_trace,
)
from .laws_work import work_is_in_proportion
from .operations import Take

__all__ = ["AFTER_EACH", "AT_THE_END", "ConnectionMachine", "check_connection"]

_SAMPLE: Final = 32
"""One script of so many is played once more to count what it costs."""

AFTER_EACH: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    closed_is_closed,
    nothing_follows_the_end,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    each_exchange_is_named_once,
    deadlines_lie_ahead,
    deadlines_are_not_far,
    somebody_has_the_next_move,
    silence_is_not_endured,
    content_that_comes_gains_time,
    shutting_down_has_one_deadline,
    nothing_comes_of_what_is_behind_the_end,
    nothing_is_opened_behind_a_fault,
    an_end_is_final,
    everybody_is_told_of_the_end,
    applications_hear_of_the_end,
    scopes_are_sound,
    messages_come_in_turn,
    messages_are_of_the_right_kind,
    a_refused_message_changes_nothing,
    nothing_is_smuggled_into_the_output,
    whoever_waits_is_named,
    whoever_waits_is_read_for,
    asking_again_changes_nothing,
    statistics_add_up,
    applications_at_work_are_limited,
    requests_are_limited,
    messages_are_fewer_than_octets,
    what_is_not_received_stops_the_peer,
    octets_to_write_are_few,
    memory_is_bounded_by_the_settings,
)

AT_THE_END: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    the_same_again_gives_the_same,
    what_is_empty_or_early_leaves_no_trace,
    refused_messages_leave_no_trace,
    a_receive_that_was_given_up_loses_nothing,
    nothing_was_kept_back,
    however_octets_are_cut_the_same_comes_of_them,
    a_clock_that_goes_back_does_no_harm,
    shutting_down_ends,
    nothing_is_held_after_the_end,
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
