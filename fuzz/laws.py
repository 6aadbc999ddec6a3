"""What all laws stand on: how they are held, how it is told that one does not hold, and what a connection keeps.

A law is a function. Its name says what holds, its docstring says it in one sentence, and it raises `AssertionError`
if it does not hold.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Final, TypeVar

from sansio import Connection, Settings

from .connection_world import TRANSPORT, Call, ConnectionWorld
from .operations import Operation

__all__ = ["LawfulWorld", "Violation", "hold", "octets_held", "reachable"]

W = TypeVar("W")

_OPAQUE: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Call)


class Violation(AssertionError):
    """A law does not hold. The text has the law, what was seen, and the operations that lead there."""


def hold(laws: tuple[Callable[[W], None], ...], world: W, tell: Callable[[str], str]) -> None:
    """Hold each law against a world. Raises `Violation`, whose text `tell` makes of what is wrong."""
    for law in laws:
        try:
            law(world)
        except Violation:
            raise  # Something that was played again has told already.
        except AssertionError as error:
            name = law.__name__.replace("_", " ")
            raise Violation(tell(f"{name}: {law.__doc__}\n{error}")) from error
        except Exception as error:
            name = type(error).__name__
            raise Violation(tell(f"nothing undocumented is raised, but {name}: {error}\n{law}")) from error


class LawfulWorld(ConnectionWorld):
    """A world that holds laws against what happens in it."""

    after_each: ClassVar[tuple[Callable[[Any], None], ...]] = ()
    at_the_end: ClassVar[tuple[Callable[[Any], None], ...]] = ()

    def do(self, operation: Operation) -> None:
        """Let one thing happen, and hold the laws against what comes of it. Raises `Violation`."""
        try:
            super().do(operation)
        except AssertionError as error:
            raise Violation(self.tell(f"{error}\n{operation}")) from error
        except Exception as error:
            name = type(error).__name__
            seen = f"nothing undocumented is raised, but {name} by {type(operation).__name__}: {error}\n{operation}"
            raise Violation(self.tell(seen)) from error
        hold(self.after_each, self, self.tell)

    def check_whole(self) -> None:
        """Hold the laws that need the whole story. Raises `Violation`."""
        hold(self.at_the_end, self, self.tell)

    def tell(self, what: str) -> str:
        return f"{what}\nafter {self.script()}\nfed {bytes(self.fed)!r}\nwire {bytes(self.wire)!r}"


def reachable(connection: Connection, settings: Settings) -> Iterator[object]:
    """Yield what the connection holds, but for what all connections share."""
    other = Connection(TRANSPORT, settings, 0.0, {})
    shared = {id(item) for item in _walk(other)}
    return (item for item in _walk(connection) if id(item) not in shared)


def octets_held(connection: Connection, settings: Settings) -> int:
    """Return how many octets and characters the connection holds."""
    items = reachable(connection, settings)
    return sum(len(item) for item in items if isinstance(item, (bytes, bytearray, str)))


def _walk(start: object) -> Iterator[object]:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, _OPAQUE):
            continue
        seen.add(id(item))
        yield item
        waiting.extend(gc.get_referents(item))
