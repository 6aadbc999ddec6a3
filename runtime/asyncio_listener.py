"""Accepting under asyncio: a server per listening socket, and the tasks of all exchanges."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from anyio.abc import TaskStatus

from .asyncio_driver import AsyncioDriver
from .driver import HOLD, Service
from .logging import logger

__all__ = ["AsyncioListener"]

# asyncio accepts as often as its "backlog" says whenever it accepts, and, where descriptors have run out, complains as
# often once a second. The queue's real length is set behind its back.
_ACCEPTS: Final = 16
_TURNS_TO_ACCEPT: Final = 3  # A task's first step, and a call by the transport that it makes.

# Removing the socket's file is `close_sockets`' business, which knows whose it is.
_KEEP_FILE: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}

_EAGER: Final = sys.version_info >= (3, 12)


class AsyncioListener:
    """Accepts connections on sockets, and owns their drivers and the tasks of their exchanges."""

    def __init__(self, service: Service, sockets: list[socket.socket], backlog: int) -> None:
        self.service = service
        self._backlog = backlog
        self.drivers: set[AsyncioDriver] = set()
        self.stopping = False
        self.aborted = False
        self._cancelled = False
        self.loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[AsyncioDriver] = []
        self._idle = asyncio.Event()
        self._turns_to_close = 0

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Accept until `shut_down`, and be there until cancelled."""
        for sock in self._sockets:
            make = partial(AsyncioDriver, self)
            if sock.family == getattr(socket, "AF_UNIX", None):
                server = await self.loop.create_unix_server(make, sock=sock, backlog=_ACCEPTS, **_KEEP_FILE)
            else:
                server = await self.loop.create_server(make, sock=sock, backlog=_ACCEPTS)
            sock.listen(self._backlog)
            self._servers.append(server)
        task_status.started()
        await self.loop.create_future()

    def shut_down(self) -> None:
        """Accept no more, and let every connection finish what is open."""
        if self.stopping:
            return
        self.stopping = True
        if isinstance(self.loop, asyncio.SelectorEventLoop):
            for sock in self._sockets:
                self.loop.remove_reader(sock)
            self._turns_to_close = _TURNS_TO_ACCEPT
            self.loop.call_soon(self._close_soon)
        else:
            self._close()
        for driver in list(self.drivers):
            driver.shut_down()
        self.changed()

    def _close_soon(self) -> None:
        """Close when all connections have begun that were accepted: asyncio forgets those that it has not got to."""
        self._turns_to_close -= 1
        if self._turns_to_close:
            self.loop.call_soon(self._close_soon)
        else:
            self._close()
            self.changed()

    def _close(self) -> None:
        for server in self._servers:
            server.close()

    async def wait_idle(self) -> None:
        """Return when no connection and no exchange is left. Only after `shut_down`."""
        await self._idle.wait()

    def cancel(self) -> None:
        """Cancel all exchanges. Their clients are still told; where there is none, nothing is waited for."""
        self._cancelled = True
        self._abort_if_done()
        for task in self._tasks:
            self.loop.call_soon(task.cancel)  # Not before its first step: it could not finish its exchange.

    def abort(self) -> None:
        """Drop all connections, and leave behind what swallows its cancellation."""
        self.aborted = True
        for driver in list(self.drivers):
            driver.abort()
        for task in self._tasks:
            logger.error("An application did not end after its cancellation: %r is left behind", task)
            asyncio._unregister_task(task)  # noqa: SLF001 - documented, and else the event loop would wait for ever.
        self._tasks.clear()
        self.changed()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the task of an exchange in a context of its own."""
        context = self.service.context.copy()
        if _EAGER:
            task = asyncio.Task(coroutine, loop=self.loop, context=context, eager_start=True)  # type: ignore[call-arg]  # 3.12
        else:
            task = self.loop.create_task(coroutine, context=context)
        if not _EAGER or not task.done():
            self._tasks.add(task)
            if self._cancelled:
                self.loop.call_soon(task.cancel)
        return task

    def forget(self, task: object) -> None:
        """The task is about to end, or has."""
        self._tasks.discard(task)
        if self.stopping:
            if self._cancelled and not self._tasks and not self.loop.is_closed():
                self.loop.call_soon(self._abort_if_done)  # The last words are written by then.
            self.changed()

    def _abort_if_done(self) -> None:
        if not self._tasks:  # Another may have begun since this was asked for.
            self.abort()

    def hold(self, driver: AsyncioDriver) -> None:
        """Let a connection flush in a moment. One timer serves all."""
        if not self._held:
            self.loop.call_later(HOLD, self._flush_held)
        self._held.append(driver)

    def changed(self) -> None:
        """A connection or an exchange has ended."""
        if self.stopping and not (self.drivers or self._tasks or self._turns_to_close):
            self._idle.set()

    def _flush_held(self) -> None:
        held, self._held = self._held, []
        for driver in held:
            try:
                driver.flush()
            except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
                driver.drop()
