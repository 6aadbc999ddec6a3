"""Tests that a table or a page names: by what they are called, or as FILE::NAME where several files have one."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

__all__ = ["file_of_test"]

ROOT: Final = Path(__file__).resolve().parents[1]


def file_of_test(named: str) -> Path:
    """Return the file of a test, from the top of the tree.

    Raises `LookupError` if there is no such test, or if there are several.
    """
    path, _, name = named.rpartition("::")
    files = [file for file in _FILES.get(name, []) if path in {"", file.as_posix()}]
    if not files:
        raise LookupError(f"there is no test {named}")
    if len(files) > 1:
        choice = " or ".join(f"{file.as_posix()}::{name}" for file in files)
        raise LookupError(f"which {name} is meant? Say {choice}")
    return files[0]


def _files_of_tests() -> dict[str, list[Path]]:
    found = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in re.findall(
            r"^(?:async )?def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            found[name].append(file.relative_to(ROOT))
    return dict(found)


_FILES: Final = _files_of_tests()
