"""A server's process: started on one core, watched while it is attacked, ended afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.client import connected
from tests.benchmarks.servers import ROOT, StartError

STARTING_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Process:
    """The root of a server's process tree, its port on 127.0.0.1, and the file that it writes to."""

    popen: subprocess.Popen[bytes]
    port: int
    written: Path

    @property
    def pid(self) -> int:
        """The root's number."""
        return self.popen.pid

    @property
    def runs(self) -> bool:
        """The root has not ended."""
        return self.popen.poll() is None

    def output(self) -> str:
        """Return what the tree has written so far, to both of its outputs."""
        return self.written.read_text("utf-8", "backslashreplace")

    def terminate(self) -> None:
        """Ask it to end."""
        self.popen.terminate()

    def wait(self, within: float) -> int | None:
        """Return its exit code, or None when it does not end in time."""
        try:
            return self.popen.wait(within)
        except subprocess.TimeoutExpired:
            return None

    def until_serving(self, *, secure: bool) -> None:
        """Wait until it answers a request. Raises `StartError` with its output when it does not."""
        give_up_at = time.monotonic() + STARTING_TIMEOUT
        while self.runs and time.monotonic() < give_up_at:
            try:
                with connected(self.port, secure=secure) as client:
                    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX-Polite: yes\r\nConnection: close\r\n\r\n")
                    if 200 in client.receive_all().statuses:
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise StartError(self.output()[-2000:].strip() or "it was silent")


@contextmanager
def started(
    words: Sequence[str], port: int, core: int | None, descriptors: int | None = None
) -> Iterator[Process]:
    """Start a command on `core`, with its own limit of descriptors, and end its whole tree afterwards."""
    # Each of these replaces itself by what follows, so that the server is the root of its tree.
    before = [] if core is None else ["taskset", "--cpu-list", str(core)]
    if descriptors is not None:
        before += ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "output")
        popen = None
        try:
            with written.open("wb") as output, _undisturbed():
                popen = subprocess.Popen(
                    [*before, *words],
                    cwd=ROOT,
                    env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            yield Process(popen, port, written)
        finally:
            if popen is not None:
                # The session is the server's own: whatever of the tree is left in it goes, too.
                with suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                popen.wait()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals that end this process wait, or nobody would know the process that is being started."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
