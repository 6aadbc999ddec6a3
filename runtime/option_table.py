"""What each option of the server means, which values it takes, and under which other names it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .options import Option

__all__ = ["OPTIONS"]

_LISTEN: Final = "Where to listen"
_TLS: Final = "TLS"
_APP: Final = "Application"
_LOOP: Final = "Event loop"
_TIMEOUTS: Final = "Timeouts"
_LIMITS: Final = "Limits"
_HTTP: Final = "HTTP"
_HTTP2: Final = "HTTP/2"
_WEBSOCKET: Final = "WebSocket"
_LOGGING: Final = "Logging"

OPTIONS: Final[Mapping[str, Option]] = {
    "host": Option(_LISTEN, "text", "Address or host name; a name may stand for several addresses."),
    "port": Option(_LISTEN, "count", "TCP port; 0 lets the system choose.", minimum=0, maximum=65535),
    "bind": Option(
        _LISTEN,
        "bind",
        "host:port, [v6]:port, unix:path or fd://N, in place of --host, --port, --uds and --fd. May be repeated.",
        aliases=("-b",),
    ),
    "uds": Option(_LISTEN, "text", "Path of a Unix socket, in place of --host and --port.", optional=True),
    "fd": Option(
        _LISTEN,
        "count",
        "Number of an inherited listening socket, in place of --host and --port.",
        optional=True,
        minimum=0,
    ),
    "backlog": Option(_LISTEN, "count", "Connections that may wait to be accepted.", maximum=2**31 - 1),
    "ssl_certfile": Option(
        _TLS,
        "text",
        "File with the certificate and those that lead to its authority, in PEM form: TLS is spoken.",
        optional=True,
        source="RFC 8446 §4.4.2",
        aliases=("--certfile",),
    ),
    "ssl_keyfile": Option(
        _TLS,
        "text",
        "File with the certificate's private key. Without it, the key is in the certificate's file.",
        optional=True,
        aliases=("--keyfile",),
    ),
    "ssl_keyfile_password": Option(
        _TLS, "secret", "What the key is encrypted with.", optional=True, aliases=("--keyfile-password",)
    ),
    "ssl_ca_certs": Option(
        _TLS,
        "text",
        "File with the authorities whose certificates clients may show.",
        optional=True,
        aliases=("--ca-certs",),
    ),
    "ssl_cert_reqs": Option(
        _TLS,
        "choice",
        "Whether clients have to show a certificate.",
        choices=("none", "optional", "required"),
        synonyms={
            "0": "none",
            "1": "optional",
            "2": "required",
            "cert_none": "none",
            "cert_optional": "optional",
            "cert_required": "required",
        },
        source="RFC 8446 §4.3.2",
        aliases=("--verify-mode", "--cert-reqs"),
    ),
    "ssl_ciphers": Option(
        _TLS,
        "text",
        "Ciphers for TLS 1.2, as OpenSSL writes them. Those of TLS 1.3 are all good.",
        source="RFC 9113 §9.2.2",
        aliases=("--ciphers",),
    ),
    "timeout_tls_handshake": Option(
        _TLS, "timeout", "From a connection's start to the end of the handshake."
    ),
    "factory": Option(_APP, "switch", "APP names a function that makes the app: call it without arguments."),
    "app_dir": Option(_APP, "text", "Folder to import APP from. Without it, the current one.", optional=True),
    "root_path": Option(_APP, "text", 'Where a proxy mounts the app, as in "/api".', source="ASGI HTTP 2.5"),
    "lifespan": Option(
        _APP,
        "choice",
        "Whether the app has a lifespan; auto tries, and goes on without.",
        choices=("auto", "on", "off"),
        source="ASGI Lifespan 2.0",
    ),
    "backend": Option(
        _LOOP,
        "choice",
        "What the app runs under; uvloop is short for asyncio with --loop uvloop.",
        choices=("asyncio", "trio", "uvloop"),
        aliases=("-k", "--worker-class"),
    ),
    "loop": Option(
        _LOOP,
        "choice",
        "Event loop for asyncio; auto is uvloop if it is installed.",
        choices=("auto", "asyncio", "uvloop"),
    ),
    "gc_threshold": Option(
        _LOOP,
        "count",
        "Objects that Python's garbage collector lets come together before it looks; 0 leaves it as it is.",
        minimum=0,
        maximum=2**31 - 1,
        source="gc.set_threshold",
    ),
    "timeout_startup": Option(_TIMEOUTS, "timeout", "Time for the lifespan's start-up."),
    "timeout_request_head": Option(
        _TIMEOUTS,
        "timeout",
        "From a connection's start, or a later request's first byte, to the end of the head: 408.",
        source="RFC 9110 §15.5.9",
    ),
    "timeout_request_body": Option(
        _TIMEOUTS,
        "timeout",
        "Silence of a client whose body the app is waiting for: 408.",
        source="RFC 9110 §15.5.9",
        aliases=("--timeout-read", "--read-timeout"),
    ),
    "timeout_keep_alive": Option(
        _TIMEOUTS,
        "timeout",
        "Idle time between requests; if shorter than that of a load balancer in front, it makes 502s.",
        source="RFC 9112 §9.8",
        aliases=("--keep-alive",),
    ),
    "timeout_write": Option(_TIMEOUTS, "timeout", "Silence of a client that does not read its response."),
    "timeout_discard": Option(
        _TIMEOUTS, "timeout", "Time for a body that is read away after the response.", source="RFC 9112 §9.3"
    ),
    "timeout_linger": Option(
        _TIMEOUTS,
        "timeout",
        "From our end of a connection to the client's.",
        zero=True,
        source="RFC 9112 §9.6",
    ),
    "timeout_disconnect": Option(
        _TIMEOUTS,
        "timeout",
        "From the client's departure until the app is cancelled.",
        zero=True,
        aliases=("--application-close-timeout", "--asgi-disconnect-grace-period"),
    ),
    "timeout_graceful_shutdown": Option(
        _TIMEOUTS,
        "timeout",
        "From the request to stop until what is still open is cut off.",
        zero=True,
        aliases=("--graceful-timeout",),
    ),
    "timeout_shutdown": Option(_TIMEOUTS, "timeout", "Time for the lifespan's shutdown."),
    "limit_concurrency": Option(_LIMITS, "count", "Requests at one time: 503 beyond.", optional=True),
    "limit_max_requests": Option(
        _LIMITS, "count", "Requests until the server stops.", optional=True, aliases=("--max-requests",)
    ),
    "limit_requests_per_connection": Option(
        _LIMITS, "count", "Requests until a connection is closed, with notice.", optional=True
    ),
    "limit_request_head": Option(
        _LIMITS,
        "size",
        "A request's line and fields together: 414 or 431 beyond.",
        source="RFC 9112 §3, RFC 6585 §5",
        aliases=("--h11-max-incomplete-event-size",),
    ),
    "limit_request_fields": Option(
        _LIMITS, "count", "Fields of one request: 431 beyond.", source="RFC 6585 §5"
    ),
    "limit_request_body": Option(
        _LIMITS, "size", "A request's body: 413 beyond.", optional=True, source="RFC 9110 §15.5.14"
    ),
    "limit_chunk_extensions": Option(
        _LIMITS, "size", "Chunk extensions of one request: 400 beyond.", source="RFC 9112 §7.1.1"
    ),
    "limit_read_buffer": Option(_LIMITS, "size", "Body held for an app that does not receive it."),
    "limit_write_buffer": Option(_LIMITS, "size", "Response held for a client that does not read it."),
    "limit_discard": Option(
        _LIMITS,
        "size",
        "Body that is read away after a response, so that its connection can be used again.",
        minimum=0,
        source="RFC 9112 §9.3",
    ),
    "header": Option(_HTTP, "field", '"Name: value" for every response. May be repeated.'),
    "server_header": Option(_HTTP, "switch", "Send a Server field.", source="RFC 9110 §10.2.4"),
    "date_header": Option(_HTTP, "switch", "Send a Date field.", source="RFC 9110 §6.6.1"),
    "http": Option(
        _HTTP,
        "choice",
        "Versions of HTTP; auto is both, and the client chooses when TLS begins, or by --h2c.",
        choices=("auto", "1", "2"),
    ),
    "http1_reader": Option(
        _HTTP,
        "choice",
        "Who reads HTTP/1: our reader wherever it can, or always h11.",
        choices=("fast", "h11"),
    ),
    "h2c": Option(
        _HTTP2,
        "choice",
        "Whether clients may speak HTTP/2 without TLS, from their first byte.",
        choices=("off", "prior-knowledge"),
        source="RFC 9113 §3.3",
    ),
    "http2_max_concurrent_streams": Option(
        _HTTP2,
        "count",
        "Requests of one connection at one time: refused beyond.",
        source="RFC 9113 §5.1.2",
        maximum=2**31 - 1,
    ),
    "http2_initial_window_size": Option(
        _HTTP2,
        "size",
        "Body held for an app that does not receive it, for each request.",
        maximum=2**31 - 1,
        source="RFC 9113 §6.9.2",
        aliases=("--http2-initial-stream-window-size",),
    ),
    "http2_max_header_list_size": Option(
        _HTTP2,
        "size",
        "The fields of a request, with 32 bytes more for each: 431 beyond.",
        source="RFC 9113 §6.5.2",
        aliases=("--http2-max-headers-size",),
    ),
    "http2_reset_burst": Option(
        _HTTP2,
        "count",
        "Requests that a client gives up, or breaks a rule with, in one go: the connection ends beyond.",
        source="CVE-2023-44487, CVE-2025-8671",
    ),
    "http2_reset_rate": Option(_HTTP2, "count", "How many more of them each second allows."),
    "http2_control_burst": Option(
        _HTTP2,
        "count",
        "Frames of one kind that bring nothing forward, in one go: the connection ends beyond.",
        source="RFC 9113 §10.5",
    ),
    "http2_control_rate": Option(_HTTP2, "count", "How many more of them each second allows."),
    "http2_keep_alive_interval": Option(
        _HTTP2, "timeout", "Time between PING frames; none sends none.", source="RFC 9113 §6.7"
    ),
    "http2_keep_alive_timeout": Option(
        _HTTP2, "timeout", "Time for the answer to one: the connection ends beyond.", source="RFC 9113 §6.7"
    ),
    "http2_settings_timeout": Option(
        _HTTP2,
        "timeout",
        "Time for a client to acknowledge our settings: the connection ends beyond.",
        source="RFC 9113 §6.5.3",
    ),
    "http2_window_timeout": Option(
        _HTTP2,
        "timeout",
        "Silence of a client that has no room for its response: the request ends.",
        source="RFC 9113 §10.5",
    ),
    "ws": Option(
        _WEBSOCKET,
        "switch",
        "Let requests become WebSockets; without it they are answered as ordinary ones.",
        source="RFC 6455",
    ),
    "ws_max_size": Option(
        _WEBSOCKET,
        "size",
        "One message, inflated: closed with 1009 beyond.",
        source="RFC 6455 §7.4.1",
        aliases=("--websocket-max-message-size",),
    ),
    "ws_max_fragments": Option(
        _WEBSOCKET, "count", "Frames of one message: closed with 1009 beyond.", source="RFC 6455 §7.4.1"
    ),
    "ws_ping_interval": Option(
        _WEBSOCKET,
        "timeout",
        "Time between pings; none sends none.",
        source="RFC 6455 §5.5.2",
        aliases=("--websocket-ping-interval",),
    ),
    "ws_ping_timeout": Option(
        _WEBSOCKET, "timeout", "Time for the answer to a ping: closed beyond.", source="RFC 6455 §5.5.3"
    ),
    "ws_per_message_deflate": Option(
        _WEBSOCKET,
        "switch",
        "Compress messages, where the client can.",
        source="RFC 7692",
        aliases=("--websocket-permessage-deflate",),
    ),
    "ws_close_timeout": Option(
        _WEBSOCKET, "timeout", "From our close frame to the client's.", source="RFC 6455 §7.1.1"
    ),
    "ws_handshake_timeout": Option(
        _WEBSOCKET,
        "timeout",
        "Time for the app to accept or to refuse: 500 beyond.",
        source="RFC 6455 §4.2.2",
    ),
    "log_level": Option(
        _LOGGING,
        "choice",
        "The least that is logged; trace is another word for debug.",
        choices=("critical", "error", "warning", "info", "debug", "trace"),
    ),
    "access_log": Option(_LOGGING, "switch", "Log every request, to standard output."),
    "access_log_format": Option(
        _LOGGING,
        "text",
        'A line of gunicorn\'s atoms, as in "%(h)s %(r)s %(s)s", or json.',
        optional=True,
        aliases=("--access-logformat", "--access-log-fmt"),
    ),
}
