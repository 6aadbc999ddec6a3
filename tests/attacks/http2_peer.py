"""A hostile client of HTTP/2 on a blocking socket; `tests.peers.Observer` judges what the server sends it."""

from __future__ import annotations

import enum
import select
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from tests.attacks.attack import Breach, Victim, demand
from tests.peers import (
    INITIAL_WINDOW_SIZE,
    MAX_WINDOW,
    PING,
    PREFACE,
    Code,
    Fields,
    Observer,
    StreamView,
    data,
    ping,
    request,
    settings,
    window_update,
)

__all__ = ["Gone", "Http2Peer", "Sent", "attacker", "check_calls", "check_served", "named"]

_PIECE: Final = 16_384
_LONG: Final = 5.0


class Gone(ConnectionError):
    """The server has ended the connection."""


class Sent(enum.Enum):
    """What became of a flood."""

    ALL = "the server took all of it"
    ENDED = "the server ended the connection"
    STUCK = "the server takes no more"


class Http2Peer:
    """One connection. Who waits for the server longer than for `patience` finds a breach."""

    def __init__(self, victim: Victim, *, patience: float = _LONG, receive_buffer: int | None = None) -> None:
        self.victim = victim
        self.patience = patience
        self.observer = Observer()
        self.observer.exact = False  # What is on its way is older than what was sent.
        self.observer.settings[INITIAL_WINDOW_SIZE] = 65_535
        self.ended = False
        """The server has ended its side, or all of it."""
        self.answers_pings = True
        self._client = victim.connect(receive_buffer=receive_buffer)
        self._socket = self._client.socket
        self._socket.setblocking(False)
        self._buffer = bytearray()
        self._next_id = 1
        self._broken = False  # Nothing can be sent any more.

    def close(self) -> None:
        self._client.close()

    def leave(self, *, reset: bool) -> None:
        """End the connection by a FIN, or by a RST."""
        if reset:
            self._client.reset()
        else:
            self.close()

    # Octets.

    def send(self, *pieces: bytes) -> None:
        """Send octets, reading meanwhile what comes. Raises `Gone`."""
        sent = self.flood(b"".join(pieces))
        if sent is Sent.ENDED:
            raise Gone("the connection has ended")
        if sent is Sent.STUCK:
            raise Breach(f"took nothing for {self.patience:g} seconds")

    def flood(self, octets: bytes, *, reads: bool = True, patience: float | None = None) -> Sent:
        """Send as fast as the server takes it. A client that does not read leaves the answers where they are."""
        patience = self.patience if patience is None else patience
        view = memoryview(octets)
        place = 0
        while place < len(view):
            if not self._wait(reads=reads, writes=True, patience=patience):
                return Sent.STUCK
            if reads:
                self._take()
            if self._broken or (reads and self.ended):
                return Sent.ENDED
            size = self._put(view[place : place + _PIECE])
            self.observer.sent(bytes(view[place : place + size]))
            place += size
        return Sent.ALL

    def _wait(self, *, reads: bool, writes: bool, patience: float) -> bool:
        socket = [self._socket]
        ready = select.select(socket if reads else [], socket if writes else [], [], patience)
        return bool(ready[0] or ready[1])

    def _put(self, octets: memoryview) -> int:
        try:
            return self._socket.send(octets)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            self._broken = True
            return 0

    def _take(self) -> None:
        """Read what is there."""
        try:
            while octets := self._socket.recv(65_536):
                self._buffer += octets
            self.ended = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.ended = self._broken = True
        self._read_frames()

    def _read_frames(self) -> None:
        end = 0
        while len(self._buffer) - end >= 9:
            size = 9 + int.from_bytes(self._buffer[end : end + 3], "big")
            if len(self._buffer) - end < size:
                break
            end += size
        frames = bytes(self._buffer[:end])
        del self._buffer[:end]
        try:
            seen = self.observer.read(frames)
        except (AssertionError, LookupError) as error:
            raise Breach(f"sent what no server may send: {error}") from error
        answers = [ping(frame.payload, ack=True) for frame in seen if frame.kind == PING and not frame.flags]
        if answers and self.answers_pings and not self._broken:
            octets = b"".join(answers)
            self._put(memoryview(octets))
            self.observer.sent(octets)

    def read_until(self, condition: Callable[[], bool], what: str = "an answer") -> None:
        """Read frames until something is so. Raises `Gone`."""
        until = time.monotonic() + self.patience
        while not condition():
            if self.ended:
                raise Gone("the connection has ended")
            left = until - time.monotonic()
            if left <= 0:
                raise Breach(f"no sign of {what} in {self.patience:g} seconds")
            if self._wait(reads=True, writes=False, patience=left):
                self._take()

    def rest(self, *, within: float | None = None) -> None:
        """Read until the server has ended the connection, which it must."""
        within = self.patience if within is None else within
        until = time.monotonic() + within
        while not self.ended:
            left = until - time.monotonic()
            if left <= 0:
                raise Breach(f"the connection was still open after {within:g} seconds")
            if self._wait(reads=True, writes=False, patience=left):
                self._take()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while, but read."""
        until = time.monotonic() + seconds
        while not self.ended and (left := until - time.monotonic()) > 0:
            if self._wait(reads=True, writes=False, patience=left):
                self._take()

    # Connections.

    def start(self, *items: tuple[int, int], window: int = MAX_WINDOW) -> None:
        """Begin: settings go both ways and are acknowledged. `window` is each stream's, and the connection's."""
        octets = PREFACE + settings((INITIAL_WINDOW_SIZE, window), *items)
        if window > 65_535:
            octets += window_update(0, window - 65_535)
        self.send(octets)
        self.read_until(lambda: self.observer.acknowledged == 1, "settings")
        self.send(settings(ack=True))

    @property
    def error(self) -> int | None:
        """The code of the GOAWAY that ended the connection; None while there is none."""
        codes = [code for _, code in self.observer.goaways if code]
        return codes[0] if codes else None

    def check_end(self, *codes: int, within: float | None = None, silently: bool = False) -> None:
        """The server ends the connection, with GOAWAY and one of these codes; or without, if it may do so silently."""
        self.rest(within=within)
        demand(
            self.error in codes or (silently and self.error is None),
            f"the connection ended with {_name(self.error)}, not with {' or '.join(map(_name, codes))}",
        )

    # Streams.

    def next_id(self) -> int:
        """Return a stream that is new."""
        stream = self._next_id
        self._next_id += 2
        return stream

    def skip(self, stream: int) -> None:
        """Open this stream next."""
        self._next_id = stream

    def view(self, stream: int) -> StreamView:
        return self.observer.streams[stream]

    def open(
        self,
        path: bytes,
        fields: Fields = (),
        *,
        method: bytes = b"GET",
        end_stream: bool = True,
        **more: Any,
    ) -> int:
        """Send the head of a request and return its stream. Raises `Gone`."""
        stream = self.next_id()
        self.send(
            request(stream, method, path, fields, end_stream=end_stream, **{"scheme": self.scheme, **more})
        )
        return stream

    @property
    def scheme(self) -> bytes:
        return b"https" if self.victim.secure else b"http"

    def upload(self, stream: int, content: bytes, *, end_stream: bool = False) -> None:
        """Send content as fast as the server gives credit, until it ends the stream. Raises `Gone`."""
        view = self.view(stream)

        def over() -> bool:
            return view.ended or view.reset is not None

        place = 0
        while place < len(content):
            self.read_until(lambda: over() or min(view.credit, self.observer.credit) > 0, "credit")
            if over():
                return
            size = min(view.credit, self.observer.credit, _PIECE, len(content) - place)
            piece = content[place : place + size]
            place += size
            self.send(data(stream, piece, end_stream=end_stream and place == len(content)))

    def response(self, stream: int) -> StreamView:
        """Read until a stream has ended, well or badly. Raises `Gone`."""
        view = self.view(stream)
        self.read_until(lambda: view.ended or view.reset is not None, f"the end of stream {stream}")
        return view

    def fetch(self, path: bytes, fields: Fields = (), **more: Any) -> StreamView:
        """Send a request and read its response. Raises `Gone`."""
        return self.response(self.open(path, fields, **more))

    def settle(self) -> None:
        """The server has answered all that it was sent. Raises `Gone`."""
        pongs = len(self.observer.pongs)
        self.send(ping(b"settled?"))
        self.read_until(lambda: len(self.observer.pongs) > pongs, "a pong")


@contextmanager
def attacker(
    victim: Victim,
    *items: tuple[int, int],
    window: int = MAX_WINDOW,
    start: bool = True,
    patience: float = _LONG,
    receive_buffer: int | None = None,
) -> Iterator[Http2Peer]:
    """Connect, and begin; close in the end whatever happened."""
    peer = Http2Peer(victim, patience=patience, receive_buffer=receive_buffer)
    try:
        if start:
            try:
                peer.start(*items, window=window)
            except Gone:
                raise Breach("ended a connection that had only begun") from None
        yield peer
    finally:
        peer.close()


@contextmanager
def named(what: str) -> Iterator[None]:
    """Say of a breach which of many inputs it belongs to."""
    try:
        yield
    except Breach as breach:
        raise Breach(f"{what}: {breach}") from None


def check_calls(victim: Victim, most: int, path: str = "/wait") -> None:
    """The application was called so often at most for this path since the journal was asked for last."""
    called = victim.paths().count(path)
    demand(called <= most, f"{called} applications were called for {path}, {most} at most were to be")


def check_served(victim: Victim, peer: Http2Peer | None = None) -> None:
    """A request is answered on that connection, or on a new one."""
    if peer is None:
        with attacker(victim) as other:
            check_served(victim, other)
        return
    try:
        view = peer.fetch(b"/")
    except Gone:
        raise Breach("ended a connection that it had to keep") from None
    demand(view.status == 200, f"answered a good request with {view.status}, RST_STREAM {view.reset}")


def _name(code: int | None) -> str:
    with suppress(ValueError):
        return "no GOAWAY" if code is None else Code(code).name
    return f"code {code}"
