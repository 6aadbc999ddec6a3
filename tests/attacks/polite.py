"""A client that any server wants: it asks for / every 20 ms on one connection, and tells how long answers took.

`python -m tests.attacks.polite PORT [--tls]` writes a line when the first answer has come, and when its input ends
another one: a JSON object with the number of answers, of failures, and the seconds that the slowest answer took.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Final

from tests.attacks.client import Client, Ended, plain_socket, secure_socket
from tests.benchmarks.servers import ROOT

PAUSE: Final = 0.02
GIVE_UP_AFTER: Final = 3.0
WARM_UP: Final = 100
REQUEST: Final = b"GET / HTTP/1.1\r\nHost: test\r\nX-Polite: yes\r\n\r\n"
GREETING: Final = b"Hello, world!"


@dataclass(slots=True)
class Experience:
    """How the client was treated."""

    answers: int = 0
    failures: int = 0
    slowest: float = 0.0
    """Seconds. A request that failed counts with the time until then."""


class Companion:
    """The polite client's process, from outside."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen

    def leave(self) -> Experience:
        """Let it finish, and return what it has seen."""
        output, _ = self._popen.communicate(
            timeout=5 * GIVE_UP_AFTER
        )  # It may be asking, on two connections.
        return Experience(**json.loads(output))


@contextmanager
def accompanied(port: int, *, secure: bool) -> Iterator[Companion]:
    """Run a polite client while the block lasts. Raises `Ended` when it has no answer at the beginning."""
    words = [sys.executable, "-m", "tests.attacks.polite", str(port), *(["--tls"] if secure else [])]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout is not None
            if not popen.stdout.readline():
                raise Ended("the polite client gets no answer")
            yield Companion(popen)
        finally:
            popen.kill()


class _Asking:
    """Asks on one connection, and on a new one when the server has ended it."""

    def __init__(self, port: int, *, secure: bool) -> None:
        self._port = port
        self._secure = secure
        self._client: Client | None = None

    def ask(self) -> None:
        """Ask once. Raises `OSError`."""
        if self._client is not None:
            # A server may end a connection between two requests (RFC 9112 §9.3.1).
            with suppress(OSError):
                self._exchange(self._client)
                return
            self._client.close()
            self._client = None
        sock = secure_socket if self._secure else plain_socket
        self._client = Client(sock(self._port, timeout=GIVE_UP_AFTER))
        self._exchange(self._client)

    def _exchange(self, client: Client) -> None:
        client.send(REQUEST)
        answer = client.receive_until(GREETING, GIVE_UP_AFTER)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise Ended(answer[:80].decode("latin-1"))


def main() -> None:
    """Ask until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.polite")
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    with suppress(OSError):
        os.nice(-10)  # Who is late here would blame the server for it. Only root may do this.
    asking = _Asking(arguments.port, secure=arguments.tls)
    for _ in range(WARM_UP):
        asking.ask()
    print("ready", flush=True)
    experience = Experience()
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        begun = time.monotonic()
        try:
            asking.ask()
        except OSError:
            experience.failures += 1
        else:
            experience.answers += 1
        experience.slowest = max(experience.slowest, time.monotonic() - begun)
    print(json.dumps(asdict(experience)))


if __name__ == "__main__":
    main()
