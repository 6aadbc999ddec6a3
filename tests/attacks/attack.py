"""What an attack is, what it says when a server did wrong, and the server that it is carried out on."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.attacks.client import TIMEOUT, Client, Ended, connected, plain_socket, secure_socket
from tests.attacks.journal import Call
from tests.attacks.process import Process

MiB: Final = 1024 * 1024
KiB: Final = 1024

SECURE: Final = frozenset({"https", "h2-tls", "wss"})
"""The protocols that are spoken inside of TLS."""

ALPN: Final = {"https": ["http/1.1"], "wss": ["http/1.1"], "h2-tls": ["h2"]}


class Breach(AssertionError):
    """What the server did that it must not do, in one short line."""


def demand(truth: object, breach: str) -> None:
    """Raise `Breach` with this text unless it is so."""
    if not truth:
        raise Breach(breach)


@dataclass(frozen=True, slots=True)
class Patience:
    """The timeouts that a server is started with as far as it has such options, in seconds."""

    head: float = 1.5
    body: float = 1.5
    write: float = 1.5
    keep_alive: float = 4.0
    handshake: float = 1.5
    """That of TLS, and an application's time to answer a WebSocket's."""
    settings: float = 1.5
    """For HTTP/2 settings to be acknowledged."""
    window: float = 1.5
    """For a window of HTTP/2 that stays closed."""
    ping: float = 1.0
    """Between pings on a WebSocket, and as much again for the answer."""
    http2_ping: float | None = None
    """The same on a connection of HTTP/2; none sends none."""
    close: float = 1.0
    """For the other half of a close, on a WebSocket and in TCP."""
    start: float = 3.0
    """For the lifespan's start."""
    stop: float = 3.0
    """From SIGTERM until what is still open is cut off; as much again for the lifespan's end."""
    slack: float = 2.0
    """By which a busy machine may be late with what is over afterwards."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to harm a server, and what it may cost: a figure beyond a bound is a breach like any other."""

    name: str
    """In kebab-case, the field's own: `slowloris`, `rapid-reset`."""
    threat: str
    """The heading of docs/explanation/threats.md that it belongs to."""
    carry_out: Callable[[Victim], None]
    """Does it, and raises `Breach`. Any other exception is a breach, too, so it expects resets and ends."""
    protocol: str = "http1"
    """What the server must speak: http1, https, h2c, h2-tls, websocket or wss."""
    memory: int = 8 * MiB
    """How many bytes the peak of the server's resident memory may grow by."""
    cpu: float = 1.0
    """Seconds of CPU time that the server may use."""
    latency: float = 0.5
    """Seconds that the slowest answer to a polite client beside it may take."""
    patience: Patience = field(default_factory=Patience)
    app: str = "tests.attacks.app:app"
    descriptors: int | None = None
    """The server's own limit of open descriptors, if not that of this system."""
    concurrency: int | None = None
    """How many requests may be at work at one time, if the server has such an option."""
    access_log: bool = False
    needs: str = ""
    """A command that it cannot be carried out without."""
    starts: bool = True
    """The server gets to serving. If not, there is no polite client, and only `carry_out` judges."""
    ends: bool = False
    """The attack ends the server, so that nothing is asked of it afterwards."""
    failures: int = 0
    """How many requests of the polite client may fail."""
    tracebacks: bool = False
    """The application fails on purpose, so that the server may log a traceback."""


@dataclass(slots=True)
class Victim:
    """A server that has just started, with the example application, and what an attack may do with it."""

    process: Process
    protocol: str
    patience: Patience
    _clients: ExitStack = field(default_factory=ExitStack)

    @property
    def port(self) -> int:
        """It listens on 127.0.0.1."""
        return self.process.port

    @property
    def secure(self) -> bool:
        """It speaks TLS."""
        return self.protocol in SECURE

    def connect(
        self,
        *,
        alpn: list[str] | None = None,
        timeout: float = TIMEOUT,
        receive_buffer: int | None = None,
        version: ssl.TLSVersion | None = None,
    ) -> Client:
        """Connect, inside of TLS if the protocol is; closed at the end of the attack at the latest.

        Raises `OSError`. A small receive buffer makes a client that does not read felt at once.
        """
        if self.secure:
            chosen = ALPN[self.protocol] if alpn is None else alpn
            sock = secure_socket(self.port, chosen, timeout, receive_buffer, version)
        else:
            sock = plain_socket(self.port, timeout, receive_buffer)
        return self._clients.enter_context(Client(sock))

    def connect_plain(self, *, timeout: float = TIMEOUT, source: str = "127.0.0.1") -> Client:
        """Connect without TLS even where it is spoken, perhaps from another address of the loopback."""
        return self._clients.enter_context(Client(plain_socket(self.port, timeout, source=source)))

    def leave(self) -> None:
        """Close every client that is still connected."""
        self._clients.close()

    def journal(self) -> list[Call]:
        """Ask what the application was called with since the last question, in order, up to 2,000 calls.

        Calls still at work are told of, and again later. The polite client's are left out.
        """
        calls: list[Call] = json.loads(self._ask("/journal"))
        return calls

    def total(self) -> int:
        """Ask how often the application was called since the start, the polite client's calls left out."""
        return int(self._ask("/total"))

    def settled(self, within: float = 3.0) -> list[Call]:
        """Wait until no call is at work any more and return all calls since the last question.

        Raises `Breach` for one that does not end.
        """
        calls: list[Call] = []
        give_up_at = time.monotonic() + within
        while True:
            found = self.journal()
            calls += [call for call in found if call["end"]]
            at_work = [call for call in found if not call["end"]]
            if not at_work:
                return calls
            if time.monotonic() > give_up_at:
                raise Breach(f"{len(at_work)} calls never ended, one for {at_work[0]['path']}")
            time.sleep(0.05)

    def paths(self) -> list[str]:
        """Return the paths of the calls since the last question."""
        return [call["path"] for call in self.journal()]

    def serves(self, within: float = 2.0) -> None:
        """Raise `Breach` if a new client is not answered in time."""
        try:
            self._ask("/", within)
        except ConnectionRefusedError as error:
            raise Breach("accepts nobody any more") from error
        except OSError as error:
            raise Breach(f"a new client gets no answer: {_reason(error)}") from error

    def log(self) -> str:
        """Return all that the server has written so far."""
        return self.process.output()

    def _ask(self, path: str, timeout: float = TIMEOUT) -> bytes:
        with connected(self.port, secure=self.secure, timeout=timeout) as client:
            client.send(
                b"GET %b HTTP/1.1\r\nHost: test\r\nX-Polite: yes\r\nConnection: close\r\n\r\n" % path.encode()
            )
            answer = client.receive_all(timeout)
            status = answer.statuses[-1:]
            if status != [200]:
                raise Ended(f"{status or 'no answer'} for {path}")
            return answer.bodies[-1]


def _reason(error: OSError) -> str:
    return str(error) or type(error).__name__


def trying(operation: Callable[[], object]) -> bool:
    """Tell whether an operation on a connection succeeded; a server may have ended it meanwhile."""
    with suppress(OSError):
        operation()
        return True
    return False
