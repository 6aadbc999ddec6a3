"""Campaigns, and the commands that run them: what they find and tell, and what they refuse."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from fuzz.__main__ import main
from fuzz.campaign import TARGET_NAMES, Campaign, load_targets, replay
from fuzz.generate import mutate
from fuzz.properties import main as hold_properties
from fuzz.targets import Target
from tests.soak.__main__ import main as soak

APP: Final = Path(__file__).parents[1] / "docs/examples/fuzz_app.py"


def _dislikes_zero(data: bytes) -> None:
    assert b"\x00" not in data, "a zero: it is disliked"


def test_a_campaign_makes_its_find_small_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target(_dislikes_zero, lambda: [b"seed", b"with\x00zero"], mutate, "for the test")
    campaign = Campaign("mine", 0.2, finds=tmp_path)
    assert campaign.attack(target, plain=True) == 1
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == b"\x00"
    assert campaign.finds == {"a zero": file}
    told = capsys.readouterr().out
    assert "plain random mutation" in told
    assert f"fuzz.campaign.replay(check, Path({str(file)!r}))" in told
    assert replay(_dislikes_zero, file) == 1
    assert "a zero: it is disliked" in capsys.readouterr().out


def test_a_campaign_that_finds_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = Target(lambda data: None, lambda: [b"seed"], mutate, "for the test")
    assert Campaign("mine", 0.05, finds=tmp_path).attack(target, plain=True) == 0
    assert "0 kinds of finds" in capsys.readouterr().out


def test_the_command_lists_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(TARGET_NAMES)


def test_the_command_knows_its_targets_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["htpp1", "1"])
    assert "no target 'htpp1'" in capsys.readouterr().err


def test_the_command_replays_one_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "find").write_bytes(load_targets()["gate"].seeds()[0])
    assert main(["gate", "--replay", str(tmp_path / "find")]) == 0
    assert "every law holds" in capsys.readouterr().out


def _never_returns(data: bytes) -> None:
    while data == b"seed":
        pass


def test_an_input_that_takes_too_long_is_a_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = Target(_never_returns, lambda: [b"seed"], lambda data, _: data[:1], "for the test")
    assert Campaign("mine", 0.2, finds=tmp_path, longest=0.1).attack(target, plain=True) == 1
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == b"seed"
    told = capsys.readouterr().out
    assert "FOUND an input that takes more than 0.1 seconds of CPU" in told
    assert "1 kinds of finds" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gate", "-1"], "argument seconds: -1 is not more than 0"),
        (["gate", "nan"], "argument seconds: nan is not more than 0"),
        (["gate", "soon"], "invalid positive value: 'soon'"),
        (["--replay", "find"], "--replay is for one target"),
        (["all", "--replay", "find"], "--replay is for one target"),
        (["gate", "--replay", "find"], "no file 'find'"),
        (["--seeds", "seeds"], "--seeds is for one target"),
        (["gate", "--seeds", __file__], "is no directory"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_a_find_of_another_target_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "http1-0123456789ab"
    file.write_bytes(load_targets()["gate"].seeds()[0])
    assert main(["gate", "--replay", str(file)]) == 0
    assert "it was found by http1, not by gate" in capsys.readouterr().out


def test_seeds_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["field_blocks", "--seeds", str(tmp_path / "seeds")]) == 0
    number = len(list((tmp_path / "seeds").iterdir()))
    assert capsys.readouterr().out == f"{number} files in {tmp_path / 'seeds'}\n"


@pytest.mark.parametrize("minutes", ["-1", "0", "inf"])
def test_a_time_is_more_than_nothing(
    minutes: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tests.soak", minutes])
    with pytest.raises(SystemExit, match="2"):
        soak()
    with pytest.raises(SystemExit, match="2"):
        hold_properties([minutes])
    assert len(re.findall(f"{minutes} is not more than 0", capsys.readouterr().err)) == 2


def test_the_example_notices_what_an_application_leaves_undone(tmp_path: Path) -> None:
    text = APP.read_text("utf-8")
    last = 'await send({"type": "http.response.body", "body": body})'
    assert text.count(last) == 1
    (tmp_path / "lazy.py").write_text(text.replace(last, "pass"), encoding="utf-8")
    check: Callable[[bytes], None] = runpy.run_path(str(tmp_path / "lazy.py"))["check"]
    with pytest.raises(RuntimeError, match="broke its contract: the application returned without"):
        check(b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n")
