"""Pictures: the states stand side by side, and each arrow has a line of its own."""

from collections.abc import Sequence
from html import escape
from typing import Final

from docs.states.play import Played

_COLUMN: Final = 150
_MARGIN: Final = 24
_HEAD_HEIGHT: Final = 34
_LINE: Final = 15
_LETTER: Final = 6.4
_CAPITAL: Final = 8.2
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#222}.state{font-weight:bold;text-anchor:middle}"
    ".box{fill:#eef3fb;stroke:#456}.life{stroke:#bbc;stroke-dasharray:2 4}.arrow{stroke:#246;stroke-width:1.5}"
    ".tip{fill:#246}.paper{fill:#fff}"
)


def draw(states: Sequence[str], played: Played, title: str) -> str:
    """Return a picture of all changes of state."""
    centre = {state: _MARGIN + _COLUMN * index + _COLUMN // 2 for index, state in enumerate(states)}
    width = 2 * _MARGIN + _COLUMN * len(states)
    rows: list[str] = []
    y = _MARGIN + _HEAD_HEIGHT + 10
    for source, target, events in played.changes(states):
        label = ", ".join(events)
        left = min(centre[source], centre[target])
        lines = _fold(label, width - _MARGIN - left)
        y += 8
        for line in lines:
            y += _LINE
            rows.append(f'<text x="{left + 6}" y="{y}">{escape(line)}</text>')
        y += 7
        rows.append(_arrow(centre[source], centre[target], y))
        y += 4
    height = y + _MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' role="img" aria-label="{escape(title)}">'
        ),
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for state in states:
        x = centre[state]
        parts += [
            f'<line class="life" x1="{x}" y1="{_MARGIN + _HEAD_HEIGHT}" x2="{x}" y2="{height - _MARGIN // 2}"/>',
            (
                f'<rect class="box" x="{x - _COLUMN // 2 + 6}" y="{_MARGIN}" width="{_COLUMN - 12}"'
                f' height="{_HEAD_HEIGHT}" rx="4"/>'
            ),
            f'<text class="state" x="{x}" y="{_MARGIN + 22}">{escape(state)}</text>',
        ]
    return "\n".join([*parts, *rows, "</svg>"]) + "\n"


def _fold(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and sum(_CAPITAL if letter.isupper() else _LETTER for letter in longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _arrow(start: int, end: int, y: int) -> str:
    back = -8 if end > start else 8
    tip = f"{end},{y} {end + back},{y - 4} {end + back},{y + 4}"
    return (
        f'<line class="arrow" x1="{start}" y1="{y}" x2="{end + back}" y2="{y}"/>'
        f'<circle class="tip" cx="{start}" cy="{y}" r="3"/><polygon class="tip" points="{tip}"/>'
    )
