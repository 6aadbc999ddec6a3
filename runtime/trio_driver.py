"""The trio driver: a reader and a runner per connection, both children of the connection's own nursery.

The sockets are the standard library's, non-blocking. Reading waits with trio; writing tries at once, from whatever
task has something to say, and only what the kernel does not take waits in a task of its own. So no write can be
cut in half by a cancelled request, and none waits without a deadline.
"""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from sansio import Exchange

from .driver import AnyConnection, ASGIApp, run_app, transport_info
from .kernel import octets_untaken
from .logging import logger

if TYPE_CHECKING:
    from .trio_listener import TrioListener

__all__ = ["TrioDriver"]

_READ_SIZE: Final = 65_536
_NURSERY_LEFT_OPEN: Final = "ASGI application broke the contract: it has left a nursery open"
_SCOPE_LEFT_OPEN: Final = "ASGI application broke the contract: it has left a cancel scope open"


class TrioDriver:
    """One connection."""

    __slots__ = (
        "_app_running",
        "_armed",
        "_busy",
        "_connection",
        "_eof_written",
        "_listener",
        "_lost",
        "_multiplexes",
        "_next",
        "_nursery",
        "_resume",
        "_runner",
        "_runner_idle",
        "_scope",
        "_scopes",
        "_service",
        "_socket",
        "_turner",
        "_turner_idle",
        "_unsent",
        "_waiters",
        "now",
    )

    def __init__(self, listener: TrioListener, sock: socket.socket) -> None:
        self.now: Callable[[], float] = listener.now
        self._listener = listener
        self._service = listener.service
        self._socket = sock
        self._busy = False
        self._eof_written = False
        self._lost = False
        self._unsent: memoryview | None = None
        self._resume: trio.Event | None = None
        self._scope = trio.CancelScope()
        # The scope's deadline. Asking the scope, or telling it what it knows, would cost more.
        self._armed = math.inf
        self._runner: trio.lowlevel.Task | None = None
        self._runner_idle = False
        self._app_running = False  # The runner is inside an application.
        self._next: list[Exchange] = []
        self._turner: trio.lowlevel.Task | None = (
            None  # Writes what exchanges side by side have said in one turn.
        )
        self._turner_idle = False
        self._multiplexes = False  # Exchanges run side by side, each in a task of its own.
        self._scopes: dict[Exchange, trio.CancelScope] = {}  # Only where the client's departure cancels.
        self._waiters: dict[Exchange, list[trio.Event]] = {}

    async def run(self) -> None:
        """Serve the connection until both it and its exchanges have ended. Only cancellation gets out."""
        client = None
        try:
            self._socket.setblocking(False)  # noqa: FBT003 - the socket's signature.
            if self._socket.family in {socket.AF_INET, socket.AF_INET6}:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            info = transport_info(self._socket.getpeername(), self._socket.getsockname())
            client = info.client
            self._connection = self._service.connect(info, self.now())
        except OSError:  # Gone before it began.
            self._close_socket()
            return
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            logger.exception("Internal error; the connection is dropped")
            self._close_socket()
            return
        self._listener.drivers.add(self)
        try:
            async with trio.open_nursery() as self._nursery:
                if self._listener.stopping:
                    self.shut_down()
                await self._read()
                self._close()
                if self._runner_idle:
                    self._wake_runner()  # To return.
                if self._turner_idle:
                    self.service_later()
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            logger.exception("Internal error; the connection is dropped")
        except BaseExceptionGroup as group:  # It was cancelled at the same time.
            errors, rest = group.split(Exception)
            if errors is not None:
                logger.error("Internal error; the connection is dropped", exc_info=errors)
            if rest is not None:
                raise rest from None
        finally:
            self._close()
            self._finish_waiting()  # It was opened when the runner had gone.
            self._listener.drivers.discard(self)
            self._listener.changed()
            if self._connection.error is not None:
                self._service.access_log.refused(client, self._connection.error)

    # The contract.

    def service(self) -> None:
        """Do what the connection says."""
        connection = self._connection
        try:
            if (connection.has_ready or connection.wants_write) and not self._busy:
                self._hand_over(connection)
            if connection.deadline < self._armed:
                self._armed = self._scope.deadline = connection.deadline
            if self._resume is not None and (connection.wants_read or connection.closed):
                self._resume.set()
            if connection.write_ended and self._unsent is None:
                self._end(connection)
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()

    def service_later(self) -> None:
        """Do it when those have run whose turn it is."""
        if self._turner is None:
            self.service()
        elif self._turner_idle:
            self._turner_idle = False
            trio.lowlevel.reschedule(self._turner)

    async def wait(self, exchange: Exchange) -> None:
        """Return when the exchange was named ready."""
        event = trio.Event()
        waiters = self._waiters.setdefault(exchange, [])
        waiters.append(event)
        try:
            await event.wait()
        finally:
            if not event.is_set():
                waiters.remove(event)

    def hold(self, exchange: Exchange) -> None:
        """Let the head wait a moment for its content."""
        self._listener.hold(lambda: self._flush(exchange))

    def report(self, exchange: Exchange) -> None:
        """Write the access log's line."""
        self._watch_departure(exchange)
        if self._service.log_exchanges:
            self._service.report(exchange, self.now())

    def app_failed(self, exchange: Exchange, error: BaseException | None) -> None:
        """Write down what the application did."""
        self._service.app_failed(exchange, error)

    def is_cancelled(self) -> bool:
        """Tell whether a scope that is open was cancelled."""
        return trio.current_effective_deadline() == -math.inf

    def drop(self) -> None:
        """Write down an error that is being handled, and end what it was about."""
        logger.exception("Internal error; the connection is dropped")
        self._lose()

    def stop(self, error: BaseException) -> None:
        """Let the server stop."""
        self._service.stop(error)

    def finished(self, exchange: Exchange) -> None:  # noqa: ARG002 - the contract's signature.
        """The runner goes on by itself."""
        self._service.running -= 1

    # The listener's side.

    def shut_down(self) -> None:
        """Finish what is open."""
        try:
            self._connection.shut_down(self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
        else:
            self.service()

    def _hand_over(self, connection: AnyConnection) -> None:
        self._busy = True  # A write that fails calls back.
        try:
            while connection.has_ready or (connection.wants_write and self._unsent is None):
                for exchange in connection.take_ready():
                    if exchange.tag is None:
                        self._start(exchange)
                    else:
                        self._wake(exchange)
                if connection.wants_write and self._unsent is None:
                    self._send(connection.data_to_send())
        finally:
            self._busy = False

    # Reading.

    async def _read(self) -> None:
        connection = self._connection
        sock = self._socket
        while not connection.closed or self._unsent is not None:
            # One scope serves until it fires. Firing early is harmless.
            self._armed = connection.deadline
            with trio.CancelScope(deadline=self._armed) as self._scope:
                while not connection.closed or self._unsent is not None:
                    if not connection.wants_read:
                        await self._park()
                        continue
                    try:
                        await trio.lowlevel.wait_readable(sock)
                        data = sock.recv(_READ_SIZE)
                    except (BlockingIOError, InterruptedError):
                        continue
                    except OSError:
                        self._lose()
                        continue
                    if data:
                        connection.receive_data(data, self.now())
                    else:
                        connection.receive_eof(self.now())
                    self.service()
            connection.handle_timeout(self.now())
            self.service()

    async def _park(self) -> None:
        self._resume = trio.Event()
        try:
            await self._resume.wait()
        finally:
            self._resume = None

    # Writing.

    def _send(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._lose()
            return
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._nursery.start_soon(self._send_rest)

    async def _send_rest(self) -> None:
        timeout = self._service.settings.timeout_write
        untaken = octets_untaken(self._socket.fileno())
        while self._unsent:
            try:
                with trio.move_on_after(timeout) as scope:
                    await trio.lowlevel.wait_writable(self._socket)
                before, untaken = untaken, octets_untaken(self._socket.fileno())
                if scope.cancelled_caught and untaken < before:
                    continue
                if scope.cancelled_caught:
                    logger.info("A peer took nothing for %g s; the connection is dropped", timeout)
                    self._lose()
                elif self._unsent:  # It may have been lost meanwhile.
                    sent = self._socket.send(self._unsent)
                    self._unsent = self._unsent[sent:]
                    untaken += sent
            except (BlockingIOError, InterruptedError):
                continue
            except (OSError, trio.ClosedResourceError):
                self._lose()
        self._unsent = None
        self.service()
        if self._connection.closed:
            self._scope.cancel()

    def _end(self, connection: AnyConnection) -> None:
        if connection.closed:
            self._scope.cancel()  # Wakes the reader.
        elif not self._eof_written:
            self._eof_written = True
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def _lose(self) -> None:
        self._lost = True
        self._unsent = None
        self._scope.cancel()
        try:
            self._connection.connection_lost(self.now())
            for exchange in self._connection.take_ready():
                self._wake(exchange)
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            logger.exception("Internal error; the connection is dropped")
            self._nursery.cancel_scope.cancel()  # Nothing else would wake its applications.

    def _close(self) -> None:
        if not self._lost:
            self._lose()
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._close_socket()

    def _close_socket(self) -> None:
        with contextlib.suppress(OSError):  # It is closed even so.
            self._socket.close()

    # Running.

    def _start(self, exchange: Exchange) -> None:
        exchange.tag = self
        if self._connection.multiplexes:
            if not self._multiplexes:
                self._multiplexes = True
                self._nursery.start_soon(self._take_turns)
            self._service.context.copy().run(self._nursery.start_soon, self._run, exchange)
            return
        self._next.append(exchange)
        if self._runner is None:
            self._service.context.copy().run(self._nursery.start_soon, self._run_exchanges)
        elif self._runner_idle:
            self._runner.context = self._service.context.copy()
            self._wake_runner()
        else:
            # The runner has most likely just sent the end of its response and is about to return.
            self._listener.hold(self._start_second)

    def _wake_runner(self) -> None:
        assert self._runner is not None  # noqa: S101 - it is idle.
        self._runner_idle = False
        trio.lowlevel.reschedule(self._runner)

    def _abort_runner(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._runner_idle = False
        return trio.lowlevel.Abort.SUCCEEDED

    async def _run_exchanges(self) -> None:
        """Run one exchange after the other. Starting a task for each would cost more than the rest."""
        self._runner = task = trio.lowlevel.current_task()
        scopes = task._cancel_status  # noqa: SLF001 - there is no other way to tell.
        try:
            while not self._lost:
                if not self._next:
                    self._runner_idle = True
                    await trio.lowlevel.wait_task_rescheduled(self._abort_runner)
                    continue
                self._app_running = True
                await self._run(self._next.pop(0))
                self._app_running = False
                if task._cancel_status is not scopes:  # noqa: SLF001
                    self._leave_runner()
                    break
                if self._next:
                    # trio takes a task's context when it resumes it, so each exchange begins in one of its own.
                    self._runner.context = self._service.context.copy()
                    await trio.lowlevel.checkpoint()
        finally:
            self._app_running = False  # This may be the nursery's last task, and no second one could start.
            self._finish_waiting()
            self.service()

    def _finish_waiting(self) -> None:
        """Nobody is left to answer what waits for the runner: say so, and write it down."""
        while self._next:
            exchange = self._next.pop(0)
            try:
                exchange.finish(None, self.now())
                self.report(exchange)
            except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
                self.drop()

    def _leave_runner(self) -> None:
        """An application has left a cancel scope open, which would hold for those that come after it."""
        logger.error(_SCOPE_LEFT_OPEN)
        self._runner = None
        while self._next and not self._lost:
            self._service.context.copy().run(self._nursery.start_soon, self._run, self._next.pop(0))

    async def _take_turns(self) -> None:
        """Do what the connection says at the end of each turn in which an exchange has said something."""
        self._turner = trio.lowlevel.current_task()
        try:
            while not self._lost:
                self.service()
                self._turner_idle = True
                await trio.lowlevel.wait_task_rescheduled(self._abort_turner)
        finally:
            self._turner = None
            self.service()

    def _abort_turner(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._turner_idle = False
        return trio.lowlevel.Abort.SUCCEEDED

    def _start_second(self) -> None:
        """The runner is still busy, with work after its response perhaps: let another task run what waits."""
        while self._next and self._app_running and not self._lost:
            self._service.context.copy().run(self._nursery.start_soon, self._run, self._next.pop(0))

    async def _run(self, exchange: Exchange) -> None:
        app = self._service.choose_app()
        if self._service.timeout_disconnect is None:
            await self._run_app(app, exchange)
            return
        try:
            with trio.CancelScope() as scope:
                self._scopes[exchange] = scope
                self._watch_departure(exchange)
                try:
                    await self._run_app(app, exchange)
                finally:
                    del self._scopes[exchange]
        except RuntimeError:  # It is trio's, which has put the scopes right again.
            logger.error(_SCOPE_LEFT_OPEN)

    async def _run_app(self, app: ASGIApp, exchange: Exchange) -> None:
        try:
            await run_app(app, exchange, self, side_by_side=self._multiplexes)
        finally:
            nurseries = trio.lowlevel.current_task().child_nurseries
            if nurseries:
                await self._leave_nurseries(exchange, nurseries)

    async def _leave_nurseries(self, exchange: Exchange, nurseries: list[trio.Nursery]) -> None:
        """An application has left nurseries open. A task that ends inside of one would end its connection."""
        logger.error(_NURSERY_LEFT_OPEN)
        for nursery in reversed(nurseries):
            nursery.cancel_scope.cancel()
            error = await nursery._nested_child_finished(None)  # noqa: SLF001 - what leaving it does.
            with contextlib.suppress(RuntimeError):  # It leaves scopes within it, too.
                nursery.cancel_scope.__exit__(None, None, None)
            if isinstance(error, BaseExceptionGroup):
                error = error.split(trio.Cancelled)[1]
            if error is not None:
                self.app_failed(exchange, error)

    def _wake(self, exchange: Exchange) -> None:
        for event in self._waiters.pop(exchange, ()):
            event.set()
        if self._scopes:
            self._watch_departure(exchange)

    def _watch_departure(self, exchange: Exchange) -> None:
        """Cancel an application some time after its client has left, but not if its response is complete."""
        scope = self._scopes.get(exchange)
        timeout = self._service.timeout_disconnect
        if scope is None or timeout is None:
            return
        if exchange.ended and not exchange.disconnected:
            scope.deadline = math.inf
        elif (exchange.disconnected or exchange.half_closed) and scope.deadline == math.inf:
            scope.deadline = self.now() + timeout

    def _flush(self, exchange: Exchange) -> None:
        try:
            if exchange.holds:
                exchange.flush(self.now())
                self.service()
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
