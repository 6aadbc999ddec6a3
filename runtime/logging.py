"""Where tricorn's own loggers write, for those who have not said otherwise."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import Any, Final, TextIO

__all__ = ["configure", "logger"]

_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


class _Calm(logging.LoggerAdapter[logging.Logger]):
    """A logger whose handlers may raise: what cannot be written down ends nothing else."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Write down, if need be without the error that it is about, or do not."""
        kwargs["stacklevel"] = 2
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, or a traceback that is too deep.
            if kwargs.pop("exc_info", None):
                with contextlib.suppress(Exception):
                    super().log(level, f"{msg} (no traceback: {type(error).__name__})", *args, **kwargs)


logger: Final = _Calm(logging.getLogger("tricorn.error"), {})


class _StandardHandler(logging.StreamHandler[TextIO]):
    """Writes to what is called ``sys.stdout`` or ``sys.stderr`` at that moment. Ours, thus ours to replace.

    Where that is closed, or nobody reads it any more, it says so once, and lines are lost.
    """

    def __init__(self, name: str, line_format: str) -> None:
        super().__init__(getattr(sys, name))
        self._name_in_sys = name
        self.setFormatter(logging.Formatter(line_format))
        self._bare = line_format != _FORMAT
        self._second = -1  # Most lines share theirs with the one before.
        self._time = ""
        self._failed = False

    def format(self, record: logging.LogRecord) -> str:
        """Make a line."""
        if self._bare or record.exc_info or record.stack_info:
            return super().format(record)
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._time = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._time},{int(record.msecs):03d} {record.levelname} {record.getMessage()}"

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = getattr(sys, self._name_in_sys)
        if self.stream is not None and not getattr(self.stream, "closed", False):  # Some only have `write`.
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name.
        """Tell once of what cannot be written, and whenever it is not the stream's fault."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._failed:
            self._failed = True
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"tricorn: cannot write to sys.{self._name_in_sys}: {error}\n")


def configure(level: str, access_log: bool, access_log_format: str | None = None) -> None:  # noqa: FBT001
    """Let the loggers ``tricorn`` and ``tricorn.error`` write to stderr, and ``tricorn.access`` to stdout.

    Lines of a format of the user's own go out as they are, all others after time and level. A logger to which the
    user gave handlers is left alone, and everything is if that logger is ``tricorn``. Calling it again replaces what
    the last call did. The library (`runtime.serve`) does not call it: there, logging is the embedder's.
    """
    tricorn = logging.getLogger("tricorn")
    access = logging.getLogger("tricorn.access")
    if _has_foreign_handlers(tricorn):
        return
    _give(tricorn, _StandardHandler("stderr", _FORMAT))
    tricorn.setLevel(level.upper())
    if not _has_foreign_handlers(access):
        plain = access_log_format is not None
        _give(access, _StandardHandler("stdout", "%(message)s" if plain else _FORMAT) if access_log else None)


def _has_foreign_handlers(logger: logging.Logger) -> bool:
    return any(not isinstance(handler, _StandardHandler) for handler in logger.handlers)


def _give(logger: logging.Logger, handler: logging.Handler | None) -> None:
    """Make this the only handler that the logger's records reach."""
    for old in list(logger.handlers):
        logger.removeHandler(old)
    if handler is not None:
        logger.addHandler(handler)
    logger.propagate = False
