"""``python -m fuzz TARGET SECONDS``, or nothing for a list of the targets; ``--help`` has the rest."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from .arguments import positive
from .campaign import CORPUS, INTERRUPTED, TARGET_NAMES, Campaign, load_targets, replay, write_seeds
from .ledger import Entry, code_of, read_entries, standing, write_entry
from .reached import measure, tell

_EPILOG = "A find is written to fuzz/finds/. The exit status is 1 if there was one."
_ALL = "all"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description="Fuzz tricorn's core.", epilog=_EPILOG
    )
    parser.add_argument(
        "target", nargs="?", help=f"what to aim at, or {_ALL!r}; without it, list the targets"
    )
    parser.add_argument(
        "seconds", nargs="?", type=positive, default=60.0, help="how long for each (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random choices (default: 1)")
    parser.add_argument("--plain", action="store_true", help="do not use atheris")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run one input again and show what happens"
    )
    parser.add_argument("--seeds", type=Path, metavar="DIRECTORY", help="write the seed corpus there")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="tell which lines of sansio the inputs run that are there by now",
    )
    parser.add_argument(
        "--status", action="store_true", help="tell how long each target was fuzzed since its code changed"
    )
    options = parser.parse_args(arguments)
    names = TARGET_NAMES if options.target in {None, _ALL} else (options.target,)
    if not set(names) <= set(TARGET_NAMES):
        parser.error(f"no target {options.target!r}; there are: {', '.join(TARGET_NAMES)}, {_ALL}")
    one = options.target not in {None, _ALL}
    if options.replay is not None and not (one and options.replay.is_file()):
        parser.error(f"no file {str(options.replay)!r}" if one else "--replay is for one target")
    if options.seeds is not None and not (one and (options.seeds.is_dir() or not options.seeds.exists())):
        parser.error(f"{str(options.seeds)!r} is no directory" if one else "--seeds is for one target")
    if options.coverage:
        for line in tell(*measure(names, options.seconds)):
            print(line)
        return 0
    if options.status:
        return _tell_status(names)
    if options.target is None:
        return _tell_targets()
    if options.target == _ALL:
        words = [str(options.seconds), "--seed", str(options.seed), *(["--plain"] if options.plain else [])]
        return _attack_each(names, words)
    if options.replay is not None:
        found_by = options.replay.name.partition("-")[0]
        if found_by in set(TARGET_NAMES) - {options.target}:
            print(f"its name says that it was found by {found_by}, not by {options.target}")
        return replay(load_targets()[options.target].check, options.replay)
    if options.seeds is not None:
        write_seeds(load_targets()[options.target], options.seeds)
        print(f"{len(list(options.seeds.iterdir()))} files in {options.seeds}")
        return 0
    return _attack(options.target, options.seconds, options.seed, plain=options.plain)


def _attack_each(names: tuple[str, ...], words: list[str]) -> int:
    """Run one campaign after the other, in a process each. Whoever interrupts one wants no other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It reaches the one that is running, too.
    status = 0
    for name in names:
        with subprocess.Popen([sys.executable, "-m", "fuzz", name, *words]) as campaign:
            signal.signal(signal.SIGTERM, lambda *_, campaign=campaign: campaign.terminate())
            ended = campaign.wait()
        if ended == INTERRUPTED:
            return INTERRUPTED
        status = max(status, abs(ended))
    return status


def _attack(name: str, seconds: float, seed: int, *, plain: bool) -> int:
    target = load_targets(instrumented=not plain)[name]
    code = code_of(target)

    def write_down(campaign: Campaign) -> None:
        write_entry(Entry(name, code, campaign.cpu_seconds, campaign.inputs, len(campaign.finds)))

    campaign = Campaign(name, seconds, seed, corpus=CORPUS / name, when_done=write_down)
    return campaign.attack(target, plain=plain)


def _tell_targets() -> int:
    for name, target in load_targets().items():
        print(f"{name:<18}{target.about}")
    return 0


def _tell_status(names: tuple[str, ...]) -> int:
    entries = read_entries()
    print(f"{'':18}{'minutes of CPU':>15}{'inputs':>12}{'finds':>7}")
    for name in names:
        entry = standing(name, code_of(load_targets()[name]), entries)
        print(f"{name:<18}{entry.cpu_seconds / 60:>15.1f}{entry.inputs:>12,}{entry.finds:>7}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
