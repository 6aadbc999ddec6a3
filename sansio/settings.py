"""Every limit and timeout of the core, with unit, default and source.

Limits are counts or sizes in bytes, timeouts are seconds. ``None`` in a limit means that there is none;
`math.inf` in a timeout means that it never fires.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from .asgi import Field
from .errors import UsageError

__all__ = ["DefaultFields", "Settings", "TransportInfo"]

_MAX_WINDOW_SIZE: Final = 2**31 - 1

_CHOICES: Final = {
    "http": ("auto", "1", "2"),
    "h2c": ("off", "prior-knowledge"),
    "http1_reader": ("fast", "h11"),
}


class DefaultFields:
    """The fields that the server adds to each response, shared by all connections of a server.

    The core has no clock: whoever has one calls `set_date` when the second has changed. A Date or Server field
    that the application sends takes the place of ours (RFC 9110 §6.6.1, §10.2.4).
    """

    __slots__ = (
        "block",
        "date",
        "date_line",
        "extra_lines",
        "fields",
        "http2_block",
        "server",
        "server_line",
    )

    def __init__(self, server: bytes | None = None, extra: Sequence[Field] = ()) -> None:
        """Take the value of the Server field, if there is to be one, and fields to add to every response.

        The caller answers for their syntax.
        """
        self.server = server
        self.server_line = b"" if server is None else b"server: " + server + b"\r\n"
        self.extra_lines = b"".join([name + b": " + value + b"\r\n" for name, value in extra])
        self.fields = tuple(extra)
        self.date: bytes | None = None
        self.date_line = b""
        self.http2_block: bytes | None = None
        """All of them as HTTP/2 has them, once they were asked for. The writer of HTTP/2 fills it."""
        self.block = self.server_line + self.extra_lines

    def set_date(self, date: bytes | None) -> None:
        """Set the value of the Date field, an IMF-fixdate (RFC 9110 §5.6.7); None leaves the field out."""
        self.date = date
        self.http2_block = None
        self.date_line = b"" if date is None else b"date: " + date + b"\r\n"
        self.block = self.date_line + self.server_line + self.extra_lines


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """What the embedder knows of a connection before its first byte."""

    client: tuple[str, int] | None = None
    """The peer's address, or None where it has none (a Unix socket)."""
    server: tuple[str, int | None] | None = None
    """The address that accepted the connection: host and port, or the path of a Unix socket and None."""
    secure: bool = False
    """The bytes came through TLS: the scheme is ``https``."""
    alpn: str | None = None
    """The protocol that TLS has agreed on (RFC 7301): ``h2``, ``http/1.1``, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How connections behave. One object serves any number of them.

    Raises `UsageError` for a value that makes no sense.
    """

    limit_request_head: int = 32_768
    """Bytes of a request's line and fields together: 414 or 431 beyond. RFC 9112 §3 asks for 8,000 at least."""
    limit_request_fields: int = 100
    """Field lines of one request: 431 beyond."""
    limit_request_body: int | None = None
    """Bytes of a request's content: 413 beyond."""
    limit_requests_per_connection: int | None = None
    """Requests before a connection is closed with notice."""
    limit_read_buffer: int = 65_536
    """Bytes of content held for an application that does not receive; then reading stops. One read may exceed it."""
    limit_write_buffer: int = 65_536
    """Bytes held for a transport that does not take them; then `can_send` is false. One message may exceed it."""
    limit_discard: int = 65_536
    """Bytes of content read away after a response, so that its connection can be used again (RFC 9112 §9.3)."""
    limit_chunk_extensions: int = 16_384
    """Bytes of chunk extensions in one request: 400 beyond (RFC 9112 §7.1.1)."""
    ws_max_size: int = 16_777_216
    """Bytes of one WebSocket message, inflated: closed with 1009 beyond."""
    ws_max_fragments: int = 131_072
    """Frames of one WebSocket message: closed with 1009 beyond."""
    http2_max_concurrent_streams: int = 100
    """Requests that one HTTP/2 connection may have at work; more are refused (RFC 9113 §5.1.2)."""
    http2_initial_window_size: int = 131_072
    """Bytes of content held for one HTTP/2 request whose application does not receive (RFC 9113 §6.9.2)."""
    http2_max_header_list_size: int = 65_536
    """Bytes of a field block as it comes, and of the fields with 32 more for each: 431 beyond (RFC 9113 §6.5.2)."""
    http2_reset_burst: int = 200
    """HTTP/2 streams that end with RST_STREAM, whoever sends it, at one time; beyond, the connection ends."""
    http2_reset_rate: int = 33
    """How many more of them are allowed with each second."""
    http2_control_burst: int = 1_000
    """HTTP/2 frames of each kind that carry no progress (PING, SETTINGS, empty DATA and so on) at one time."""
    http2_control_rate: int = 100
    """How many more of them are allowed with each second."""
    timeout_request_head: float = 30.0
    """From the connection's start, or the first byte of a later request, to the end of the head: 408."""
    timeout_keep_alive: float = 75.0
    """Idle time between requests. Shorter than a load balancer's own, it makes the balancer's 502s."""
    timeout_request_body: float = 60.0
    """Silence of a peer whose content the application is waiting for: 408."""
    timeout_write: float = 60.0
    """Silence of a peer that does not take what we send. The embedder keeps it: only it sees the socket."""
    timeout_discard: float = 5.0
    """Time for content that is read away after a response."""
    timeout_linger: float = 2.0
    """From our end of the connection to the peer's (RFC 9112 §9.6)."""
    ws_handshake_timeout: float = 60.0
    """Silence of an application that does not answer a WebSocket's handshake: 500."""
    ws_ping_timeout: float = 20.0
    """Silence of a peer after a WebSocket's ping: closed."""
    ws_close_timeout: float = 10.0
    """From our close frame on a WebSocket to the peer's (RFC 6455 §7.1.1)."""
    timeout_graceful_shutdown: float = 30.0
    """From `shut_down` until what is still open is cut off."""
    http2_settings_timeout: float = 10.0
    """From our HTTP/2 settings to their acknowledgement: the connection ends beyond (RFC 9113 §6.5.3)."""
    http2_window_timeout: float = 60.0
    """Silence of a peer whose flow-control window is too small for what is to be sent: the stream ends."""
    http2_keep_alive_timeout: float = 20.0
    """Silence of a peer after a PING on HTTP/2: the connection ends."""
    http2_keep_alive_interval: float = math.inf
    """Time between PING frames on an HTTP/2 connection; `math.inf` sends none."""
    ws_ping_interval: float = 20.0
    """Time between pings on a WebSocket; `math.inf` sends none."""
    ws: bool = True
    """Requests may become WebSockets. If not, what asks for it is an ordinary request (RFC 9110 §7.8)."""
    ws_per_message_deflate: bool = True
    """WebSocket messages may be compressed (RFC 7692)."""
    http: Literal["auto", "1", "2"] = "auto"
    """The versions of HTTP that are spoken. With ``auto`` ALPN decides, and without it `h2c`."""
    h2c: Literal["off", "prior-knowledge"] = "off"
    """Without TLS a connection may begin with HTTP/2's preface (RFC 9113 §3.3)."""
    http1_reader: Literal["fast", "h11"] = "fast"
    """Who reads HTTP/1 messages that passed the gate: our reader where it can, or h11 always."""
    root_path: str = ""
    """Where the application is mounted. It becomes the prefix of each ``path``. Starts, but never ends, with "/"."""
    default_fields: DefaultFields = field(default_factory=DefaultFields)
    """Added to each response."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in self.__slots__:
            value = getattr(self, name)
            if name.startswith("timeout_") or name.endswith(("_timeout", "_interval")):
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                if not number or math.isnan(value) or value < 0:
                    raise UsageError(f"{name} must be a number of seconds, got {value!r}")
                if not value and name.startswith(("ws_ping_", "http2_keep_alive_")):
                    raise UsageError(f"{name} must be more than 0; math.inf means never")
            elif name.startswith(("limit_", "ws_max_", "http2_")):
                optional = name in {"limit_request_body", "limit_requests_per_connection"}
                least = 0 if name == "limit_discard" else 1
                if not (type(value) is int and value >= least) and not (optional and value is None):
                    raise UsageError(f"{name} must be a positive integer, got {value!r}")
        if self.http2_initial_window_size > _MAX_WINDOW_SIZE:
            raise UsageError(f"http2_initial_window_size must be at most {_MAX_WINDOW_SIZE}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"{name} must be {' or '.join(map(repr, choices))}, got {getattr(self, name)!r}"
                )
        root_path: object = self.root_path
        if (
            not isinstance(root_path, str)
            or (root_path and not root_path.startswith("/"))
            or root_path.endswith("/")
        ):
            raise UsageError(f"root_path must start and not end with '/', got {root_path!r}")
