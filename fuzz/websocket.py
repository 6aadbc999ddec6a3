"""A WebSocket under fire: a script of octets makes a peer, an application and a clock, and the laws are held.

A `Session` is a `fuzz.websocket_world.WebSocketWorld` that holds every law in the two lists below against what
happened, after each operation; and, when asked at the end, those that need the whole story.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .laws import LawfulWorld
from .laws_any import AFTER_EACH_OF_ANY, AT_THE_END_OF_ANY
from .laws_websocket import (
    a_client_can_read_the_frames,
    a_disconnect_says_what_happened,
    a_session_that_waits_is_read_for,
    accepting_upgrades,
    an_empty_buffer_blocks_nobody,
    both_ends_close_the_connection,
    denying_is_one_response,
    everything_that_came_is_told,
    memory_is_bounded,
    messages_are_refused_as_asgi_says,
    messages_are_those_of_the_peer,
    messages_are_within_the_limits,
    messages_on_the_wire_are_those_sent,
    messages_that_wait_are_few,
    nobody_is_refused_for_nothing,
    nothing_is_received_before_accepting,
    octets_to_write_are_bounded,
    one_session_is_all,
    pongs_answer_pings,
    shutting_down_closes_the_session,
    silence_ends_the_session,
)
from .operations import Take
from .websocket_script import (
    FIRSTS,
    HEAD,
    MESSAGES,
    OFFERS,
    SETTINGS,
    STARTS,
    Kind,
    mutate_websocket,
    read_session,
)
from .websocket_world import WebSocketWorld

__all__ = ["FIRSTS", "HEAD", "MESSAGES", "OFFERS", "SETTINGS", "STARTS", "Kind", "Session"]
__all__ += ["AFTER_EACH", "AT_THE_END", "check_websocket", "mutate_websocket"]

AFTER_EACH: Final[tuple[Callable[[WebSocketWorld], None], ...]] = (
    *AFTER_EACH_OF_ANY,
    one_session_is_all,
    an_empty_buffer_blocks_nobody,
    octets_to_write_are_bounded,
    a_session_that_waits_is_read_for,
    both_ends_close_the_connection,
    messages_that_wait_are_few,
    silence_ends_the_session,
    memory_is_bounded,
    nothing_is_received_before_accepting,
    messages_are_refused_as_asgi_says,
)

AT_THE_END: Final[tuple[Callable[[WebSocketWorld], None], ...]] = (
    *AT_THE_END_OF_ANY,
    messages_are_those_of_the_peer,
    messages_are_within_the_limits,
    everything_that_came_is_told,
    a_disconnect_says_what_happened,
    nobody_is_refused_for_nothing,
    denying_is_one_response,
    accepting_upgrades,
    a_client_can_read_the_frames,
    messages_on_the_wire_are_those_sent,
    pongs_answer_pings,
    shutting_down_closes_the_session,
)


class Session(LawfulWorld, WebSocketWorld):
    """A connection under test."""

    after_each = AFTER_EACH
    at_the_end = AT_THE_END

    def check_whole(self) -> None:
        """Take what is left, and hold the laws that need the whole story. Raises `Violation`."""
        self.do(Take())
        super().check_whole()


def check_websocket(data: bytes) -> None:
    """Let a whole session happen, and hold every law."""
    settings, operations = read_session(data)
    session = Session(SETTINGS[settings])
    for operation in operations:
        session.do(operation)
    session.check_whole()
