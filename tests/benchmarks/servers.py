"""The servers that are compared: their command lines, how each is started and how it is ended."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.load import LoadError, warm_up

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = "tests.benchmarks.apps:app"
STARTING_TIMEOUT: Final = 20.0
STOPPING_TIMEOUT: Final = 5.0
WARM_UP_REQUESTS: Final = 300

REFERENCE: Final = "uvicorn"
ECHO_REFERENCE: Final = "uvicorn-websockets-sansio"

# What a server can be asked, and a scenario asks.
HTTP1: Final = "http1"
WEBSOCKET: Final = "websocket"
DEFLATE: Final = "websocket-deflate"
PLAIN_ONLY: Final = frozenset({HTTP1})
ECHO_ONLY: Final = frozenset({WEBSOCKET, DEFLATE})
EVERYTHING: Final = PLAIN_ONLY | ECHO_ONLY


class StartError(Exception):
    """A server ended, or answered nothing, before its time to start was over; the text is its output."""


@dataclass(frozen=True, slots=True)
class Server:
    """One way to start one server; `{app}` and `{port}` in its arguments are filled in."""

    name: str
    command: str
    arguments: str
    requires: tuple[str, ...]
    protocols: frozenset[str] = PLAIN_ONLY

    def missing(self) -> list[str]:
        """The distributions that it needs and that this Python does not have."""
        absent = [name for name in self.requires if installed_version(name) is None]
        return absent or ([] if self._path.exists() else [f"the command {self.command}"])

    def command_line(self, port: int) -> list[str]:
        """The words that start it on 127.0.0.1 at `port`."""
        return [str(self._path), *self.arguments.format(app=APP, port=port).split()]

    @property
    def _path(self) -> Path:
        return Path(sysconfig.get_path("scripts")) / self.command


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: the process at the root of its tree, and its port on 127.0.0.1."""

    pid: int
    port: int


# Access logs are off but where the name says "log", and every server has one worker. Idle connections outlive the
# measurement everywhere: granian allows them 60 seconds at most, and counts them in its limit of requests at work.
# No server pings a WebSocket while it is measured.
TRICORN: Final = "{app} --port {port} --no-access-log --timeout-keep-alive 600 --ws-ping-interval 600"
UVICORN: Final = (
    "{app} --port {port} --no-access-log --log-level warning --timeout-keep-alive 600 --ws-ping-interval 600"
)
HYPERCORN: Final = "{app} --bind 127.0.0.1:{port} --log-level WARNING --keep-alive 600"

SERVERS: Final = (
    Server(
        "tricorn-uvloop",
        "tricorn",
        f"{TRICORN} --backend asyncio --loop uvloop",
        ("tricorn", "uvloop"),
        EVERYTHING,
    ),
    Server(
        "tricorn-asyncio",
        "tricorn",
        f"{TRICORN} --backend asyncio --loop asyncio",
        ("tricorn",),
        EVERYTHING,
    ),
    Server("tricorn-trio", "tricorn", f"{TRICORN} --backend trio", ("tricorn", "trio"), EVERYTHING),
    Server(
        "uvicorn",
        "uvicorn",
        f"{UVICORN} --http httptools --loop uvloop",
        ("uvicorn", "httptools", "uvloop"),
    ),
    # As they come: both write an access log unless they are told not to.
    Server(
        "tricorn-uvloop-log",
        "tricorn",
        "{app} --port {port} --backend asyncio --loop uvloop",
        ("tricorn", "uvloop"),
    ),
    Server("uvicorn-log", "uvicorn", "{app} --port {port}", ("uvicorn", "httptools", "uvloop")),
    Server("uvicorn-h11", "uvicorn", f"{UVICORN} --http h11 --loop asyncio", ("uvicorn", "h11")),
    Server(
        "uvicorn-websockets-sansio",
        "uvicorn",
        f"{UVICORN} --http httptools --loop uvloop --ws websockets-sansio",
        ("uvicorn", "httptools", "uvloop", "websockets"),
        ECHO_ONLY,
    ),
    Server(
        "uvicorn-wsproto",
        "uvicorn",
        f"{UVICORN} --http httptools --loop uvloop --ws wsproto",
        ("uvicorn", "httptools", "uvloop", "wsproto"),
        ECHO_ONLY,
    ),
    Server(
        "granian",
        "granian",
        "{app} --interface asgi --host 127.0.0.1 --port {port} --workers 1 --loop uvloop --http 1"
        " --no-access-log --log-level warning --backpressure 20000 --http1-header-read-timeout 60000",
        ("granian", "uvloop"),
        PLAIN_ONLY | {WEBSOCKET},
    ),
    Server("hypercorn-asyncio", "hypercorn", f"{HYPERCORN} -k asyncio", ("hypercorn",), EVERYTHING),
    Server("hypercorn-trio", "hypercorn", f"{HYPERCORN} -k trio", ("hypercorn", "trio"), EVERYTHING),
    Server(
        "daphne",
        "daphne",
        "-b 127.0.0.1 -p {port} -v 0 --ping-interval 600 {app}",
        ("daphne",),
        PLAIN_ONLY | {WEBSOCKET},
    ),
)


def installed_version(distribution: str) -> str | None:
    """The version that this Python would import, or None where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@contextmanager
def running(server: Server, core: int) -> Iterator[Running]:
    """Start `server` on `core`, wait until it answers and has warmed up, and end its whole tree afterwards.

    Raises `StartError`.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            # taskset replaces itself by the server, so every thread of it starts on that core.
            ["taskset", "--cpu-list", str(core), *server.command_line(port)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            if not _answers(process, port):
                output.seek(0)
                raise StartError(output.read().decode(errors="replace")[-2000:].strip() or "it was silent")
            yield Running(process.pid, port)
        finally:
            _end(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    give_up_at = time.monotonic() + STARTING_TIMEOUT
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            warm_up(port, WARM_UP_REQUESTS)
        except (OSError, LoadError):
            time.sleep(0.05)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOPPING_TIMEOUT)
    # The session is the server's own: whatever of the tree is left in it goes too.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
