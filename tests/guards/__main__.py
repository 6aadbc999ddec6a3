"""Take the guards of `tests.guards.table` away, one at a time, in a copy of the tree, and run tests and attacks there.

The exit status is 1 if a test passes that should have failed, or an attack is held off that should not have been.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.guards.table import GUARDS, Guard

ROOT: Final = Path(__file__).resolve().parents[2]
_NEEDED: Final = ("pyproject.toml", "sansio", "runtime", "tests", "fuzz", "docs")
_PROCESSES: Final = 2
_LONGEST: Final = 300
_FAILED: Final = 1
_SERVER: Final = "tricorn-trio"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guards", description=__doc__)
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="only guards whose threat or file has one of these"
    )
    words = parser.parse_args(arguments).words
    for word in words:
        if not any(word in guard.threat + guard.file for guard in GUARDS):
            parser.error(f"no guard's threat or file has {word!r} in it")
    chosen = [
        guard for guard in GUARDS if not words or any(word in guard.threat + guard.file for word in words)
    ]
    files = files_of_tests()
    trees: SimpleQueue[Path] = SimpleQueue()
    failures = 0
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(_PROCESSES) as pool:
        for number in range(_PROCESSES):
            trees.put(_copy(Path(directory) / str(number)))
        tasks = [
            (guard, test, command_of_test(files[test], test)) for guard in chosen for test in guard.tests
        ]
        tasks += [(guard, attack, command_of_attack(attack)) for guard in chosen for attack in guard.attacks]

        def take_away(task: tuple[Guard, str, list[str]]) -> str:
            tree = trees.get()
            try:
                return run_without(task[0], task[2], tree)
            finally:
                trees.put(tree)

        for (guard, name, _), outcome in zip(tasks, pool.map(take_away, tasks), strict=True):
            failures += bool(outcome)
            print(f"{outcome or 'noticed':<12}{guard.threat}: {guard.file}: {name}", flush=True)
    print(f"{len(chosen)} guards taken away, {failures} of {len(tasks)} tests and attacks did not notice")
    return 1 if failures else 0


def command_of_test(file: Path, test: str) -> list[str]:
    """Return the arguments that run one test, from the top of the tree."""
    return ["pytest", "-x", "-q", "-p", "no:cacheprovider", str(file), "-k", test]


def command_of_attack(attack: str) -> list[str]:
    return ["tests.attacks", attack, "--servers", _SERVER]


def run_without(guard: Guard, arguments: list[str], tree: Path) -> str:
    """Run a module in a tree without the guard. Return what is wrong, or nothing if that fails as it should."""
    module = tree / guard.file
    code = module.read_text(encoding="utf-8")
    if code.count(guard.code) != 1:
        return "NOT FOUND"
    module.write_text(code.replace(guard.code, guard.without), encoding="utf-8")
    try:
        run = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tree, capture_output=True, timeout=_LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return ""  # It waits for what does not come: that is a failure, too.
    finally:
        module.write_text(code, encoding="utf-8")
    return "" if run.returncode == _FAILED else f"exit {run.returncode}" if run.returncode else "UNNOTICED"


def _copy(tree: Path) -> Path:
    tree.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "_build", "corpus", "finds")
    for name in _NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def files_of_tests() -> dict[str, Path]:
    """Return the file of each test, from the top of the tree, by the test's name."""
    found = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = file.relative_to(ROOT)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
