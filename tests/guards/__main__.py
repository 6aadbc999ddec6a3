"""Take the guards of `tests.guards.table` away, one at a time, in a copy of the tree, and run tests and attacks there.

All of them are run with all guards in place first: one that fails then would tell nothing. The exit status is 1 if one
fails then, if a test passes that should have failed, or if an attack is held off that should not have been, or if one
cannot be run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from tests.attacks.report import outcomes_in
from tests.guards.table import GUARDS, Guard
from tests.names import file_of_test

ROOT: Final = Path(__file__).resolve().parents[2]
_NEEDED: Final = ("pyproject.toml", "sansio", "runtime", "tests", "fuzz", "docs")
_PROCESSES: Final = 2
_LONGEST: Final = 300
_SERVER: Final = "tricorn-trio"
_NOT_STARTED: Final = "did not start"

PASSED: Final = "passed"
FAILED: Final = "failed"
Trial: TypeAlias = Callable[[Path], str]
"""Runs a test or an attack in a tree. Returns `PASSED`, `FAILED`, or why neither can be said."""


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
    trials: list[tuple[Guard, str, Trial]] = [
        (guard, test, partial(try_test, node_of(test))) for guard in chosen for test in guard.tests
    ]
    trials += [(guard, attack, partial(try_attack, attack)) for guard in chosen for attack in guard.attacks]
    with tempfile.TemporaryDirectory() as directory:
        return examine(trials, [_copy(Path(directory) / str(number)) for number in range(_PROCESSES)])


def examine(trials: list[tuple[Guard, str, Trial]], trees: list[Path]) -> int:
    """Try everything with its guard and without it, and say what comes of it. Returns the exit status."""
    idle: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        idle.put(tree)

    def in_some_tree(trial: Trial) -> str:
        tree = idle.get()
        try:
            return trial(tree)
        finally:
            idle.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        by_name = {name: trial for _, name, trial in trials}
        before = zip(by_name, pool.map(in_some_tree, by_name.values()), strict=True)
        unfit = [f"{outcome:<12}{name}" for name, outcome in before if outcome != PASSED]
        if unfit:
            print(
                "These do not pass with all guards in place, and so cannot tell whether one is gone:",
                *unfit,
                sep="\n",
            )
            return 1
        print(f"{len(by_name)} tests and attacks pass with all guards in place", flush=True)
        failures = 0
        without = [partial(try_without, guard, trial) for guard, _, trial in trials]
        for (guard, name, _), outcome in zip(trials, pool.map(in_some_tree, without), strict=True):
            failures += outcome != FAILED
            said = {FAILED: "noticed", PASSED: "UNNOTICED"}.get(outcome, outcome)
            print(f"{said:<12}{guard.threat}: {guard.file}: {name}", flush=True)
    guards = len({guard for guard, _, _ in trials})
    print(f"{guards} guards taken away, {failures} of {len(trials)} tests and attacks did not notice")
    return 1 if failures else 0


def node_of(test: str) -> str:
    """Return what pytest calls a test. Raises `LookupError` if there is none of that name, or more than one."""
    return f"{file_of_test(test).as_posix()}::{test.rpartition('::')[2]}"


def try_test(node: str, tree: Path, longest: float = _LONGEST) -> str:
    """Run a test in a tree. One that waits for so many seconds for what does not come has failed, too."""
    try:
        run = _run(tree, longest, "pytest", "-x", "-q", "-p", "no:cacheprovider", node)
    except subprocess.TimeoutExpired:
        return FAILED
    return {0: PASSED, 1: FAILED}.get(run.returncode, f"exit {run.returncode}")


def try_attack(attack: str, tree: Path) -> str:
    """Attack the server of a tree. What counts is what the attack has seen, and not that it ended badly."""
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory) / "outcomes.json"
        try:
            _run(tree, _LONGEST, "tests.attacks", attack, "--servers", _SERVER, "--json", str(written))
        except subprocess.TimeoutExpired:
            return "NO END"
        return outcome_of_attack(attack, written.read_text(encoding="utf-8") if written.exists() else "")


def outcome_of_attack(attack: str, written: str) -> str:
    """Return what came of an attack, by what `tests.attacks` has written of it, which may be nothing."""
    outcome = outcomes_in(written).get((attack, _SERVER)) if written else None
    if outcome is None:
        return "NOT RUN"
    if any(breach.startswith(_NOT_STARTED) for breach in outcome.breaches):
        return "NOT STARTED"
    return FAILED if outcome.breaches else PASSED


def try_without(guard: Guard, trial: Trial, tree: Path) -> str:
    """Run a test or an attack in a tree without the guard."""
    module = tree / guard.file
    code = module.read_text(encoding="utf-8")
    if code.count(guard.code) != 1:
        return "NOT FOUND"
    module.write_text(code.replace(guard.code, guard.without), encoding="utf-8")
    try:
        return trial(tree)
    finally:
        module.write_text(code, encoding="utf-8")


def _run(tree: Path, longest: float, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=tree, capture_output=True, timeout=longest, check=False
    )


def _copy(tree: Path) -> Path:
    tree.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "_build", "corpus", "finds")
    for name in _NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
