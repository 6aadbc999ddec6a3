"""The table of `tests.guards` speaks of code, tests and threats that are there."""

import json
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.attacks.catalogue import chosen
from tests.guards.__main__ import (
    FAILED,
    PASSED,
    Trial,
    examine,
    main,
    node_of,
    outcome_of_attack,
    try_test,
    try_without,
)
from tests.guards.table import GUARDS, Guard

ROOT: Final = Path(__file__).parents[1]
THREATS: Final = (ROOT / "docs/explanation/threats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.code.strip()[:40])
def test_a_guard_is_there_and_its_tests_too(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.code) == 1
    assert guard.tests
    assert all(map(node_of, guard.tests))
    assert len(chosen(guard.attacks)) == len(guard.attacks) or not guard.attacks
    assert f"### {guard.threat}\n" in THREATS


def test_a_test_is_named_with_its_file_where_two_have_one_of_its_name() -> None:
    name = "test_answers_that_are_not_read_end_the_connection"
    with pytest.raises(LookupError, match=f"Say tests/sansio/.*::{name} or tests/sansio/.*::{name}$"):
        node_of(name)
    named = f"tests/sansio/test_http2_carrier.py::{name}"
    assert node_of(named) == named


@pytest.mark.parametrize(
    "name", ["test_of_nothing", "tests/test_docs.py::test_a_guard_is_there_and_its_tests_too"]
)
def test_a_test_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(LookupError, match=f"^there is no test {name}$"):
        node_of(name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with a guard, a test that notices that it is gone, one that does not, and some that cannot."""
    (tmp_path / "guard.py").write_text("def allowed(size):\n    return size < 9\n", encoding="utf-8")
    (tmp_path / "test_guard.py").write_text(
        "import time\n"
        "from guard import allowed\n\n\n"
        "def test_what_is_large():\n    assert not allowed(10)\n\n\n"
        "def test_what_is_small():\n    assert allowed(1)\n\n\n"
        "def test_what_fails_anyway():\n    assert allowed(9)\n\n\n"
        "def test_what_waits():\n    while allowed(10):\n        time.sleep(1)\n",
        encoding="utf-8",
    )
    return tmp_path


def trial_of(test: str) -> Trial:
    return partial(try_test, f"test_guard.py::{test}")


@pytest.mark.parametrize(
    ("code", "test", "outcome"),
    [
        ("size < 9", "test_what_is_large", FAILED),
        ("size < 9", "test_what_is_small", PASSED),
        ("size < 8", "test_what_is_large", "NOT FOUND"),
        ("size < 9", "test_what_is_not_there", "exit 4"),
    ],
)
def test_it_is_told_whether_a_test_notices(tree: Path, code: str, test: str, outcome: str) -> None:
    guard = Guard("any", "guard.py", code, "True", (test,))
    assert try_without(guard, trial_of(test), tree) == outcome
    assert "size < 9" in (tree / "guard.py").read_text(encoding="utf-8")


def test_a_test_that_waits_for_ever_notices(tree: Path) -> None:
    guard = Guard("any", "guard.py", "size < 9", "True", ("test_what_waits",))
    trial = partial(try_test, "test_guard.py::test_what_waits", longest=5)
    assert try_without(guard, trial, tree) == FAILED


def test_what_fails_with_its_guard_in_place_ends_it(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = ("test_what_is_large", "test_what_fails_anyway")
    guard = Guard("any", "guard.py", "size < 9", "True", tests)
    assert examine([(guard, test, trial_of(test)) for test in tests], [tree]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "These do not pass with all guards in place, and so cannot tell whether one is gone:",
        "failed      test_what_fails_anyway",
    ]


def test_what_notices_and_what_does_not_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = ("test_what_is_large", "test_what_is_small")
    guard = Guard("any", "guard.py", "size < 9", "True", tests)
    assert examine([(guard, test, trial_of(test)) for test in tests], [tree]) == 1
    assert examine([(guard, test, trial_of(test)) for test in tests[:1]], [tree]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 tests and attacks pass with all guards in place",
        "noticed     any: guard.py: test_what_is_large",
        "UNNOTICED   any: guard.py: test_what_is_small",
        "1 guards taken away, 1 of 2 tests and attacks did not notice",
        "1 tests and attacks pass with all guards in place",
        "noticed     any: guard.py: test_what_is_large",
        "1 guards taken away, 0 of 1 tests and attacks did not notice",
    ]


@pytest.mark.parametrize(
    ("servers", "outcome"),
    [
        ({"tricorn-trio": {"breaches": []}}, PASSED),
        ({"tricorn-trio": {"breaches": ["+9 MiB"]}}, FAILED),
        ({"tricorn-trio": {"breaches": ["did not start: ZeroDivisionError"]}}, "NOT STARTED"),
        ({}, "NOT RUN"),
        (None, "NOT RUN"),
    ],
    ids=["held", "breached", "not started", "left out", "nothing written"],
)
def test_an_attack_that_did_not_take_place_tells_nothing(
    servers: dict[str, dict[str, object]] | None, outcome: str
) -> None:
    shown = {name: {"verdict": "", **facts} for name, facts in (servers or {}).items()}
    written = "" if servers is None else json.dumps({"attacks": [{"name": "any", "servers": shown}]})
    assert outcome_of_attack("any", written) == outcome


def test_a_guard_that_is_not_there_is_a_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["nonsense"])
    assert raised.value.code == 2
    assert "no guard's threat or file has 'nonsense' in it" in capsys.readouterr().err
