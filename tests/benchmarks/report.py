"""The session as text for a terminal, as JSON for a program, and as Markdown and a plot for the docs."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.benchmarks.budgets import Verdict, verdicts
from tests.benchmarks.plot import draw
from tests.benchmarks.results import Cell, Results, figure
from tests.benchmarks.scenarios import Scenario
from tests.benchmarks.tables import Row, aligned, table, write_between

BEGIN_MARK: Final = "<!-- figures -->"
END_MARK: Final = "<!-- /figures -->"


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known about a session. Its methods only tell it."""

    results: Results
    scenarios: Sequence[Scenario]
    machine: dict[str, str]
    versions: dict[str, str]
    seconds: int
    repeats: int
    core_note: str
    when: datetime

    def text(self) -> str:
        """Aligned tables for a terminal."""
        parts = [self._conditions()]
        parts += [
            f"{scenario.name}: {scenario.title}\n{aligned(self._rows(scenario))}"
            for scenario in self._measured()
        ]
        parts.append(f"budgets\n{aligned(_budget_rows(verdicts(self.results)))}")
        parts += self._absences()
        return "\n\n".join(parts)

    def json(self) -> str:
        """Every sample, in the order in which they were taken, with their units and conditions."""
        scenarios = {
            scenario.name: {
                "title": scenario.title,
                "cost_unit": scenario.cost_unit,
                "throughput_unit": scenario.rate_unit,
                "servers": {
                    server: [dataclasses.asdict(s) for s in self.results.samples[Cell(scenario.name, server)]]
                    for server in self.results.servers(scenario.name)
                },
            }
            for scenario in self._measured()
        }
        return json.dumps(
            {
                "when": self.when.isoformat(timespec="seconds"),
                "machine": self.machine,
                "core_note": self.core_note,
                "versions": self.versions,
                "seconds": self.seconds,
                "repeats": self.repeats,
                "scenarios": scenarios,
                "left_out": self.results.left_out,
                "failures": [
                    dataclasses.asdict(cell) | {"reason": reason}
                    for cell, reason in self.results.failures.items()
                ],
                "budgets": [
                    {
                        "scenario": verdict.budget.cell.scenario,
                        "server": verdict.budget.cell.server,
                        "budget": verdict.budget.describe(),
                        "measured": verdict.measured,
                        "met": verdict.met,
                    }
                    for verdict in verdicts(self.results)
                ],
            },
            indent=2,
            ensure_ascii=False,
        )

    def markdown(self, plot_name: str) -> str:
        """The same tables for a page that shows the plot of that name."""
        parts = [self._conditions(), f"![Cost by server; less is better]({plot_name})"]
        section = ""
        for scenario in self._measured():
            if scenario.section != section:
                section = scenario.section
                parts += [f"### {section}"] if section else []
            level = "####" if section else "###"
            parts.append(
                f"{level} {scenario.name}\n\n{_capital(scenario.title)}.\n\n{table(self._rows(scenario))}"
            )
        parts.append(f"### Budgets\n\n{table(_budget_rows(verdicts(self.results)))}")
        parts += self._absences()
        parts.append(
            "Versions: " + ", ".join(f"{name} {number}" for name, number in self.versions.items()) + "."
        )
        return "\n\n".join(parts)

    def write_docs(self, page: Path) -> None:
        """Put the figures between the marks of `page`, and a plot of the same name beside it.

        A page that is not there yet is begun. Raises `MarksError` and then writes nothing.
        """
        plot = page.with_suffix(".svg")
        if not page.exists():
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(f"# Performance\n\n{BEGIN_MARK}\n{END_MARK}\n")
        write_between(page, BEGIN_MARK, END_MARK, self.markdown(plot.name))
        plot.write_text(draw(self.results, self._measured()))

    def _measured(self) -> list[Scenario]:
        names = self.results.scenarios()
        return [scenario for scenario in self.scenarios if scenario.name in names]

    def _conditions(self) -> str:
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        note = f" ({self.core_note})" if self.core_note else ""
        return (
            f"{self.when:%Y-%m-%d}; {machine}. Each server on one core, the clients on another{note}; "
            f"in turns, {_times(self.repeats)} {self.seconds} s each; medians, and lowest..highest cost. "
            "A ratio is the median of each turn's own. "
            "Cost is that of the server's whole process tree; core is the share of its core that it used."
        )

    def _rows(self, scenario: Scenario) -> list[Row]:
        rows: list[Row] = [
            (
                "server",
                scenario.cost_unit,
                "lowest..highest",
                f"x {scenario.reference}",
                scenario.rate_unit,
                "core",
            )
        ]
        for server in self.results.servers(scenario.name):
            cell = Cell(scenario.name, server)
            summary = self.results.summary(cell)
            if summary is None:
                continue
            ratio = self.results.ratio(cell, Cell(scenario.name, scenario.reference))
            rows.append(
                (
                    server,
                    figure(summary.cost),
                    f"{figure(summary.lowest)}..{figure(summary.highest)}",
                    "-" if ratio is None else f"{ratio:.2f}",
                    "" if summary.throughput is None else f"{summary.throughput:,.0f}",
                    "" if summary.busy is None else f"{summary.busy:.0%}",
                )
            )
        # Memory has neither throughput nor a share of a core.
        filled = [index for index in range(len(rows[0])) if any(row[index] for row in rows[1:])]
        return [tuple(row[index] for index in filled) for row in rows]

    def _absences(self) -> list[str]:
        lines = [f"{server} was left out: {reason}." for server, reason in self.results.left_out.items()]
        lines += [
            f"{cell.server} failed at {cell.scenario}: {reason.splitlines()[-1]}"
            for cell, reason in self.results.failures.items()
        ]
        return ["\n".join(lines)] if lines else []


def _times(repeats: int) -> str:
    return "once" if repeats == 1 else f"{repeats} times"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _budget_rows(found: list[Verdict]) -> list[Row]:
    rows: list[Row] = [("scenario", "server", "budget", "measured", "met?")]
    for verdict in found:
        budget = verdict.budget
        measured = "-" if verdict.measured is None else f"{verdict.measured:.2f}"
        rows.append((budget.cell.scenario, budget.cell.server, budget.describe(), measured, verdict.met))
    return rows
