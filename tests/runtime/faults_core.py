"""A core that fails when it is told to, as it never should: what a driver does then is what keeps the others safe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from sansio import Connection, Exchange

__all__ = ["Core", "Failure", "failing"]

_INPUTS: Final = (
    "receive_data",
    "receive_eof",
    "connection_lost",
    "handle_timeout",
    "shut_down",
    "data_to_send",
    "take_ready",
)

_OF_EXCHANGES: Final = ("receive", "send", "flush", "finish", "statistics")


class Failure(RuntimeError):
    """Ours is the fault."""


class Core:
    """Counts what drivers call on the connections that begin while it is armed, and fails at one of these calls."""

    def __init__(self, fails_at: int = 0, before: Callable[[], object] = lambda: None) -> None:
        """Fail at the call of this number, the first is 1, after doing something else."""
        self.calls: list[str] = []
        self.told = 0
        """How often the failure was written down, with its traceback."""
        self.armed = True
        self._fails_at = fails_at
        self._before = before
        self._inside = False

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call of the driver's. What the core calls of its own passes."""
        if self._inside:
            return function(*arguments)
        self.calls.append(name)
        if len(self.calls) == self._fails_at:
            self._before()
            raise Failure(name)
        self._inside = True
        try:
            return function(*arguments)
        finally:
            self._inside = False


class _Failing(Connection):
    def __init__(self, core: Core, *arguments: Any) -> None:
        self.core = core
        core.call("begin", super().__init__, *arguments)


def _of_connection(name: str) -> Callable[..., Any]:
    original = getattr(Connection, name)

    def call(self: _Failing, *arguments: Any) -> Any:
        return self.core.call(name, original, self, *arguments)

    return call


for _name in _INPUTS:
    setattr(_Failing, _name, _of_connection(_name))


@contextmanager
def failing(core: Core) -> Iterator[Core]:
    """Put a core in the place of the real one, for connections that begin in the block and are no siblings."""

    def begin(*arguments: Any) -> Connection:
        return _Failing(core, *arguments) if core.armed else Connection(*arguments)

    def of_exchange(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Exchange, *arguments: Any) -> Any:
            if self.scope["type"] == "lifespan" or self.scope["path"] == "/sibling":
                return original(self, *arguments)
            return core.call(name, original, self, *arguments)

        return call

    def tell(record: logging.LogRecord) -> bool:
        told = record.exc_info is not None and _is_failure(record.exc_info[1])
        core.told += told
        return not told  # Whoever keeps it would keep the connection.

    logger = logging.getLogger("tricorn.error")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        logger.addFilter(tell)
        stack.callback(logger.removeFilter, tell)
        patch.setattr("runtime.driver.Connection", begin)
        kinds = [Exchange]
        for kind in kinds:
            kinds += kind.__subclasses__()
            for name in _OF_EXCHANGES:
                if name in vars(kind):
                    patch.setattr(kind, name, of_exchange(name, vars(kind)[name]))
        yield core


def _is_failure(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_failure, error.exceptions))
    return isinstance(error, Failure) and error.__traceback__ is not None
