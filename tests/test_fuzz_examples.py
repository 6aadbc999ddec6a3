"""The example that fuzzes a server around `sansio` lets a right driver through, and finds what drivers do wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from fuzz.script import mutate_script
from fuzz.seeds import http1_seeds

EXAMPLE: Final = Path(__file__).parents[1] / "docs/examples/fuzz_server.py"
MUTATED: Final = 200


def example(right: str = "", wrong: str = "") -> Callable[[bytes], None]:
    """Return the check of the example, with a mistake in its driver if one is given."""
    source = EXAMPLE.read_text("utf-8")
    if right:
        assert source.count(right) == 1
        source = source.replace(right, wrong)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, str(EXAMPLE), "exec", dont_inherit=True), names)  # noqa: S102 - it is ours.
    check: Callable[[bytes], None] = names["check"]
    return check


def what_is_wrong(check: Callable[[bytes], None], data: bytes) -> str:
    """Return what a find is called, or nothing if there is none."""
    try:
        check(data)
    except AssertionError as error:
        return str(error).partition(":")[0]
    return ""


def test_a_driver_that_keeps_the_contract_passes_all_seeds() -> None:
    check = example()
    for seed in http1_seeds():
        check(seed)


def test_a_driver_that_keeps_the_contract_passes_what_comes_of_seeds() -> None:
    check = example()
    rng = random.Random(1)
    seeds = http1_seeds()
    for _ in range(MUTATED):
        check(mutate_script(rng.choice(seeds), rng))


@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [
        ("= connection.write_ended, connection.closed", "= False, connection.closed", "the end of its side"),
        ("        self.look()\n\n    def look", "        app or self.look()\n\n    def look", "octets"),
        ("while self.alarm <= now:", "while self.alarm < now:", "reading"),
        (
            "self.alarm = connection.deadline",
            "self.alarm = max(self.now + 1, connection.deadline)",
            "messages",
        ),
        ("elif app.exchange.can_send:", "elif app.exchange.disconnected:", "applications that wait"),
        ('app.awaits == "receive":', 'app.awaits == "receive" and not app.received:', "messages"),
    ],
    ids=[
        "end not looked at",
        "nothing looked at behind an application",
        "deadline a turn late",
        "due deadline late",
        "sender not woken",
        "receiver not woken again",
    ],
)
def test_the_seeds_find_a_mistake_of_a_driver(right: str, wrong: str, found: str) -> None:
    check = example(right, wrong)
    assert any(what_is_wrong(check, seed) == found for seed in http1_seeds())
