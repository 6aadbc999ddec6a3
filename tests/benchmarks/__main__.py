"""The command line: choose, measure, tell."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.load import raise_descriptor_limit
from tests.benchmarks.machine import describe_machine, take_cores, versions
from tests.benchmarks.report import Report
from tests.benchmarks.scenarios import SCENARIOS, chosen
from tests.benchmarks.servers import ROOT, SERVERS
from tests.benchmarks.session import measure_all
from tests.benchmarks.tables import MarksError

PAGE = ROOT / "docs" / "explanation" / "performance.md"


def main() -> int:
    """Run one session and return the exit code; no figure makes it fail."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        scenarios = chosen(arguments.scenario)
    except LookupError as error:
        parser.error(f"there is no scenario {error}")
    capacity = raise_descriptor_limit(max(scenario.connections for scenario in scenarios))
    for scenario in scenarios:
        if scenario.connections > capacity:
            _tell(f"{scenario.name} is left out: only {capacity} connections may be open here")
    servers = [server for server in SERVERS if not arguments.server or server.name in arguments.server]
    cores = take_cores()
    results = measure_all(
        [scenario for scenario in scenarios if scenario.connections <= capacity],
        servers,
        cores,
        seconds=arguments.duration,
        repeats=arguments.repeat,
        tell=_tell,
    )
    report = Report(
        results,
        scenarios,
        describe_machine(),
        versions(servers),
        arguments.duration,
        arguments.repeat,
        cores.note(),
        datetime.now(UTC),
    )
    print(report.text())
    if arguments.json:
        arguments.json.write_text(report.json() + "\n")
    if arguments.write_docs:
        try:
            report.write_docs(PAGE)
        except MarksError as error:
            _tell(f"the docs are as they were: {error}")
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure what tricorn and its peers cost. Linux only; needs wrk, h2load and taskset.",
        epilog="scenarios: " + ", ".join(scenario.name for scenario in SCENARIOS),
    )
    parser.add_argument("scenario", nargs="*", help="default: all; idle-cost means its whole family")
    parser.add_argument(
        "--server",
        nargs="+",
        action="extend",
        choices=[server.name for server in SERVERS],
        metavar="NAME",
        help="only these: " + ", ".join(server.name for server in SERVERS),
    )
    parser.add_argument("--duration", type=_positive, default=3, metavar="S", help="seconds each time (3)")
    parser.add_argument("--repeat", type=_positive, default=3, metavar="N", help="how many times (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {PAGE.relative_to(ROOT)}")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
