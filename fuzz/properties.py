"""All laws as properties for hypothesis: ``python -m fuzz.properties MINUTES [PROPERTY ...]``.

The test suite holds the same properties with few examples, which are the same each time. Here they are new each time,
and what breaks a law is made small and printed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from .arguments import positive
from .stateful import AnyHttp1, AnyProtocol, Drawn
from .targets import TARGETS, Target

__all__ = ["FEW", "PROPERTIES", "Property", "hold_properties"]

Property: TypeAlias = Callable[[settings], None]
"""Tries as many examples as the settings say; raises for the smallest that breaks a law."""

FEW: Final = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    stateful_step_count=24,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
"""The same examples each time, for a test suite."""

_NEW: Final = settings(FEW, derandomize=False, max_examples=200, stateful_step_count=50)
_MAX_CHANGES: Final = 4


def _machine(stories: type[RuleBasedStateMachine]) -> Property:
    return lambda budget: run_state_machine_as_test(stories, settings=budget)


def _target(target: Target) -> Property:
    """Change seeds as the target's campaigns do, but with choices that hypothesis can take back."""

    @st.composite
    def inputs(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(target.seeds()))
        for _ in range(draw(st.integers(1, _MAX_CHANGES))):
            data = target.mutate(data, Drawn(draw))
        return data

    return lambda budget: budget(given(st.one_of(inputs(), st.binary(max_size=100)))(target.check))()


PROPERTIES: Final[dict[str, Property]] = {
    "any protocol": _machine(AnyProtocol),
    "any http1": _machine(AnyHttp1),
    **{name: _target(target) for name, target in TARGETS.items()},
}


def hold_properties(
    properties: dict[str, Property], seconds: float, budget: settings = _NEW
) -> dict[str, Exception]:
    """Try them in turns until the time is over. Return what broke, the first find of each."""
    end = time.monotonic() + seconds
    finds: dict[str, Exception] = {}
    rounds = 0
    while time.monotonic() < end and len(finds) < len(properties):
        for name, hold in properties.items():
            if name in finds or time.monotonic() >= end:
                continue
            try:
                hold(budget)
            except Exception as error:  # noqa: BLE001 - the campaign goes on.
                finds[name] = error
                print(f"\nFOUND by {name}", flush=True)
                traceback.print_exception(error, file=sys.stdout)
        rounds += 1
    print(
        f"{rounds} rounds of up to {budget.max_examples} examples, {time.process_time():.0f} seconds of CPU"
    )
    print(
        f"{len(finds)} of {len(properties)} properties are broken: {', '.join(finds) or 'none'}", flush=True
    )
    return finds


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz.properties", description="Hold every law with hypothesis."
    )
    parser.add_argument("minutes", nargs="?", type=positive, default=10.0, help="how long (default: 10)")
    parser.add_argument("properties", nargs="*", metavar="PROPERTY", help=", ".join(map(repr, PROPERTIES)))
    options = parser.parse_args(arguments)
    unknown = set(options.properties) - PROPERTIES.keys()
    if unknown:
        parser.error(f"no property {unknown.pop()!r}; there are: {', '.join(map(repr, PROPERTIES))}")
    chosen = {name: PROPERTIES[name] for name in options.properties or PROPERTIES}
    return 1 if hold_properties(chosen, options.minutes * 60) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
