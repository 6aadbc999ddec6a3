"""A blocking client that sends whatever it is told to, and takes the end of its connection as an answer."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

TIMEOUT: Final = 5.0
READ_SIZE: Final = 256 * 1024

_HEAD: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH: Final = re.compile(rb"^content-length: *(\d+)\r?$", re.IGNORECASE | re.MULTILINE)


class Ended(ConnectionError):
    """The server has ended the connection before it said what was expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came on a connection in some time."""

    data: bytes
    ended: bool
    """The server has ended it, in order or by a reset; if not, the time was over."""

    @property
    def statuses(self) -> list[int]:
        """The status of each HTTP/1 response in it, interim ones included."""
        return [int(status) for status, _, _ in self._responses()]

    @property
    def bodies(self) -> list[bytes]:
        """The content of each response, chunks as they came."""
        return [body for _, _, body in self._responses()]

    @property
    def heads(self) -> list[bytes]:
        """The fields of each response, from the first to the last."""
        return [head for _, head, _ in self._responses()]

    def _responses(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        place = 0
        while found := _HEAD.search(self.data, place):
            length = _LENGTH.search(found[2])
            place = found.end()
            if length is not None:
                end = place + int(length[1])
            else:
                following = _HEAD.search(self.data, place)
                end = following.start() if following else len(self.data)
            yield found[1], found[2], self.data[place:end]
            place = min(end, len(self.data))


class Client:
    """One connection. Nothing that a server does to it raises anything but `OSError`."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def protocol(self) -> str | None:
        """What TLS has agreed on."""
        return self.socket.selected_alpn_protocol() if isinstance(self.socket, ssl.SSLSocket) else None

    def send(self, data: bytes) -> None:
        """Send all of it. Raises `OSError`, and `TimeoutError` when the server does not read."""
        self.socket.sendall(data)

    def offer(self, data: bytes, within: float = TIMEOUT) -> int:
        """Send as much as the server takes, and return how many bytes that is. Raises nothing.

        Less than all: the server has ended the connection, or has not read on in time.
        """
        view = memoryview(data)
        taken = 0
        give_up_at = time.monotonic() + within
        before = self.socket.gettimeout()
        try:
            while taken < len(view) and (left := give_up_at - time.monotonic()) > 0:
                self.socket.settimeout(left)
                taken += self.socket.send(view[taken : taken + 65_536])
        except OSError:
            pass
        with suppress(OSError):
            self.socket.settimeout(before)
        return taken

    def receive(self, size: int = READ_SIZE, within: float | None = None) -> bytes:
        """Return what comes next; b"" at the end. Raises `OSError`, and `TimeoutError` when nothing comes."""
        if within is not None:
            self.socket.settimeout(within)
        return self.socket.recv(size)

    def receive_all(self, within: float = TIMEOUT) -> Answer:
        """Read until the server ends the connection or the time is over. Raises nothing."""
        pieces = []
        ended = False
        give_up_at = time.monotonic() + within
        try:
            while not ended and (left := give_up_at - time.monotonic()) > 0:
                piece = self.receive(within=left)
                pieces.append(piece)
                ended = not piece
        except TimeoutError:
            pass
        except OSError:
            ended = True
        return Answer(b"".join(pieces), ended)

    def receive_until(self, text: bytes, within: float = TIMEOUT) -> bytes:
        """Read until this has come, and return all that has. Raises `Ended` if it never comes."""
        data = b""
        give_up_at = time.monotonic() + within
        while text not in data:
            left = give_up_at - time.monotonic()
            piece = self.receive(within=left) if left > 0 else b""
            if not piece:
                raise Ended(f"{text!r} never came, but {data[-80:]!r}")
            data += piece
        return data

    def is_closed(self, within: float) -> bool:
        """Tell whether the server ends the connection in this time, whatever it says before."""
        return self.receive_all(within).ended

    def shut_down(self) -> None:
        """Send no more, but go on reading (TCP's half-close, below TLS)."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection without a word; once more does nothing."""
        self.socket.close()


def plain_socket(
    port: int, timeout: float = TIMEOUT, receive_buffer: int | None = None, source: str = "127.0.0.1"
) -> socket.socket:
    """Connect to 127.0.0.1, from it or from another address of the loopback."""
    sock = socket.socket()
    try:
        if source != "127.0.0.1":
            sock.bind((source, 0))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def secure_socket(
    port: int,
    alpn: list[str] | None = None,
    timeout: float = TIMEOUT,
    receive_buffer: int | None = None,
    version: ssl.TLSVersion | None = None,
) -> socket.socket:
    """Connect and shake hands, whatever certificate is shown."""
    sock = plain_socket(port, timeout, receive_buffer)
    try:
        return trusting(alpn, version).wrap_socket(sock, suppress_ragged_eofs=True)
    except BaseException:
        sock.close()
        raise


def trusting(alpn: list[str] | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a context of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(alpn or ["http/1.1"])
    return context


@contextmanager
def connected(port: int, *, secure: bool, timeout: float = TIMEOUT) -> Iterator[Client]:
    """Connect for HTTP/1, with TLS or without, while the block lasts."""
    sock = secure_socket(port, ["http/1.1"], timeout) if secure else plain_socket(port, timeout)
    with Client(sock) as client:
        yield client
