"""A short soak of each event loop, and what the judge of a long one notices."""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.benchmarks.measure import resident_bytes
from tests.soak import heap
from tests.soak.app import Application, Message
from tests.soak.judge import Census, Outcome, Sample, read_log, slope
from tests.soak.load import KINDS, Kind
from tests.soak.soak import ROOT, Plan, soak

MEBIBYTE: Final = 1_048_576
IDLE: Final = Census(10, 5, {"sansio.connection.Connection": 1})
LOOPS: Final = [("asyncio", "asyncio"), ("trio", "asyncio")]

LONG: Final = {"HTTP/1: read nothing"}
"""What takes longer than a test should."""


def short(*names: str) -> tuple[Kind, ...]:
    """Return these kinds, or all that are short, each as often as the others."""
    chosen = [kind for kind in KINDS if (kind.name in names if names else kind.name not in LONG)]
    return tuple(replace(kind, weight=1) for kind in chosen)


def outcome_of(resident: list[float], **more: object) -> Outcome:
    """Return what one would be that is good, but for its memory: a sample each second."""
    samples = [
        Sample(float(time), int(size), time / 4, 20, 9, 100_000, 8 * MEBIBYTE)
        for time, size in enumerate(resident)
    ]
    outcome = Outcome("made up", float(len(samples)), 100.0, IDLE, after=IDLE, samples=samples, status=0)
    return replace(outcome, **more)  # type: ignore[arg-type]  # Each caller knows its fields.


# The server.


@pytest.fixture(scope="module", params=LOOPS, ids=lambda loop: loop[0])
def soaked(request: pytest.FixtureRequest) -> Outcome:
    backend, loop = request.param
    return anyio.run(
        soak, Plan(seconds=1.5, backend=backend, loop=loop, rate=40, kinds=short(), settling=4.0)
    )


def test_every_answer_of_a_soaked_server_is_as_expected(soaked: Outcome) -> None:
    assert soaked.errors == []
    assert {kind.name for kind in short()} <= set(soaked.operations)
    lasting = {"lasting: HTTP/1", "lasting: HTTP/2", "lasting: WebSocket"}
    assert {*lasting, "TLS: new certificates"} <= set(soaked.operations)


def test_a_soaked_server_has_no_more_descriptors_and_tasks_than_before(soaked: Outcome) -> None:
    assert soaked.after is not None
    assert max(sample.descriptors for sample in soaked.samples) > soaked.before.descriptors
    assert soaked.after.descriptors <= soaked.before.descriptors
    assert soaked.after.tasks <= soaked.before.tasks


def test_a_soaked_server_keeps_nothing_of_its_connections_and_ends(soaked: Outcome) -> None:
    assert soaked.troubles() == []


BROKEN: Final = """
import asyncio, sys, warnings
from tests.soak import app, server

class Broken(app.Application):
    kept = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/":
            self.kept.append((send, open("/dev/null"), asyncio.create_task(asyncio.sleep(600))))
            if len(self.kept) == 3:
                warnings.warn("something was not closed", ResourceWarning)
            if len(self.kept) == 5:
                app.GREETING = b"Hello, Wurld!"
        await super().__call__(scope, receive, send)

server.Application = Broken
server.main()
sys.exit(3)
"""


def test_a_server_that_leaks_and_errs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_server.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    plan = Plan(
        seconds=0.5,
        backend="asyncio",
        rate=20,
        kinds=short("HTTP/1: new connections"),
        server="broken_server",
        settling=0.3,
    )
    outcome = anyio.run(soak, plan)
    troubles = "\n".join(outcome.troubles())
    assert "not back: descriptors: " in troubles
    assert "not back: tasks: " in troubles
    assert "not back: sansio.http.HttpExchange: " in troubles
    assert "ended with status 3" in troubles
    assert any("b'Hello, Wurld!' (13 octets) instead of b'Hello, world!'" in text for text in outcome.errors)
    assert any("ResourceWarning: something was not closed" in text for text in outcome.errors)
    assert "FAILED" in outcome.text()


def test_a_server_that_does_not_start_tells_why() -> None:
    plan = Plan(seconds=0.1, backend="trio", rate=1, options={"no_such_option": 1})
    with pytest.raises(RuntimeError, match="there is no option 'no_such_option'"):
        anyio.run(soak, plan)


def test_a_soak_that_is_killed_leaves_no_server_behind() -> None:
    command = [sys.executable, "-m", "tests.soak", "5", "--backend", "trio"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as soaking:
        try:
            give_up_at = time.monotonic() + 30
            while (server := serving_child(soaking.pid)) is None:
                assert time.monotonic() < give_up_at
        finally:
            soaking.kill()
    give_up_at = time.monotonic() + 30
    while is_running(server):
        assert time.monotonic() < give_up_at


def serving_child(pid: int) -> int | None:
    """Return the one child of a process, as soon as it has connections."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            links = [os.readlink(link) for link in Path("/proc", child, "fd").iterdir()]  # noqa: PTH115
            if sum(link.startswith("socket:") for link in links) > 10:  # It has some before.
                return int(child)
    return None


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Memory.


def test_the_slope_is_the_median_over_all_pairs() -> None:
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 1.0), (1.0, 5.0), (2.0, 0.0), (3.0, 4.0)]) == pytest.approx(0.25)
    assert slope([(float(time), 3.0 * time) for time in range(5000)]) == pytest.approx(3.0)
    assert slope([(7.0, 1.0), (7.0, 9.0)]) == 0.0


@pytest.mark.parametrize("place", range(130, 1200, 90))
def test_one_step_of_the_allocator_is_no_leak(place: int) -> None:
    outcome = outcome_of([(41 if time < place else 42) * MEBIBYTE for time in range(1200)])
    assert outcome.troubles() == []


def test_many_steps_are_a_leak() -> None:
    [trouble] = outcome_of([(40 + time // 200) * MEBIBYTE for time in range(1200)]).troubles()
    assert trouble.startswith("memory grew by ")


def test_memory_that_wobbles_is_no_leak() -> None:
    wobble = random.Random(1)
    outcome = outcome_of([40 * MEBIBYTE + wobble.randint(-MEBIBYTE, MEBIBYTE) for _ in range(1200)])
    assert outcome.growth < 0.5
    assert outcome.troubles() == []


def test_a_leak_smaller_than_the_wobble_is_noticed() -> None:
    wobble = random.Random(2)
    leak = 0.02 * 40 * MEBIBYTE / 1200  # Two percent in all, which no single sample would show.
    sizes = [40 * MEBIBYTE + time * leak + wobble.uniform(-0.5, 0.5) * MEBIBYTE for time in range(1200)]
    outcome = outcome_of(sizes)
    assert outcome.growth == pytest.approx(1.8, abs=0.5)
    [trouble] = outcome.troubles()
    assert trouble.startswith("memory grew by ")


def test_what_grows_while_the_server_warms_up_does_not_count() -> None:
    outcome = outcome_of([30 * MEBIBYTE + min(time, 119) * 100_000 for time in range(600)])
    assert outcome.growth == pytest.approx(0.0)
    assert outcome.troubles() == []


def test_what_python_keeps_is_noticed_though_its_memory_stays_the_same() -> None:
    kept = outcome_of([30 * MEBIBYTE] * 1200)
    for number, sample in enumerate(kept.samples):
        kept.samples[number] = replace(sample, blocks=sample.blocks + 2 * number)
    assert kept.troubles() == ["Python's blocks grew by 2.13 %"]


def test_the_heaps_use_is_told() -> None:
    outcome = outcome_of([30 * MEBIBYTE] * 600)
    for number, sample in enumerate(outcome.samples):
        outcome.samples[number] = replace(sample, heap=sample.heap + number * 1024)
    assert outcome.growth_of_heap == pytest.approx(5.6, abs=0.1)
    assert "8.1 MiB and 8.6 MiB, slope +5.6" in outcome.text()
    assert outcome.troubles() == []
    unknown = outcome_of([MEBIBYTE] * 600)
    unknown.samples[:] = [replace(sample, heap=0) for sample in unknown.samples]
    assert unknown.growth_of_heap == 0.0


async def census() -> dict[str, int]:
    """Ask the application itself for a census, as it is taken each second."""
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("there is nothing to receive")

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "path": "/census", "query_string": b""}
    await Application(lambda: None)(scope, receive, send)
    counted: dict[str, int] = json.loads(messages[1]["body"])
    return counted


@pytest.mark.skipif(not heap.in_use(), reason="only glibc tells")
def test_before_a_look_pages_of_the_heap_that_hold_nothing_are_given_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    before = anyio.run(census)["heap"]
    blocks = [library.malloc(16_384) for _ in range(1000)]
    for block in blocks:
        ctypes.memset(block, 1, 16_384)
    held, resident = heap.in_use(), resident_bytes(os.getpid())
    for block in blocks[:-1]:  # What lies below the last cannot go by itself.
        library.free(block)
    counted = anyio.run(census)
    now = resident_bytes(os.getpid())
    library.free(blocks[-1])
    assert held - before >= 1000 * 16_384
    assert held - counted["heap"] >= 990 * 16_384
    assert resident - now >= 900 * 16_384


def test_a_soak_that_is_too_short_does_not_judge_memory() -> None:
    outcome = outcome_of([(30 + time) * MEBIBYTE for time in range(60)])
    assert outcome.growth > 50
    assert outcome.troubles() == []
    assert "not judged" in outcome.text()


# What has to come back.


def test_what_is_left_behind_is_named_with_both_counts() -> None:
    after = Census(12, 5, {"sansio.connection.Connection": 4, "sansio.http2.Http2": 1})
    assert outcome_of([MEBIBYTE], after=after).troubles() == [
        "not back: descriptors: 10 before, 12 after",
        "not back: sansio.connection.Connection: 1 before, 4 after",
        "not back: sansio.http2.Http2: 0 before, 1 after",
    ]


def test_fewer_than_before_are_no_trouble() -> None:
    assert outcome_of([MEBIBYTE], after=Census(9, 4, {})).troubles() == []


def test_an_end_that_takes_too_long_or_does_not_come_is_noticed() -> None:
    assert outcome_of([MEBIBYTE], ending=9.0).troubles() == ["took 9.0 s to end"]
    assert outcome_of([MEBIBYTE], status=None, ending=20.0).troubles() == [
        "ended with status None after 20.0 s"
    ]
    assert outcome_of([MEBIBYTE], after=None).troubles() == ["the server did not answer after the load"]


# The log.

PLANNED: Final = """\
2026-11-21 13:13:16,161 ERROR Exception in ASGI application
Traceback (most recent call last):
  File "/srv/runtime/driver.py", line 142, in run_app
    await app(exchange.scope, receive, send)
  File "/srv/tests/soak/app.py", line 131, in _fail
    raise PlannedError("before the response")
tests.soak.app.PlannedError: before the response
"""
USUAL: Final = (
    """\
2026-11-21 13:13:11,020 INFO Listening on https://127.0.0.1:36113
2026-11-21 13:13:12,411 INFO 127.0.0.1:40012 refused with 400: the request has no Host field
"""
    + PLANNED
    + """\
2026-11-21 13:13:16,805 INFO 127.0.0.1:40124 closed: TLS handshake: http request
2026-11-21 13:13:20,001 INFO A peer took nothing for 3 s; the connection is dropped
"""
)


def test_a_usual_log_with_planned_errors_is_fine() -> None:
    assert read_log(USUAL.splitlines()) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 13:13:17,000 ERROR ASGI application broke the contract: it left",
        "2026-11-21 13:13:17,000 WARNING Cannot accept: Too many open files; trying again in 1 s",
        "/srv/sansio/http.py:12: ResourceWarning: unclosed file <_io.TextIOWrapper name='x'>",
        "<sys>:0: RuntimeWarning: coroutine 'run_app' was never awaited",
        "2026-11-21 13:13:17,000 ERROR Task was destroyed but it is pending!\ntask: <Task pending name='Task-1'>",
        "Exception ignored in: <function Transport.__del__ at 0x7f>\nTraceback (most recent call last):\nValueError",
        PLANNED.replace("tests.soak.app.PlannedError", "RuntimeError"),
        PLANNED.replace("Exception in ASGI application", "Internal error; the connection is dropped"),
        PLANNED.replace("Exception in ASGI application", "Task exception was never retrieved"),
    ],
    ids=[
        "contract",
        "warning",
        "resource",
        "never awaited",
        "destroyed",
        "ignored",
        "other error",
        "internal error",
        "elsewhere",
    ],
)
def test_what_does_not_belong_into_a_log_is_found_once_wherever_it_stands(text: str) -> None:
    for log in (text + "\n" + USUAL, PLANNED + text, USUAL + text + "\n" + PLANNED):
        [found] = read_log(log.splitlines(keepends=True))
        assert found.startswith("log: ")
