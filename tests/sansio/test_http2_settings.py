"""HTTP/2's settings: what we announce, read by hyperframe, and what the peer's may be.

Source: RFC 9113 §6.5; RFC 8441 §3; RFC 9218 §2.1.
"""

from __future__ import annotations

from typing import Final

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import Frame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from sansio import Settings
from sansio.http2_settings import announce, judge_setting
from tests.peers import (
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
)

PROTOCOL: Final = ErrorCodes.PROTOCOL_ERROR
FLOW: Final = ErrorCodes.FLOW_CONTROL_ERROR
MOST: Final = 2**32 - 1


def announced(settings: Settings) -> dict[int, int]:
    octets = announce(settings)
    frame, size = Frame.parse_frame_header(memoryview(octets[:9]))
    assert isinstance(frame, SettingsFrame)
    assert (frame.stream_id, size) == (0, len(octets) - 9)
    frame.parse_body(memoryview(octets[9:]))
    assert len(frame.settings) == size // 6, "a setting that is given twice"
    return frame.settings


def test_what_differs_from_the_initial_values_is_announced() -> None:
    """RFC 9113 §6.5.2. A table and frames of the initial size are what all send anyway."""
    limits = Settings(
        http2_max_concurrent_streams=7, http2_initial_window_size=1_000, http2_max_header_list_size=9_000
    )
    assert announced(limits) == {
        MAX_CONCURRENT_STREAMS: 7,
        INITIAL_WINDOW_SIZE: 1_000,
        MAX_HEADER_LIST_SIZE: 9_000,
        NO_RFC7540_PRIORITIES: 1,
        ENABLE_CONNECT_PROTOCOL: 1,
    }


def test_extended_connect_is_announced_only_where_there_are_websockets() -> None:
    """RFC 8441 §3."""
    with_websockets = announced(Settings())
    without = announced(Settings(ws=False))
    assert with_websockets[ENABLE_CONNECT_PROTOCOL] == 1
    assert without == {key: value for key, value in with_websockets.items() if key != ENABLE_CONNECT_PROTOCOL}


# Identifier, values that are allowed, values that are not, and the code.
RULES: Final = {
    # "The initial value is 4,096", and any is allowed.
    "HEADER_TABLE_SIZE": (HEADER_TABLE_SIZE, [0, 1, 4_096, MOST], [], None),
    # "Any value other than 0 or 1 MUST be treated as a connection error of type PROTOCOL_ERROR."
    "ENABLE_PUSH": (ENABLE_PUSH, [0, 1], [2, 255, MOST], PROTOCOL),
    # "A value of 0 for SETTINGS_MAX_CONCURRENT_STREAMS SHOULD NOT be treated as special".
    "MAX_CONCURRENT_STREAMS": (MAX_CONCURRENT_STREAMS, [0, 1, 100, MOST], [], None),
    # "Values above the maximum flow-control window size of 2^31-1 MUST be [...] FLOW_CONTROL_ERROR."
    "INITIAL_WINDOW_SIZE": (INITIAL_WINDOW_SIZE, [0, 65_535, 2**31 - 1], [2**31, MOST], FLOW),
    # "The value [...] MUST be between this initial value and the maximum allowed frame size".
    "MAX_FRAME_SIZE": (
        MAX_FRAME_SIZE,
        [2**14, 2**14 + 1, 2**24 - 1],
        [0, 1, 2**14 - 1, 2**24, MOST],
        PROTOCOL,
    ),
    # Advisory.
    "MAX_HEADER_LIST_SIZE": (MAX_HEADER_LIST_SIZE, [0, 1, MOST], [], None),
    # RFC 8441 §3: "The value of the parameter MUST be 0 or 1."
    "ENABLE_CONNECT_PROTOCOL": (ENABLE_CONNECT_PROTOCOL, [0, 1], [2, MOST], PROTOCOL),
    # RFC 9218 §2.1: "The value of SETTINGS_NO_RFC7540_PRIORITIES MUST be 0 or 1."
    "NO_RFC7540_PRIORITIES": (NO_RFC7540_PRIORITIES, [0, 1], [2, MOST], PROTOCOL),
    # §6.5.2: "An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST ignore".
    "0": (0, [0, 1, MOST], [], None),
    "reserved": (0x7, [0, 2, MOST], [], None),
    "unknown": (0xFAFA, [0, 2, MOST], [], None),
}


@pytest.mark.parametrize(("identifier", "good", "bad", "code"), RULES.values(), ids=RULES)
def test_a_setting_has_the_values_of_its_definition(
    identifier: int, good: list[int], bad: list[int], code: ErrorCodes | None
) -> None:
    """RFC 9113 §6.5.2."""
    for value in good:
        assert judge_setting(identifier, value) is None, value
    for value in bad:
        found = judge_setting(identifier, value)
        assert found is not None, value
        assert found[0] == code
        assert found[1].isascii()


@given(identifier=st.integers(0xA, 2**16 - 1), value=st.integers(0, MOST))
def test_what_nobody_has_defined_is_never_wrong(identifier: int, value: int) -> None:
    """RFC 9113 §6.5.2."""
    assert judge_setting(identifier, value) is None
