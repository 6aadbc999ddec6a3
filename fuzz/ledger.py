"""What campaigns have done so far: a line for each, and how much of it still counts.

A campaign counts for the code that it was run on. What a target's code is, is told by the files of `sansio` that it
aims at and by the modules of `fuzz` that judge; comments, docstrings and layout are none of it.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .targets import Target

__all__ = ["LEDGER", "Entry", "code_of", "files_of", "read_entries", "standing", "write_entry"]

_ROOT: Final = Path(__file__).parents[1]
_SANSIO: Final = _ROOT / "sansio"
LEDGER: Final = _ROOT / "fuzz/corpus/campaigns.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One campaign, or the sum of several."""

    target: str
    code: str
    """Of the code that it was run on, see `code_of`."""
    cpu_seconds: float
    inputs: int
    finds: int
    """How many kinds of them."""


def write_entry(entry: Entry, file: Path = LEDGER) -> None:
    """Add a campaign. Several may do this at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(asdict(entry)) + "\n")


def read_entries(file: Path = LEDGER) -> list[Entry]:
    """Return all campaigns that were written down, the oldest first."""
    if not file.exists():
        return []
    return [Entry(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def standing(name: str, code: str, entries: list[Entry]) -> Entry:
    """Return the sum of a target's campaigns on this code."""
    counted = [entry for entry in entries if (entry.target, entry.code) == (name, code)]
    return Entry(
        name,
        code,
        sum(entry.cpu_seconds for entry in counted),
        sum(entry.inputs for entry in counted),
        sum(entry.finds for entry in counted),
    )


def code_of(target: Target) -> str:
    """Return a short digest that changes when the code changes that the target aims at, or that judges it."""
    digest = hashlib.sha256()
    for file in files_of(target):
        digest.update(_bare(file))
    for file in sorted(_judges(_ROOT / f"{target.check.__module__.replace('.', '/')}.py")):
        digest.update(_bare(file))
    return digest.hexdigest()[:12]


def files_of(target: Target) -> list[Path]:
    """Return the files of `sansio` that a target aims at."""
    beyond = {file for pattern in target.beyond for file in _SANSIO.glob(pattern)}
    return [file for pattern in target.code for file in sorted(_SANSIO.glob(pattern)) if file not in beyond]


def _judges(file: Path) -> set[Path]:
    """Return a module's file, and those of the project outside `sansio` that it imports, near or far."""
    found: set[Path] = set()
    waiting = [file] if file.exists() else []
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting += [other for other in _imports(file) if other not in found]
    return found


def _imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            start = file.parent if node.level else _ROOT
            module = start / (node.module or "").replace(".", "/")
            names = [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
            yield from (name for name in names if name.exists() and name.parent != _ROOT / "sansio")


def _bare(file: Path) -> bytes:
    """Return what a file's code says, without what only people read."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return ast.dump(tree).encode()


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )
