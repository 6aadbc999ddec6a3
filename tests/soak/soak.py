"""One soak from start to end: the server's process, the load, a look each second, and what is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import anyio
import anyio.to_thread

from tests.benchmarks.measure import cpu_seconds, resident_bytes
from tests.client import request_bytes
from tests.runtime.client import Client
from tests.soak.judge import Census, Outcome, Sample, read_log
from tests.soak.load import KINDS, Kind, Load
from tests.soak.place import Authority, Place
from tests.soak.server import OPTIONS, arguments

__all__ = ["Plan", "soak"]

ROOT: Final = Path(__file__).resolve().parents[2]

_ENDING: Final = 20.0  # Seconds until a server that does not end by itself is killed.
_ANSWER: Final = 15.0  # Seconds for an answer to a question of ours.
_INTERVAL: Final = 1.0
_LOOK_AGAIN: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do."""

    seconds: float
    backend: str
    """asyncio or trio."""
    loop: str = "asyncio"
    """asyncio or uvloop, for the backend asyncio."""
    rate: float
    """Operations a second."""
    seed: int = 0
    kinds: tuple[Kind, ...] = KINDS
    server: str = "tests.soak.server"
    """The module that is run as the server."""
    options: dict[str, Any] = field(default_factory=dict)
    """The server's options, in place of `tests.soak.server.OPTIONS`."""
    settling: float = 20.0
    """Seconds after the load in which everything has to become what it was before."""
    trace: bool = False
    """Find out where memory grows."""

    @property
    def name(self) -> str:
        """The event loop."""
        return self.loop if self.backend == "asyncio" else self.backend


async def soak(plan: Plan) -> Outcome:
    """Soak one server.

    Raises `RuntimeError` if it does not start.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        authority = Authority(Path(folder))
        with _started(plan, authority, log) as process:
            ports = json.loads(await anyio.to_thread.run_sync(_first_line, process, log))
            place = Place(ports["plain"], ports["secure"], authority)
            outcome = Outcome(plan.name, plan.seconds, plan.rate, await _census(place))
            await _watch(plan, place, process.pid, outcome)
            await _look_back(place, outcome, plan.settling)
            if plan.trace:
                outcome.traced = (await _ask(place, "/growth")).decode()
            await anyio.to_thread.run_sync(_end, process, outcome)
        log.seek(0)
        outcome.errors += read_log(log)
    return outcome


@contextmanager
def _started(plan: Plan, authority: Authority, log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    command = [
        *(sys.executable, "-W", "always", "-m", plan.server),
        *arguments(plan.backend, plan.loop, authority.chain, authority.key, {**OPTIONS, **plan.options}),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _first_line(process: subprocess.Popen[str], log: IO[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        log.seek(0)
        raise RuntimeError(f"the server did not start: {log.read()[-2000:]}")
    return line


async def _watch(plan: Plan, place: Place, pid: int, outcome: Outcome) -> None:
    """Make traffic, and look at the process each second meanwhile."""
    load = Load(place, plan.rate, plan.seed, plan.kinds)
    load.operations, load.errors = outcome.operations, outcome.errors
    start = time.monotonic()

    async def look() -> None:
        traced = False
        while True:
            await anyio.sleep(_INTERVAL)
            try:
                outcome.samples.append(await _sample(place, pid, start))
                if plan.trace and not traced and outcome.warm:
                    traced = True
                    await _ask(place, "/growth")
            except Exception as error:  # noqa: BLE001 - a server that does not answer this does not answer.
                outcome.errors.append(f"census: {type(error).__name__}: {error}")

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await load.run(plan.seconds)
        group.cancel_scope.cancel()
    outcome.exchanges, outcome.delayed = load.exchanges, load.delayed


async def _look_back(place: Place, outcome: Outcome, settling: float) -> None:
    """Wait until everything is as before the load, but not for ever."""
    give_up_at = time.monotonic() + settling
    try:
        while True:
            outcome.after = await _census(place)
            if not outcome.after.beyond(outcome.before) or time.monotonic() > give_up_at:
                return
            await anyio.sleep(_LOOK_AGAIN)
    except Exception as error:  # noqa: BLE001 - a server that does not answer this does not answer.
        outcome.after = None
        outcome.errors.append(f"census: {type(error).__name__}: {error}")


async def _sample(place: Place, pid: int, start: float) -> Sample:
    counted = json.loads(await _ask(place, "/census"))
    return Sample(
        time.monotonic() - start,
        resident_bytes(pid),
        cpu_seconds(pid),
        counted["descriptors"],
        counted["tasks"],
        counted["blocks"],
        counted["heap"],
    )


async def _census(place: Place) -> Census:
    return Census(**json.loads(await _ask(place, "/census?objects")))


async def _ask(place: Place, target: str) -> bytes:
    with anyio.fail_after(_ANSWER):
        async with place.connected() as stream:
            client = Client(stream)
            await client.send(request_bytes("GET", target))
            return (await client.response()).body


def _end(process: subprocess.Popen[str], outcome: Outcome) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        outcome.status = process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        outcome.status = None
    outcome.ending = time.monotonic() - began
