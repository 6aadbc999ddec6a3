"""Makes the traffic: operations of all kinds, at a steady rate, each of them checked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

import anyio

from tests.client import request_bytes
from tests.peers import window_update
from tests.soak import http1, http2, others
from tests.soak.app import GREETING
from tests.soak.place import Place

__all__ = ["KINDS", "Kind", "Load", "Operation"]

Operation: TypeAlias = Callable[[Place, Random], Awaitable[int]]

_AT_ONCE: Final = 300  # So many operations may be under way; the next one waits.
_TIMEOUT: Final = 30.0  # For one operation.
_LASTING_PAUSE: Final = 0.2
_RENEWAL_PAUSE: Final = 10.0
_FORGOTTEN: Final = 50  # So many requests later, nothing more is said on a stream.


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation, and how many of a deal are of it."""

    name: str
    operation: Operation
    weight: int


KINDS: Final = (
    Kind("HTTP/1: new connections", http1.greet, 12),
    Kind("HTTP/1: keep-alive", http1.keep_alive, 16),
    Kind("HTTP/1: pipelines", http1.pipeline, 8),
    Kind("HTTP/1: uploads and downloads", http1.transfer, 8),
    Kind("HTTP/1: slow to send", http1.send_slowly, 4),
    Kind("HTTP/1: slow to read", http1.read_slowly, 4),
    Kind("HTTP/1: read nothing", http1.never_read, 1),
    Kind("HTTP/1: silent", http1.stay_silent, 4),
    Kind("HTTP/1: FIN too early", http1.end_early, 4),
    Kind("HTTP/1: RST", http1.reset, 6),
    Kind("HTTP/1: outlived clients", http1.outlive, 3),
    Kind("HTTP/1: failing applications", http1.fail, 2),
    Kind("HTTP/1: malformed", http1.break_rules, 8),
    Kind("HTTP/2: multiplexed", http2.multiplex, 10),
    Kind("HTTP/2: uploads", http2.upload, 4),
    Kind("HTTP/2: resets", http2.reset, 6),
    Kind("HTTP/2: GOAWAY", http2.go_away, 3),
    Kind("HTTP/2: slow to read", http2.read_slowly, 3),
    Kind("HTTP/2: FIN or RST", http2.leave, 4),
    Kind("HTTP/2: failing applications", http2.fail, 2),
    Kind("HTTP/2: malformed", http2.break_rules, 5),
    Kind("HTTP/2: WebSockets", http2.converse, 4),
    Kind("WebSocket: echo", others.converse, 10),
    Kind("WebSocket: bad ends", others.end_badly, 3),
    Kind("WebSocket: pings", others.wait_for_pings, 2),
    Kind("WebSocket: malformed", others.break_rules, 3),
    Kind("TLS: dropped handshakes", others.drop_handshake, 6),
)
"""What is done all the time. Certificates and lasting connections come on top."""


@dataclass
class Load:
    """What was done, and what went wrong. Everything follows from the seed, but for time."""

    place: Place
    rate: float
    """Operations a second."""
    seed: int = 0
    kinds: tuple[Kind, ...] = KINDS
    operations: Counter[str] = field(default_factory=Counter)
    """By kind."""
    exchanges: int = 0
    """Requests, and messages over WebSockets."""
    errors: list[str] = field(default_factory=list)
    """What was not as expected. The server keeps running whatever it is."""
    delayed: float = 0.0
    """Seconds by which the load has fallen behind its rate, in all."""

    async def run(self, seconds: float) -> None:
        """Make traffic for so long, but do everything once at least, and wait until all of it has ended."""
        deck = self._deal()
        room = anyio.Semaphore(_AT_ONCE)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            for name, lasting in (
                ("HTTP/1", _last_http1),
                ("HTTP/2", _last_http2),
                ("WebSocket", _last_websocket),
            ):
                group.start_soon(self._last, f"lasting: {name}", lasting, stop)
            group.start_soon(self._renew, min(_RENEWAL_PAUSE, seconds / 4), stop)
            start = due = time.monotonic()
            number = 0
            while due < start + seconds or number < sum(kind.weight for kind in self.kinds):
                await anyio.sleep(max(0.0, due - time.monotonic()))
                await room.acquire()
                number += 1
                group.start_soon(self._operate, next(deck), number, room)
                due += 1 / self.rate
                behind = time.monotonic() - due
                if behind > 1:  # It cannot be caught up with.
                    due += behind
                    self.delayed += behind
            stop.set()

    def _deal(self) -> Iterator[Kind]:
        random = Random(self.seed)
        while True:
            deck = [kind for kind in self.kinds for _ in range(kind.weight)]
            random.shuffle(deck)
            yield from deck

    async def _operate(self, kind: Kind, number: int, room: anyio.Semaphore) -> None:
        try:
            await self._attempt(kind.name, kind.operation, Random(f"{self.seed} {number}"))
        finally:
            room.release()

    async def _attempt(self, name: str, operation: Operation, random: Random) -> None:
        self.operations[name] += 1
        try:
            with anyio.fail_after(_TIMEOUT):
                made = await operation(self.place, random)
            self.exchanges += made
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not expected.
            self.errors.append(f"{name}: {_tell(error)}")

    async def _renew(self, pause: float, stop: anyio.Event) -> None:
        await self._attempt("TLS: new certificates", others.renew, Random())
        while not await _stopped(stop, pause):
            await self._attempt("TLS: new certificates", others.renew, Random())

    async def _last(
        self, name: str, lasting: Callable[[Load, str, anyio.Event], Awaitable[None]], stop: anyio.Event
    ) -> None:
        try:
            await lasting(self, name, stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not expected.
            self.errors.append(f"{name}: {_tell(error)}")

    def count(self, name: str) -> None:
        """One more exchange on a connection that lasts."""
        self.operations[name] += 1
        self.exchanges += 1


# Connections that last as long as the load does, because what grows with each request grows on them.


async def _last_http1(load: Load, name: str, stop: anyio.Event) -> None:
    async with load.place.secured(load.place.authority.http1) as client:
        while True:
            with anyio.fail_after(_TIMEOUT):
                await client.send(request_bytes("POST", "/echo", body=[b"first", b"second"]))
                http1.check(await client.response(), b"firstsecond")
            load.count(name)
            if await _stopped(stop, _LASTING_PAUSE):
                return


async def _last_http2(load: Load, name: str, stop: anyio.Event) -> None:
    async with load.place.http2(Random(load.seed)) as client:
        while True:
            with anyio.fail_after(_TIMEOUT):
                http2.check(await client.fetch(), GREETING)
                await client.send(window_update(0, len(GREETING)))
            load.count(name)
            del client.observer.frames[2:]
            old = min(client.observer.streams)
            if len(client.observer.streams) > _FORGOTTEN:
                del client.observer.streams[old]
            if await _stopped(stop, _LASTING_PAUSE):
                return


async def _last_websocket(load: Load, name: str, stop: anyio.Event) -> None:
    async with others.opened(load.place, Random(load.seed)) as connection:
        while True:
            with anyio.fail_after(_TIMEOUT):
                await connection.send("something that can be compressed, can be compressed")
                assert await connection.recv() == "something that can be compressed, can be compressed"
            load.count(name)
            if await _stopped(stop, _LASTING_PAUSE):
                return


async def _stopped(stop: anyio.Event, seconds: float) -> bool:
    """Wait, but not longer than until the load is to stop."""
    with anyio.move_on_after(seconds):
        await stop.wait()
    return stop.is_set()


def _tell(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {text}"
