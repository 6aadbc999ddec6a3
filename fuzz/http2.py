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
from .laws_any import AFTER_EACH_OF_ANY, AT_THE_END_OF_ANY
from .laws_connection_replays import (
    refused_messages_leave_no_trace,
)
from .laws_http2 import (
    a_disconnect_has_a_reason,
    a_field_block_has_one_deadline,
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
    who_waits_for_room_has_time_of_its_own,
)
from .operations import Lost, Take

__all__ = ["AFTER_EACH", "AT_THE_END", "Session", "check_http2"]

AFTER_EACH: Final[tuple[Callable[[Http2World], None], ...]] = (
    *AFTER_EACH_OF_ANY,
    frames_are_read_to_the_end,
    silence_ends,
    what_is_held_is_bounded,
    scopes_say_what_was_asked,
    messages_come_in_order,
    waiting_applications_are_woken,
    a_disconnect_has_a_reason,
    patience_ends_for_a_reason,
    a_field_block_has_one_deadline,
    who_waits_for_room_has_time_of_its_own,
    what_is_wrong_is_refused,
    what_brings_nothing_forward_ends,
    goaways_cover_what_is_served,
    responses_are_what_was_sent,
    fields_have_no_line_breaks,
)

AT_THE_END: Final[tuple[Callable[[Http2World], None], ...]] = (
    *AT_THE_END_OF_ANY,
    cuts_do_not_matter,
    refused_messages_leave_no_trace,
    what_was_accepted_arrives,
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
