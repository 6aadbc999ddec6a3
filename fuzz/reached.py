"""What campaigns reach: each target's inputs are run once more, and the lines of `sansio` are counted that they run.

The inputs are the seeds, the finds that were kept, and what campaigns have added to the corpus because it reached
something new.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .campaign import CORPUS, KEPT, failure_of, load_targets

if TYPE_CHECKING:
    from coverage import Coverage

__all__ = ["Reach", "measure", "tell"]

_SANSIO: Final = Path(__file__).parents[1] / "sansio"


@dataclass(frozen=True, slots=True)
class Reach:
    """What one target's inputs run."""

    inputs: int
    lines: dict[str, frozenset[int]]
    """Of each module, by its name."""


def measure(names: Iterable[str], seconds: float) -> tuple[dict[str, Reach], dict[str, frozenset[int]]]:
    """Run the inputs of these targets, each for so many seconds at most; seeds and kept finds come first.

    Returns what each reaches, and all lines that there are to reach. Lines that importing runs count for everybody.
    Nothing of `sansio` may have been imported before.
    """
    from coverage import Coverage

    assert "sansio" not in sys.modules, "what has been imported already was not seen"
    coverage = Coverage(data_file=None, source=[str(_SANSIO)], branch=False, messages=False)
    coverage.start()
    try:
        targets = load_targets()
        inputs = dict.fromkeys(names, 0)
        for name in inputs:
            coverage.switch_context(name)
            end = time.monotonic() + seconds
            corpus = sorted((CORPUS / name).glob("*")) + sorted(KEPT.glob(f"{name}-*"))
            for data in [*targets[name].seeds(), *(file.read_bytes() for file in reversed(corpus))]:
                if inputs[name] and time.monotonic() > end:
                    break
                failure_of(targets[name].check, data)
                inputs[name] += 1
    finally:
        coverage.stop()
    lines = {file.stem: frozenset(coverage.analysis2(str(file))[1]) for file in sorted(_SANSIO.glob("*.py"))}
    found = {}
    for name, number in inputs.items():
        found[name] = Reach(number, dict(_lines_of(coverage, name, lines)))
    return found, lines


def _lines_of(
    coverage: Coverage, name: str, lines: dict[str, frozenset[int]]
) -> Iterator[tuple[str, frozenset[int]]]:
    data = coverage.get_data()
    data.set_query_contexts([f"^{name}$", "^$"])  # The one without a name is what importing runs.
    for module, there in lines.items():
        yield module, there - frozenset(coverage.analysis2(str(_SANSIO / f"{module}.py"))[3])


def tell(found: dict[str, Reach], lines: dict[str, frozenset[int]]) -> Iterator[str]:
    """Say how much each target reaches, and which lines none of them reaches."""
    everything = sum(map(len, lines.values()))
    union = {module: frozenset[int]() for module in lines}
    for name, reach in found.items():
        number = sum(map(len, reach.lines.values()))
        yield f"{name:<18}{reach.inputs:>6} inputs{number:>7} of {everything} lines ({number / everything:.1%})"
        union = {module: union[module] | reach.lines[module] for module in lines}
    number = sum(map(len, union.values()))
    yield f"{'all of these':<31}{number:>7} of {everything} lines ({number / everything:.1%})"
    for module, there in lines.items():
        if there - union[module]:
            yield f"not reached: sansio/{module}.py {_ranges(sorted(there - union[module]), sorted(there))}"


def _ranges(missing: list[int], there: list[int]) -> str:
    """Write line numbers as ranges: what lies between two of them is no code."""
    texts = []
    first = last = missing[0]
    for number in [*missing[1:], sys.maxsize]:
        if number != sys.maxsize and there.index(number) == there.index(last) + 1:
            last = number
            continue
        texts.append(f"{first}" if first == last else f"{first}-{last}")
        first = last = number
    return ", ".join(texts)
