"""What each target of HTTP/1 is given: settings to choose from, and requests that a fuzzer need not find by itself."""

from __future__ import annotations

from typing import Any, Final

from sansio import DefaultFields, Settings

from .generate import HOSTILE_HEADS

__all__ = ["REQUESTS", "SETTINGS"]


def _settings(**keys: Any) -> Settings:
    fields = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    return Settings(default_fields=fields, **keys)


SETTINGS: Final = (
    _settings(),
    _settings(
        limit_request_head=256,
        limit_request_fields=6,
        limit_request_body=200,
        limit_requests_per_connection=3,
        limit_read_buffer=16,
        limit_write_buffer=64,
        limit_discard=32,
        limit_chunk_extensions=8,
    ),
    _settings(limit_discard=0, limit_write_buffer=1, limit_read_buffer=1, root_path="/mounted"),
    _settings(limit_requests_per_connection=1, timeout_graceful_shutdown=1.0, timeout_linger=5.0),
    _settings(limit_request_body=10, timeout_request_head=1.0, timeout_request_body=1.0, timeout_discard=0.5),
    _settings(
        timeout_request_head=0.0,
        timeout_keep_alive=0.0,
        timeout_request_body=0.0,
        timeout_discard=0.0,
        timeout_linger=0.0,
        timeout_graceful_shutdown=0.0,
    ),
)

REQUESTS: Final = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n" * 2,
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    *HOSTILE_HEADS,
)
