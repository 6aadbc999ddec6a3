"""Tables for a terminal and for a page, and the place in a page that a program writes."""

from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, ...]


class MarksError(Exception):
    """The page has no pair of marks between which the text could go."""


def aligned(rows: Sequence[Row]) -> str:
    """Rows for a terminal, the first column to the left and the others to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        lines.append(
            "  " + first[0].ljust(first[1]) + "".join(f"  {cell:>{width}}" for cell, width in others)
        )
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """Rows as a table in Markdown, the first of them as its head."""
    head, *body = rows
    lines = [head, ("---",) + ("---:",) * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def write_between(page: Path, begin_mark: str, end_mark: str, text: str) -> None:
    """Put text between the marks of a page. Raises `MarksError` and then writes nothing."""
    before, begin, rest = page.read_text("utf-8").partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise MarksError(f"{page.name} needs the marks {begin_mark} and {end_mark}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
