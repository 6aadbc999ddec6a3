"""The command line: choose, attack, tell."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.attacks.catalogue import all_attacks, chosen
from tests.attacks.report import Report, outcomes_in
from tests.attacks.servers import SERVERS
from tests.attacks.session import Outcome, carry_out
from tests.benchmarks.certificates import certificate
from tests.benchmarks.load import raise_descriptor_limit
from tests.benchmarks.machine import describe_machine, take_cores
from tests.benchmarks.servers import ROOT
from tests.benchmarks.tables import MarksError

PAGE = ROOT / "docs" / "explanation" / "threats.md"
CLIENTS = 2_000


def main() -> int:
    """Run one session and return the exit code: 1 if an attack has breached tricorn."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        attacks = chosen(arguments.attack)
    except LookupError as error:
        parser.error(f"there is no attack {error}; --list names them all")
    if arguments.list:
        print("\n".join(f"{attack.name:28} {attack.protocol:10} {attack.threat}" for attack in attacks))
        return 0
    # The server that is being attacked ends with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_descriptor_limit(CLIENTS)
    servers = [server for server in SERVERS if not arguments.servers or server.name in arguments.servers]
    left_out = {
        server.name: f"{', '.join(missing)} is not installed"
        for server in servers
        if (missing := server.missing())
    }
    servers = [server for server in servers if server.name not in left_out]
    for attack in attacks:
        if attack.needs and shutil.which(attack.needs) is None:
            _tell(f"{attack.name} is left out: the command {attack.needs} is not installed")
    attacks = [attack for attack in attacks if not attack.needs or shutil.which(attack.needs)]
    cores = take_cores()
    outcomes: dict[tuple[str, str], Outcome] = {}
    for file in arguments.known:
        try:
            outcomes |= outcomes_in(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            parser.error(f"--known {file}: {error}")
    if arguments.json and not arguments.json.parent.is_dir():
        parser.error(f"--json {arguments.json}: there is no such folder")
    report = Report(attacks, servers, outcomes, left_out, describe_machine(), datetime.now(UTC))
    with certificate() as shown:
        for attack in attacks:
            for server in servers:
                if attack.protocol in server.protocols and (attack.name, server.name) not in outcomes:
                    outcome = carry_out(attack, server, cores.server, shown)
                    outcomes[attack.name, server.name] = outcome
                    if arguments.json:  # Each time: a session is long, and may be cut off.
                        arguments.json.write_text(report.json() + "\n")
                    _tell(f"{attack.name:26} {server.name:18} {outcome.verdict}")
    print(report.text())
    if arguments.json:
        arguments.json.write_text(report.json() + "\n")
    if arguments.write_docs:
        try:
            report.write_docs(PAGE)
        except MarksError as error:
            _tell(f"the docs are as they were: {error}")
            return 1
    return 0 if report.all_ours_held else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.attacks",
        description="Attack tricorn and its peers, each in a process of its own. Linux only; needs taskset.",
        epilog="attacks: " + ", ".join(attack.name for attack in all_attacks()),
    )
    parser.add_argument("attack", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument(
        "--servers",
        nargs="+",
        action="extend",
        choices=[server.name for server in SERVERS],
        metavar="SERVER",
        help="only these: " + ", ".join(server.name for server in SERVERS),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome there")
    parser.add_argument(
        "--known",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help="take outcomes from what --json has written, and do only what is missing there",
    )
    parser.add_argument("--list", action="store_true", help="tell which attacks there are, and end")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {PAGE.relative_to(ROOT)}")
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
