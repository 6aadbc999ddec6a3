"""A connection of HTTP/2 under fire: a script of octets makes a peer, applications and a clock, and the laws are held.

A `Session` is a `fuzz.http2_world.Http2World` that holds every law in the two lists below against what happened, after
each operation; and, when asked at the end, those that need the whole story, by playing it again in other ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .http2_script import SETTINGS, Script
from .http2_world import Http2World
from .laws import Violation, hold
from .laws_http2 import (
    a_disconnect_has_a_reason,
    closed_is_closed,
    cuts_do_not_matter,
    deadlines_lie_ahead,
    goaways_cover_what_is_served,
    messages_come_in_order,
    nothing_is_held_after_the_end,
    nothing_is_smuggled_into_the_output,
    patience_ends_for_a_reason,
    responses_are_what_was_sent,
    scopes_say_what_was_asked,
    shutting_down_ends,
    silence_ends,
    waiting_applications_are_woken,
    what_brings_nothing_forward_ends,
    what_is_held_is_bounded,
    what_is_wrong_is_refused,
    what_was_accepted_arrives,
)
from .operations import Operation, Take

__all__ = ["AFTER_EACH", "AT_THE_END", "Session", "check_http2"]

AFTER_EACH: Final[tuple[Callable[[Http2World], None], ...]] = (
    closed_is_closed,
    deadlines_lie_ahead,
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
    nothing_is_smuggled_into_the_output,
)

AT_THE_END: Final[tuple[Callable[[Http2World], None], ...]] = (
    cuts_do_not_matter,
    what_was_accepted_arrives,
    shutting_down_ends,
    nothing_is_held_after_the_end,
)


class Session(Http2World):
    """A connection under test."""

    def do(self, operation: Operation) -> None:
        """Let one thing happen, and hold the laws against what comes of it. Raises `Violation`."""
        try:
            super().do(operation)
        except AssertionError as error:
            raise Violation(self.tell(str(error))) from error
        except Exception as error:
            raise Violation(self.tell(f"undocumented {type(error).__name__}: {error}")) from error
        hold(AFTER_EACH, self, self.tell)

    def check_whole(self) -> None:
        """Take what is left, and hold the laws that need the whole story. Raises `Violation`."""
        self.do(Take())
        hold(AT_THE_END, self, self.tell)

    def tell(self, what: str) -> str:
        story = "\n".join(f"    {operation}," for operation in self.operations[1:])
        frames = "\n".join(f"    {frame}"[:200] for frame in self.observer.frames[-40:])
        return f"{what}\nafter SETTINGS[{SETTINGS.index(self.settings)}]\n[\n{story}\n]\nframes\n{frames}"


def check_http2(data: bytes) -> None:
    """Let a whole connection happen, and hold every law."""
    script = Script(data)
    session = Session(script.settings)
    for operation in script.operations:
        session.do(operation)
    session.check_whole()
