"""What a tree of processes has used so far, as the kernel counts it. Linux only."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PROC: Final = Path("/proc")
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
RESIDENT: Final = re.compile(r"^Rss:\s+(\d+) kB", re.MULTILINE)


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
