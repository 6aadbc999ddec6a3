"""HTTP/2's settings: those that we announce, and which values the peer's may have.

Source: RFC 9113 §6.5; RFC 8441 §3; RFC 9218 §2.1.
"""

from __future__ import annotations

from .http2_frames import (
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    MAX_WINDOW_SIZE,
    NO_RFC7540_PRIORITIES,
    SETTING_MAX_FRAME_SIZE,
    ErrorCodes,
    encode_settings,
)
from .settings import Settings

__all__ = ["announce", "judge_setting"]


def announce(settings: Settings) -> bytes:
    """Return the SETTINGS frame that a connection begins with. What is not in it has its initial value."""
    values = [
        (MAX_CONCURRENT_STREAMS, settings.http2_max_concurrent_streams),
        (INITIAL_WINDOW_SIZE, settings.http2_initial_window_size),
        (MAX_HEADER_LIST_SIZE, settings.http2_max_header_list_size),
        (NO_RFC7540_PRIORITIES, 1),
    ]
    if settings.ws:
        values.append((ENABLE_CONNECT_PROTOCOL, 1))
    return encode_settings(values)


def judge_setting(identifier: int, value: int) -> tuple[ErrorCodes, str] | None:
    """Return what is wrong with a setting of the peer's, or None. Unknown ones are ignored, and never kept."""
    if identifier in {ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES}:
        if value > 1:
            return ErrorCodes.PROTOCOL_ERROR, "setting that is neither 0 nor 1"
    elif identifier == INITIAL_WINDOW_SIZE:
        if value > MAX_WINDOW_SIZE:
            return ErrorCodes.FLOW_CONTROL_ERROR, "initial window beyond what a window can be"
    elif identifier == SETTING_MAX_FRAME_SIZE and not MAX_FRAME_SIZE <= value < 2**24:
        return ErrorCodes.PROTOCOL_ERROR, "largest frame that no frame can have"
    return None
