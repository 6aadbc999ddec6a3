"""Operations written down as octets, so that a fuzzer of octets can write them; and changed as operations.

Every string of octets is a script: the first octet chooses the settings, and then each operation is one octet for its
kind, and what it needs. Whatever is left out is zero. What the numbers of settings, messages and well-known octets
stand for, a `Language` says; the functions are those of HTTP/1's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .generate import Chooser, mutate, pipeline
from .http1_givens import REQUESTS, SETTINGS
from .messages import MESSAGES
from .operations import (
    AppFinish,
    AppFlush,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Oversleep,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)

__all__ = ["Language", "mutate_script", "random_operation", "read_script", "write_script"]

_MAX_OPERATIONS: Final = 64
_MAX_RAW: Final = 65_535
_SECONDS: Final = (0.0, 0.25, 1.0, 3.0, 40.0, 100_000.0)

# Kinds of operations, by the octet that names them. Frequent ones have several.
_RAW, _KNOWN, _EOF, _LOST, _WAIT, _DEADLINE, _OVERSLEEP, _TIMEOUT, _SHUT_DOWN, _TAKE = range(10)
_APP_RECEIVE, _APP_SEND, _APP_FLUSH, _APP_FINISH = range(10, 14)
_KINDS: Final = (*range(14), _TAKE, _APP_SEND, _RAW, _KNOWN, _APP_RECEIVE, _APP_SEND)


class _Octets:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> bool:
        return self._position < len(self._data)

    def number(self) -> int:
        self._position += 1
        return self._data[self._position - 1] if self._position <= len(self._data) else 0

    def take(self, size: int) -> bytes:
        start = self._position
        self._position += size
        return self._data[start : start + size]


@dataclass(frozen=True, slots=True)
class Language:
    """What the numbers in scripts stand for."""

    settings: int
    """How many there are to choose from."""
    names: tuple[str, ...]
    """Those of messages."""
    known: tuple[bytes, ...]
    """What peers say often."""
    invent: Callable[[Chooser], bytes]
    """Make something that a peer may say."""

    def read(self, data: bytes) -> tuple[int, list[Operation]]:
        """Return the number of the settings and the operations that these octets stand for."""
        octets = _Octets(data)
        settings = octets.number() % self.settings
        operations: list[Operation] = []
        while octets.left and len(operations) < _MAX_OPERATIONS:
            operations.append(self._read_operation(octets))
        return settings, operations

    def write(self, settings: int, operations: Sequence[Operation]) -> bytes:
        """Return octets that `read` makes these of."""
        return bytes([settings]) + b"".join(map(self._write_operation, operations))

    def random_operation(self, chooser: Chooser) -> Operation:
        """Return any operation; what a connection sees often comes often."""
        kind = chooser.choice(_KINDS)
        which = chooser.choice((0, 0, 0, 0, 1, 2))
        match kind:
            case 0:  # _RAW
                return Receive(self.invent(chooser), chooser.choice((0, 0, 1, 2, 17)))
            case 1:  # _KNOWN
                return Receive(chooser.choice(self.known), chooser.choice((0, 0, 1, 5)))
            case 4:
                return Wait(chooser.choice(_SECONDS))
            case 6:
                return Oversleep(chooser.choice(_SECONDS))
            case 10:
                return AppReceive(which)
            case 11:
                return AppSend(chooser.choice(self.names), which)
            case 12:
                return AppFlush(which)
            case 13:
                return AppFinish(which, chooser.choice((False, True)))
            case _:
                return self._read_operation(_Octets(bytes([kind])))

    def mutate(self, data: bytes, chooser: Chooser) -> bytes:
        """Change a script by whole operations, or the octets in one."""
        settings, operations = self.read(data)
        if chooser.randint(0, 9) == 0:
            settings = chooser.randint(0, self.settings - 1)
        for _ in range(chooser.randint(1, 4)):
            position = chooser.randint(0, len(operations))
            kind = chooser.randint(0, 6)
            if kind == 0:
                del operations[position : position + chooser.randint(1, 3)]
            elif kind == 1 and operations:
                operations.insert(position, chooser.choice(operations))
            elif kind == 2 and position < len(operations):
                operations[position] = self._mutate_operation(operations[position], chooser)
            else:
                operations.insert(position, self.random_operation(chooser))
        return self.write(settings, operations)

    def _read_operation(self, octets: _Octets) -> Operation:
        kind = _KINDS[octets.number() % len(_KINDS)]
        match kind:
            case 0:  # _RAW
                size = octets.number() << 8 | octets.number()
                cut = octets.number()
                return Receive(octets.take(size), cut)
            case 1:  # _KNOWN
                return Receive(self.known[octets.number() % len(self.known)], octets.number())
            case 2:
                return Eof()
            case 3:
                return Lost()
            case 4:
                return Wait(_SECONDS[octets.number() % len(_SECONDS)])
            case 5:
                return ToDeadline()
            case 6:
                return Oversleep(_SECONDS[octets.number() % len(_SECONDS)])
            case 7:
                return Timeout()
            case 8:
                return ShutDown()
            case 9:
                return Take()
            case 10:
                return AppReceive(octets.number())
            case 11:
                return AppSend(self.names[octets.number() % len(self.names)], octets.number())
            case 12:
                return AppFlush(octets.number())
            case _:
                number = octets.number()
                return AppFinish(number >> 1, bool(number & 1))

    def _write_operation(self, operation: Operation) -> bytes:
        match operation:
            case Receive(data, cut):
                if data in self.known:
                    return bytes([_KNOWN, self.known.index(data), cut])
                return bytes([_RAW, len(data) >> 8, len(data) & 0xFF, cut]) + data
            case Eof():
                return bytes([_EOF])
            case Lost():
                return bytes([_LOST])
            case Wait(seconds):
                return bytes([_WAIT, _SECONDS.index(seconds)])
            case ToDeadline():
                return bytes([_DEADLINE])
            case Oversleep(seconds):
                return bytes([_OVERSLEEP, _SECONDS.index(seconds)])
            case Timeout():
                return bytes([_TIMEOUT])
            case ShutDown():
                return bytes([_SHUT_DOWN])
            case Take():
                return bytes([_TAKE])
            case AppReceive(which):
                return bytes([_APP_RECEIVE, which])
            case AppSend(name, which):
                return bytes([_APP_SEND, self.names.index(name), which])
            case AppFlush(which):
                return bytes([_APP_FLUSH, which])
            case AppFinish(which, failed):
                return bytes([_APP_FINISH, which << 1 | failed])

    def _mutate_operation(self, operation: Operation, chooser: Chooser) -> Operation:
        if not isinstance(operation, Receive):
            return self.random_operation(chooser)
        data = operation.data
        if chooser.randint(0, 1):
            middle = chooser.randint(0, len(data))
            return Receive(data[:middle] if chooser.randint(0, 1) else data[middle:], operation.cut)
        return Receive(mutate(data, chooser)[:_MAX_RAW], operation.cut)


_HTTP1: Final = Language(len(SETTINGS), tuple(MESSAGES), REQUESTS, pipeline)


def read_script(data: bytes) -> tuple[int, list[Operation]]:
    """Return the number of the settings and the operations that these octets stand for."""
    return _HTTP1.read(data)


def write_script(settings: int, operations: Sequence[Operation]) -> bytes:
    """Return octets that `read_script` makes these of."""
    return _HTTP1.write(settings, operations)


def random_operation(chooser: Chooser) -> Operation:
    """Return any operation; what a connection sees often comes often."""
    return _HTTP1.random_operation(chooser)


def mutate_script(data: bytes, chooser: Chooser) -> bytes:
    """Change a script by whole operations, or the octets in one."""
    return _HTTP1.mutate(data, chooser)
