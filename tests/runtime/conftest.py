"""Every backend for every asynchronous test here, and a look at what each test leaves behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import pytest
import trio

_warm: set[str] = set()

_TIMEOUT = 20.0
"""Seconds for one test: a test that hangs fails."""


def pytest_collection_finish() -> None:
    """Take the thousands of tests themselves out of what the garbage collector looks at after each of them."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Backend:
    """An event loop to run a test in."""

    name: str
    """asyncio, uvloop or trio."""

    @property
    def options(self) -> dict[str, str]:
        """The server's options for it."""
        if self.name == "trio":
            return {"backend": "trio"}
        return {"backend": "asyncio", "loop": self.name}

    def run(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run a test, which must end in time, end its tasks and close its descriptors."""
        if self.name not in _warm:  # What a loop opens once and for all is open from then on.
            self._enter(anyio.lowlevel.checkpoint)
            _warm.add(self.name)
        before = descriptors()
        self._enter(function)
        gc.collect()
        assert descriptors() == before

    def _enter(self, function: Callable[[], Awaitable[object]]) -> None:
        if self.name == "trio":
            anyio.run(_run, function, backend="trio")
        else:
            options = {"use_uvloop": self.name == "uvloop"}
            anyio.run(_run, function, backend="asyncio", backend_options=options)


async def _run(function: Callable[[], Awaitable[object]]) -> None:
    before = living_tasks()
    with anyio.fail_after(_TIMEOUT):
        await function()
        while living_tasks() > before:  # A client's transport may still be closing.
            await anyio.lowlevel.checkpoint()


def living_tasks() -> int:
    """Count the tasks of the event loop that runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


def descriptors() -> list[str]:
    """Return what this process has open."""
    # The descriptor of the folder itself is open while it is listed, and takes the first free number.
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names are what counts.


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return Backend(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an asynchronous test on its backend."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments: dict[str, Any] = {
        name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters
    }
    chosen = pyfuncitem.funcargs["backend"]
    assert isinstance(chosen, Backend)
    chosen.run(partial(pyfuncitem.obj, **arguments))
    return True


@pytest.fixture(autouse=True)
def _nothing_internal_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a barrier had to hold, or a task was dropped, though the clients saw nothing of it."""
    caplog.set_level(logging.INFO, logger="tricorn")
    yield
    for record in caplog.get_records("call"):
        text = record.getMessage()
        if "Internal error" in text or (record.name == "asyncio" and record.levelno >= logging.ERROR):
            pytest.fail(f"{record.name}: {text}: {record.exc_info}")
