"""The process, where it is the server's own: its signals, its standard streams, and its end.

`run` and the command use it. Whoever embeds a server has a process, signals and an end of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import anyio
from anyio.abc import TaskStatus

from .logging import logger

__all__ = [
    "Watchdog",
    "end_process",
    "handle_signals",
    "ignore_signals",
    "open_standard_streams",
    "signals_restored",
]

LEAVING_TIMEOUT: Final = 5.0
"""Seconds from the server's end to the end of the process. What still runs then is left behind."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def open_standard_streams() -> None:
    """Give standard input, output and error a place where whoever started the process has closed them.

    Sockets would get their numbers otherwise, and uvloop ends the process where it is to close one of these.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free.


# Signals.

_before: Final[dict[int, Any]] = {}  # What signals did before the server was told of them, while it is.


async def handle_signals(stop: Callable[[], None], *, task_status: TaskStatus[None]) -> None:
    """Call back for each SIGINT and SIGTERM. A child that is forked meanwhile has its parent's earlier handlers."""
    for number in _SIGNALS:
        _before[number] = signal.getsignal(number)
    try:
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            task_status.started()
            async for _ in signals:
                stop()
    except NotImplementedError:  # No such signals on this platform: KeyboardInterrupt remains.
        task_status.started()
    finally:
        _before.clear()


def _forget_signals() -> None:
    """The event loop's descriptor is the parent's: a signal to the child would be one to both."""
    if _before:
        signal.set_wakeup_fd(-1)
        for number, handler in _before.items():
            signal.signal(number, handler)
        _before.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_signals)


def ignore_signals() -> None:
    """Let SIGINT and SIGTERM do nothing from now on: all is ending anyway."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def signals_restored() -> Iterator[None]:
    """Undo `ignore_signals` at the end of the block."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, handler)


# The end.


class Watchdog:
    """Ends the process some time after `watch`, unless `stop` is called before.

    A thread that a request has left behind, or a generator that does not close, would keep it for ever.
    """

    def __init__(self, timeout: float = LEAVING_TIMEOUT) -> None:
        self._timeout = timeout
        self._stopped = threading.Event()

    def watch(self, code: int) -> None:
        """Begin. `code` is the exit code."""
        threading.Thread(target=self._wait, args=(code,), name="tricorn watchdog", daemon=True).start()

    def stop(self) -> None:
        """All has ended in time."""
        self._stopped.set()

    def _wait(self, code: int) -> None:
        if self._stopped.wait(self._timeout):
            return
        main = threading.main_thread()
        threads = [each.name for each in threading.enumerate() if not (each is main or each.daemon)]
        what = f"threads still run ({', '.join(threads)})" if threads else "something still runs"
        logger.error("The server has ended, and %s: the process ends without waiting", what)
        end_process(code)


def end_process(code: int) -> NoReturn:
    """End the process under the feet of what does not end by itself."""
    with contextlib.suppress(Exception):
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
