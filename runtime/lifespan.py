"""The lifespan's driver: it runs the exchange without a connection beside the server, as the parent of all others."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from sansio import Exchange, Lifespan, LifespanState

from .driver import ASGIApp, run_app
from .errors import LifespanFailed, StartupFailed, one_line
from .logging import logger

__all__ = ["LifespanDriver"]


class LifespanDriver:
    """Runs the application's lifespan, and says when it has started, stopped or failed."""

    def __init__(
        self, app: ASGIApp, mode: Literal["auto", "on"], stop: Callable[[BaseException], None]
    ) -> None:
        self.exchange = Lifespan()
        self.context = contextvars.copy_context()
        """The context in which start-up was completed: what it has set, the requests will see."""
        self._app = app
        self._mode = mode
        self._stop = stop
        self._error: BaseException | None = None
        self._phase = self.exchange.phase
        self._started = False
        self._changed = anyio.Event()
        self._gone = anyio.Event()
        self._scope = anyio.CancelScope(shield=True)

    async def start_up(self, group: TaskGroup, timeout: float) -> None:
        """Start, and return when the application says that it has, or that it has no lifespan.

        Raises `StartupFailed`, or `LifespanFailed` if it started and ended at once.
        """
        group.start_soon(self._run)
        with anyio.move_on_after(timeout):
            while self._phase is LifespanState.STARTING:
                await self._changed.wait()
        if self._phase is LifespanState.STARTING:
            raise StartupFailed(
                f"lifespan start-up took longer than {timeout:g} s: see --timeout-startup, or --lifespan off"
            )
        if self._phase is LifespanState.FAILED and self._started:
            raise LifespanFailed(self._failure())
        if self._phase is LifespanState.FAILED:
            raise StartupFailed(
                f"lifespan start-up failed: {one_line(self.exchange.message) or 'the app gave no reason'}"
            )
        if self._phase is LifespanState.UNSUPPORTED:
            told = "returned early" if self._error is None else f"raised {self._error!r}"
            if self._mode == "on":
                raise StartupFailed(f"the app does not support the lifespan: it {told}") from self._error
            logger.info("The app seems not to support the lifespan (it %s): going on without", told)

    @property
    def supported(self) -> bool:
        """The application takes part."""
        return self._phase is not LifespanState.UNSUPPORTED

    async def wait_ended(self) -> None:
        """Return when the application has left the lifespan, asked to or not."""
        while not self.exchange.ended:
            await self._changed.wait()

    async def shut_down(self, timeout: float) -> None:
        """Ask for shutdown, wait for the answer, and end the task in any case. Before start-up, only end it.

        Raises `LifespanFailed` if the application failed, now or earlier, or did not answer in time.
        """
        try:
            if self._phase is LifespanState.STARTING:
                return
            self.exchange.shut_down(self.now())
            self.service()
            with anyio.move_on_after(timeout):
                await self.wait_ended()
            if not self.exchange.ended:
                raise LifespanFailed(
                    f"lifespan shutdown took longer than {timeout:g} s: see --timeout-shutdown"
                )
            if self._phase is LifespanState.FAILED:
                raise LifespanFailed(self._failure())
        finally:
            self.cancel()

    def _failure(self) -> str:
        told = one_line(self.exchange.message)
        return f"the lifespan failed: {told or self.exchange.failure or repr(self._error)}"

    def cancel(self) -> None:
        """End the task."""
        self._scope.cancel()

    async def wait_gone(self) -> None:
        """Return when the task has ended."""
        await self._gone.wait()

    async def _run(self) -> None:
        # Whoever cancels the server still wants a shutdown; the server ends this scope itself, always.
        try:
            with self._scope:
                # In a task of its own: where it leaves a cancel scope open, that task fails, and not ours.
                async with anyio.create_task_group() as group:
                    group.start_soon(self._run_app)
        except Exception:  # noqa: BLE001 - it would end the server, and hide what the lifespan itself says.
            logger.exception("The lifespan broke the contract: it has left a cancel scope open")
        finally:
            self._gone.set()

    async def _run_app(self) -> None:
        try:
            await run_app(self._app, self.exchange, self)
        except anyio.get_cancelled_exc_class() as error:
            if self._scope.cancel_called:
                raise
            # It awaited what somebody else has cancelled: its failure, and no reason to cancel the server.
            self._error = error
            if self._started:
                self.app_failed(self.exchange, error)

    # The driver's contract.

    def now(self) -> float:
        """Return the event loop's time."""
        return anyio.current_time()

    def service(self) -> None:
        """Tell those who wait if the phase has changed."""
        if self.exchange.phase is not self._phase:
            self._phase = self.exchange.phase
            if self._phase is LifespanState.STARTED:
                self._started = True
                self.context = contextvars.copy_context()
            self._changed.set()
            self._changed = anyio.Event()

    service_later = service

    async def wait(self, exchange: Exchange) -> None:  # noqa: ARG002 - there is only one.
        """Return when the phase has changed."""
        await self._changed.wait()

    def hold(self, exchange: Exchange) -> None:
        """Nothing is ever held."""

    def report(self, exchange: Exchange) -> None:
        """A lifespan has no line in the access log."""

    def app_failed(self, exchange: Exchange, error: BaseException | None) -> None:
        """Remember why, and write it down if start-up was complete: before, `start_up` tells."""
        self._error = error
        if self._phase is not LifespanState.STARTING:
            logger.error("The lifespan failed: %s", exchange.failure or "", exc_info=error)

    def is_cancelled(self) -> bool:
        """Let `_run_app` tell."""
        return True

    def drop(self) -> None:
        """Write it down; there is no connection."""
        logger.exception("Internal error")

    def stop(self, error: BaseException) -> None:
        """Let the server stop."""
        self._stop(error)

    def finished(self, exchange: Exchange) -> None:
        """Its task ends by itself."""
