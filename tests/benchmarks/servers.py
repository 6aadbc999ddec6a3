"""The servers that are compared: their command lines, how each is started and how it is ended."""

import importlib.metadata
import os
import shutil
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
from typing import IO, Final

from tests.benchmarks.certificates import Certificate
from tests.benchmarks.h2load import H2load
from tests.benchmarks.load import LoadError, warm_up

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = "tests.benchmarks.apps:app"
STARTING_TIMEOUT: Final = 20.0
STOPPING_TIMEOUT: Final = 5.0
WARM_UP_REQUESTS: Final = 300

REFERENCE: Final = "uvicorn"
ECHO_REFERENCE: Final = "uvicorn-websockets-sansio"
HTTP2_REFERENCE: Final = "granian-h2c"
TLS_REFERENCE: Final = "granian-h2-tls"

# What a server can be asked, and a scenario asks.
HTTP1: Final = "http1"
WEBSOCKET: Final = "websocket"
DEFLATE: Final = "websocket-deflate"
H2C: Final = "h2c"
H2_TLS: Final = "h2-tls"
PLAIN_ONLY: Final = frozenset({HTTP1})
ECHO_ONLY: Final = frozenset({WEBSOCKET, DEFLATE})
EVERYTHING: Final = PLAIN_ONLY | ECHO_ONLY
HTTP2: Final = frozenset({H2C, H2_TLS})


class StartError(Exception):
    """A server did not answer before its time to start was over, or ended unasked; the text is its output."""


@dataclass(frozen=True, slots=True)
class Server:
    """One way to start one server; `{app}`, `{port}`, `{chain}` and `{key}` in its arguments are filled in."""

    name: str
    command: str
    arguments: str
    requires: tuple[str, ...]
    protocols: frozenset[str] = PLAIN_ONLY

    def missing(self) -> list[str]:
        """The distributions that it needs and that this Python does not have."""
        absent = [name for name in self.requires if installed_version(name) is None]
        commands = [] if self._path.exists() else [f"the command {self.command}"]
        if self.protocols & HTTP2 and shutil.which("h2load") is None:
            commands.append("the command h2load")
        return absent or commands

    def command_line(self, port: int, certificate: Certificate) -> list[str]:
        """The words that start it on 127.0.0.1 at `port`, with that certificate if it speaks TLS."""
        values = {"app": APP, "port": port, "chain": certificate.chain, "key": certificate.key}
        return [str(self._path), *(word.format_map(values) for word in self.arguments.split())]

    def warm_up(self, port: int) -> None:
        """Send it plain requests in its own protocol, so that nothing lazy is measured later.

        Raises `LoadError` or `OSError` when it does not answer.
        """
        if self.protocols & HTTP2:
            H2load(tls=H2_TLS in self.protocols).greet(port, WARM_UP_REQUESTS)
        else:
            warm_up(port, WARM_UP_REQUESTS)

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
GRANIAN: Final = (
    "{app} --interface asgi --host 127.0.0.1 --port {port} --workers 1 --loop uvloop"
    " --no-access-log --log-level warning --backpressure 20000"
)


# What is added for each protocol. HTTP/2 without TLS is what granian is told to speak, and what hypercorn recognizes.
HTTP2_ARGUMENTS: Final = {
    ("tricorn", H2C): " --h2c prior-knowledge",
    ("tricorn", H2_TLS): " --ssl-certfile {chain} --ssl-keyfile {key}",
    ("granian", H2C): " --http 2",
    ("granian", H2_TLS): " --http 2 --ssl-certificate {chain} --ssl-keyfile {key}",
    ("hypercorn", H2C): " --config tests/benchmarks/hypercorn.toml",
    ("hypercorn", H2_TLS): " --config tests/benchmarks/hypercorn.toml --certfile {chain} --keyfile {key}",
}


def _over_http2(name: str, command: str, arguments: str, requires: tuple[str, ...]) -> tuple[Server, Server]:
    """The server twice, without TLS and with it, to be asked for nothing but HTTP/2."""
    plain, secure = (
        Server(
            f"{name}-{protocol}",
            command,
            arguments + HTTP2_ARGUMENTS[command, protocol],
            requires,
            frozenset({protocol}),
        )
        for protocol in (H2C, H2_TLS)
    )
    return plain, secure


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
        f"{GRANIAN} --http 1 --http1-header-read-timeout 60000",
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
    *_over_http2(
        "tricorn-uvloop", "tricorn", f"{TRICORN} --backend asyncio --loop uvloop", ("tricorn", "uvloop")
    ),
    *_over_http2("tricorn-asyncio", "tricorn", f"{TRICORN} --backend asyncio --loop asyncio", ("tricorn",)),
    *_over_http2("tricorn-trio", "tricorn", f"{TRICORN} --backend trio", ("tricorn", "trio")),
    *_over_http2("granian", "granian", GRANIAN, ("granian", "uvloop")),
    *_over_http2("hypercorn-asyncio", "hypercorn", f"{HYPERCORN} -k asyncio", ("hypercorn",)),
    *_over_http2("hypercorn-trio", "hypercorn", f"{HYPERCORN} -k trio", ("hypercorn", "trio")),
)


def installed_version(distribution: str) -> str | None:
    """The version that this Python would import, or None where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@contextmanager
def running(server: Server, core: int, certificate: Certificate) -> Iterator[Running]:
    """Start `server` on `core`, wait until it answers and has warmed up, and end its whole tree afterwards.

    Raises `StartError`, at the end too, when the server has ended by itself meanwhile.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            # taskset replaces itself by the server, so every thread of it starts on that core.
            ["taskset", "--cpu-list", str(core), *server.command_line(port, certificate)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            if not _answers(server, process, port):
                raise StartError(_tail(output))
            yield Running(process.pid, port)
            if process.poll() is not None:
                raise StartError(_tail(output))
        finally:
            _end(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _answers(server: Server, process: subprocess.Popen[bytes], port: int) -> bool:
    give_up_at = time.monotonic() + STARTING_TIMEOUT
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            server.warm_up(port)
        except (OSError, LoadError):
            time.sleep(0.05)
        else:
            return True
    return False


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")[-2000:].strip() or "it was silent"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOPPING_TIMEOUT)
    # The session is the server's own: whatever of the tree is left in it goes too.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
