"""The table of `tests.guards` speaks of code, tests and threats that are there."""

from pathlib import Path
from typing import Final

import pytest

from tests.attacks.catalogue import chosen
from tests.guards.__main__ import command_of_test, files_of_tests, main, run_without
from tests.guards.table import GUARDS, Guard

ROOT: Final = Path(__file__).parents[1]
THREATS: Final = (ROOT / "docs/explanation/threats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.code.strip()[:40])
def test_a_guard_is_there_and_its_tests_too(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.code) == 1
    assert guard.tests
    assert set(guard.tests) <= set(files_of_tests())
    assert len(chosen(guard.attacks)) == len(guard.attacks) or not guard.attacks
    assert f"### {guard.threat}\n" in THREATS


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with a guard, a test that notices that it is gone, and one that does not."""
    (tmp_path / "guard.py").write_text("def allowed(size):\n    return size < 9\n", encoding="utf-8")
    (tmp_path / "test_guard.py").write_text(
        "from guard import allowed\n\n\n"
        "def test_what_is_large():\n    assert not allowed(10)\n\n\n"
        "def test_what_is_small():\n    assert allowed(1)\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest.mark.parametrize(
    ("code", "test", "outcome"),
    [
        ("size < 9", "test_what_is_large", ""),
        ("size < 9", "test_what_is_small", "UNNOTICED"),
        ("size < 8", "test_what_is_large", "NOT FOUND"),
        ("size < 9", "test_what_is_not_there", "exit 5"),
    ],
)
def test_it_is_told_whether_a_test_notices(tree: Path, code: str, test: str, outcome: str) -> None:
    guard = Guard("any", "guard.py", code, "True", (test,))
    assert run_without(guard, command_of_test(Path("test_guard.py"), test), tree) == outcome
    assert "size < 9" in (tree / "guard.py").read_text(encoding="utf-8")


def test_a_guard_that_is_not_there_is_a_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["nonsense"])
    assert raised.value.code == 2
    assert "no guard's threat or file has 'nonsense' in it" in capsys.readouterr().err
