r"""The access log: one line for each exchange, written when it has ended, and one more when a WebSocket is accepted.

Nothing that came from a peer reaches a line unescaped: control characters, quotes, backslashes and whatever is not
ASCII are written ``\xNN``. The wall clock is read here and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeAlias

from sansio import ExchangeStatistics, PeerError

from .logging import logger
from .options import ConfigError

__all__ = ["AccessLog", "compile_format"]

Line: TypeAlias = Callable[[ExchangeStatistics], str]

_ESCAPED: Final = tuple(
    chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\x{octet:02x}" for octet in range(256)
)
_NAME: Final = "access_log_format"
_UNFIT: Final = re.compile(rb"[^ !#-\[\]-~]")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AccessLog:
    """Writes what happened to the loggers ``tricorn.access`` and ``tricorn.error``, at level INFO."""

    def __init__(self, line_format: str | None = None) -> None:
        """Take a line of gunicorn's atoms, ``json``, or None for the standard line.

        Raises `ConfigError` for an atom that does not exist.
        """
        self._line = compile_format(line_format)
        self._tells_accept = line_format in {None, "json"}  # No atom says that there is more to come.
        self._access = logging.getLogger("tricorn.access")

    def log(self, statistics: ExchangeStatistics) -> None:
        """Write the line of an exchange that has ended, or of a WebSocket that was accepted."""
        if self._access.isEnabledFor(logging.INFO) and (self._tells_accept or not _was_accepted(statistics)):
            # Not info(): looking for the caller costs more than the line, and it is always this one.
            record = logging.LogRecord(
                "tricorn.access", logging.INFO, __file__, 0, self._line(statistics), (), None
            )
            with contextlib.suppress(Exception):  # What cannot be written down ends nothing else.
                self._access.handle(record)

    def refused(self, client: tuple[str, int] | None, error: PeerError) -> None:
        """Write down that a peer broke the rules, and what it was told."""
        if logger.isEnabledFor(logging.INFO):
            verdict = "closed" if error.status is None else f"refused with {error.status}"
            logger.info("%s %s: %s", _address(client), verdict, _escape(error.reason))


def compile_format(line_format: str | None) -> Line:
    """Turn a format, as `AccessLog` takes it, into the function that makes a line.

    Raises `ConfigError` for an atom that does not exist.
    """
    if line_format is None:
        return _standard
    if line_format == "json":
        return _json
    parts: list[str | Line] = []
    end = 0
    for found in re.finditer(r"%(?:(%)|\(([^)]*)\)s)?", line_format):
        parts.append(line_format[end : found.start()])
        if found[1]:
            parts.append("%")
        elif found[2] is not None:
            parts.append(_atom(found[2]))
        else:
            raise ConfigError(
                f"has a % at {found.start() + 1} that begins no atom: write %(h)s, or %%", _NAME
            )
        end = found.end()
    parts.append(line_format[end:])
    return lambda s: "".join([part if isinstance(part, str) else part(s) for part in parts])


def _was_accepted(s: ExchangeStatistics) -> bool:
    """Tell whether this is the beginning of a WebSocket, and not its end."""
    accepting = (
        200 if s.http_version == "2" else 101
    )  # RFC 8441 §5: "a 2XX", which no refusal may have there.
    return s.kind == "websocket" and s.status == accepting and s.close_code is None


def _standard(s: ExchangeStatistics) -> str:
    status = "-" if s.status is None else s.status
    if s.kind == "websocket":
        line = (
            f'{_address(s.client)} - "WebSocket {_escape(s.target)} HTTP/{_escape(s.http_version)}" {status} '
        )
        if _was_accepted(s):
            return f"{line}accepted"
        duration = f"{(s.ended - s.opened) * 1000:.1f}ms"
        if s.close_code is None:
            return f"{line}{s.bytes_out}B {duration}"
        return (
            f"{line}closed with {s.close_code}, {s.messages_in} messages of {s.bytes_in}B in, "
            f"{s.messages_out} of {s.bytes_out}B out, {duration}"
        )
    aborted = "" if s.complete else " aborted"
    return (
        f'{_address(s.client)} - "{_escape(s.method)} {_escape(s.target)} HTTP/{_escape(s.http_version)}" '
        f"{status} {s.bytes_out}B {(s.ended - s.opened) * 1000:.1f}ms{aborted}"
    )


def _json(s: ExchangeStatistics) -> str:
    extra: dict[str, object] = {}
    if s.kind == "websocket":
        extra = {
            "websocket": "accepted"
            if _was_accepted(s)
            else "closed"
            if s.close_code is not None
            else "refused",
            "close_code": s.close_code,
            "messages_in": s.messages_in,
            "messages_out": s.messages_out,
        }
    return json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "client": _address(s.client) if s.client is not None else None,
            "method": _escape(s.method),
            "target": _escape(s.target),
            "http_version": _escape(s.http_version),
            "status": s.status,
            "bytes_in": s.bytes_in,
            "bytes_out": s.bytes_out,
            "duration_ms": round((s.ended - s.opened) * 1000, 3),
            "complete": s.complete,
            **extra,
        }
    )


def _atom(name: str) -> Line:
    """Return what a gunicorn atom stands for, by the text in its parentheses."""
    if len(name) > 3 and name[0] == "{" and name[-2:] in {"}i", "}o"}:
        wanted = name[1:-2].lower().encode("latin-1", "replace")
        if name[-1] == "i":
            return lambda s: _field(s.fields, wanted)
        return lambda s: _field(s.response_fields, wanted)
    if name not in _ATOMS:
        known = ", ".join([*_ATOMS, "{field}i", "{field}o"])
        raise ConfigError(f"has no atom {name!r}: there are {known}, or the whole format may be json", _NAME)
    return _ATOMS[name]


def _request_line(s: ExchangeStatistics) -> str:
    return f"{_escape(s.method)} {_escape(s.target)} HTTP/{_escape(s.http_version)}"


def _user(s: ExchangeStatistics) -> str:
    """The name in Basic credentials (RFC 7617), as far as it can be read."""
    for name, value in s.fields:
        if name.lower() == b"authorization":
            scheme, _, credentials = value.strip().partition(b" ")
            if scheme.lower() == b"basic":
                try:
                    user, colon, _ = base64.b64decode(credentials.strip(), validate=True).partition(b":")
                except (binascii.Error, ValueError):
                    return "-"
                return _escape(user) if user and colon else "-"
    return "-"


def _clock(_: ExchangeStatistics) -> str:
    """The time in the Common Log Format; its month is English under any locale."""
    now = time.localtime()
    return f"[{now.tm_mday:02}/{_MONTHS[now.tm_mon - 1]}/{time.strftime('%Y:%H:%M:%S %z', now)}]"


_ATOMS: Final[dict[str, Line]] = {
    "h": lambda s: _escape(s.client[0]) if s.client is not None else "-",
    "l": lambda _: "-",
    "u": _user,
    "t": _clock,
    "r": _request_line,
    "s": lambda s: "-" if s.status is None else str(s.status),
    "m": lambda s: _escape(s.method),
    "U": lambda s: _escape(s.target.partition(b"?")[0]),
    "q": lambda s: _escape(s.target.partition(b"?")[2]),
    "H": lambda s: f"HTTP/{_escape(s.http_version)}",
    "B": lambda s: str(s.bytes_out),
    "b": lambda s: str(s.bytes_out) if s.bytes_out else "-",
    "f": lambda s: _field(s.fields, b"referer"),
    "a": lambda s: _field(s.fields, b"user-agent"),
    "T": lambda s: str(int(s.ended - s.opened)),
    "D": lambda s: str(round((s.ended - s.opened) * 1_000_000)),
    "M": lambda s: str(round((s.ended - s.opened) * 1000)),
    "L": lambda s: f"{s.ended - s.opened:.6f}",
    "p": lambda _: f"<{os.getpid()}>",
}


def _field(fields: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    values = [_escape(value) for name, value in fields if name.lower() == wanted]
    return ", ".join(values) if values else "-"


def _address(client: tuple[str, int] | None) -> str:
    if client is None:
        return "-"
    host, port = client
    return f"[{_escape(host)}]:{port}" if ":" in host else f"{_escape(host)}:{port}"


def _escape(text: str | bytes) -> str:
    octets = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if _UNFIT.search(octets) is None:
        return octets.decode("ascii")
    return "".join([_ESCAPED[octet] for octet in octets])
