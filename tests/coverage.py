"""Hold each module of sansio to 100 % statement and branch coverage by its own tests.

``python tests/coverage.py`` measures ``sansio/X.py`` while only ``tests/sansio/test_X.py`` runs, and what `CONTINUED`
names beside it, for every X: a line that is run only by another module's tests counts as not run. Names of modules as
arguments limit it to these. It prints a table and exits with 1 if a module is below, its tests fail or are missing.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROCESSES: Final = 2
# Public names and nothing else: tests/test_public.py holds it.
WITHOUT_TESTS: Final = {"__init__"}
# Where ``test_X.py`` would be too long, the rest is in ``test_X_*.py``. Not all of those count: what tries a module at
# random, or with others around it, would hide what its own tests leave out.
CONTINUED: Final = {
    "connection": ("ends",),
    "fields": ("reading",),
    "http": ("finishing", "receiving"),
    "http1": ("ends", "upgrades"),
    "http2_connection": ("ends",),
    "http2_sending": ("turns",),
    "websocket": ("back_pressure", "ends"),
    "websocket_frames": ("refused", "writing"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one module's own tests reach."""

    module: str
    percent: float = 0.0
    missing: str = ""
    failure: str = ""

    @property
    def complete(self) -> bool:
        return not self.failure and not self.missing


def main(arguments: list[str]) -> int:
    modules = arguments or sorted({file.stem for file in (ROOT / "sansio").glob("*.py")} - WITHOUT_TESTS)
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda module: measure(module, Path(directory)), modules))
    width = max(len(result.module) for result in results)
    for result in results:
        print(f"{result.module:{width}}  {result.percent:6.2f} %  {result.missing}".rstrip())
    for result in results:
        if result.failure:
            print(f"\n{result.module}: {result.failure}")
    incomplete = [result.module for result in results if not result.complete]
    print(f"\n{len(results) - len(incomplete)} of {len(results)} modules are covered by their own tests")
    return 1 if incomplete else 0


def measure(module: str, directory: Path) -> Result:
    names = [module, *(f"{module}_{name}" for name in CONTINUED.get(module, ()))]
    tests = [ROOT / "tests" / "sansio" / f"test_{name}.py" for name in names]
    for file in tests:
        if not file.exists():
            return Result(module, failure=f"{file.relative_to(ROOT)} does not exist")
    data = directory / f"{module}.data"
    report = directory / f"{module}.json"
    include = f"--include=sansio/{module}.py"
    # The cache's directory is shared by the processes, and knows nothing that is of use here.
    run = coverage(
        "run",
        "--branch",
        "--source=sansio",
        f"--data-file={data}",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *map(str, tests),
    )
    if run.returncode:
        return Result(module, failure=run.stdout + run.stderr)
    made = coverage("json", include, f"--data-file={data}", "-o", str(report))
    if made.returncode:
        return Result(module, failure=made.stdout + made.stderr)
    found = json.loads(report.read_text(encoding="utf-8"))["files"][f"sansio/{module}.py"]
    lines = [str(line) for line in found["missing_lines"]]
    # An arc that starts in a line that was never run says nothing new.
    arcs = [
        f"{start}->{end if end > 0 else 'exit'}"
        for start, end in found["missing_branches"]
        if start not in found["missing_lines"]
    ]
    return Result(module, found["summary"]["percent_covered"], ", ".join(lines + arcs))


def coverage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "coverage", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
