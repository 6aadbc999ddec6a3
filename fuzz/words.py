"""The dictionaries: octets that stand together, and that a fuzzer would take long to find by itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["HTTP1_WORDS", "HTTP2_WORDS", "WEBSOCKET_WORDS", "write_dictionary"]

HTTP1_WORDS: Final = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r\n ",
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"GET / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"HEAD ",
    b"CONNECT ",
    b"OPTIONS * ",
    b" HTTP/1.0\r\n",
    b" HTTP/2.0\r\n",
    b"http://a",
    b"Host: a\r\n",
    b"Content-Length: ",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"gzip, chunked",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"%0d%0a",
    b"%c3%a9",
    b"ffffffffffffffff",
    b"999999999999999999",
    b";a=b",
    b';a="\\""',
)

# Nine octets before each: a length of three, a type, flags, and a stream of four.
HTTP2_WORDS: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # SETTINGS
    b"\x00\x00\x00\x04\x01\x00\x00\x00\x00",  # SETTINGS, ACK
    b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00",  # SETTINGS_INITIAL_WINDOW_SIZE 0
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff",  # WINDOW_UPDATE by all there is
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01",  # WINDOW_UPDATE by one
    b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",  # RST_STREAM, CANCEL
    b"\x00\x00\x08\x06\x00\x00\x00\x00\x00tricorn!",  # PING
    b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x84\x86",  # HEADERS: GET / http
    b"\x00\x00\x03\x01\x04\x00\x00\x00\x01\x83\x84\x86",  # HEADERS: POST / http, and more to come
    b"\x00\x00\x01\x00\x01\x00\x00\x00\x01a",  # DATA
    b"\x00\x00\x00\x00\x01\x00\x00\x00\x01",  # DATA, empty and last
    b"\x00\x00\x01\x09\x04\x00\x00\x00\x01\x88",  # CONTINUATION
    b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # GOAWAY
    b":authority",
    b":protocol",
    b"websocket",
    b"content-length",
)

WEBSOCKET_WORDS: Final = (
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"server_max_window_bits=8",
    b"client_no_context_takeover",
    b"Sec-WebSocket-Protocol: ",
    b"\x81\x80\x00\x00\x00\x00",  # Text, empty, with a mask that changes nothing
    b"\x82\x81\x00\x00\x00\x00a",  # Binary
    b"\x01\x80\x00\x00\x00\x00",  # Text, and more to come
    b"\x00\x80\x00\x00\x00\x00",  # Continuation, and more to come
    b"\x80\x80\x00\x00\x00\x00",  # Continuation, the last
    b"\xc1\x81\x00\x00\x00\x00\x02",  # Text, compressed
    b"\x89\x80\x00\x00\x00\x00",  # Ping
    b"\x8a\x80\x00\x00\x00\x00",  # Pong
    b"\x88\x82\x00\x00\x00\x00\x03\xe8",  # Close, 1000
    b"\x81\xfe",
    b"\x81\xff",
    b"\x00\x00\xff\xff",  # What ends a compressed message, and is left out
)


def write_dictionary(words: Iterable[bytes], file: Path) -> None:
    """Write them as libFuzzer reads them: a string in quotes a line."""
    lines = ['"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n' for word in words]
    file.write_text("".join(lines), encoding="ascii")
