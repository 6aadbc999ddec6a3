"""The asyncio driver: a protocol per connection, a task per exchange, on asyncio's own loop or uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from sansio import Exchange

from .driver import AnyConnection, run_app, transport_info
from .kernel import octets_untaken
from .logging import logger

if TYPE_CHECKING:
    import socket

    from .asyncio_listener import AsyncioListener

__all__ = ["AsyncioDriver"]

# The event loop hands over up to 256 KiB at a time. If a peer's octets take long, others have their turn in between.
_SLICE: Final = 65_536
_TURN: Final = 0.005


class AsyncioDriver(asyncio.Protocol):
    """One connection. The event loop calls it, and so do the tasks of its exchanges."""

    __slots__ = (
        "_armed",
        "_busy",
        "_client",
        "_connection",
        "_departures",
        "_eof_written",
        "_held",
        "_later",
        "_listener",
        "_reading",
        "_rest",
        "_service",
        "_stall_deadline",
        "_stalled_size",
        "_timer",
        "_transport",
        "_waiters",
        "_writable",
        "now",
    )

    def __init__(self, listener: AsyncioListener) -> None:
        self.now: Callable[[], float] = time.monotonic
        self._listener = listener
        self._service = listener.service
        self._busy = False
        self._reading = True
        self._rest: bytes | None = (
            None  # It was read, and waits for its turn. Nothing more is read until then.
        )
        self._writable = True
        self._eof_written = False
        self._armed = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._stall_deadline = math.inf
        self._stalled_size = 0
        self._held: list[Exchange] = []  # Their heads wait for content.
        self._later = False  # `service` will be called at the end of this turn.
        self._waiters: dict[Exchange, list[asyncio.Future[None]]] = {}
        self._departures: dict[
            Exchange, asyncio.TimerHandle
        ] = {}  # Clients that have left before the response.

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        try:
            info = transport_info(_told(transport, "peername"), _told(transport, "sockname"))
            self._client = info.client
            self._connection = self._service.connect(info, self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            transport.set_protocol(asyncio.Protocol())  # There is nothing that could be told of the end.
            self.drop()
            return
        self._listener.drivers.add(self)
        if self._listener.aborted:
            self.abort()  # It was accepted before, and comes too late.
        elif self._listener.stopping:
            self.shut_down()
        else:
            self.service()

    def data_received(self, data: bytes) -> None:
        """Hand over what came."""
        try:
            if len(data) > _SLICE:
                self._receive_slices(data)
            else:
                self._connection.receive_data(data, self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
        else:
            self.service()

    def eof_received(self) -> bool:
        """Keep the transport open: the peer may still read."""
        try:
            self._connection.receive_eof(self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
        else:
            self.service()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature.
        """End. Applications that still run are told, and go on by themselves."""
        self._rest = None
        try:
            self._connection.connection_lost(self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
            for exchange in list(self._waiters):  # Nothing else would wake them.
                cast("asyncio.Task[None]", exchange.tag).cancel()
        self.service()
        if self._timer is not None:
            self._timer.cancel()
        self._listener.drivers.discard(self)
        if self._connection.error is not None:
            self._service.access_log.refused(self._client, self._connection.error)
        self._listener.changed()

    def pause_writing(self) -> None:
        """The transport is full. What is not taken now waits in the connection, and stops who produces it."""
        self._writable = False
        self._watch_writing()

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._writable = True
        if self._transport.is_closing():
            self._watch_writing()  # Not all is written yet.
        else:
            self._stall_deadline = math.inf
        self.service()

    # The contract.

    def service(self) -> None:
        """Do what the connection says."""
        connection = self._connection
        try:
            if (connection.has_ready or connection.wants_write) and not self._busy:
                self._hand_over(connection)
            if (
                connection.deadline < self._armed
                or connection.write_ended
                or connection.wants_read is not self._reading
            ):
                self._settle(connection)
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()

    def service_later(self) -> None:
        """Do it when those have run whose turn it is."""
        if not self._later:
            self._later = True
            self._listener.loop.call_soon(self._service_now)

    def _service_now(self) -> None:
        self._later = False
        self.service()

    def wait(self, exchange: Exchange) -> asyncio.Future[None]:
        """Return, once awaited, when the exchange was named ready."""
        waiter = self._listener.loop.create_future()
        waiters = self._waiters.get(exchange)
        if waiters is None:
            self._waiters[exchange] = [waiter]
        else:  # Those that were cancelled wait no more.
            waiters[:] = [other for other in waiters if not other.done()]
            waiters.append(waiter)
        return waiter

    def hold(self, exchange: Exchange) -> None:
        """Let the head wait a moment for its content."""
        self._held.append(exchange)
        self._listener.hold(self)

    def report(self, exchange: Exchange) -> None:
        """Write the access log's line."""
        if self._service.log_exchanges:
            self._service.report(exchange, self.now())

    def app_failed(self, exchange: Exchange, error: BaseException | None) -> None:
        """Write down what the application did, but for what Python throws away when all is over."""
        if not self._listener.loop.is_closed():
            self._service.app_failed(exchange, error)

    def is_cancelled(self) -> bool:
        """Tell whether the task was asked to end."""
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0

    def drop(self) -> None:
        """Write down an error that is being handled, and end what it was about."""
        self._transport.abort()
        logger.exception("Internal error; the connection is dropped")

    def stop(self, error: BaseException) -> None:
        """Let the server stop."""
        self._service.stop(error)

    def finished(self, exchange: Exchange) -> None:
        """Forget the task."""
        self._service.running -= 1
        self._listener.forget(exchange.tag)
        if self._departures:
            departure = self._departures.pop(exchange, None)
            if departure is not None:
                departure.cancel()

    # The listener's side.

    def shut_down(self) -> None:
        """Finish what is open."""
        try:
            self._connection.shut_down(self.now())
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()
        else:
            self.service()

    def abort(self) -> None:
        """Drop the transport."""
        self._transport.abort()

    def flush(self) -> None:
        """Let go of heads that have waited for long enough."""
        held, self._held = self._held, []
        for exchange in held:
            if exchange.holds:
                exchange.flush(self.now())
        if held:
            self.service()

    def _hand_over(self, connection: AnyConnection) -> None:
        self._busy = True  # A task that starts eagerly calls back: its turn comes in the loop below.
        try:
            while connection.has_ready or (connection.wants_write and self._writable):
                for exchange in connection.take_ready():
                    if exchange.tag is None:
                        self._start(exchange)
                    else:
                        self._wake(exchange)
                if connection.wants_write and self._writable:
                    self._transport.write(connection.data_to_send())
                    if self._transport.is_closing():
                        # It has failed. asyncio will say so some time later, and swallow what is written meanwhile.
                        connection.connection_lost(self.now())
        finally:
            self._busy = False

    def _settle(self, connection: AnyConnection) -> None:
        if connection.deadline < self._armed:
            self._arm(connection.deadline)
        if connection.write_ended:
            self._end(connection)
        elif connection.wants_read is not self._reading and self._rest is None:
            self._reading = connection.wants_read
            if self._reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _receive_slices(self, data: bytes) -> None:
        """Hand over much, and stop for a while if that takes long."""
        begun = now = self.now()
        start = 0
        while start < len(data) and now - begun < _TURN:
            self._connection.receive_data(data[start : start + _SLICE], now)
            start += _SLICE
            now = self.now()
        if now - begun >= _TURN:
            # uvloop would go on reading in this turn of the loop, too, were it not told to stop.
            self._rest = data[start:]
            self._reading = False
            self._transport.pause_reading()
            self._listener.loop.call_soon(self._receive_rest)

    def _receive_rest(self) -> None:
        rest, self._rest = self._rest, None
        if rest is not None:
            self.data_received(rest)

    def _start(self, exchange: Exchange) -> None:
        app = self._service.choose_app()
        side_by_side = self._connection.multiplexes
        exchange.tag = task = self._listener.start(run_app(app, exchange, self, side_by_side=side_by_side))
        if not task.done():
            self._watch_departure(exchange)  # It may have left with the octets that began the exchange.

    def _wake(self, exchange: Exchange) -> None:
        for waiter in self._waiters.pop(exchange, ()):
            if not waiter.done():
                waiter.set_result(None)
        self._watch_departure(exchange)

    def _watch_departure(self, exchange: Exchange) -> None:
        timeout = self._service.timeout_disconnect
        if (
            timeout is None
            or exchange in self._departures
            or not (exchange.disconnected or exchange.half_closed)
        ):
            return
        self._departures[exchange] = self._listener.loop.call_later(timeout, self._give_up, exchange)

    def _give_up(self, exchange: Exchange) -> None:
        if exchange.disconnected or not exchange.ended:
            # Not before its first step, which uvloop's timers may overtake: it could not finish its exchange.
            self._listener.loop.call_soon(cast("asyncio.Task[None]", exchange.tag).cancel)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = at
        self._timer = self._listener.loop.call_later(at - self.now(), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._armed = math.inf
        try:
            self._look_at_the_clock()
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            self.drop()

    def _look_at_the_clock(self) -> None:
        """Do what is due. Firing early is harmless: a deadline that has moved later is armed again."""
        now = self.now()
        if now >= self._stall_deadline and not self._still_writing():
            logger.info(
                "A peer took nothing for %g s; the connection is dropped",
                self._service.settings.timeout_write,
            )
            self._transport.abort()
            return
        self._connection.handle_timeout(now)
        self.service()
        if self._stall_deadline < self._armed:
            self._arm(self._stall_deadline)

    def _watch_writing(self) -> None:
        self._stalled_size = self._size_to_write()
        self._stall_deadline = self.now() + self._service.settings.timeout_write
        if self._stall_deadline < self._armed:
            self._arm(self._stall_deadline)

    def _size_to_write(self) -> int:
        """Return how much the peer has not taken, here and in the system."""
        sock = cast("socket.socket | None", _told(self._transport, "socket"))
        held = 0 if sock is None else octets_untaken(sock.fileno())
        return self._transport.get_write_buffer_size() + held

    def _still_writing(self) -> bool:
        size = self._size_to_write()
        progress = size < self._stalled_size
        self._stalled_size = size
        self._stall_deadline = self.now() + self._service.settings.timeout_write
        return progress

    def _end(self, connection: AnyConnection) -> None:
        if connection.closed:
            if not self._transport.is_closing():
                self._transport.close()
                if self._transport.get_write_buffer_size():
                    self._watch_writing()
        elif not self._eof_written:
            self._eof_written = True
            with contextlib.suppress(OSError):  # The peer was faster: `connection_lost` follows.
                self._transport.write_eof()
        if not (connection.closed or self._reading) and self._rest is None:
            self._reading = True
            self._transport.resume_reading()


def _told(transport: asyncio.BaseTransport, name: str) -> object:
    """Return what the system tells of a socket; None: it does not. There asyncio gives None too, and uvloop raises."""
    try:
        return transport.get_extra_info(name)
    except OSError:
        return None
