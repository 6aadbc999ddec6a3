"""The laws that hold of a connection whatever it speaks, however much more is known of it: two lists to build on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .connection_world import ConnectionWorld
from .laws_connection import (
    a_refused_message_changes_nothing,
    an_end_is_final,
    applications_hear_of_the_end,
    asking_again_changes_nothing,
    closed_is_closed,
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
    somebody_has_the_next_move,
    statistics_add_up,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    whoever_waits_is_named,
    whoever_waits_is_read_for,
)
from .laws_connection_replays import (
    however_octets_are_cut_the_same_comes_of_them,
    nothing_is_held_after_the_end,
    nothing_was_kept_back,
    shutting_down_ends,
    the_same_again_gives_the_same,
)

__all__ = ["AFTER_EACH_OF_ANY", "AT_THE_END_OF_ANY"]

AFTER_EACH_OF_ANY: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    closed_is_closed,
    nothing_follows_the_end,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    each_exchange_is_named_once,
    deadlines_lie_ahead,
    deadlines_are_not_far,
    somebody_has_the_next_move,
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
)

AT_THE_END_OF_ANY: Final[tuple[Callable[[ConnectionWorld], None], ...]] = (
    the_same_again_gives_the_same,
    however_octets_are_cut_the_same_comes_of_them,
    shutting_down_ends,
    nothing_is_held_after_the_end,
    nothing_was_kept_back,
)
