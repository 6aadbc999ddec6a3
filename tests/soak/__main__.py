"""The command line: soak each backend, tell, and judge."""

import argparse
import json
import sys
from pathlib import Path

import anyio

from fuzz.arguments import positive
from tests.soak.soak import Plan, soak

RATE = 60.0


def main() -> int:
    """Soak, and return the exit code: 1 if anything was not as it should be."""
    parser = _parser()
    given = parser.parse_args()
    backends = ["asyncio", "trio"] if given.backend == "both" else [given.backend]
    options = dict(_option(parser, text) for text in given.option)
    if given.json and not given.json.parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    outcomes = []
    for backend in backends:
        plan = Plan(
            seconds=given.minutes * 60,
            backend=backend,
            loop=given.loop,
            rate=given.rate,
            seed=given.seed,
            server=given.server,
            options=options,
            trace=given.trace,
        )
        sys.stderr.write(f"{plan.name}: {given.minutes:g} min ...\n")
        try:
            outcome = anyio.run(soak, plan)
        except RuntimeError as error:
            sys.stderr.write(f"{str(error).splitlines()[-1]}\n")
            return 1
        sys.stdout.write(outcome.text() + "\n")
        sys.stdout.flush()
        outcomes.append(outcome)
        if given.json:
            given.json.write_text(json.dumps([each.record() for each in outcomes], indent=1) + "\n")
    return int(any(outcome.troubles() for outcome in outcomes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Let a server work for a long time, and see whether it stays as it was. Linux only.",
    )
    parser.add_argument("minutes", type=positive, help="how long, on each backend; a fraction will do")
    parser.add_argument("--backend", choices=["asyncio", "trio", "both"], default="both")
    parser.add_argument(
        "--loop", choices=["uvloop", "asyncio"], default="uvloop", help="for asyncio (uvloop)"
    )
    parser.add_argument(
        "--rate", type=positive, default=RATE, metavar="N", help=f"operations a second ({RATE:g})"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what the traffic follows from (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the server; may be repeated",
    )
    parser.add_argument(
        "--server", default="tests.soak.server", metavar="MODULE", help="another program to be the server"
    )
    parser.add_argument(
        "--trace", action="store_true", help="tell where memory grows; slower, and memory is not judged"
    )
    return parser


def _option(parser: argparse.ArgumentParser, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        parser.error(f"{text!r} is not NAME=VALUE")
    return name.replace("-", "_"), value


if __name__ == "__main__":
    sys.exit(main())
