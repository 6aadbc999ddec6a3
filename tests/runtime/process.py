"""A server in a process of its own."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TIMEOUT = 15.0
REPOSITORY = Path(__file__).parent.parent.parent


class Process:
    """A program that calls `runtime.run`, with what it writes."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.log: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,)) for stream in (popen.stdout, popen.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        stream.close()

    def until(self, text: str) -> str:
        """Return the first line with this text; fail if none comes."""
        while True:
            line = self._lines.get(timeout=TIMEOUT)
            self.log.append(line)
            if text in line:
                return line

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def wait(self) -> int:
        """Return the exit code."""
        code = self.popen.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        while not self._lines.empty():
            self.log.append(self._lines.get())
        return code

    @property
    def text(self) -> str:
        return "".join(self.log)

    def start(self) -> None:
        """Wait until it listens."""
        self.port = int(self.until("Listening on").rpartition(":")[2])


@contextmanager
def started(program: str, options: dict[str, object]) -> Iterator[Process]:
    """Start a program that defines ``app``, and serve it with these options."""
    text = f"{program}\nimport runtime\nruntime.run(app, **{ {'port': 0, **options}!r})\n"
    popen = subprocess.Popen(
        [sys.executable, "-W", "always", "-u", "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    process = Process(popen)
    try:
        process.start()
        yield process
    finally:
        popen.kill()
        process.wait()


def receive_all(sock: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    pieces = []
    try:
        while piece := sock.recv(65_536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)
