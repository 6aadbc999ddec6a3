"""One call of an application by a `tests.pair.Pair`, which runs its coroutine or lets a script play it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

from sansio import ClientDisconnected, Exchange, Message, Scope
from tests.client import Fields

if TYPE_CHECKING:
    from tests.pair import Pair

__all__ = ["App", "Call", "Cancelled", "Receive", "Send", "Suspension"]

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Coroutine[Any, Any, object]]


class Cancelled(BaseException):
    """What `Call.cancel` throws into an application."""


class Suspension:
    """Yields itself to whoever runs the coroutine, once."""

    def __init__(self, predicate: Callable[[], bool], at: float) -> None:
        self.predicate = predicate
        self.at = at

    def __await__(self) -> Generator[Suspension, None, None]:
        yield self


class Call:
    """One call of the application."""

    def __init__(self, pair: Pair, exchange: Exchange) -> None:
        self.exchange = exchange
        self.scope = exchange.scope
        self.received: list[Message] = []
        """The messages that the application took."""
        self.error: BaseException | None = None
        """What the application raised."""
        self.done = False
        """`Exchange.finish` was called."""
        self.named = 0
        """How often `Connection.take_ready` has named the exchange, its opening included."""
        self._pair = pair
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._suspension: Suspension | None = None

    # For scripts.

    def receive(self) -> Message | None:
        """Take a message, or None if there is none."""
        message = self.exchange.receive(self._pair.now)
        if message is not None:
            self.received.append(message)
        self._pair.settle()
        return message

    def send(self, message: Message) -> None:
        """Send a message. Raises what `Exchange.send` raises."""
        self._send(message)
        self._pair.settle()

    def respond(self, body: bytes = b"", status: int = 200, fields: Fields = ()) -> None:
        """Send a whole response and finish."""
        self.send({"type": "http.response.start", "status": status, "headers": list(fields)})
        self.send({"type": "http.response.body", "body": body})
        self.finish()

    def flush(self) -> None:
        """Let go of a head that is held."""
        self.exchange.flush(self._pair.now)
        self._pair.settle()

    def finish(self, error: BaseException | None = None) -> None:
        """Return, or raise."""
        self._finish(error)
        self._pair.settle()

    def cancel(self) -> None:
        """Throw `Cancelled` into the application where it waits."""
        coroutine, self._coroutine = self._coroutine, None
        assert coroutine is not None, "the application does not run"
        try:
            coroutine.throw(Cancelled())
        except (Cancelled, StopIteration):
            pass
        else:
            raise AssertionError("the application goes on after its cancellation")
        self._pair.settle()

    # For the pair. What follows means what `runtime.driver.run_app` means.

    @property
    def wakes_at(self) -> float:
        """When a sleeping application wants to go on."""
        return math.inf if self._suspension is None or self._coroutine is None else self._suspension.at

    def start(self, app: App) -> None:
        self._coroutine = self._run(app)
        self._step()

    def wake(self) -> bool:
        """Let the application go on if what it waits for is there."""
        suspension = self._suspension
        if self._coroutine is None or suspension is None or not suspension.predicate():
            return False
        self._step()
        return True

    def _step(self) -> None:
        coroutine = self._coroutine
        assert coroutine is not None
        self._suspension = None
        try:
            self._suspension = coroutine.send(None)
        except StopIteration:
            self._coroutine = None

    async def _run(self, app: App) -> None:
        pair = self._pair
        exchange = self.exchange

        async def receive() -> Message:
            while (message := exchange.receive(pair.now)) is None:
                pair.take_outputs()
                if not exchange.ended:
                    await self._named()
            self.received.append(message)
            pair.take_outputs()
            return message

        async def send(message: Message) -> None:
            self._send(message)
            if exchange.holds:
                return
            pair.take_outputs()
            while not exchange.can_send:
                if exchange.disconnected:
                    raise ClientDisconnected
                await self._named()

        error: BaseException | None = None
        try:
            await app(self.scope, receive, send)
        except Exception as exc:  # noqa: BLE001 - the barrier around an exchange.
            error = exc
        except BaseException as exc:
            error = exc
            raise
        finally:
            self._finish(error)
            pair.take_outputs()

    async def _named(self) -> None:
        """Return when `take_ready` names the exchange from now on: what was missed is missed, as with a driver."""
        named = self.named
        await Suspension(lambda: self.named > named, math.inf)

    def _send(self, message: Message) -> None:
        self.exchange.send(message, self._pair.now)
        if self.exchange.holds:
            self._pair.hold(self.exchange)

    def _finish(self, error: BaseException | None) -> None:
        assert not self.done, "finished twice"
        self.done = True
        self.error = error
        self.exchange.finish(error, self._pair.now)
