"""A plot of the costs as SVG: a panel for each scenario, a bar for each server, the shorter the better."""

from collections.abc import Sequence
from html import escape
from typing import Final

from tests.benchmarks.results import Cell, Results, Summary, figure
from tests.benchmarks.scenarios import Scenario

WIDTH: Final = 760
LEFT: Final = 190
BAR_WIDTH: Final = 430
BAR_HEIGHT: Final = 14
ROW_HEIGHT: Final = 20
TITLE_HEIGHT: Final = 34
MARGIN: Final = 12

# A server may cost twenty times as much as another. Bars longer than this many times the reference
# are cut, so that the short ones can be told apart.
LONGEST: Final = 3.0

STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #222 }
.title { font-weight: 600 }
.ours { fill: #2a6f97 } .peer { fill: #a9b4bd } .span { stroke: #222; stroke-width: 1 }
.page { fill: #fff } .cut { stroke: #fff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd }
  .ours { fill: #61a5c2 } .peer { fill: #5c6770 } .span { stroke: #ddd }
  .page { fill: #16191d } .cut { stroke: #16191d }
}
"""


def draw(results: Results, scenarios: Sequence[Scenario]) -> str:
    """The whole picture. A bar's thin line spans its lowest and its highest sample."""
    parts: list[str] = []
    top = float(MARGIN)
    for scenario in scenarios:
        top = _panel(results, scenario, top, parts)
    height = top + MARGIN
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    label = 'role="img" aria-label="Cost by server; less is better"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height:g}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(results: Results, scenario: Scenario, top: float, parts: list[str]) -> float:
    """Draw one scenario's bars below `top` and return where they end."""
    rows: list[tuple[str, Summary]] = []
    for server in results.servers(scenario.name):
        summary = results.summary(Cell(scenario.name, server))
        if summary is not None:
            rows.append((server, summary))
    heading = escape(f"{scenario.name}: {scenario.cost_unit}")
    parts.append(f'<text class="title" x="{MARGIN}" y="{top + 20:g}">{heading}</text>')
    top += TITLE_HEIGHT
    full = _full_scale(dict(rows), scenario.reference)
    for server, summary in sorted(rows, key=lambda row: row[1].cost):
        _bar(server, summary, full, top, parts)
        top += ROW_HEIGHT
    return top


def _full_scale(rows: dict[str, Summary], name: str) -> float:
    longest = max(summary.highest for summary in rows.values())
    reference = rows.get(name) or min(rows.values(), key=lambda summary: summary.cost)
    return max(min(longest, LONGEST * reference.cost), 1e-9)


def _bar(server: str, summary: Summary, full: float, top: float, parts: list[str]) -> None:
    def place(value: float) -> float:
        return LEFT + BAR_WIDTH * max(0.0, min(1.0, value / full))

    kind = "ours" if server.startswith("tricorn") else "peer"
    end = place(summary.cost)
    middle = top + BAR_HEIGHT / 2
    parts.append(f'<text x="{LEFT - 8}" y="{middle + 4:g}" text-anchor="end">{escape(server)}</text>')
    parts.append(
        f'<rect class="{kind}" x="{LEFT}" y="{top:g}" width="{end - LEFT:.1f}" height="{BAR_HEIGHT}"/>'
    )
    if summary.cost > full:
        parts.append(
            f'<path class="cut" d="M {end - 14:.1f} {top + BAR_HEIGHT + 2:g} l 8 -{BAR_HEIGHT + 4}"/>'
        )
    else:
        low, high = place(summary.lowest), place(summary.highest)
        parts.append(f'<path class="span" d="M {low:.1f} {middle:g} H {high:.1f}"/>')
        end = max(end, high)
    parts.append(f'<text x="{end + 6:.1f}" y="{middle + 4:g}">{figure(summary.cost)}</text>')
