"""The figures of one session, and the few questions asked of them."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: `cost` and `throughput` in the scenario's units, `busy` the share of a core used."""

    cost: float
    throughput: float | None = None
    busy: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario on one server."""

    scenario: str
    server: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of one cell: medians, and the span of the cost."""

    cost: float
    lowest: float
    highest: float
    throughput: float | None
    busy: float | None


@dataclass(slots=True)
class Results:
    """All samples of a session, one for each turn in their order, and what went wrong."""

    samples: dict[Cell, list[Sample]] = field(default_factory=dict)
    failures: dict[Cell, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, cell: Cell, sample: Sample) -> None:
        """Keep one more sample."""
        self.samples.setdefault(cell, []).append(sample)

    def summary(self, cell: Cell) -> Summary | None:
        """What the cell's samples say, or None where there are none."""
        samples = self.samples.get(cell)
        if not samples:
            return None
        costs = [sample.cost for sample in samples]
        return Summary(
            median(costs),
            min(costs),
            max(costs),
            _median([sample.throughput for sample in samples]),
            _median([sample.busy for sample in samples]),
        )

    def ratio(self, cell: Cell, reference: Cell) -> float | None:
        """The median of each turn's cost over the reference's in the same turn; None where there is none.

        The machine may be half as fast a minute later, for both of them: a turn is compared with itself.
        """
        pairs = zip(self.samples.get(cell, ()), self.samples.get(reference, ()), strict=False)
        return _median([cost.cost / unit.cost if unit.cost else None for cost, unit in pairs])

    def scenarios(self) -> list[str]:
        """The names of the scenarios that have a figure."""
        return list(dict.fromkeys(cell.scenario for cell in self.samples))

    def servers(self, scenario: str) -> list[str]:
        """The names of the servers that have a figure for `scenario`."""
        return [cell.server for cell in self.samples if cell.scenario == scenario]


def figure(value: float) -> str:
    """A cost with three digits that mean something: 0.415, 34.2, 1,560."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
