"""The servers that are attacked, each with its own options for timeouts and limits where it has them."""

from __future__ import annotations

import json
import math
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.attacks.attack import SECURE, Attack
from tests.benchmarks.certificates import Certificate
from tests.benchmarks.servers import installed_version

EVERYTHING: Final = frozenset({"http1", "https", "h2c", "h2-tls", "websocket", "wss"})
NO_HTTP2: Final = EVERYTHING - {"h2c", "h2-tls"}


@dataclass(frozen=True, slots=True)
class Start:
    """What a command line is made of."""

    attack: Attack
    port: int
    certificate: Certificate
    folder: Path
    """For files of configuration; it outlives the server."""

    @property
    def secure(self) -> bool:
        """TLS is to be spoken."""
        return self.attack.protocol in SECURE


@dataclass(frozen=True, slots=True)
class Server:
    """One way to start one server."""

    name: str
    command: str
    options: Callable[[Start], list[str]]
    requires: tuple[str, ...]
    protocols: frozenset[str] = EVERYTHING
    ours: bool = False
    """An attack that breaches it is a failure."""

    def missing(self) -> list[str]:
        """The distributions that it needs and that this Python does not have."""
        absent = [name for name in self.requires if installed_version(name) is None]
        return absent or ([] if self.ours or self._path.exists() else [f"the command {self.command}"])

    def command_line(self, start: Start) -> list[str]:
        """The words that start it on 127.0.0.1."""
        # Ours is that of this tree, whatever is installed.
        command = [sys.executable, "-m", "runtime"] if self.ours else [str(self._path)]
        return [*command, start.attack.app, *self.options(start)]

    @property
    def _path(self) -> Path:
        return Path(sysconfig.get_path("scripts")) / self.command


def _words(options: dict[str, object]) -> list[str]:
    """Write options: True is a flag without a value; False and None are none."""
    words: list[str] = []
    for name, value in options.items():
        if value is not False and value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def _tricorn(*backend: str) -> Callable[[Start], list[str]]:
    def options(start: Start) -> list[str]:
        patience = start.attack.patience
        timeouts = {
            "timeout-request-head": patience.head,
            "timeout-request-body": patience.body,
            "timeout-write": patience.write,
            "timeout-keep-alive": patience.keep_alive,
            "timeout-discard": patience.body,
            "timeout-linger": patience.close,
            "timeout-tls-handshake": patience.handshake,
            "timeout-startup": patience.start,
            "timeout-graceful-shutdown": patience.stop,
            "timeout-shutdown": patience.stop,
            "http2-settings-timeout": patience.settings,
            "http2-window-timeout": patience.window,
            "http2-keep-alive-interval": patience.http2_ping,
            "http2-keep-alive-timeout": patience.http2_ping,
            "ws-ping-interval": patience.ping,
            "ws-ping-timeout": patience.ping,
            "ws-close-timeout": patience.close,
            "ws-handshake-timeout": patience.handshake,
        }
        return [
            *backend,
            *_words({"port": start.port, **timeouts, "no-access-log": not start.attack.access_log}),
            *_words({"limit-concurrency": start.attack.concurrency}),
            *(["--h2c", "prior-knowledge"] if start.attack.protocol == "h2c" else []),
            *(_certified(start, "ssl-certfile", "ssl-keyfile")),
        ]

    return options


def _uvicorn(start: Start) -> list[str]:
    """It has no timeouts for heads, contents, writing and handshakes, and takes whole seconds."""
    patience = start.attack.patience
    return _words(
        {
            "port": start.port,
            "http": "httptools",
            "loop": "uvloop",
            "ws": "websockets-sansio",
            "log-level": "info" if start.attack.access_log else "warning",
            "timeout-keep-alive": math.ceil(patience.keep_alive),
            "timeout-graceful-shutdown": math.ceil(patience.stop),
            "ws-ping-interval": patience.ping,
            "ws-ping-timeout": patience.ping,
            "limit-concurrency": start.attack.concurrency,
        }
    ) + _certified(start, "ssl-certfile", "ssl-keyfile")


def _hypercorn(worker: str) -> Callable[[Start], list[str]]:
    def options(start: Start) -> list[str]:
        """Its file has options that its command line has not. It has none for heads alone, and for writing."""
        patience = start.attack.patience
        settings: dict[str, object] = {
            "bind": [f"127.0.0.1:{start.port}"],
            "worker_class": worker,
            "loglevel": "WARNING",
            "keep_alive_timeout": patience.keep_alive,
            "read_timeout": math.ceil(max(patience.head, patience.body)),
            "startup_timeout": patience.start,
            "graceful_timeout": patience.stop,
            "shutdown_timeout": patience.stop,
            "ssl_handshake_timeout": patience.handshake,
            "websocket_ping_interval": patience.ping,
        }
        if start.attack.access_log:
            settings |= {"accesslog": "-", "loglevel": "INFO"}
        if start.secure:
            settings |= {"certfile": str(start.certificate.chain), "keyfile": str(start.certificate.key)}
        path = start.folder / "hypercorn.toml"
        path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
        return ["--config", str(path)]

    return options


def _granian(start: Start) -> list[str]:
    """It has no timeouts for contents, writing, handshakes and WebSockets, and its time for heads is one for idling."""
    patience = start.attack.patience
    return _words(
        {
            "interface": "asgi",
            "host": "127.0.0.1",
            "port": start.port,
            "workers": 1,
            "loop": "uvloop",
            "http": "auto",
            "http1-header-read-timeout": _milliseconds(patience.head),
            "http2-keep-alive-interval": _milliseconds(patience.http2_ping),
            "http2-keep-alive-timeout": patience.http2_ping and math.ceil(patience.http2_ping),
            "workers-kill-timeout": math.ceil(patience.stop),
            "log-level": "info" if start.attack.access_log else "warning",
            "access-log": start.attack.access_log,
        }
    ) + _certified(start, "ssl-certificate", "ssl-keyfile")


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _certified(start: Start, chain: str, key: str) -> list[str]:
    if not start.secure:
        return []
    return _words({chain: start.certificate.chain, key: start.certificate.key})


SERVERS: Final = (
    Server(
        "tricorn-uvloop",
        "tricorn",
        _tricorn("--backend", "asyncio", "--loop", "uvloop"),
        ("uvloop",),
        ours=True,
    ),
    Server(
        "tricorn-asyncio",
        "tricorn",
        _tricorn("--backend", "asyncio", "--loop", "asyncio"),
        (),
        ours=True,
    ),
    Server("tricorn-trio", "tricorn", _tricorn("--backend", "trio"), ("trio",), ours=True),
    Server("uvicorn", "uvicorn", _uvicorn, ("uvicorn", "httptools", "uvloop", "websockets"), NO_HTTP2),
    Server("granian", "granian", _granian, ("granian", "uvloop")),
    Server("hypercorn-asyncio", "hypercorn", _hypercorn("asyncio"), ("hypercorn",)),
    Server("hypercorn-trio", "hypercorn", _hypercorn("trio"), ("hypercorn", "trio")),
)
