"""Every option of the server, with its type and default: what it means, `runtime.option_table` says.

The command line and the documentation are made from both.
"""

from __future__ import annotations

import difflib
import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import sansio

from .access_log import compile_format
from .option_table import OPTIONS
from .options import ConfigError

__all__ = ["OPTIONS", "Config", "ConfigError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a server behaves. Each option has the name of its flag, with underscores; `OPTIONS` says what it means.

    Timeouts are seconds, and None means never. Sizes are bytes, and None means that there is no limit. Where the
    command line takes text (``"30s"``, ``"64KiB"``, ``"Name: value"``), this takes it too.

    Raises `ConfigError` for values that make no sense, alone or together.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    bind: tuple[str, ...] = ()
    uds: str | None = None
    fd: int | None = None
    backlog: int = 2048

    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_keyfile_password: str | None = field(default=None, repr=False)
    ssl_ca_certs: str | None = None
    ssl_cert_reqs: Literal["none", "optional", "required"] = "none"
    ssl_ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20"
    timeout_tls_handshake: float | None = 10.0

    factory: bool = False
    app_dir: str | None = None
    root_path: str = ""
    lifespan: Literal["auto", "on", "off"] = "auto"

    backend: Literal["asyncio", "trio", "uvloop"] = "asyncio"
    """Only ever "asyncio" or "trio" in a finished `Config`: "uvloop" becomes "asyncio" and the `loop`."""
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    gc_threshold: int = 5000
    """Only `runtime.run` and the command, whose process is the server's, touch the collector."""

    timeout_startup: float | None = 60.0
    timeout_request_head: float | None = 30.0
    timeout_request_body: float | None = 60.0
    timeout_keep_alive: float | None = 75.0
    timeout_write: float | None = 60.0
    timeout_discard: float | None = 5.0
    timeout_linger: float | None = 2.0
    timeout_disconnect: float | None = None
    timeout_graceful_shutdown: float | None = 30.0
    timeout_shutdown: float | None = 10.0

    limit_concurrency: int | None = None
    limit_max_requests: int | None = None
    limit_requests_per_connection: int | None = None
    limit_request_head: int = 32_768
    limit_request_fields: int = 100
    limit_request_body: int | None = None
    limit_chunk_extensions: int = 16_384
    limit_read_buffer: int = 65_536
    limit_write_buffer: int = 65_536
    limit_discard: int = 65_536

    header: tuple[tuple[bytes, bytes], ...] = ()
    server_header: bool = True
    date_header: bool = True
    http: Literal["auto", "1", "2"] = "auto"
    http1_reader: Literal["fast", "h11"] = "fast"

    h2c: Literal["off", "prior-knowledge"] = "off"
    http2_max_concurrent_streams: int = 100
    http2_initial_window_size: int = 131_072
    http2_max_header_list_size: int = 65_536
    http2_reset_burst: int = 200
    http2_reset_rate: int = 33
    http2_control_burst: int = 1_000
    http2_control_rate: int = 100
    http2_keep_alive_interval: float | None = None
    http2_keep_alive_timeout: float | None = 20.0
    http2_settings_timeout: float | None = 10.0
    http2_window_timeout: float | None = 60.0

    ws: bool = True
    ws_max_size: int = 16_777_216
    ws_max_fragments: int = 131_072
    ws_ping_interval: float | None = 20.0
    ws_ping_timeout: float | None = 20.0
    ws_per_message_deflate: bool = True
    ws_close_timeout: float | None = 10.0
    ws_handshake_timeout: float | None = 60.0

    log_level: Literal["critical", "error", "warning", "info", "debug", "trace"] = "info"
    """Never "trace" in a finished `Config`: it becomes "debug"."""
    access_log: bool = True
    access_log_format: str | None = None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """Make a `Config` of what a user gave; the rest keeps its default.

        Raises `ConfigError` for an unknown name, with the nearest known one.
        """
        for name in mapping:
            if name not in OPTIONS:
                near = difflib.get_close_matches(name, OPTIONS, n=1)
                raise ConfigError(
                    f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                )
        # Each value is checked at once by its `Option`, so its static type is of no use here.
        return cls(**mapping)  # type: ignore[arg-type]

    def settings(self) -> sansio.Settings:
        """What connections need to know, with a new `sansio.DefaultFields`.

        The caller keeps its Date field up to date, if `date_header` is true.
        """
        return sansio.Settings(
            limit_request_head=self.limit_request_head,
            limit_request_fields=self.limit_request_fields,
            limit_request_body=self.limit_request_body,
            limit_requests_per_connection=self.limit_requests_per_connection,
            limit_read_buffer=self.limit_read_buffer,
            limit_write_buffer=self.limit_write_buffer,
            limit_discard=self.limit_discard,
            limit_chunk_extensions=self.limit_chunk_extensions,
            timeout_request_head=_seconds(self.timeout_request_head),
            timeout_keep_alive=_seconds(self.timeout_keep_alive),
            timeout_request_body=_seconds(self.timeout_request_body),
            timeout_write=_seconds(self.timeout_write),
            timeout_discard=_seconds(self.timeout_discard),
            timeout_linger=_seconds(self.timeout_linger),
            timeout_graceful_shutdown=_seconds(self.timeout_graceful_shutdown),
            ws=self.ws,
            ws_max_size=self.ws_max_size,
            ws_max_fragments=self.ws_max_fragments,
            ws_ping_interval=_seconds(self.ws_ping_interval),
            ws_ping_timeout=_seconds(self.ws_ping_timeout),
            ws_per_message_deflate=self.ws_per_message_deflate,
            ws_close_timeout=_seconds(self.ws_close_timeout),
            ws_handshake_timeout=_seconds(self.ws_handshake_timeout),
            http=self.http,
            h2c=self.h2c,
            http2_max_concurrent_streams=self.http2_max_concurrent_streams,
            http2_initial_window_size=self.http2_initial_window_size,
            http2_max_header_list_size=self.http2_max_header_list_size,
            http2_reset_burst=self.http2_reset_burst,
            http2_reset_rate=self.http2_reset_rate,
            http2_control_burst=self.http2_control_burst,
            http2_control_rate=self.http2_control_rate,
            http2_keep_alive_interval=_seconds(self.http2_keep_alive_interval),
            http2_keep_alive_timeout=_seconds(self.http2_keep_alive_timeout),
            http2_settings_timeout=_seconds(self.http2_settings_timeout),
            http2_window_timeout=_seconds(self.http2_window_timeout),
            root_path=self.root_path,
            http1_reader=self.http1_reader,
            default_fields=_default_fields(self),
        )

    def __post_init__(self) -> None:
        """Turn text into values, and refuse what makes no sense."""
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.accept(name, getattr(self, name)))
        if not self.host:
            raise ConfigError("must not be empty; 0.0.0.0 or :: listens on every address", "host")
        if self.uds is not None and self.fd is not None:
            raise ConfigError("uds and fd are two places to listen: give one, or use bind for both")
        _check_tls(self)
        if self.backend == "uvloop":
            if self.loop == "asyncio":
                raise ConfigError("'asyncio' contradicts backend 'uvloop'", "loop")
            object.__setattr__(self, "backend", "asyncio")
            object.__setattr__(self, "loop", "uvloop")
        elif self.backend == "trio" and self.loop != "auto":
            raise ConfigError("is for backend 'asyncio', trio has only its own; leave it out", "loop")
        if self.loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
            raise ConfigError("'uvloop' is not installed: pip install 'tricorn[speed]'", "loop")
        if self.root_path and not self.root_path.startswith("/"):
            raise ConfigError(f'must start with "/", as in "/{self.root_path}"', "root_path")
        object.__setattr__(self, "root_path", self.root_path.rstrip("/"))
        if self.log_level == "trace":
            object.__setattr__(self, "log_level", "debug")
        compile_format(self.access_log_format)


def _check_tls(config: Config) -> None:
    """Refuse options that would promise a protection and not give it."""
    if config.ssl_certfile is None:
        for name in ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"):
            if getattr(config, name) is not None:
                raise ConfigError("has no effect without a certificate; give it as --ssl-certfile", name)
        if config.ssl_cert_reqs != "none":
            raise ConfigError(
                "has no effect without a certificate; give it as --ssl-certfile", "ssl_cert_reqs"
            )
    if config.ssl_cert_reqs != "none" and config.ssl_ca_certs is None:
        raise ConfigError(
            f"{config.ssl_cert_reqs!r} needs authorities to trust; give them as --ssl-ca-certs",
            "ssl_cert_reqs",
        )
    if config.ssl_cert_reqs == "none" and config.ssl_ca_certs is not None:
        raise ConfigError(
            "has no effect unless clients are asked; add --ssl-cert-reqs optional or required", "ssl_ca_certs"
        )


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout


def _default_fields(config: Config) -> sansio.DefaultFields:
    """The user's own Server field takes the place of ours, as the app's does."""
    servers = [value for name, value in config.header if name == b"server"]
    server = servers[-1] if servers else b"tricorn" if config.server_header else None
    return sansio.DefaultFields(server, [pair for pair in config.header if pair[0] != b"server"])
