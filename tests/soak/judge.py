"""What a soak has seen, and whether it is good: the slope of memory, the server's log, and what has to come back."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Census", "Outcome", "Sample", "read_log", "slope"]

SLOPE_LIMIT: Final = 1.0
"""Percent of the mean by which memory may grow after the warm-up."""

SHORTEST: Final = 300.0
"""Seconds after the warm-up from which on memory is judged. What is shorter says more of the allocator."""

_WARM_UP: Final = 120.0
_WARM_UP_PART: Final = 0.2  # Of a soak that is short.
_END_TIMEOUT: Final = 8.0
_SHOWN: Final = 10
_ENOUGH: Final = 400  # Points of a line: the work grows with their square.
_MEBIBYTE: Final = 1_048_576

_RECORD: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) ")
_PLANNED: Final = re.compile(r"(\w+\.)+PlannedError: ")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the server under load."""

    time: float
    """Seconds since the load began."""
    resident: int
    """Bytes, after the C library has given back the pages in which nothing is allocated."""
    cpu: float
    """Seconds used so far."""
    descriptors: int
    tasks: int
    blocks: int
    """What Python has allocated and not freed, in pieces."""
    heap: int
    """Bytes that the C library has allocated and not freed, for whoever asked; 0 if it does not tell."""


@dataclass(frozen=True, slots=True)
class Census:
    """What there is in a server that has nothing to do."""

    descriptors: int
    tasks: int
    objects: dict[str, int]
    """Living objects by class."""

    def beyond(self, before: Census) -> list[str]:
        """Return what there is more of than before, in words."""
        pairs = [
            ("descriptors", before.descriptors, self.descriptors),
            ("tasks", before.tasks, self.tasks),
            *((name, before.objects.get(name, 0), count) for name, count in sorted(self.objects.items())),
        ]
        return [f"{name}: {old} before, {new} after" for name, old, new in pairs if new > old]


@dataclass
class Outcome:
    """All that is known of one soak."""

    name: str
    """Which event loop it was."""
    seconds: float
    rate: float
    before: Census
    after: Census | None = None
    """Some time after the load has ended; None if the server did not answer any more."""
    samples: list[Sample] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0
    errors: list[str] = field(default_factory=list)
    """Answers that were not as expected, and what the server's log should not have."""
    delayed: float = 0.0
    status: int | None = None
    """How the process ended after SIGTERM; None if it did not."""
    ending: float = 0.0
    """Seconds that took."""
    traced: str = ""
    """Where memory has grown, if that was asked for."""

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        begin = min(_WARM_UP, self.seconds * _WARM_UP_PART)
        return [sample for sample in self.samples if begin <= sample.time <= self.seconds]

    @property
    def growth(self) -> float:
        """Percent of the mean by which memory grew after the warm-up, as fast as in the half where it was slower.

        What leaks does so in both halves; what an allocator takes once, it takes in one of them.
        """
        points = [(sample.time, float(sample.resident)) for sample in self.warm]
        if len(points) < 4:
            return 0.0
        middle = len(points) // 2
        return _percent(points, min(slope(points[:middle]), slope(points[middle:])))

    @property
    def growth_of_blocks(self) -> float:
        """Percent of the mean by which the number of Python's blocks grew after the warm-up.

        An allocator may keep what was given back to it; these are what Python itself has not given back.
        """
        return self._growth_of("blocks")

    @property
    def growth_of_heap(self) -> float:
        """Percent of the mean by which what is in use of the C library's heap grew after the warm-up."""
        return self._growth_of("heap")

    def _growth_of(self, name: str) -> float:
        points = [(sample.time, float(getattr(sample, name))) for sample in self.warm]
        return _percent(points, slope(points)) if len(points) >= 4 else 0.0

    def troubles(self) -> list[str]:
        """Return what is wrong, in words; nothing if all is well."""
        found = []
        if self.errors:
            found.append(f"{len(self.errors)} unexpected errors")
        if self._memory_counts and self.growth >= SLOPE_LIMIT:
            found.append(f"memory grew by {self.growth:.2f} %")
        if self._memory_counts and self.growth_of_blocks >= SLOPE_LIMIT:
            found.append(f"Python's blocks grew by {self.growth_of_blocks:.2f} %")
        if self.after is None:
            found.append("the server did not answer after the load")
        else:
            found += [f"not back: {text}" for text in self.after.beyond(self.before)]
        if self.status != 0:
            found.append(f"ended with status {self.status} after {self.ending:.1f} s")
        elif self.ending > _END_TIMEOUT:
            found.append(f"took {self.ending:.1f} s to end")
        return found

    @property
    def _memory_counts(self) -> bool:
        warm = self.warm
        return not self.traced and len(warm) > 1 and warm[-1].time - warm[0].time >= SHORTEST

    def text(self) -> str:
        """Return a report."""
        lines = [f"{self.name}: {self.seconds:g} s, {self.rate:g} operations a second", ""]
        lines += [f"  {name:<34}{count:>9,}" for name, count in sorted(self.operations.items())]
        total = sum(self.operations.values())
        lines += [
            f"  {'all operations':<34}{total:>9,}",
            f"  {'requests and messages in them':<34}{self.exchanges:>9,}",
            "",
            f"  unexpected errors  {len(self.errors)}",
        ]
        if self.delayed:
            lines.append(
                f"  load fell behind   {self.delayed:.1f} s: the clients were too slow for this rate"
            )
        lines += [
            *self._tell_samples(),
            f"  end                status {self.status} after {self.ending:.1f} s",
        ]
        kinds = Counter(self.errors)
        lines += [
            f"  ! {text}" + (f" ({count} times)" if count > 1 else "")
            for text, count in kinds.most_common(_SHOWN)
        ]
        troubles = self.troubles()
        lines += ["", f"  {'FAILED: ' + '; '.join(troubles) if troubles else 'passed'}"]
        if self.traced:
            lines += ["", self.traced]
        return "\n".join(lines) + "\n"

    def _tell_samples(self) -> list[str]:
        warm = self.warm
        if not warm:
            return ["  too short for a sample"]
        first, last = self.samples[0], self.samples[-1]
        hours = (warm[-1].time - warm[0].time) / 3600
        cpu, elapsed = last.cpu - first.cpu, last.time - first.time
        judged = "" if self._memory_counts else ", not judged"
        hourly = self.growth / hours if hours else 0.0
        busy = 100 * cpu / elapsed if elapsed else 0.0
        each = 1000 * cpu / self.exchanges if self.exchanges else 0.0
        blocks = f"{self.growth_of_blocks:+.2f} %{judged}"
        heap = [f"{sample.heap / _MEBIBYTE:.1f} MiB" for sample in (warm[0], warm[-1])]
        sizes = [f"{sample.resident / _MEBIBYTE:.1f} MiB" for sample in (warm[0], warm[-1])]
        return [
            f"  memory             {sizes[0]} after the warm-up, {sizes[1]} at the end",
            f"  memory's slope     {self.growth:+.2f} %, or {hourly:+.2f} % an hour{judged}",
            f"  Python's blocks    {warm[0].blocks:,} and {warm[-1].blocks:,}, slope {blocks}",
            f"  the C heap's use   {heap[0]} and {heap[1]}, slope {self.growth_of_heap:+.2f} %, not judged",
            f"  descriptors        {self._span('descriptors')}",
            f"  tasks              {self._span('tasks')}",
            f"  CPU                {busy:.0f} % of a core, {each:.2f} ms for a request or message",
        ]

    def _span(self, name: str) -> str:
        most = max(getattr(sample, name) for sample in self.samples)
        after = "?" if self.after is None else getattr(self.after, name)
        return f"{getattr(self.before, name)} before, {most} at most, {after} after"

    def record(self) -> dict[str, Any]:
        """Return all of it for a file."""
        return {
            "name": self.name,
            "seconds": self.seconds,
            "rate": self.rate,
            "operations": dict(self.operations),
            "exchanges": self.exchanges,
            "errors": self.errors,
            "growth_percent": self.growth,
            "growth_of_blocks_percent": self.growth_of_blocks,
            "growth_of_heap_percent": self.growth_of_heap,
            "status": self.status,
            "ending_seconds": self.ending,
            "not_back": None if self.after is None else self.after.beyond(self.before),
            "troubles": self.troubles(),
            "samples": [
                [
                    sample.time,
                    sample.resident,
                    sample.cpu,
                    sample.descriptors,
                    sample.tasks,
                    sample.blocks,
                    sample.heap,
                ]
                for sample in self.samples
            ],
        }


def _percent(points: Sequence[tuple[float, float]], steepness: float) -> float:
    """Return how much a line so steep rises over points, in percent of their mean."""
    total = sum(y for _, y in points)
    return 100 * steepness * (points[-1][0] - points[0][0]) * len(points) / total if total else 0.0


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how steep the line through points is: the median over all pairs. The first of each is the time.

    The line of least squares would follow a single step, and memory has such steps: an allocator takes a mebibyte
    when it needs a byte more than ever before. What goes on growing is as steep either way.

    Source: Theil and Sen.
    """
    some = points[:: len(points) // _ENOUGH + 1]
    slopes = [
        (later_y - y) / (later_x - x)
        for number, (x, y) in enumerate(some)
        for later_x, later_y in some[number + 1 :]
        if later_x > x
    ]
    return statistics.median(slopes) if slopes else 0.0


def read_log(lines: Iterable[str]) -> list[str]:
    """Return what should not be in a server's log.

    Lines that begin with a time and INFO are expected, and so is a traceback of a planned error. Whatever else there
    is, is not: warnings, Python's own among them, other tracebacks, and text that nobody has asked for.
    """
    found: list[str] = []
    pending: list[str] = []  # A record that is no INFO, with the lines below it.
    for line in lines:
        head = _RECORD.match(line)
        if head is not None:
            found += _give_up(pending)
            pending = [] if head[1] in {"DEBUG", "INFO"} else [line[head.start(1) :]]
        elif _PLANNED.match(line) and pending and "Exception in ASGI application" in pending[0]:
            pending = []
        elif line.strip():
            pending.append(line)
    return found + _give_up(pending)


def _give_up(lines: list[str]) -> list[str]:
    if not lines:
        return []
    shown = [*lines[:1], *lines[-4:]] if len(lines) > 5 else lines
    return ["log: " + " / ".join([line.strip() for line in shown])]
