"""What the two drivers have in common: the contract, how an application is run, and what a server's connections share.

A driver owns one transport. It tells its `sansio.Connection` what happened and does what the connection says. All
rules are in there; a driver knows sockets, tasks and time.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import errno
import math
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

import anyio
import anyio.lowlevel

from sansio import (
    ClientDisconnected,
    Connection,
    Exchange,
    ExchangeStatistics,
    Message,
    PeerError,
    Scope,
    Settings,
    TransportInfo,
)

from .logging import logger
from .tls import SecureConnection

__all__ = ["ASGIApp", "AnyConnection", "Driver", "Service", "run_app", "transport_info"]

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[object]]
AnyConnection: TypeAlias = Connection | SecureConnection

CAPACITY_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""With one of them, accepting fails for a while."""

HOLD: Final = 0.005
"""Seconds after which a head that waits for its content goes out alone, and a busy runner gets company."""

# An application that has all it needs at once, or does not look at what it is told, never waits for anything: after so
# many messages the others have their turn.
_MAX_TURNS: Final = 64

_MAX_CAUSES: Final = 16  # Deep enough for any framework, and an end for those that go in circles.


class Driver(Protocol):
    """What runs exchanges."""

    def now(self) -> float:
        """Return the time, in seconds, on the clock of the exchange's connection."""

    def service(self) -> None:
        """Do what the connection says: wake, write, close, arm. Never blocks, never raises."""

    def service_later(self) -> None:
        """The same at the end of this turn of the event loop, so that what many exchanges say becomes one write."""

    def wait(self, exchange: Exchange) -> Awaitable[None]:
        """Return, once awaited, when the exchange's situation may have changed; too early is harmless."""

    def hold(self, exchange: Exchange) -> None:
        """Call `exchange.flush` after `HOLD` seconds."""

    def report(self, exchange: Exchange) -> None:
        """The exchange has ended, or is a WebSocket that was accepted: write it down."""

    def app_failed(self, exchange: Exchange, error: BaseException | None) -> None:
        """The application raised, or left its exchange undone: write that down."""

    def is_cancelled(self) -> bool:
        """Tell whether anybody wants the application to end. If not, a cancellation that it raises is its error."""

    def drop(self) -> None:
        """Write down an error of ours that is being handled, and end the connection that it is about."""

    def stop(self, error: BaseException) -> None:
        """The application wants the whole server to stop: it raised KeyboardInterrupt or SystemExit."""

    def finished(self, exchange: Exchange) -> None:
        """The application has returned. Called once, last."""


async def run_app(  # noqa: C901, PLR0915 - one frame per request.
    app: ASGIApp, exchange: Exchange, driver: Driver, *, side_by_side: bool = False
) -> None:
    """Run one call of the application, of whatever kind, on whatever backend.

    `side_by_side`: there may be others on the same connection. What the application raises ends here; only a
    cancellation goes on.
    """
    reported = False
    turns = 0
    now = driver.now
    service = driver.service_later if side_by_side else driver.service

    async def receive() -> Message:
        nonlocal turns
        turns += 1
        if turns >= _MAX_TURNS:  # Before a message is taken: a cancellation here loses none.
            turns = 0
            await anyio.lowlevel.checkpoint()
        while (message := exchange.receive(now())) is None:
            service()  # A 100 (Continue) may be due.
            if not exchange.ended:
                turns = 0
                await driver.wait(exchange)
        service()  # There may be room to read again.
        return message  # No await since the message was taken: it cannot be lost.

    async def send(message: Message) -> None:
        nonlocal reported, turns
        exchange.send(message, now())
        if exchange.holds and message["type"] == "http.response.start":
            driver.hold(exchange)
            return
        service()
        if exchange.ended and not reported:
            reported = True
            driver.report(exchange)
        elif message["type"] == "websocket.accept":
            driver.report(exchange)
        while not exchange.can_send:
            if exchange.disconnected:
                raise ClientDisconnected
            turns = 0
            await driver.wait(exchange)
        turns += 1
        if turns >= _MAX_TURNS:
            turns = 0
            await anyio.lowlevel.checkpoint()

    error: BaseException | None = None
    try:
        await app(exchange.scope, receive, send)
    except Exception as exc:  # noqa: BLE001 - the barrier around an exchange.
        error = exc
        if not (exchange.disconnected and _is_disconnect(exc)):
            driver.app_failed(exchange, exc)
    except BaseException as exc:  # noqa: BLE001 - not all of it stops here.
        error = exc
        _sort_out(exc, exchange, driver)
    finally:
        try:
            exchange.finish(error, now())
            service()
            if exchange.failure is not None:
                driver.app_failed(exchange, None)
            if not reported:
                driver.report(exchange)
        except Exception:  # noqa: BLE001 - the barrier around a connection: ours is the fault.
            driver.drop()
        driver.finished(exchange)


def _is_disconnect(error: BaseException) -> bool:
    """Tell whether the client's departure is all that is in it, or what it came from: then it is nobody's error."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_disconnect, error.exceptions))
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None or isinstance(cause, ClientDisconnected):
            break
        cause = cause.__cause__ or cause.__context__
    return isinstance(cause, ClientDisconnected)


def _sort_out(error: BaseException, exchange: Exchange, driver: Driver) -> None:
    """Give everybody what is theirs, however deep task groups have wrapped it.

    KeyboardInterrupt and SystemExit are for the server, a cancellation is for whoever cancelled and goes on; the rest
    is the application's failure, and so is what is too deep to look into.
    """
    stop: BaseException | None = None
    cancelled: BaseException | None = None
    rest: BaseException | None = error
    if isinstance(error, BaseExceptionGroup):
        with contextlib.suppress(RecursionError):
            stop, cancelled, rest = _take_apart(error)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        stop, rest = error, None
    elif isinstance(error, GeneratorExit):
        pass  # What was left behind is thrown away when there is no event loop to ask any more.
    elif isinstance(error, anyio.get_cancelled_exc_class()):
        cancelled, rest = error, None
    if cancelled is not None and not driver.is_cancelled():
        # It awaited what somebody else has cancelled, or kept an old one: nobody waits for that to come out.
        cancelled, rest = None, error
    if stop is not None:
        driver.stop(stop)
    if rest is not None:
        driver.app_failed(exchange, rest)
    if cancelled is not None:
        raise cancelled


def _take_apart(
    group: BaseExceptionGroup,
) -> tuple[BaseException | None, BaseException | None, BaseException | None]:
    """Return what stops the server, what is a cancellation, and the rest."""
    stop: BaseException | None = group.subgroup((KeyboardInterrupt, SystemExit))
    while isinstance(stop, BaseExceptionGroup):
        stop = stop.exceptions[0]
    cancelled, rest = group.split(anyio.get_cancelled_exc_class())
    if rest is not None:
        rest = rest.split((KeyboardInterrupt, SystemExit))[1]
    return stop, cancelled, rest


def transport_info(peername: object, sockname: object) -> TransportInfo:
    """Make of a socket's two addresses what the core wants to know.

    An IPv6 address loses its scope; a Unix socket has a path where it listens, and nothing at the other end.
    """
    client: tuple[str, int] | None = None
    server: tuple[str, int | None] | None = None
    if isinstance(peername, tuple):
        client = (peername[0].partition("%")[0], peername[1])
    if isinstance(sockname, tuple):
        server = (sockname[0].partition("%")[0], sockname[1])
    elif isinstance(sockname, str) and sockname:
        server = (sockname, None)
    return TransportInfo(client, server)


class AccessLog(Protocol):
    """Who writes down what happened."""

    def log(self, statistics: ExchangeStatistics) -> None:
        """An exchange has ended."""

    def refused(self, client: tuple[str, int] | None, error: PeerError) -> None:
        """A peer broke the rules."""


class Service:
    """What all connections of one server share, on either backend."""

    def __init__(  # noqa: PLR0913 - a record.
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        access_log: AccessLog,
        log_exchanges: bool = True,
        limit_concurrency: int | None = None,
        limit_max_requests: int | None = None,
        timeout_disconnect: float | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_tls_handshake: float = math.inf,
    ) -> None:
        self.settings = settings
        self.access_log = access_log
        self.log_exchanges = log_exchanges
        self.timeout_disconnect = timeout_disconnect
        self.state: dict[str, Any] | None = None
        """The lifespan's namespace, if the application has a lifespan."""
        self.context = contextvars.copy_context()
        """Each exchange runs in a copy of it."""
        self.running = 0
        """Calls of the application that have not returned."""
        self.finish: Callable[[], None] = lambda: None
        """Called when the server has served as many requests as it may, or an application stops it."""
        self.stopped_by: BaseException | None = None
        """What an application raised to stop the server."""
        self._app = app
        self._limit_concurrency = limit_concurrency
        self._limit_max_requests = limit_max_requests
        self._requests = 0
        self.secure = tls is not None
        """TLS is spoken."""
        self._tls = tls
        self._timeout_tls_handshake = timeout_tls_handshake

    def connect(self, transport: TransportInfo, now: float) -> AnyConnection:
        """Begin a connection whose transport was accepted just now, with TLS if that is spoken."""
        if self._tls is None:
            return Connection(transport, self.settings, now, self.state)

        def begin(alpn: str | None, now: float) -> Connection:
            secure = dataclasses.replace(transport, secure=True, alpn=alpn)
            return Connection(secure, self.settings, now, self.state)

        return SecureConnection(self._tls, begin, now + self._timeout_tls_handshake)

    def choose_app(self) -> ASGIApp:
        """Count a request, which ends with `finished`, and return who is to answer it."""
        self.running += 1
        self._requests += 1
        if self._requests == self._limit_max_requests:
            self.finish()
        if self._limit_concurrency is not None and self.running > self._limit_concurrency:
            return _service_unavailable
        return self._app

    def stop(self, error: BaseException) -> None:
        """Stop the server, gracefully, and let its caller have this."""
        if self.stopped_by is None:
            self.stopped_by = error
        self.finish()

    def report(self, exchange: Exchange, now: float) -> None:
        """Write the line of an exchange that has ended."""
        if self.log_exchanges:
            self.access_log.log(exchange.statistics(now))

    def app_failed(self, exchange: Exchange, error: BaseException | None) -> None:
        """Write down that the application raised, or left its exchange undone."""
        if error is not None:
            logger.error("Exception in ASGI application", exc_info=error)
        else:
            logger.error("ASGI application broke the contract: %s", exchange.failure)


async def _service_unavailable(scope: Scope, _receive: Receive, send: Send) -> None:
    content = b"Service Unavailable: too many requests at one time\n"
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
        (b"connection", b"close"),
        (b"retry-after", b"1"),
    ]
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send({"type": f"{kind}.start", "status": 503, "headers": fields})
    await send({"type": f"{kind}.body", "body": content})
