"""What a tree of processes has used so far, as the kernel counts it. Linux only."""

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PROC: Final = Path("/proc")
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
RESIDENT: Final = re.compile(r"^Rss:\s+(\d+) kB", re.MULTILINE)
PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    parent: int
    ticks: int


class Clock:
    """A span of time, and the CPU time that a process tree used in it.

    Both are zero until the `with` block has ended.
    """

    def __init__(self, root: int) -> None:
        self.cpu = 0.0
        self.elapsed = 0.0
        self._root = root

    def __enter__(self) -> Self:
        self._cpu_before = cpu_seconds(self._root)
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.elapsed = time.monotonic() - self._began
        self.cpu = cpu_seconds(self._root) - self._cpu_before


def cpu_seconds(root: int) -> float:
    """CPU time of `root` and all below it, user and system, with that of children already waited for."""
    return sum(stat.ticks for stat in _tree(root)) / TICKS_PER_SECOND


def resident_bytes(root: int) -> int:
    """Resident memory of `root` and all below it; a page that two of them share counts twice."""
    total = 0
    for stat in _tree(root):
        # The figure in `statm` lags by up to 32 pages per core; `smaps_rollup` counts the pages themselves.
        found = RESIDENT.search((PROC / str(stat.pid) / "smaps_rollup").read_text())
        total += int(found[1]) * 1024 if found else 0
    return total


def forget_peak(root: int) -> int:
    """Let `peak_bytes` count from now on, and return what it begins with."""
    for stat in _tree(root):
        # "To reset the peak resident set size ("high water mark") to the process's current value" (proc(5)).
        (PROC / str(stat.pid) / "clear_refs").write_text("5")
    return peak_bytes(root)


def peak_bytes(root: int) -> int:
    """The most memory that `root` and all below it, each by itself, have had resident since `forget_peak`."""
    total = 0
    for stat in _tree(root):
        with suppress(FileNotFoundError, ProcessLookupError):  # It ended while we looked.
            found = PEAK.search((PROC / str(stat.pid) / "status").read_text())
            total += int(found[1]) * 1024 if found else 0
    return total


def descriptors(root: int) -> int:
    """How many descriptors `root` and all below it have open."""
    total = 0
    for stat in _tree(root):
        with suppress(FileNotFoundError, ProcessLookupError):
            total += sum(1 for _ in (PROC / str(stat.pid) / "fd").iterdir())
    return total


def _tree(root: int) -> list[_Stat]:
    stats = [
        stat for entry in PROC.iterdir() if entry.name.isdecimal() and (stat := _read(entry)) is not None
    ]
    members = {root}
    grown = True
    while grown:
        below = {stat.pid for stat in stats if stat.parent in members}
        grown = not below <= members
        members |= below
    return [stat for stat in stats if stat.pid in members]


def _read(entry: Path) -> _Stat | None:
    try:
        text = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None  # It ended while we looked.
    # The second column, the command's name, may itself hold spaces and parentheses.
    columns = text[text.rindex(")") + 2 :].split()
    return _Stat(int(entry.name), int(columns[1]), sum(map(int, columns[11:15])))
