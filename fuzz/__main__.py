"""``python -m fuzz TARGET SECONDS [--seed N]``, or ``--replay FILE``, or nothing for a list of the targets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .campaign import TARGET_NAMES, Campaign, load_targets, replay, write_seeds

_EPILOG = "A find is written to fuzz/finds/. The exit status is 1 if there is one."


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description="Fuzz tricorn's core.", epilog=_EPILOG
    )
    parser.add_argument("target", nargs="?", help="what to aim at; without it, list the targets")
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random choices (default: 1)")
    parser.add_argument("--plain", action="store_true", help="do not use atheris")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run one input again and show what happens"
    )
    parser.add_argument("--seeds", type=Path, metavar="DIRECTORY", help="write the seed corpus there")
    options = parser.parse_args(arguments)
    if options.target is None:
        for name, target in load_targets().items():
            print(f"{name:<14}{target.about}")
        return 0
    if options.target not in TARGET_NAMES:
        parser.error(f"no target {options.target!r}; there are: {', '.join(TARGET_NAMES)}")
    if options.replay is None and options.seeds is None:
        target = load_targets(instrumented=not options.plain)[options.target]
        return Campaign(options.target, options.seconds, options.seed).attack(target, plain=options.plain)
    target = load_targets()[options.target]
    if options.seeds is not None:
        write_seeds(target, options.seeds)
        return 0
    return replay(target.check, options.replay)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
