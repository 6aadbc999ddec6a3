"""TLS: the context that the options ask for, and what stands between a socket and its connection.

The drivers' sockets stay as they are, and TLS is spoken in memory. So it is one and the same on trio, asyncio and
uvloop, and all that a driver does for a plain connection it does for this one.
"""

from __future__ import annotations

import contextlib
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sansio import Connection, Exchange, PeerError

from .config import Config
from .options import ConfigError

__all__ = ["SecureConnection", "make_context", "set_protocols"]

_PROTOCOLS: Final = {"auto": ["h2", "http/1.1"], "1": ["http/1.1"], "2": ["h2"]}

_VERIFY_MODES: Final = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

_MAX_RECORD: Final = 16_384  # Bytes of content, RFC 8446 §5.1.

# So much is encrypted in one go, before others have their turn.
_MAX_TURN: Final = 1_048_576

_NOTHING: Final = memoryview(b"")  # The empty rest of a message would keep the whole of it.

# Records without content: handshakes, keys and tickets of a legal peer are a few kilobytes.
_MAX_FRUITLESS: Final = 131_072

# What TLS itself has to say to a peer that does not read: alerts, tickets, keys. Then we do not read either.
_MAX_UNTAKEN: Final = 65_536


class SecureConnection:
    """A client's connection inside of TLS, for a driver the same as a `sansio.Connection`.

    That connection begins when the handshake is complete. Before that there is nothing to shut down, to wait for or
    to write into the access log: whatever else happens ends it at once. A peer that breaks the rules of TLS is told
    so by an alert, and has left as far as the applications are concerned.
    """

    __slots__ = (
        "_begin",
        "_ended",
        "_error",
        "_fruitless",
        "_incoming",
        "_inner",
        "_input_ended",
        "_outgoing",
        "_rest",
        "_tls",
    )

    def __init__(
        self, context: ssl.SSLContext, begin: Callable[[str | None, float], Connection], deadline: float
    ) -> None:
        """Wait for the handshake until the deadline.

        `begin` makes the connection, from the protocol that was agreed on (RFC 7301) and the time.
        """
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._begin = begin
        self._inner: Connection | _Handshake = _Handshake(deadline)
        self._input_ended = False
        self._fruitless = 0  # Bytes that came since there was content in some.
        self._rest = _NOTHING  # What the connection said, and was not encrypted yet.
        self._ended = False  # TLS has said its last word, which may still wait to be taken.
        self._error: PeerError | None = None

    # Inputs.

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes came from the peer."""
        # In pieces: what has once been in a `MemoryBIO` together stays its size for good.
        for start in range(0, len(data), _MAX_RECORD):
            # "Any data received after a closure alert has been received MUST be ignored." RFC 8446 §6.1
            if self._input_ended or self._inner.closed:
                return
            self._receive_piece(data[start : start + _MAX_RECORD], now)

    def _receive_piece(self, data: bytes, now: float) -> None:
        self._incoming.write(data)
        inner = self._inner
        pieces: list[bytes] = []
        problem: ssl.SSLError | None = None
        try:
            if isinstance(inner, _Handshake):
                self._tls.do_handshake()
                self._inner = inner = self._begin(self._tls.selected_alpn_protocol(), now)
            while piece := self._tls.read(_MAX_RECORD):
                pieces.append(piece)
                if not self._incoming.pending:  # A whole record was read. To ask for more costs an exception.
                    break
            else:
                self._input_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # The same as an empty piece, once our own close_notify is written.
            self._input_ended = True
        except ssl.SSLError as error:
            problem = error
        if pieces and isinstance(inner, Connection):
            # What came before an error or an end came whole.
            self._fruitless = 0
            inner.receive_data(pieces[0] if len(pieces) == 1 else b"".join(pieces), now)
        else:
            self._fruitless += len(data)
        if self._input_ended:
            inner.receive_eof(now)
        if problem is not None:
            self._fail((problem.reason or "unknown error").replace("_", " ").lower(), now)
        elif self._fruitless > _MAX_FRUITLESS:
            self._fail("too much that brings no content", now)

    def receive_eof(self, now: float) -> None:
        """The peer will send no more, whether it has said so in TLS or not.

        It need not have: HTTP and WebSocket know by themselves where a message ends (RFC 9112 §9.8).
        """
        self._input_ended = True
        self._inner.receive_eof(now)

    def connection_lost(self, now: float) -> None:
        """The transport is gone in both directions."""
        self._inner.connection_lost(now)
        self._outgoing.read()
        self._rest = _NOTHING
        self._ended = True

    def handle_timeout(self, now: float) -> None:
        """Time has passed."""
        self._inner.handle_timeout(now)

    def shut_down(self, now: float) -> None:
        """Finish what is open, open nothing new."""
        self._inner.shut_down(now)

    # Outputs.

    @property
    def deadline(self) -> float:
        """When to call `handle_timeout`."""
        return self._inner.deadline

    @property
    def wants_read(self) -> bool:
        """Feed more bytes."""
        return self._inner.wants_read and self._outgoing.pending < _MAX_UNTAKEN

    @property
    def wants_write(self) -> bool:
        """`data_to_send` would return bytes, or has a last word to find."""
        inner = self._inner
        return (
            inner.wants_write
            or len(self._rest) > 0
            or self._outgoing.pending > 0
            or (inner.write_ended and not self._ended)
        )

    @property
    def has_ready(self) -> bool:
        """`take_ready` would return exchanges."""
        return self._inner.has_ready

    @property
    def multiplexes(self) -> bool:
        """Exchanges run side by side."""
        return self._inner.multiplexes

    @property
    def write_ended(self) -> bool:
        """Half-close the transport: close_notify was taken, or nobody is left to hear it."""
        return self._ended and self._inner.write_ended and not self._outgoing.pending

    @property
    def closed(self) -> bool:
        """Close the transport."""
        return self._ended and self._inner.closed and not self._outgoing.pending

    @property
    def error(self) -> PeerError | None:
        """What the peer did wrong, if it did."""
        return self._error or self._inner.error

    def data_to_send(self) -> bytes:
        """Take all bytes to write, in order."""
        inner = self._inner
        pieces: list[bytes] = []
        size = 0
        while size < _MAX_TURN:
            if not self._rest:
                if not inner.wants_write:
                    break
                self._rest = memoryview(inner.data_to_send())
            # A record at a time: what has once been in a `MemoryBIO` together stays its size for good.
            self._rest = self._rest[self._tls.write(self._rest[:_MAX_RECORD]) :] or _NOTHING
            pieces.append(self._outgoing.read())
            size += len(pieces[-1])
        if inner.write_ended and not self._rest and not self._ended:
            self._ended = True
            # A response that was cut off must not look complete. RFC 9112 §8
            if not inner.aborted:
                with contextlib.suppress(
                    ssl.SSLError
                ):  # It wants to read the peer's, or has nobody to say it to.
                    self._tls.unwrap()
        if self._outgoing.pending:
            pieces.append(self._outgoing.read())
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take_ready(self) -> list[Exchange]:
        """Take the exchanges whose situation changed."""
        return self._inner.take_ready()

    def _fail(self, reason: str, now: float) -> None:
        when = "TLS handshake" if isinstance(self._inner, _Handshake) else "TLS"
        self._error = PeerError(None, f"{when}: {reason}")
        self._inner.connection_lost(now)
        self._rest = _NOTHING
        self._ended = True  # With the alert, if there is one.


class _Handshake:
    """What there is of a connection until TLS has agreed with the peer: a deadline. All that happens ends it."""

    __slots__ = ("closed", "deadline", "error", "wants_read")

    aborted = False
    has_ready = False
    multiplexes = False
    wants_write = False

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.wants_read = True
        self.closed = False
        self.error: PeerError | None = None

    @property
    def write_ended(self) -> bool:
        return self.closed

    def handle_timeout(self, now: float) -> None:
        if now >= self.deadline:
            self.error = PeerError(None, "TLS handshake: not complete in time")
            self.connection_lost(now)

    def connection_lost(self, now: float) -> None:  # noqa: ARG002 - the contract's signature.
        self.closed = True
        self.wants_read = False
        self.deadline = math.inf

    receive_eof = connection_lost
    shut_down = connection_lost

    def data_to_send(self) -> bytes:
        return b""

    def take_ready(self) -> list[Exchange]:
        return []


def make_context(config: Config) -> ssl.SSLContext | None:
    """Return the context that the options ask for, or None if they do not ask for TLS.

    Raises `ConfigError`, in whose text there is no password.
    """
    if config.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION  # RFC 9113 §9.2.1
    try:
        context.set_ciphers(config.ssl_ciphers)
    except ssl.SSLError:
        raise ConfigError(
            f"{config.ssl_ciphers!r} names no cipher; write them as for the command openssl ciphers",
            "ssl_ciphers",
        ) from None
    _load_certificate(context, config.ssl_certfile, config.ssl_keyfile, config.ssl_keyfile_password)
    if config.ssl_ca_certs is not None:
        _read(config.ssl_ca_certs, "ssl_ca_certs", b"CERTIFICATE-----", "certificate")
        try:
            context.load_verify_locations(config.ssl_ca_certs)
        except ssl.SSLError as error:
            problem = f"{config.ssl_ca_certs!r} cannot be used: {error.reason or 'damaged'}"
            raise ConfigError(problem, "ssl_ca_certs") from None
    context.verify_mode = _VERIFY_MODES[config.ssl_cert_reqs]
    return context


def set_protocols(context: ssl.SSLContext, config: Config) -> None:
    """Let clients choose among the versions of HTTP that are spoken."""
    context.set_alpn_protocols(_PROTOCOLS[config.http])


def _load_certificate(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: str | None
) -> None:
    asked = False

    def tell_password() -> str:
        # Without a function to ask, OpenSSL would ask whoever sits at the terminal.
        nonlocal asked
        asked = True
        return password or ""

    _read(certfile, "ssl_certfile", b"CERTIFICATE-----", "certificate")
    key, name = (certfile, "ssl_certfile") if keyfile is None else (keyfile, "ssl_keyfile")
    _read(key, name, b"PRIVATE KEY-----", "private key")
    try:
        context.load_cert_chain(certfile, keyfile, tell_password)
    except (ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else None
        if reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            problem = f"{key!r} does not belong to the certificate in {certfile!r}; give both of one pair"
        elif asked and password is None:
            problem = f"{key!r} is encrypted; give its password as --ssl-keyfile-password"
        elif asked:
            problem, name = (
                f"does not open {key!r}; give the one that the key was encrypted with",
                "ssl_keyfile_password",
            )
        else:
            problem, name = (
                f"{certfile!r} and its key cannot be used: {reason or 'damaged'}",
                "ssl_certfile",
            )
        raise ConfigError(problem, name) from None


def _read(path: str, name: str, mark: bytes, kind: str) -> None:
    """Make sure that a file is there and holds what it should, which OpenSSL would tell less clearly."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise ConfigError(f"{path!r} cannot be read: {reason}; give the path of a PEM file", name) from None
    if mark not in content:
        advice = "give it as --ssl-keyfile" if kind == "private key" else "give the path of a PEM file"
        raise ConfigError(f"{path!r} has no {kind} in it; {advice}", name)
