"""Fuzz a server of your own that embeds `sansio`: a `World` beside it tells what must come of all that happens.

``PYTHONPATH=. python docs/examples/fuzz_server.py [SECONDS]``, from the top of tricorn's source tree.
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import sansio
from fuzz import operations as op
from fuzz.campaign import Campaign
from fuzz.messages import MESSAGES
from fuzz.script import mutate_script, read_script
from fuzz.seeds import http1_seeds
from fuzz.targets import Target
from fuzz.world import SETTINGS, Call, World

REFUSED = sansio.UnexpectedMessage, sansio.InvalidMessage, sansio.ClientDisconnected


@dataclass(eq=False, slots=True)
class App:
    """One call of the application, which does what the script says."""

    exchange: sansio.Exchange
    received: list[sansio.Message] = field(default_factory=list)
    awaits: str = ""
    """The one of `receive` and `send` that has not returned yet."""


class Driver:
    """Your driver in place of this one. Its transport is in memory, and its clock goes when it is told to."""

    def __init__(self, settings: sansio.Settings, now: float) -> None:
        self.now = now
        self.apps: list[App] = []
        self.wire = b""
        self.connection = sansio.Connection(sansio.TransportInfo(), settings, now)
        self.look()

    def do(self, operation: op.Operation, app: App | None) -> None:
        connection = self.connection
        match operation:
            case op.Receive(data):
                connection.receive_data(data, self.now)
            case op.Eof():
                connection.receive_eof(self.now)
            case op.Lost():
                connection.connection_lost(self.now)
            case op.ShutDown():
                connection.shut_down(self.now)
            case op.Take() if self.writing:
                self.wire += connection.data_to_send()
            case op.AppReceive() if app:
                self.ask(app)
            case op.AppSend(name) if app:
                with contextlib.suppress(*REFUSED):
                    app.exchange.send(MESSAGES[name], self.now)
                app.awaits = "" if app.exchange.can_send else "send"
            case op.AppFinish(_, failed) if app:
                app.exchange.finish(OSError("the application failed") if failed else None, self.now)
        self.look()

    def look(self) -> None:
        """Look at the outputs. Call this after everything that may have changed them."""
        connection = self.connection
        while ready := connection.take_ready():
            for exchange in ready:
                if isinstance(exchange.tag, App):
                    self.wake(exchange.tag)
                else:  # It has just been opened.
                    exchange.tag = App(exchange)
                    self.apps.append(exchange.tag)
        self.alarm = connection.deadline
        self.reading, self.writing = connection.wants_read, connection.wants_write
        self.write_ended, self.closed = connection.write_ended, connection.closed

    def wake(self, app: App) -> None:
        if app.awaits == "receive":
            self.ask(app)
        elif app.exchange.can_send:
            app.awaits = ""

    def ask(self, app: App) -> None:
        message = app.exchange.receive(self.now)
        app.awaits = "receive" if message is None else ""
        app.received += [] if message is None else [message]

    def run_until(self, now: float) -> None:
        """Time passes, and the alarm rings whenever it is due."""
        while self.alarm <= now:
            self.now = max(self.now, self.alarm)
            self.connection.handle_timeout(self.now)
            self.look()
        self.now = now


def check(data: bytes) -> None:
    """One connection, twice: the driver's must be where the world's is, after each thing that happens to both."""
    number, operations = read_script(data)
    world = World(SETTINGS[number])
    driver = Driver(SETTINGS[number], world.now)
    for operation in (part for whole in operations for part in parts(whole, world)):
        which = getattr(operation, "which", None)
        call = None if which is None or not world.calls else world.calls[-1 - which % len(world.calls)]
        if call is None or not (call.finished or awaits(call)):
            let(operation, world)
            driver.do(operation, driver.apps[call.index] if call else None)
            driver.run_until(world.now)
            compare(driver, world)


def parts(operation: op.Operation, world: World) -> Iterator[op.Operation]:
    """Yield what happens where each read is looked at, no deadline missed, and nothing flushed but by the driver.

    What a client says behind its fault is left out: it comes of nothing.
    """
    match operation:
        case op.Receive(data, cut):
            size = cut or len(data)
            while data and not (world.eof or world.lost or world.connection.error):
                yield op.Receive(data[:size])
                data = data[size:]
        case op.Wait(seconds) | op.Oversleep(seconds) if world.now + seconds >= world.connection.deadline:
            yield op.ToDeadline()
        case op.AppFlush() | op.Timeout():
            pass
        case _:
            yield operation


def let(operation: op.Operation, world: World) -> None:
    """Let it happen, and what must come of it at once: who awaits a message gets it, and what is due is done."""
    waiting = [call for call in world.calls if call.waiting]
    world.do(operation)
    for call in [call for call in waiting if not call.waiting]:
        let(op.AppReceive(len(world.calls) - 1 - call.index), world)
    if world.connection.deadline <= world.now:
        let(op.Timeout(), world)


def awaits(call: Call) -> str:
    return "receive" if call.waiting else "" if call.exchange.can_send else "send"


def compare(driver: Driver, world: World) -> None:
    connection, calls = world.connection, world.calls
    # Whoever has no room need not wait for it: it may not have sent anything since.
    waiting = [
        app.awaits if awaits(call) == "send" and app.awaits != "receive" else awaits(call)
        for app, call in zip(driver.apps, calls, strict=False)  # How many there are is compared first.
    ]
    for what, seen, expected in (
        ("octets", driver.wire, world.wire),
        ("messages", [app.received for app in driver.apps], [call.received for call in calls]),
        ("applications that wait", [app.awaits for app in driver.apps], waiting),
        ("reading", driver.reading, connection.wants_read),
        ("the end of its side", driver.write_ended, connection.write_ended),
        ("the end", driver.closed, connection.closed),
    ):
        if seen != expected:
            raise AssertionError(f"{what}: {seen!r} instead of {expected!r}\nafter {world.script()}")


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    target = Target(check, http1_seeds, mutate_script, "a server of one's own")
    sys.exit(Campaign("server", seconds).attack(target, plain=True))
