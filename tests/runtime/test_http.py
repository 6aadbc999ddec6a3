"""HTTP over real sockets: requests and responses of every shape, one connection or several."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

import runtime

from .client import GET, OK, ask, connected, hello, make_server, place, read_body, until

pytestmark = pytest.mark.usefixtures("backend")

POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back the body, piece by piece, as it comes."""
    await send(OK)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def path(scope: Any, receive: Any, send: Any) -> None:
    await send(OK)
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def get(path: str, version: str = "1.1", fields: str = "") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: test\r\n{fields}\r\n".encode()


async def curl(server: runtime.Server, *arguments: str) -> str:
    """Run curl in a thread and return what it printed, both streams together."""
    host, port = place(server)
    command = ["curl", "--silent", "--show-error", "--max-time", "10", f"http://{host}:{port}/", *arguments]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, encoding="utf-8"
        )
    )
    return done.stdout


# Connections.


async def test_a_connection_is_used_again() -> None:
    async with make_server(path) as server, connected(server) as client:
        for name in ("/1", "/2", "/3"):
            await client.send(get(name))
            response = await client.response()
            assert response.body == name.encode()
            assert "connection" not in response.fields


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """RFC 9112 §9.3.2: responses go out in the order of the requests."""
    names = [f"/{number}" for number in range(50)]
    async with make_server(path) as server, connected(server) as client:
        await client.send(b"".join(map(get, names)))
        assert [(await client.response()).body.decode() for _ in names] == names


async def test_a_pipelined_request_waits_for_the_response_before_it() -> None:
    release = anyio.Event()
    opened = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        opened.append(scope["path"])
        if scope["path"] == "/first":
            await release.wait()
        await path(scope, receive, send)

    async with make_server(app) as server, connected(server) as client:
        await client.send(get("/first") + get("/second"))
        await until(lambda: bool(opened))
        await ask(server, get("/other"))  # Others are not kept waiting.
        assert opened == ["/first", "/other"]
        release.set()
        assert (await client.response()).body == b"/first"
        assert (await client.response()).body == b"/second"


async def test_work_after_a_response_does_not_hold_up_the_next_request() -> None:
    release, done = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await path(scope, receive, send)
        if scope["path"] == "/works-on":
            await release.wait()
            done.set()

    async with make_server(app) as server, connected(server) as client:
        for name in ("/works-on", "/a", "/b"):
            await client.send(get(name))
            assert (await client.response()).body == name.encode()
        assert not done.is_set()
        release.set()
        await done.wait()
        await client.send(get("/c"))
        assert (await client.response()).body == b"/c"


async def test_work_after_a_response_goes_on_when_the_client_leaves() -> None:
    releases = {"/1": anyio.Event(), "/2": anyio.Event()}
    done = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await path(scope, receive, send)
        await releases[scope["path"]].wait()
        done.append(scope["path"])

    async with make_server(app) as server:
        async with connected(server) as client:
            for name in releases:
                await client.send(get(name))
                await client.response()
            releases["/1"].set()
            await until(lambda: done == ["/1"])
        await ask(server, b"nonsense\r\n\r\n")  # By now the server has seen the client leave.
        releases["/2"].set()
        await until(lambda: done == ["/1", "/2"])


async def test_http_1_0_ends_the_connection() -> None:
    """RFC 9112 §9.3: HTTP/1.0 without keep-alive."""
    async with make_server(echo) as server, connected(server) as client:
        await client.send(get("/", "1.0"))
        response = await client.response()
        assert "transfer-encoding" not in response.fields
        assert response.fields["connection"] == "close"
        assert await client.rest() == b""


async def test_a_connection_ends_when_the_client_asks_for_it() -> None:
    async with make_server(hello) as server, connected(server) as client:
        await client.send(get("/", fields="Connection: close\r\n"))
        assert (await client.response()).fields["connection"] == "close"
        assert await client.rest() == b""


async def test_a_half_closed_connection_is_answered() -> None:
    """RFC 9112 §9.6: a client's FIN does not mean that it has lost interest in the response."""
    seen = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        seen.set()
        await hello(scope, receive, send)

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await client.end()
        assert (await client.response()).body == b"hello"
        assert seen.is_set()
        assert await client.rest() == b""


async def test_pipelined_requests_before_a_half_close_are_all_answered() -> None:
    async with make_server(path) as server, connected(server) as client:
        await client.send(get("/1") + get("/2") + get("/3"))
        await client.end()
        assert [(await client.response()).body for _ in range(3)] == [b"/1", b"/2", b"/3"]
        assert await client.rest() == b""


async def test_a_client_that_sends_more_after_the_last_response_still_gets_it() -> None:
    """RFC 9112 §9.6: the server closes in stages, so that no reset destroys the response."""
    async with make_server(hello, limit_discard=1000) as server, connected(server) as client:
        await client.send(POST % 10_000_000)
        response = await client.response()
        assert response.body == b"hello"
        assert response.fields["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize("loopback", ["127.0.0.1", "::1"])
async def test_a_scope_names_both_ends_of_the_connection(loopback: str) -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    async with make_server(app, host=loopback) as server, connected(server) as client:
        mine = client.socket.getsockname()[:2]
        await client.send(GET)
        await client.response()
        [scope] = scopes
        assert tuple(scope["client"]) == mine
        assert tuple(scope["server"]) == server.addresses[0]


async def test_a_scope_of_a_unix_socket_has_its_path(tmp_path: Path) -> None:
    """ASGI HTTP 2.2: ``server`` is the path and None."""
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    file = str(tmp_path / "server")
    async with make_server(app, uds=file) as server:
        assert server.addresses == [file]
        assert (await ask(server)).body == b"hello"
    [scope] = scopes
    assert tuple(scope["server"]) == (file, None)
    assert scope["client"] is None
    assert not Path(file).exists()  # noqa: ASYNC240 - at once.


# Bodies.


async def test_a_body_is_streamed_down_as_it_comes() -> None:
    go_on = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second"})

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await client.until(b"first\r\n")
        go_on.set()
        assert await client.until(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"


async def test_a_head_goes_out_though_its_body_takes_a_while() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await until(lambda: seen)
        await send({"type": "http.response.body", "body": b"event"})

    seen = False
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        status, _ = await client.head()
        seen = True
        assert status == 200
        assert await client.until(b"0\r\n\r\n") == b"5\r\nevent\r\n0\r\n\r\n"


async def test_a_body_is_streamed_up_as_it_comes() -> None:
    async with make_server(echo) as server, connected(server) as client:
        await client.send(CHUNKED)
        await client.head()
        for word in (b"one", b"two"):
            await client.send(b"3\r\n%b\r\n" % word)
            assert await client.until(word + b"\r\n") == b"3\r\n%b\r\n" % word
        await client.send(b"0\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"0\r\n\r\n"
        await client.send(GET)
        assert (await client.response()).status == 200


async def test_ten_megabytes_go_up_and_down_unchanged() -> None:
    """As an upload by Content-Length, then in chunks, then a download of both kinds."""
    data = hashlib.shake_128(b"seed").digest(10_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            assert await read_body(receive) == data
        await send(OK)
        if scope["path"] == "/once":
            await send({"type": "http.response.body", "body": data})
        else:
            for start in range(0, len(data), 65_536):
                piece = data[start : start + 65_536]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]

    async with make_server(app) as server:
        host, port = place(server)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            once = await client.post("/once", content=data)
            assert once.headers["content-length"] == "10000000"
            assert once.content == data
            streamed = await client.post("/", content=pieces())
            assert streamed.headers["transfer-encoding"] == "chunked"
            assert streamed.content == data


async def test_head_has_no_body() -> None:
    async with make_server(hello) as server, connected(server) as client:
        await client.send(GET.replace(b"GET", b"HEAD") + GET)
        assert (await client.response(method="HEAD")).fields["content-length"] == "5"
        assert (await client.response()).body == b"hello"


async def test_trailers_go_to_who_wants_them() -> None:
    """ASGI HTTP, "http.response.trailers": only if the request had ``TE: trailers``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.trailers" in scope["extensions"]
        await send({**OK, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})

    async with make_server(app) as server, connected(server) as client:
        await client.send(get("/", fields="TE: trailers\r\n") + GET)
        assert (await client.response()).trailers == {"x-sum": "42"}
        assert (await client.response()).trailers == {}


async def test_early_hints_come_before_the_response() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        await go_on.wait()
        await hello(scope, receive, send)

    go_on = anyio.Event()
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert await client.head() == (103, {"link": "</style.css>; rel=preload"})
        go_on.set()
        assert (await client.response()).body == b"hello"


async def test_a_body_is_asked_for_when_the_app_receives() -> None:
    """RFC 9110 §10.1.1: 100 (Continue)."""
    async with make_server(echo) as server, connected(server) as client:
        await client.send(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % 4)
        assert await client.head() == (100, {})
        await client.send(b"body")
        assert (await client.response()).body == b"body"


async def test_a_body_is_not_asked_for_when_the_app_answers_without_it() -> None:
    async with make_server(hello) as server, connected(server) as client:
        await client.send(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % 4)
        response = await client.response()
        assert (response.status, response.fields["connection"]) == (200, "close")


# What other clients make of it.


async def test_curl_uploads_after_100_continue(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2_000_000)
    async with make_server(echo) as server:
        told = await curl(server, "-v", "-o", "/dev/null", "-H", "Expect: 100-continue", "-T", str(file))
        assert "HTTP/1.1 100 Continue" in told
        assert "HTTP/1.1 200 OK" in told


async def test_curl_uses_a_connection_again_and_uploads_in_chunks() -> None:
    async with make_server(echo) as server:
        host, port = place(server)
        chunked = ["-H", "Transfer-Encoding: chunked", "-d", "body", "-w", "[%{num_connects}]"]
        told = await curl(server, f"http://{host}:{port}/again", *chunked)
        assert told == "body[1]body[0]"


async def test_httpx_streams_both_ways() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(100):
            yield b"%d," % number

    async with make_server(echo) as server:
        host, port = place(server)
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"http://{host}:{port}", content=pieces()) as response,
        ):
            body = b"".join([piece async for piece in response.aiter_bytes()])
    assert body == b"".join([b"%d," % number for number in range(100)])
