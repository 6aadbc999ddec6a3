"""TLS over real sockets: what a connection keeps, how long it takes, and what its end says."""

from __future__ import annotations

import gc
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from .client import OK, connected, hello, make_server, place, serving
from .secure_client import Authority, check_it_serves, client_hello, context_of, secured

pytestmark = pytest.mark.usefixtures("backend")

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])

ANCIENT = b"GET / HTTP/1.0\r\n\r\n"
CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"

# Takes one response on each of some connections, and keeps them.
TAKER = """
import socket, ssl, sys
port, count, size = map(int, sys.argv[1:])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connections = []
for _ in range(count):
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    connections.append(connection)
    connection.sendall(b"GET / HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n")
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += connection.recv(1_000)
    left = size - len(head.partition(b"\\r\\n\\r\\n")[2])
    while left:
        left -= len(connection.recv(min(left, 1_000_000)))
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


class Large:
    """Sends one large message."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._content = bytes(size)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({**OK, "headers": [(b"content-length", b"%d" % self.size)]})
        await send({"type": "http.response.body", "body": self._content})

    async def taken(self, server: Any, count: int) -> Any:
        """Return a process that has taken so many responses, each on a connection that stays."""
        command = [sys.executable, "-c", TAKER, str(place(server)[1]), str(count), str(self.size)]
        process = await anyio.open_process(command, stderr=None)
        assert process.stdout is not None
        assert (await process.stdout.receive()).strip() == b"taken"
        return process


def _memory() -> int:
    """Return how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


async def test_an_idle_connection_does_not_keep_the_size_of_what_it_has_sent(authority: Authority) -> None:
    app = Large(8_000_000)
    async with make_server(app, timeout_keep_alive=60, **authority.options) as server:
        async with await app.taken(server, 1) as process:
            process.terminate()
        gc.collect()
        before = _memory()
        async with await app.taken(server, 10) as process:
            gc.collect()
            growth = _memory() - before
            process.terminate()
    assert growth < 30_000_000


async def test_a_large_message_does_not_hold_up_everybody(authority: Authority) -> None:
    app = Large(200_000_000)
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            await anyio.sleep(0.001)
            now = time.thread_time()
            longest = max(longest, now - last)
            last = now

    async with make_server(app, **authority.options) as server, anyio.create_task_group() as group:
        group.start_soon(beat)
        async with await app.taken(server, 1) as process:
            group.cancel_scope.cancel()
            process.terminate()
    assert longest < 0.5


@pytest.mark.parametrize("cut", ["error", "shutdown"])
@VERSIONS
async def test_a_response_that_was_cut_off_does_not_look_complete(
    authority: Authority, cut: str, version: ssl.TLSVersion
) -> None:
    """RFC 9112 §8: content that ends with the connection is complete unless the close was incomplete (§9.8)."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if cut == "shutdown":
            await anyio.sleep_forever()
        raise ZeroDivisionError

    options = {"timeout_graceful_shutdown": 0.05, **authority.options}
    async with serving(app, **options) as server, secured(server, context_of(authority, version)) as client:
        await client.send(ANCIENT)
        await client.until(b"half")
        server.shut_down()
        with pytest.raises(anyio.BrokenResourceError):
            await client.stream.receive()


@VERSIONS
async def test_a_response_that_ends_with_the_connection_and_is_complete_looks_so(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    """RFC 9112 §9.8."""
    async with (
        make_server(hello, **authority.options) as server,
        secured(server, context_of(authority, version)) as client,
    ):
        await client.send(ANCIENT)
        await client.until(b"hello")
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()


async def test_a_farewell_during_the_handshake_ends_it_without_a_word(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 8446 §6.1: a client that gives the handshake up says user_canceled, perhaps, and close_notify."""
    async with make_server(hello, timeout_tls_handshake=None, **authority.options) as server:
        async with connected(server) as client:
            await client.send(client_hello(authority))
            await client.exactly(5)
            await client.send(CLOSE_NOTIFY)
            with anyio.fail_after(2):
                await client.rest()
        await check_it_serves(server, authority)
        assert "closed: TLS" not in caplog.text
