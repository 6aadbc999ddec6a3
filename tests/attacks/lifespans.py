"""Applications whose lifespan breaks the rules: the process ends when it has to, and goes on when it can."""

from __future__ import annotations

from typing import Final

from tests.attacks.attack import Attack, Breach, Victim, demand

SLACK: Final = 3.0


def _fails_to_start(victim: Victim) -> None:
    code = victim.process.wait(SLACK + victim.patience.start)
    demand(code is not None, "runs on")
    demand(code, "ends with success")


def _never_starts(victim: Victim) -> None:
    """Either it gives up by itself, or it ends when it is told to."""
    if victim.process.wait(victim.patience.start + SLACK) is None:
        victim.process.terminate()
        demand(victim.process.wait(victim.patience.stop + SLACK) is not None, "does not end")
        raise Breach("waits for ever")


def _never_shuts_down(victim: Victim) -> None:
    victim.process.terminate()
    demand(victim.process.wait(victim.patience.stop * 2 + SLACK) is not None, "does not end")


MODULE: Final = "tests.attacks.hostile_lifespans"
LIFESPAN: Final = "A lifespan that misbehaves"

ATTACKS: Final = (
    Attack("lifespan-fails", LIFESPAN, _fails_to_start, app=f"{MODULE}:lifespan_fails", starts=False),
    Attack(
        "lifespan-never-starts",
        LIFESPAN,
        _never_starts,
        app=f"{MODULE}:lifespan_never_completes",
        starts=False,
    ),
    Attack(
        "lifespan-never-ends",
        LIFESPAN,
        _never_shuts_down,
        app=f"{MODULE}:lifespan_never_shuts_down",
        ends=True,
        tracebacks=True,
    ),
)
