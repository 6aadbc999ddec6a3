"""A connection of HTTP/2 under fire: a script of octets makes a peer, applications and a clock, and the laws are held.

A `Session` is a `fuzz.http2_world.Http2World` that holds every law in the two lists below against what happened, after
each operation; and, when asked at the end, those that need the whole story, by playing it again in other ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .http2_script import Script
from .http2_world import Http2World
from .laws import LawfulWorld
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
    refused_messages_leave_no_trace,
    shutting_down_ends,
    the_same_again_gives_the_same,
)
from .laws_http2 import (
    a_disconnect_has_a_reason,
    cuts_do_not_matter,
    fields_have_no_line_breaks,
    frames_are_read_to_the_end,
    goaways_cover_what_is_served,
    messages_come_in_order,
    patience_ends_for_a_reason,
    responses_are_what_was_sent,
    scopes_say_what_was_asked,
    silence_ends,
    waiting_applications_are_woken,
    what_brings_nothing_forward_ends,
    what_is_held_is_bounded,
    what_is_wrong_is_refused,
    what_was_accepted_arrives,
)
from .operations import Lost, Take

__all__ = ["AFTER_EACH", "AT_THE_END", "Session", "check_http2"]

AFTER_EACH: Final[tuple[Callable[[Http2World], None], ...]] = (
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
    frames_are_read_to_the_end,
    silence_ends,
    what_is_held_is_bounded,
    scopes_say_what_was_asked,
    messages_come_in_order,
    waiting_applications_are_woken,
    a_disconnect_has_a_reason,
    patience_ends_for_a_reason,
    what_is_wrong_is_refused,
    what_brings_nothing_forward_ends,
    goaways_cover_what_is_served,
    responses_are_what_was_sent,
    fields_have_no_line_breaks,
)

AT_THE_END: Final[tuple[Callable[[Http2World], None], ...]] = (
    the_same_again_gives_the_same,
    cuts_do_not_matter,
    however_octets_are_cut_the_same_comes_of_them,
    refused_messages_leave_no_trace,
    nothing_was_kept_back,
    what_was_accepted_arrives,
    shutting_down_ends,
    nothing_is_held_after_the_end,
)


class Session(LawfulWorld, Http2World):
    """A connection under test."""

    after_each = AFTER_EACH
    at_the_end = AT_THE_END

    def check_whole(self) -> None:
        """Take what is left, hold the laws that need the whole story, and lose the transport. Raises `Violation`."""
        self.do(Take())
        super().check_whole()
        self.do(Lost())

    def tell(self, what: str) -> str:
        frames = "\n".join(f"    {frame}"[:200] for frame in self.observer.frames[-40:])
        return f"{super().tell(what)}\nframes\n{frames}"


def check_http2(data: bytes) -> None:
    """Let a whole connection happen, and hold every law."""
    script = Script(data)
    session = Session(script.settings)
    for operation in script.operations:
        session.do(operation)
    session.check_whole()
