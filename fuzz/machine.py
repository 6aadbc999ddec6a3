"""Operations and laws: everything that must hold of a connection after each thing that happens to it.

A `Machine` is a `fuzz.world.World` that holds every law in the two lists below against what happened, after each
operation; and, when asked at the end, those that need the whole story, by playing it again in other ways. Hypothesis
chooses operations in the test suite, a fuzzer in campaigns; the laws are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .http1_givens import SETTINGS
from .laws import LawfulWorld, Violation
from .laws_connection import (
    a_refused_message_changes_nothing,
    an_end_is_final,
    applications_hear_of_the_end,
    asking_again_changes_nothing,
    closed_is_closed,
    content_that_comes_gains_time,
    deadlines_lie_ahead,
    each_exchange_is_named_once,
    nothing_comes_of_what_is_behind_the_end,
    nothing_follows_the_end,
    nothing_is_opened_behind_a_fault,
    nothing_is_smuggled_into_the_output,
    shutting_down_has_one_deadline,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
)
from .laws_http1 import (
    a_cut_response_is_seen_to_be_cut,
    a_lost_client_is_told_of,
    content_is_what_was_sent,
    interim_responses_are_due,
    limits_are_kept,
    messages_are_refused_as_asgi_says,
    messages_come_in_order,
    nothing_is_opened_after_the_end,
    requests_are_opened_in_order,
    responses_are_what_was_sent,
    scopes_say_what_was_asked,
    statistics_are_true,
    the_end_is_announced,
    waiting_applications_are_woken,
)
from .laws_http1_bounds import (
    a_full_buffer_blocks,
    a_head_has_one_deadline,
    deadlines_are_near,
    memory_is_bounded,
    octets_to_write_are_bounded,
    one_request_is_served_at_a_time,
    reading_goes_on,
    reading_stops,
    silence_ends_the_connection,
    somebody_is_awaited,
)
from .laws_http1_replays import (
    both_readers_agree,
    cuts_do_not_matter,
    nothing_is_held_after_the_end,
    refused_messages_leave_no_trace,
    shutting_down_ends,
    the_same_again_gives_the_same,
)
from .script import read_script
from .world import World

__all__ = ["AFTER_EACH", "AT_THE_END", "Machine", "Violation", "check_http1"]

AFTER_EACH: Final[tuple[Callable[[World], None], ...]] = (
    requests_are_opened_in_order,
    scopes_say_what_was_asked,
    limits_are_kept,
    nothing_is_opened_after_the_end,
    one_request_is_served_at_a_time,
    messages_come_in_order,
    content_is_what_was_sent,
    waiting_applications_are_woken,
    a_lost_client_is_told_of,
    messages_are_refused_as_asgi_says,
    a_refused_message_changes_nothing,
    responses_are_what_was_sent,
    interim_responses_are_due,
    nothing_is_smuggled_into_the_output,
    the_end_is_announced,
    a_cut_response_is_seen_to_be_cut,
    statistics_are_true,
    deadlines_lie_ahead,
    deadlines_are_near,
    closed_is_closed,
    nothing_follows_the_end,
    nothing_comes_of_what_is_behind_the_end,
    nothing_is_opened_behind_a_fault,
    an_end_is_final,
    applications_hear_of_the_end,
    asking_again_changes_nothing,
    each_exchange_is_named_once,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    somebody_is_awaited,
    silence_ends_the_connection,
    a_head_has_one_deadline,
    content_that_comes_gains_time,
    shutting_down_has_one_deadline,
    octets_to_write_are_bounded,
    a_full_buffer_blocks,
    reading_stops,
    reading_goes_on,
    memory_is_bounded,
)

AT_THE_END: Final[tuple[Callable[[World], None], ...]] = (
    the_same_again_gives_the_same,
    cuts_do_not_matter,
    both_readers_agree,
    refused_messages_leave_no_trace,
    shutting_down_ends,
    nothing_is_held_after_the_end,
)


class Machine(LawfulWorld, World):
    """A connection under test."""

    after_each = AFTER_EACH
    at_the_end = AT_THE_END


def check_http1(data: bytes) -> None:
    """Let a whole connection happen, and hold every law."""
    settings, operations = read_script(data)
    machine = Machine(SETTINGS[settings])
    for operation in operations:
        machine.do(operation)
    machine.check_whole()
