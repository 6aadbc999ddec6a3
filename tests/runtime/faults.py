"""System calls that go wrong when they are told to, on sockets that a server accepts.

A `Run` counts the calls on the sockets that are accepted while it is in force, so that a second run can let any one of
them go wrong. Only event loops written in Python make their calls where this sees them: asyncio's own, and trio.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pytest

__all__ = ["ALWAYS", "KINDS", "Fault", "Run", "fails", "in_force", "reads_one", "takes"]

KINDS: Final = (
    "accept",
    "setblocking",
    "setsockopt",
    "getpeername",
    "getsockname",
    "recv",
    "send",
    "shutdown",
    "close",
)

ALWAYS: Final = range(1, sys.maxsize)


class Fault(NamedTuple):
    """What happens instead of some calls of one kind."""

    kind: str
    calls: range
    """Which of them; the first is 1."""
    action: Callable[..., Any]
    """Takes the true call and its arguments."""


@dataclass
class Run:
    """What happens on the sockets that are accepted during it."""

    faults: tuple[Fault, ...] = ()
    made: Counter[str] = field(default_factory=Counter)
    """How many calls of each kind there were."""
    met: int = 0
    """How often a fault was met."""

    def make(self, kind: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call, or what takes its place."""
        self.made[kind] += 1
        for fault in self.faults:
            if fault.kind == kind and self.made[kind] in fault.calls:
                self.met += 1
                return fault.action(call, *arguments)
        return call(*arguments)


def fails(number: int) -> Callable[..., Any]:
    """Fail. A socket is closed even where closing it fails."""

    def act(call: Callable[..., Any], *arguments: Any) -> Any:
        if call.__name__ == "close":
            call()
        raise OSError(number, os.strerror(number))

    return act


def reads_one(call: Callable[..., Any], _size: int, *arguments: Any) -> Any:
    """Read one octet, however many there are."""
    return call(1, *arguments)


def takes(part: Callable[[int], int]) -> Callable[..., Any]:
    """Take part of what is sent."""

    def act(call: Callable[..., Any], data: Any) -> Any:
        return call(memoryview(data)[: part(len(data))])

    return act


@contextmanager
def in_force(run: Run) -> Iterator[Run]:
    """Let a run happen to what is accepted in the block."""
    with pytest.MonkeyPatch.context() as patch:
        accept = socket.socket.accept

        def accept_faulty(self: socket.socket) -> tuple[socket.socket, Any]:
            sock, address = run.make("accept", lambda: accept(self))
            return _Faulty(run, sock), address

        patch.setattr(socket.socket, "accept", accept_faulty)
        yield run


class _Faulty(socket.socket):
    """An accepted socket whose calls are those of a run."""

    def __init__(self, run: Run, sock: socket.socket) -> None:
        self._run = run
        super().__init__(fileno=sock.detach())

    def recv(self, size: int, *arguments: Any) -> bytes:
        octets: bytes = self._run.make("recv", super().recv, size, *arguments)
        return octets

    def send(self, data: Any, *arguments: Any) -> int:
        sent: int = self._run.make("send", super().send, data, *arguments)
        return sent

    def sendmsg(self, buffers: Any, *arguments: Any) -> int:
        return self.send(b"".join(buffers), *arguments)

    def setblocking(self, flag: bool, /) -> None:
        self._run.make("setblocking", super().setblocking, flag)

    def setsockopt(self, *arguments: Any) -> None:
        self._run.make("setsockopt", super().setsockopt, *arguments)

    def getpeername(self) -> Any:
        return self._run.make("getpeername", super().getpeername)

    def getsockname(self) -> Any:
        return self._run.make("getsockname", super().getsockname)

    def shutdown(self, how: int, /) -> None:
        self._run.make("shutdown", super().shutdown, how)

    def close(self) -> None:
        self._run.make("close", super().close)
