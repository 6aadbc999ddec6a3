"""Applications whose lifespan breaks the rules: the process ends when it has to, and goes on when it can."""

from __future__ import annotations

from typing import Final

from tests.attacks.attack import Attack, Breach, Victim, demand
from tests.attacks.variants import HOST, head

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


def _told_to_end(victim: Victim) -> None:
    victim.process.terminate()
    demand(victim.process.wait(victim.patience.stop * 2 + SLACK) is not None, "does not end")


def _completes_twice(victim: Victim) -> None:
    """Each answer that nobody has asked for is refused, and the server goes on; then it ends as told."""
    client = victim.connect()
    client.send(head(b"GET /refused HTTP/1.1", HOST, b"Connection: close"))
    answer = client.receive_all(SLACK)
    demand(answer.bodies == [b"3"], f"{answer.bodies} of 3 answers out of turn were refused")
    victim.process.terminate()
    demand(victim.process.wait(victim.patience.stop * 2 + SLACK) is not None, "does not end")


def _raises_late(victim: Victim) -> None:
    """What the application has begun at its start is gone: a server that says nothing would serve without it."""
    victim.connect().send(head(b"GET /fail HTTP/1.1", HOST, b"Connection: close"))
    code = victim.process.wait(victim.patience.stop * 2 + SLACK)
    demand(code is not None, "serves without its lifespan")
    demand(code, "ends with success")


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
        _told_to_end,
        app=f"{MODULE}:lifespan_never_shuts_down",
        ends=True,
        tracebacks=True,
    ),
    Attack(
        "lifespan-completes-twice",
        LIFESPAN,
        _completes_twice,
        app=f"{MODULE}:lifespan_completes_twice",
        ends=True,
    ),
    Attack(
        "lifespan-raises-late",
        LIFESPAN,
        _raises_late,
        app=f"{MODULE}:lifespan_raises_late",
        ends=True,
    ),
    Attack(
        "lifespan-raises-at-the-end",
        LIFESPAN,
        _told_to_end,
        app=f"{MODULE}:lifespan_raises_at_the_end",
        ends=True,
    ),
)
