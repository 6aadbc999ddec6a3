"""A server from start to end, on whichever backend runs: sockets, lifespan, connections, shutdown."""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import gc
import math
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias, cast

import anyio
import sniffio
from anyio.abc import TaskGroup, TaskStatus

from .access_log import AccessLog
from .app import load_app
from .config import Config, ConfigError
from .driver import ASGIApp, Service
from .errors import LifespanFailed, StartupFailed, exit_code
from .lifespan import LifespanDriver
from .listen import close_sockets, display, open_sockets
from .logging import configure, logger
from .process import Watchdog, end_process, handle_signals, ignore_signals, signals_restored
from .tls import make_context, set_protocols

__all__ = ["Address", "Server", "run", "serve"]

Address: TypeAlias = tuple[str, int] | str
"""Where a server listens: host and port, or the path of a Unix socket."""

_CANCEL_TIMEOUT: Final = 2.0
"""Seconds for applications to end after they were cancelled. What has not ended then is left behind."""

_ABORT_TIMEOUT: Final = 0.5
"""Seconds for transports to close after they were aborted."""


class _Listener(Protocol):
    """A backend's listener: see `AsyncioListener` and `TrioListener`."""

    async def run(self, *, task_status: TaskStatus[None]) -> None: ...

    def shut_down(self) -> None: ...

    async def wait_idle(self) -> None: ...

    def cancel(self) -> None: ...

    def abort(self) -> None: ...


def run(
    app: ASGIApp | str,
    config: Config | None = None,
    *,
    ssl_context: ssl.SSLContext | None = None,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Run a server until it is told to stop by SIGINT or SIGTERM; a second signal does not wait for open requests.

    `app` is an ASGI application, or where to import it from, as in ``"main:app"``.

    It starts an event loop, by the options ``backend`` and ``loop``, lets tricorn's loggers write as the options say,
    and for its time sets Python's garbage collector by ``gc_threshold``. Otherwise it is as `serve`.

    An application that does not end after its cancellation, be it a task or a thread that the event loop waits for,
    does not keep it: the process ends without it.
    """
    config = _make_config(config, settings)
    configure(config.log_level, config.access_log, config.access_log_format)
    options = {} if config.backend == "trio" else {"use_uvloop": _wants_uvloop(config)}
    server = Server(app, config, ssl_context=ssl_context)
    server.owns_process = True
    watchdog = Watchdog()
    with _garbage_collection(config.gc_threshold), signals_restored():
        try:
            anyio.run(_run, server, watchdog, backend=config.backend, backend_options=options)
        finally:
            watchdog.stop()


async def serve(
    app: ASGIApp | str,
    config: Config | None = None,
    *,
    task_status: TaskStatus[list[Address]] = anyio.TASK_STATUS_IGNORED,
    shutdown_trigger: Callable[[], Awaitable[object]] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Serve in the event loop that runs, trio's or asyncio's, until cancelled or until `shutdown_trigger` returns.

    The options ``backend`` and ``loop`` have no effect, and no signal is handled. `task_status` is told the addresses
    as soon as the lifespan's start-up is complete and connections are accepted. The trigger's return begins a graceful
    shutdown; cancellation cuts off what is open. The lifespan's shutdown runs either way.

    Raises `ConfigError` for options that make no sense or a place where it cannot listen, `StartupFailed` if the
    application's start-up fails, and `LifespanFailed` if its lifespan fails later; the server has then stopped.
    """
    server = Server(app, _make_config(config, settings), ssl_context=ssl_context)
    await server.serve(task_status=task_status, shutdown_trigger=shutdown_trigger)


class Server:
    """A running server, for the time of an ``async with`` block, under trio or asyncio, whichever runs.

    The block begins when the lifespan's start-up is complete and connections are accepted. Leaving it stops the
    server gracefully, an exception or a cancellation in it at once; the lifespan is shut down in any case.

    Entering raises `ConfigError` or `StartupFailed`, the latter also where the server is asked to stop before it has
    started; leaving raises `LifespanFailed`. Where both the block and the server fail, both errors come out, in a
    group. One object is for one block: to enter it again is a `RuntimeError`.
    """

    def __init__(
        self,
        app: ASGIApp | str,
        config: Config | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        """Take the application and how to serve it: a `Config`, single options by name, or both.

        `ssl_context` is for TLS that the options cannot describe. It is taken as it is, but for the protocols that it
        offers (ALPN), which follow from the option ``http``.
        """
        self.addresses: list[Address] = []
        """Where it listens, with the real port numbers. Empty before it listens."""
        self.owns_process = False
        """Applications that cannot be ended do not keep it: `run` says so."""
        self._config = _make_config(config, settings)
        self._ssl_context = ssl_context
        _check_tls(self._config, ssl_context)
        self._app = _find_app(app, self._config)
        self._used = False
        self._stopping = False
        self._forced = False
        self._left_behind = False
        self._until_stopping: set[anyio.CancelScope] = set()
        self._until_forced: set[anyio.CancelScope] = set()
        self._entered: list[TaskGroup] = []

    async def __aenter__(self) -> Self:
        """Start."""
        group = anyio.create_task_group()
        await group.__aenter__()
        try:
            await group.start(_start, self)
        except BaseException as error:
            await _leave(group, error)
            raise
        self._entered.append(group)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        group = self._entered.pop()
        if error is None:
            self.shut_down()
        else:
            group.cancel_scope.cancel()
        await _leave(group, error)

    def shut_down(self) -> None:
        """Ask the server to stop: accept no more, finish what is open, shut down the lifespan. Returns at once.

        A second call does not wait for what is open.
        """
        for scope in self._until_forced if self._stopping else self._until_stopping:
            scope.cancel()
        self._forced = self._stopping
        self._stopping = True

    async def serve(
        self,
        *,
        task_status: TaskStatus[list[Address]] = anyio.TASK_STATUS_IGNORED,
        shutdown_trigger: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Serve until `shut_down`, until the trigger returns, or until cancelled. For one call only.

        `task_status` is told the addresses after the lifespan's start-up.
        """
        if self._used:
            raise RuntimeError("this server has served already: make another one")
        self._used = True
        config = self._config
        tls = make_context(config) if self._ssl_context is None else self._ssl_context
        if tls is not None:
            set_protocols(tls, config)
        sockets = open_sockets(config)
        service = _make_service(self._app, config, tls)
        outcome: list[BaseException] = []
        try:
            async with anyio.create_task_group() as group:
                if shutdown_trigger is not None:
                    group.start_soon(self._await_trigger, shutdown_trigger)
                try:
                    await self._serve(group, service, sockets, task_status)
                except (StartupFailed, LifespanFailed) as error:
                    outcome.append(error)
                if self._left_behind:
                    fate = "the process ends without it" if self.owns_process else "it is waited for"
                    logger.error("An application did not end after its cancellation: %s", fate)
                    if self.owns_process:
                        for failure in outcome:
                            logger.error("%s", failure)
                        end_process(exit_code(*outcome))
                group.cancel_scope.cancel()
        finally:
            close_sockets(sockets)
        if service.stopped_by is not None:
            raise service.stopped_by
        if outcome:
            raise outcome[0]

    async def _serve(
        self,
        group: TaskGroup,
        service: Service,
        sockets: list[socket.socket],
        task_status: TaskStatus[list[Address]],
    ) -> None:
        """Serve inside the lifespan, if the application has one."""
        config = self._config
        service.finish = self._stop_once
        if config.lifespan == "off":
            await self._accept(group, service, sockets, task_status)
            return
        lifespan = LifespanDriver(self._app, config.lifespan, service.stop)
        try:
            with _cut_off(self._until_stopping, now=self._stopping):
                await lifespan.start_up(group, _seconds(config.timeout_startup))
            service.context = lifespan.context
            if lifespan.supported:
                service.state = lifespan.exchange.state
                group.start_soon(self._watch, lifespan)
            await self._accept(group, service, sockets, task_status)
        except BaseException as error:
            try:
                await self._end_lifespan(lifespan)
            except LifespanFailed as failure:
                if not isinstance(error, StartupFailed):
                    logger.error("%s", failure)
            raise
        await self._end_lifespan(lifespan)

    async def _end_lifespan(self, lifespan: LifespanDriver) -> None:
        """Shut it down. That has a deadline of its own, whoever cancels the server."""
        with anyio.CancelScope(shield=True):
            try:
                await lifespan.shut_down(_seconds(self._config.timeout_shutdown))
            finally:
                with anyio.move_on_after(_CANCEL_TIMEOUT) as scope:
                    await lifespan.wait_gone()
                self._left_behind = self._left_behind or scope.cancelled_caught

    async def _accept(
        self,
        group: TaskGroup,
        service: Service,
        sockets: list[socket.socket],
        task_status: TaskStatus[list[Address]],
    ) -> None:
        """Serve connections, and end them in phases on one budget."""
        if self._stopping:
            return
        if self._config.date_header:
            group.start_soon(_keep_date, service)
        listener = _make_listener(service, sockets, self._config.backlog)
        try:
            await group.start(_run_listener, listener)
            self.addresses[:] = [_address(sock) for sock in sockets]
            for sock in sockets:
                logger.info("Listening on %s", display(sock.getsockname(), secure=service.secure))
            task_status.started(self.addresses)
            with _cut_off(self._until_stopping, now=self._stopping):
                await anyio.sleep_forever()
            logger.info(
                "Shutting down; requests have %g s to end", _seconds(self._config.timeout_graceful_shutdown)
            )
            listener.shut_down()
            with _cut_off(self._until_forced, now=self._forced):
                with anyio.move_on_after(_seconds(self._config.timeout_graceful_shutdown)):
                    await listener.wait_idle()
        finally:
            listener.shut_down()
            listener.cancel()
            with anyio.move_on_after(_CANCEL_TIMEOUT, shield=True):
                await listener.wait_idle()
            listener.abort()
            with anyio.move_on_after(_ABORT_TIMEOUT, shield=True) as scope:
                await listener.wait_idle()
            self._left_behind = scope.cancelled_caught

    def _stop_once(self) -> None:
        if not self._stopping:
            self.shut_down()

    async def _watch(self, lifespan: LifespanDriver) -> None:
        """The lifespan is the parent of all: where it ends, the server ends."""
        await lifespan.wait_ended()
        self._stop_once()

    async def _await_trigger(self, trigger: Callable[[], Awaitable[object]]) -> None:
        await trigger()
        self._stop_once()


async def _start(server: Server, *, task_status: TaskStatus[list[Address]]) -> None:
    await server.serve(task_status=task_status)
    if not server.addresses:
        raise StartupFailed("the server was asked to stop before it had started")


async def _run(server: Server, watchdog: Watchdog) -> None:
    if sniffio.current_async_library() == "asyncio":
        import asyncio

        from .asyncio_errors import make_exception_handler

        asyncio.get_running_loop().set_exception_handler(make_exception_handler())
    async with anyio.create_task_group() as group:
        failures: list[BaseException] = []
        await group.start(_handle_signals, server)
        try:
            await server.serve()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - raised again, outside the group.
            failures.append(error)
        group.cancel_scope.cancel()
    ignore_signals()
    watchdog.watch(exit_code(*failures))
    if failures:
        raise failures[0]


async def _handle_signals(server: Server, *, task_status: TaskStatus[None]) -> None:
    await handle_signals(server.shut_down, task_status=task_status)


async def _run_listener(listener: _Listener, *, task_status: TaskStatus[None]) -> None:
    await listener.run(task_status=task_status)


async def _keep_date(service: Service) -> None:
    """Refresh the Date field once a second (RFC 9110 §6.6.1)."""
    fields = service.settings.default_fields
    while True:
        now = time.time()
        fields.set_date(email.utils.formatdate(now, usegmt=True).encode("ascii"))
        await anyio.sleep(math.floor(now) + 1 - now)


@contextlib.contextmanager
def _garbage_collection(threshold: int) -> Iterator[None]:
    """Collect the youngest objects less often than Python does by itself.

    A few dozen requests at one time are more objects than it lets come together, and none of them is garbage: they
    would be looked at, kept, and soon set off a collection of everything, with all idle connections in it.
    """
    before = gc.get_threshold()
    if threshold and before[0]:  # Where it is switched off it stays so.
        gc.set_threshold(threshold, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _cut_off(scopes: set[anyio.CancelScope], *, now: bool) -> Iterator[None]:
    """Leave the block when one of these scopes is cancelled, or has been."""
    with anyio.CancelScope() as scope:
        scopes.add(scope)
        if now:
            scope.cancel()
        try:
            yield
        finally:
            scopes.discard(scope)


async def _leave(group: TaskGroup, error: BaseException | None) -> None:
    """Leave a task group; an error comes out as itself, if it is the only one."""
    try:
        if error is None:
            await group.__aexit__(None, None, None)
        else:
            await group.__aexit__(type(error), error, error.__traceback__)
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) > 1:
            raise
        if errors.exceptions[0] is not error:
            raise errors.exceptions[0] from None


def _find_app(app: ASGIApp | str, config: Config) -> ASGIApp:
    if isinstance(app, str):
        return load_app(app, factory=config.factory, app_dir=config.app_dir)
    if not callable(app):
        raise ConfigError(f"an application is callable, or a text such as 'main:app', and not {app!r}")
    made = app() if config.factory else app  # type: ignore[call-arg]  # A factory takes nothing.
    return cast("ASGIApp", made)


def _make_config(config: Config | None, settings: dict[str, Any]) -> Config:
    given = (
        {}
        if config is None
        else {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    )
    return config if config is not None and not settings else Config.from_mapping(given | settings)


def _check_tls(config: Config, context: ssl.SSLContext | None) -> None:
    if context is not None and config.ssl_certfile is not None:
        raise ConfigError("and ssl_context are two ways to say the same: give one", "ssl_certfile")
    if context is not None and context.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise ConfigError("is for clients; make one with ssl.PROTOCOL_TLS_SERVER", "ssl_context")
    if config.http == "2" and config.h2c == "off" and context is None and config.ssl_certfile is None:
        raise ConfigError(
            "'2' is spoken inside of TLS; give --ssl-certfile, or use --h2c prior-knowledge to do without",
            "http",
        )


def _make_service(app: ASGIApp, config: Config, tls: ssl.SSLContext | None) -> Service:
    return Service(
        app,
        config.settings(),
        access_log=AccessLog(config.access_log_format),
        log_exchanges=config.access_log,
        limit_concurrency=config.limit_concurrency,
        limit_max_requests=config.limit_max_requests,
        timeout_disconnect=config.timeout_disconnect,
        tls=tls,
        timeout_tls_handshake=_seconds(config.timeout_tls_handshake),
    )


def _make_listener(service: Service, sockets: list[socket.socket], backlog: int) -> _Listener:
    """Import the driver of the backend that runs, and of no other."""
    if sniffio.current_async_library() == "trio":
        from .trio_listener import TrioListener

        return TrioListener(service, sockets)
    from .asyncio_listener import AsyncioListener

    return AsyncioListener(service, sockets, backlog)


def _wants_uvloop(config: Config) -> bool:
    if config.loop != "auto":
        return config.loop == "uvloop"
    try:
        import uvloop  # noqa: F401 - only whether it is there.
    except ImportError:
        return False
    return True


def _address(sock: socket.socket) -> Address:
    name = sock.getsockname()
    return (name[0], name[1]) if isinstance(name, tuple) else str(name)


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout
