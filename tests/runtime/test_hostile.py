"""Clients and applications that want the server's memory or its time: whatever they do, others are served."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from contextlib import AsyncExitStack, suppress
from typing import Any

import anyio
import pytest

import runtime

from .client import GET, OK, Client, ask, connected, hello, make_server, read_body, until
from .conftest import Backend
from .process import receive_all, started

pytestmark = pytest.mark.usefixtures("backend")

CHUNKED = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = GET.replace(b"Host", b"Connection: close\r\nHost")
SIBLING = b"GET /sibling HTTP/1.1\r\nHost: test\r\n\r\n"


async def _is_served(sibling: Client) -> None:
    await sibling.send(SIBLING)
    assert (await sibling.response()).body == b"hello"


# Applications that never pause, and clients that make use of it. A server that hangs can only be watched from outside.

RESTLESS = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/sibling":
        await send({"type": "http.response.body", "body": b"hello"})
        return
    body = b"x" * 65_536 if scope["path"] == "/full" else b""
    while True:
        await send({"type": "http.response.body", "body": body, "more_body": True})
"""


@pytest.mark.parametrize(
    ("method", "path"),
    [(b"GET", b"/full"), (b"HEAD", b"/full"), (b"GET", b"/empty")],
    ids=["content", "head", "empty-bodies"],
)
def test_a_client_that_resets_an_endless_stream_stops_nobody_else(
    backend: Backend, method: bytes, path: bytes
) -> None:
    """ASGI HTTP 2.4: `send` raises once the client has left. The application awaits nothing else."""
    with started(RESTLESS, {**backend.options, "lifespan": "off", "access_log": False}) as process:
        for _ in range(5):
            client = process.connect()
            client.sendall(GET.replace(b"GET /", method + b" " + path))
            assert client.recv(100_000).startswith(b"HTTP/1.1 200 OK\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            with process.connect() as sibling:
                sibling.settimeout(2)
                sibling.sendall(SIBLING.replace(b"Host", b"Connection: close\r\nHost"))
                assert receive_all(sibling).endswith(b"hello")
        process.popen.terminate()
        assert process.wait() == 0


# Clients that ask for more than they take.


async def test_many_pipelined_requests_start_few_applications_at_a_time() -> None:
    release = anyio.Event()
    running = most = served = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running, most, served
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        running += 1
        served += 1
        most = max(most, running)
        try:
            await hello(scope, receive, send)
            await release.wait()  # Work after the response.
        finally:
            running -= 1

    async with make_server(app) as server, connected(server) as sibling, connected(server) as client:
        with anyio.move_on_after(0.2):  # Nothing tells that the kernel's buffers are full.
            for _ in range(100):
                await client.send(GET * 1_000)
        await until(lambda: most > 1)
        await _is_served(sibling)
        assert most < 50
        assert served == most
        await client.reset()
        release.set()


async def test_pipelined_requests_are_answered_without_a_pause_between_them() -> None:
    """RFC 9112 §9.3.2. A thousand of them, and those that follow one by one."""
    async with make_server(hello) as server, connected(server) as client:
        with anyio.fail_after(2.5):
            await client.send(GET * 1_000)
            for _ in range(1_000):
                assert (await client.response()).body == b"hello"
        with anyio.fail_after(1):
            for _ in range(150):
                await client.send(GET)
                await client.response()


async def test_a_response_that_nobody_takes_to_its_end_is_dropped_with_its_connection() -> None:
    """However little is left: with small buffers, clients that stop at every place of the last part."""
    size = 120_000
    begun = 0
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        await send(OK)
        begun += 1
        await send({"type": "http.response.body", "body": b"x" * size})

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many there are.

    address = listener.getsockname()
    server = runtime.Server(
        app,
        fd=listener.detach(),
        lifespan="off",
        access_log=False,
        timeout_write=0.2,
        timeout_linger=0.05,
    )
    async with server, AsyncExitStack() as stack:
        before = descriptors()
        clients = []
        for _ in range(30):
            sock = socket.socket()
            stack.callback(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(address)
            sock.setblocking(False)
            sock.send(CLOSE)
            clients.append(sock)
        await until(lambda: begun == len(clients))
        taken = [0] * len(clients)
        for _ in range(150):
            for number, sock in enumerate(clients):
                left = size - 60_000 + number * 1_500 - taken[number]
                if left > 0:
                    with suppress(BlockingIOError, ConnectionError):
                        taken[number] += len(sock.recv(min(2_048, left)))
            await anyio.sleep(0.001)  # The clients are slow.
        with anyio.fail_after(2):
            await until(lambda: descriptors() == before + len(clients))


async def test_early_hints_that_nobody_reads_stop_the_application() -> None:
    sent = 0
    ended = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        try:
            for _ in range(2_000):
                await send({"type": "http.response.early_hint", "links": [b"</%b>" % (b"x" * 10_000)]})
                sent += 1
        finally:
            ended.set()

    async with make_server(app, timeout_write=0.2) as server, connected(server) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        await client.send(GET)
        await ended.wait()
        assert sent < 1_500


async def test_a_head_goes_out_though_the_application_before_it_ends_meanwhile() -> None:
    second, finish = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/second":
            await send(OK)
            second.set()
            await finish.wait()
            await send({"type": "http.response.body", "body": b"late"})
        else:
            await hello(scope, receive, send)
            await second.wait()  # Work after the response.

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"hello"
        await client.send(GET.replace(b"/ ", b"/second ", 1))
        with anyio.fail_after(2):
            assert (await client.head())[0] == 200
        finish.set()


# Floods.


@pytest.mark.parametrize(
    ("begin", "more", "status"),
    [
        (b"GET /", b"a" * 10_000, 414),
        (b"GET / HTTP/1.1\r\nHost: test\r\nX: ", b"a" * 10_000, 431),
        (b"GET / HTTP/1.1\r\nHost: test\r\n", b"X: y\r\n" * 1_000, 431),
        (b"", b"\r\n" * 1_000, 400),
        (CHUNKED, b"1;" + b"a" * 10_000, 400),
        (CHUNKED, b"1;name=value\r\nx\r\n" * 1_000, 400),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 1_000, 431),
    ],
    ids=["target", "field", "fields", "empty-lines", "extension", "extensions", "trailers"],
)
async def test_a_flood_is_refused_and_concerns_nobody_else(begin: bytes, more: bytes, status: int) -> None:
    """RFC 9110 §15.5.15, RFC 6585 §5, RFC 9112 §7.1.1."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/sibling":
            with suppress(EOFError):
                await read_body(receive)
        await hello(scope, receive, send)

    async with make_server(app, limit_discard=1_000_000) as server, connected(server) as sibling:
        async with connected(server) as client:
            await client.send(begin)
            with suppress(anyio.BrokenResourceError):
                for _ in range(20):
                    await client.send(more)
            assert (await client.response()).status == status
        await _is_served(sibling)


async def test_content_in_the_smallest_chunks_arrives_whole_beside_others() -> None:
    size = 150_000
    content = bytes(itertools.islice(itertools.cycle(b"abcdefg"), size))
    received = b""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal received
        if scope["path"] != "/sibling":
            received = await read_body(receive)
        await hello(scope, receive, send)

    async with make_server(app) as server, connected(server) as sibling, connected(server) as client:
        async with anyio.create_task_group() as group:
            chunks = b"".join([b"1\r\n%c\r\n" % octet for octet in content])
            group.start_soon(client.send, CHUNKED + chunks + b"0\r\n\r\n")
            await _is_served(sibling)
        assert (await client.response()).body == b"hello"
    assert received == content


async def test_many_clients_that_trickle_are_let_go_and_concern_nobody_else() -> None:
    async with make_server(hello, timeout_request_head=0.5) as server, connected(server) as sibling:
        await _is_served(sibling)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(server)) for _ in range(200)]
            for octet in (b"G", b"E", b"T", b" "):
                for client in clients:
                    await client.send(octet)
                begin = time.thread_time()
                await _is_served(sibling)
                assert time.thread_time() - begin < 0.5
            for client in clients:
                assert (await client.response()).status == 408
                assert await client.rest() == b""


# Applications that break the rules.


@pytest.mark.parametrize(
    "messages",
    [
        [None],
        [{}],
        [{"type": "nonsense"}],
        [{"type": "http.response.body", "body": b"x"}],
        [OK, OK],
        [OK, {"type": "http.response.body", "body": "text"}],
        [{**OK, "status": "200"}],
        [{**OK, "headers": [(b"x\r\ny", b"z")]}],
        [{**OK, "headers": [(b"content-length", b"1")]}, {"type": "http.response.body", "body": b"xx"}],
        [{"type": "http.response.early_hint", "links": 5}],
        [OK],
        [],
    ],
    ids=[
        "none",
        "empty",
        "unknown-type",
        "no-start",
        "two-starts",
        "text",
        "status",
        "field",
        "too-long",
        "links",
        "start-only",
        "nothing",
    ],
)
async def test_an_application_that_breaks_the_rules_is_answered_for(messages: list[Any]) -> None:
    """RFC 9110 §15.6.1: one 500 in place of a response of which nothing was sent."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
        for message in messages:
            await send(message)

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        response = await client.response()
        assert (response.status, response.fields["connection"]) == (500, "close")
        assert await client.rest() == b""
        assert (await ask(server)).status == 500
