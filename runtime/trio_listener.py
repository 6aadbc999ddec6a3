"""Accepting under trio: a task per listening socket, in the nursery of all connections."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final

import trio
from anyio.abc import TaskStatus

from .driver import CAPACITY_ERRORS, HOLD, Service
from .logging import logger
from .trio_driver import TrioDriver

__all__ = ["TrioListener"]

# Out of something that comes back: trying again at once would only spin.
_CAPACITY_PAUSE: Final = 0.1

# The listening socket is no such thing, or no more.
_FATAL_ERRORS: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})


class TrioListener:
    """Accepts connections on sockets, and owns the nursery that they live in."""

    def __init__(self, service: Service, sockets: list[socket.socket]) -> None:
        self.service = service
        self.drivers: set[TrioDriver] = set()
        self.stopping = False
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        self._sockets = sockets
        self._accepting: list[trio.CancelScope] = []
        self._held: list[Callable[[], None]] = []
        self._holding = trio.Event()
        self._idle = trio.Event()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Accept until `shut_down`, and hold everything together until cancelled."""
        async with trio.open_nursery() as self._nursery:
            for sock in self._sockets:
                self._nursery.start_soon(self._accept, sock)
            self._nursery.start_soon(self._flush_held)
            task_status.started()

    def shut_down(self) -> None:
        """Accept no more, and let every connection finish what is open."""
        self.stopping = True
        for scope in self._accepting:
            scope.cancel()
        for driver in list(self.drivers):
            driver.shut_down()
        self.changed()

    async def wait_idle(self) -> None:
        """Return when no connection and no exchange is left. Only after `shut_down`."""
        await self._idle.wait()

    def cancel(self) -> None:
        """Cancel all exchanges. Their clients are still told."""
        self._nursery.cancel_scope.cancel()

    def abort(self) -> None:
        """Drop all connections: they are, with their exchanges."""

    def hold(self, callback: Callable[[], None]) -> None:
        """Call back in a moment. One task serves all."""
        self._held.append(callback)
        self._holding.set()

    def changed(self) -> None:
        """A connection has ended."""
        if self.stopping and not self.drivers:
            self._idle.set()

    async def _accept(self, listener: socket.socket) -> None:
        """Accept until shutdown. Whatever goes wrong with one connection, or for a while, does not end it."""
        with trio.CancelScope() as scope, contextlib.closing(listener):
            self._accepting.append(scope)
            while not self.stopping:
                await trio.lowlevel.wait_readable(listener)
                try:
                    sock, _ = listener.accept()
                except OSError as error:
                    if error.errno in CAPACITY_ERRORS:
                        logger.warning("Cannot accept: %s; trying again in %g s", error, _CAPACITY_PAUSE)
                        await trio.sleep(_CAPACITY_PAUSE)
                    elif error.errno in _FATAL_ERRORS:
                        raise
                    continue  # The rest concerns one connection that was not to be.
                self._nursery.start_soon(TrioDriver(self, sock).run)

    async def _flush_held(self) -> None:
        while True:
            await self._holding.wait()
            await trio.sleep(HOLD)
            self._holding = trio.Event()
            self._call_back()  # In a frame that ends, and with it the memory of connections that have ended.

    def _call_back(self) -> None:
        held, self._held = self._held, []
        for callback in held:
            callback()
