"""What is left of campaigns: the finds that were kept, the corpus, the ledger, and what they reach."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.campaign import INTERRUPTED, KEPT, load_targets
from fuzz.ledger import Entry, files_of, read_entries, standing, write_entry
from fuzz.properties import FEW, hold_properties
from fuzz.properties import main as hypothesis_campaign
from fuzz.targets import TARGETS
from fuzz.words import HTTP1_WORDS, HTTP2_WORDS, WEBSOCKET_WORDS, write_dictionary

ROOT: Final = Path(__file__).parents[1]
HTTP1: Final = ROOT / "sansio/http1.py"
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="only atheris tells what is new"
)
CHANGE: Final = "\nCHANGED = True\n"


@pytest.mark.parametrize("file", sorted(KEPT.iterdir()), ids=lambda file: file.name)
def test_what_was_found_once_stays_repaired(file: Path) -> None:
    load_targets()[file.name.partition("-")[0]].check(file.read_bytes())


def test_campaigns_on_the_same_code_are_added_up(tmp_path: Path) -> None:
    ledger = tmp_path / "made" / "ledger"
    assert read_entries(ledger) == []
    for entry in (
        Entry("http1", "new", 60.0, 100, 0),
        Entry("http1", "old", 600.0, 1_000, 2),
        Entry("http2", "new", 6.0, 10, 1),
        Entry("http1", "new", 30.0, 50, 1),
    ):
        write_entry(entry, ledger)
    assert standing("http1", "new", read_entries(ledger)) == Entry("http1", "new", 90.0, 150, 1)
    assert standing("scope", "new", read_entries(ledger)) == Entry("scope", "new", 0, 0, 0)


@pytest.mark.parametrize("words", [HTTP1_WORDS, HTTP2_WORDS, WEBSOCKET_WORDS])
def test_a_dictionary_says_every_octet_of_each_word(words: tuple[bytes, ...], tmp_path: Path) -> None:
    write_dictionary(words, tmp_path / "words")
    lines = (tmp_path / "words").read_text(encoding="ascii").splitlines()
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', line) for line in lines)
    assert [bytes.fromhex(line.strip('"').replace("\\x", "")) for line in lines] == list(words)


def fuzz(tree: Path, *arguments: str) -> str:
    """Run the command in a tree, and return what it says."""
    run = subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], cwd=tree, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of what campaigns need, in which nothing was fuzzed yet."""
    for name in ("sansio", "fuzz", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("corpus", "finds"))
    return tmp_path


def test_a_campaign_counts_until_the_code_changes(tree: Path) -> None:
    def inputs() -> int:
        return int(fuzz(tree, "field_blocks", "--status").split()[-2].replace(",", ""))

    assert inputs() == 0
    fuzz(tree, "field_blocks", "0.2", "--plain")
    counted = inputs()
    assert counted > 0
    module = tree / "sansio/field_blocks.py"
    code = module.read_text(encoding="utf-8")
    module.write_text("# Said otherwise.\n" + code, encoding="utf-8")
    assert inputs() == counted
    (tree / "sansio/http1.py").write_text(HTTP1.read_text(encoding="utf-8") + CHANGE, encoding="utf-8")
    assert inputs() == counted  # It is not what this target aims at.
    module.write_text(code + CHANGE, encoding="utf-8")
    assert inputs() == 0


@pytest.mark.parametrize(
    "way", [pytest.param([], marks=needs_atheris), ["--plain"]], ids=["atheris", "plain"]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_campaign_that_is_interrupted_counts(tree: Path, way: list[str], number: signal.Signals) -> None:
    command = [sys.executable, "-m", "fuzz", "field_blocks", "600", *way]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as campaign:
        assert campaign.stdout is not None
        assert campaign.stdout.readline().startswith(b"field_blocks: 600 seconds")
        campaign.send_signal(number)
        said = campaign.stdout.read()

    assert campaign.returncode == INTERRUPTED, said
    (entry,) = read_entries(tree / "fuzz/corpus/campaigns.jsonl")
    assert entry.target == "field_blocks"
    assert entry.cpu_seconds > 0


def test_who_interrupts_one_campaign_of_all_wants_no_other(tree: Path) -> None:
    command = [sys.executable, "-m", "fuzz", "all", "600", "--plain"]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, process_group=0) as campaigns:
        assert campaigns.stdout is not None
        assert campaigns.stdout.readline().startswith(b"connection: 600 seconds")
        os.killpg(campaigns.pid, signal.SIGINT)
        said = campaigns.stdout.read()

    assert campaigns.returncode == INTERRUPTED
    assert b"seconds, plain" not in said
    assert len(read_entries(tree / "fuzz/corpus/campaigns.jsonl")) == 1


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.beyond])
def test_nothing_runs_of_what_is_said_to_be_beyond_a_target(name: str) -> None:
    target = TARGETS[name]
    files = {str(file) for file in (ROOT / "sansio").glob("*.py")} - set(map(str, files_of(target)))
    run = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename in files:
            run.add(frame.f_code.co_qualname)

    seeds = target.seeds()
    sys.setprofile(note)
    try:
        for data in seeds[:: max(1, len(seeds) // 100)]:
            target.check(data)
    finally:
        sys.setprofile(None)
    assert len(files) > 10
    assert not run


def test_lines_that_no_target_reaches_are_named(tree: Path) -> None:
    said = fuzz(tree, "field_blocks", "1", "--coverage")
    assert re.search(r"^field_blocks +\d+ inputs +\d+ of \d+ lines", said)
    assert "not reached: sansio/websocket.py " in said
    assert not re.search(r"not reached: sansio/field_blocks.py 1\b", said)


@needs_atheris
def test_what_reached_something_new_is_there_for_the_next_campaign(tree: Path) -> None:
    fuzz(tree, "field_blocks", "3")
    assert list((tree / "fuzz/corpus/field_blocks").iterdir())


def test_hypothesis_tells_of_each_property_that_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(budget: settings) -> None:
        @budget
        @given(st.integers())
        def small(number: int) -> None:
            assert number < 17, "seventeen: it is disliked"

        small()

    finds = hold_properties({"holds": lambda budget: None, "breaks": breaks}, 0.2, FEW)
    assert list(finds) == ["breaks"]
    told = capsys.readouterr().out
    assert "FOUND by breaks" in told
    assert "number=17" in told
    assert "1 of 2 properties are broken: breaks" in told


def test_only_properties_that_there_are_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        hypothesis_campaign(["1", "htpp1"])
    assert "no property 'htpp1'" in capsys.readouterr().err


def test_a_property_that_holds_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert hypothesis_campaign(["0.002", "scope"]) == 0
    assert "0 of 1 properties are broken: none" in capsys.readouterr().out
