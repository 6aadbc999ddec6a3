"""The law of work: what a peer sends costs no more than in proportion to its size, however it is cut.

Lines of `sansio` that are run are counted, not seconds. It is slow, and so it is held for a sample only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import sansio

from .connection_world import ConnectionWorld
from .operations import AppSend, Receive

__all__ = ["count_lines", "work_is_in_proportion"]

_CORE: Final = str(Path(sansio.__file__).parent)
_LINES_OF_AN_OCTET: Final = 100
_LINES_OF_AN_EVENT: Final = 1_000
"""Of an operation, a call of the application, or a deadline."""


def count_lines(action: Callable[[], object]) -> int:
    """Count the lines of `sansio` that an action runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(_CORE) or _is_for_statistics(frame):
            return None
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def _is_for_statistics(frame: FrameType | None) -> bool:
    """A world looks at an exchange's statistics after each step, and others once, when all is over."""
    while frame is not None and frame.f_code.co_filename.startswith(_CORE):
        if frame.f_code.co_name == "statistics":
            return True
        frame = frame.f_back
    return False


def work_is_in_proportion(
    world: ConnectionWorld, per_octet: int = _LINES_OF_AN_OCTET, per_event: int = _LINES_OF_AN_EVENT
) -> None:
    """What is done grows with the octets and with what else happens, though octets come one by one, and no faster."""
    operations = [
        Receive(operation.data, 1) if isinstance(operation, Receive) else operation
        for operation in world.operations
    ]
    other = world.replay([])

    def play() -> None:
        for operation in operations:
            other.do(operation)

    lines = count_lines(play)
    octets = len(other.fed) + len(other.wire)
    sent = [other.messages[each.name] for each in operations if isinstance(each, AppSend)]
    lists = [message.get("headers") for message in sent if isinstance(message, dict)]
    fields = sum(len(each) for each in lists if isinstance(each, list))
    events = len(operations) + len(other.calls) + other.timeouts
    bound = per_octet * (octets + fields) + per_event * events
    assert lines <= bound, f"{lines} lines for {octets} octets and {events} events"
