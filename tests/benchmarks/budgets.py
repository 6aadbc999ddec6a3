"""What the design allows itself, beside what was measured: information, never a reason to fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.results import Cell, Results


@dataclass(frozen=True, slots=True)
class Budget:
    """`cell` costs at most `limit` times `reference`, or at most `limit` in its unit without one."""

    cell: Cell
    limit: float
    reference: Cell | None = None

    def describe(self) -> str:
        """The allowance in words."""
        if self.reference is None:
            return f"at most {self.limit:g} KB"
        same = self.reference.server == self.cell.server
        other = self.reference.scenario if same else self.reference.server
        return f"at most {self.limit:g} x {other}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget and the figure measured against it; None where something was not measured."""

    budget: Budget
    measured: float | None

    @property
    def met(self) -> str:
        """`yes`, `no`, or `-` where nothing is known."""
        if self.measured is None:
            return "-"
        return "yes" if self.measured <= self.budget.limit else "no"


def _against(scenario: str, server: str, limit: float, peer: str) -> Budget:
    return Budget(Cell(scenario, server), limit, Cell(scenario, peer))


def _rows() -> Iterator[Budget]:
    for scenario in ("hello", "browser"):
        yield _against(scenario, "tricorn-uvloop", 0.5, "uvicorn")
        yield _against(scenario, "tricorn-uvloop", 0.5, "uvicorn-log")
        yield _against(scenario, "tricorn-uvloop", 1.0, "granian")
        yield _against(scenario, "tricorn-trio", 0.85, "uvicorn")
        yield _against(scenario, "tricorn-trio", 0.85, "uvicorn-log")
        yield _against(scenario, "tricorn-trio", 0.05, "hypercorn-trio")
    for server in ("tricorn-uvloop", "tricorn-trio"):
        yield _against("down", server, 1.0, "uvicorn")
        yield _against("up", server, 0.8, "uvicorn")
    yield Budget(Cell("idle", "tricorn-uvloop"), 8)
    yield Budget(Cell("idle", "tricorn-asyncio"), 8)
    yield Budget(Cell("idle", "tricorn-trio"), 12)
    yield _against("echo-16", "tricorn-uvloop", 0.8, "uvicorn-websockets-sansio")
    yield _against("echo-16", "tricorn-trio", 0.35, "hypercorn-trio")
    yield _against("echo-64k", "tricorn-uvloop", 1.0, "uvicorn-websockets-sansio")
    yield _against("h2-hello", "tricorn-uvloop-h2c", 1.0, "granian-h2c")
    yield _against("h2-hello", "tricorn-trio-h2c", 0.15, "hypercorn-asyncio-h2c")
    for scenario in ("h2-down", "h2-up"):
        yield _against(scenario, "tricorn-uvloop-h2c", 0.5, "hypercorn-asyncio-h2c")
        yield _against(scenario, "tricorn-trio-h2c", 0.5, "hypercorn-asyncio-h2c")
    # "Flat" leaves room for what no server can help: 5,000 connections do not fit in a core's caches.
    for server in ("tricorn-uvloop", "tricorn-asyncio", "tricorn-trio"):
        for idle in (1000, 5000):
            yield Budget(Cell(f"idle-cost-{idle}", server), 1.15, Cell("idle-cost-10", server))


BUDGETS: Final = tuple(_rows())


def verdicts(results: Results) -> list[Verdict]:
    """The budgets of all scenarios that were measured, with what `results` say of each."""
    scenarios = results.scenarios()
    return [
        Verdict(budget, _measured(budget, results)) for budget in BUDGETS if budget.cell.scenario in scenarios
    ]


def _measured(budget: Budget, results: Results) -> float | None:
    if budget.reference is not None:
        return results.ratio(budget.cell, budget.reference)
    summary = results.summary(budget.cell)
    return summary.cost if summary else None
