"""HTTP/2 over real sockets: requests and responses of every shape."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import runtime
from tests.peers import PREFACE, Code, data, headers, ping, settings

from .client import GET, OK, ask, connected, hello, make_server, place, read_body, until
from .http2_client import Waits, connected_http2, fetch, make_http2_server
from .secure_client import Authority, context_of

pytestmark = pytest.mark.usefixtures("backend")

DATA = hashlib.shake_128(b"seed").digest(2_000_000)
PIECES = [DATA[start : start + 50_000] for start in range(0, len(DATA), 50_000)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


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


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


@asynccontextmanager
async def browsing(app: Any, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and be a client that speaks nothing but HTTP/2."""
    async with make_http2_server(app, **settings) as server:
        host, port = place(server)
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}", http1=False, http2=True, trust_env=False, timeout=10
        ) as client:
            yield client


# What a client of other people's making sees.


async def test_a_get_and_a_post() -> None:
    async with browsing(echo) as client:
        response = await client.get("/")
        assert (response.http_version, response.status_code, response.content) == ("HTTP/2", 200, b"")
        assert (await client.post("/", content=b"hello")).content == b"hello"


async def test_head_has_no_body() -> None:
    async with browsing(hello) as client:
        response = await client.head("/")
        assert (response.headers["content-length"], response.content) == ("5", b"")
        assert (await client.get("/")).content == b"hello"


async def test_megabytes_go_up_and_down_unchanged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            assert await read_body(receive) == DATA
        await send(OK)
        if scope["path"] == "/once":
            await send({"type": "http.response.body", "body": DATA})
        else:
            for piece in PIECES:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

    async with browsing(app) as client:
        once = await client.post("/once", content=DATA)
        assert (once.headers["content-length"], once.content) == (str(len(DATA)), DATA)
        assert (await client.post("/", content=pieces())).content == DATA


async def test_a_body_is_echoed_while_it_is_sent() -> None:
    async with browsing(echo) as client, client.stream("POST", "/", content=pieces()) as response:
        assert b"".join([piece async for piece in response.aiter_bytes()]) == DATA


async def test_a_hundred_requests_at_once_share_one_connection() -> None:
    clients = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clients.add(tuple(scope["client"]))
        await anyio.lowlevel.checkpoint()
        await path(scope, receive, send)

    async def get(number: int) -> None:
        assert (await client.get(f"/{number}")).text == f"/{number}"

    async with browsing(app) as client:
        await client.get("/first")  # So that there is a connection which all can use.
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(get, number)
    assert len(clients) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_megabytes_go_up_and_down_with_tls(authority: Authority, version: ssl.TLSVersion) -> None:
    async with make_server(echo, **authority.options) as server:
        host, port = place(server)
        async with httpx.AsyncClient(
            verify=context_of(authority, version), http2=True, trust_env=False, timeout=10
        ) as client:
            response = await client.post(f"https://{host}:{port}/", content=pieces())
    assert (response.http_version, response.content) == ("HTTP/2", DATA)


# What goes over the wire.


async def test_the_scope_says_what_it_is() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    async with make_http2_server(app) as server, connected_http2(server) as client:
        mine = client.client.socket.getsockname()
        fields = [(b"cookie", b"a=b"), (b"x-word", b"hello"), (b"cookie", b"c=d")]
        await client.fetch(b"/a%20b?c", fields, authority=b"test.example")
        [scope] = scopes
        assert (scope["http_version"], scope["scheme"], scope["method"]) == ("2", "http", "GET")
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"c")
        assert scope["headers"] == [
            (b"host", b"test.example"),
            (b"cookie", b"a=b; c=d"),  # RFC 9113 §8.2.3.
            (b"x-word", b"hello"),
        ]
        assert (tuple(scope["client"]), tuple(scope["server"])) == (mine, server.addresses[0])


async def test_the_scope_of_a_unix_socket_has_its_path(tmp_path: Path) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    file = str(tmp_path / "server")
    async with make_http2_server(app, uds=file) as server:
        assert (await fetch(server)).content == b"hello"
    [scope] = scopes
    assert (scope["http_version"], scope["client"], tuple(scope["server"])) == ("2", None, (file, None))


async def test_the_scheme_with_tls_is_https(authority: Authority) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    context = authority.certified()
    context.set_alpn_protocols(["h2"])
    async with (
        make_server(app, **authority.options) as server,
        connected_http2(server, context=context) as client,
    ):
        assert (await client.fetch(scheme=b"https")).content == b"hello"
    assert [(scope["scheme"], scope["http_version"]) for scope in scopes] == [("https", "2")]


@pytest.mark.parametrize("size", [1, 3, 8, 17])
async def test_a_request_may_come_in_pieces(size: int) -> None:
    async with make_http2_server(echo) as server, connected_http2(server, start=False) as client:
        client.cut = size
        await client.start()
        stream = await client.open(method=b"POST", end_stream=False)
        await client.send(data(stream, b"hello", end_stream=True))
        assert (await client.response(stream)).content == b"hello"


async def test_a_body_is_streamed_down_as_it_comes() -> None:
    go_on = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second"})

    async with make_http2_server(app) as server, connected_http2(server) as client:
        stream = await client.open()
        await client.content(stream, b"first")
        go_on.set()
        assert (await client.response(stream)).content == b"firstsecond"


async def test_a_head_goes_out_though_its_body_takes_a_while() -> None:
    go_on = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"event"})

    async with make_http2_server(app) as server, connected_http2(server) as client:
        streams = [await client.open() for _ in range(3)]
        for stream in streams:
            assert (await client.head(stream)).status == 200
        go_on.set()
        for stream in streams:
            assert (await client.response(stream)).content == b"event"


async def test_a_body_is_streamed_up_as_it_comes() -> None:
    async with make_http2_server(echo) as server, connected_http2(server) as client:
        stream = await client.open(method=b"POST", end_stream=False)
        await client.head(stream)
        for word, seen in ((b"one", b"one"), (b"two", b"onetwo")):
            await client.send(data(stream, word))
            await client.content(stream, seen)
        await client.send(data(stream, end_stream=True))
        assert (await client.response(stream)).content == b"onetwo"


async def test_a_small_piece_never_waits_for_the_acknowledgement_of_the_one_before() -> None:
    """RFC 9293 §3.7.4: Nagle's algorithm is off at the server's end."""
    async with make_http2_server(hello) as server, connected_http2(server) as client:
        await client.fetch()
        mine = client.client.socket.getsockname()
        found = []
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the names are what counts.
            with suppress(OSError):
                if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):  # noqa: PTH115 - as above.
                    continue
                with socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM) as sock:
                    if sock.getpeername() == mine:
                        found.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        assert found == [1]


async def test_trailers_go_to_who_wants_them() -> None:
    """ASGI HTTP, "http.response.trailers": only if the request had ``TE: trailers``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.trailers" in scope["extensions"]
        await send({**OK, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})

    async with make_http2_server(app) as server, connected_http2(server) as client:
        view = await client.fetch(fields=[(b"te", b"trailers")])
        assert (view.content, view.trailers) == (b"hello", [(b"x-sum", b"42")])
        view = await client.fetch()
        assert (view.content, view.trailers) == (b"hello", None)


async def test_trailers_of_a_request_end_its_body() -> None:
    async with make_http2_server(echo) as server, connected_http2(server) as client:
        stream = await client.open(method=b"POST", end_stream=False)
        await client.send(data(stream, b"hello"), headers(stream, [(b"x-sum", b"42")]))
        assert (await client.response(stream)).content == b"hello"


async def test_early_hints_come_before_the_response() -> None:
    """RFC 8297."""
    go_on = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        await go_on.wait()
        await hello(scope, receive, send)

    async with make_http2_server(app) as server, connected_http2(server) as client:
        stream = await client.open()
        view = client.view(stream)
        await client.read_until(lambda: bool(view.interim))
        assert view.interim == [[(b":status", b"103"), (b"link", b"</style.css>; rel=preload")]]
        go_on.set()
        assert (await client.response(stream)).content == b"hello"


async def test_a_body_is_asked_for_when_the_app_receives() -> None:
    """RFC 9110 §10.1.1: 100 (Continue)."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b"unasked" if scope["path"] == "/no" else await read_body(receive)
        await send(OK)
        await send({"type": "http.response.body", "body": body})

    expect = [(b"expect", b"100-continue")]
    async with make_http2_server(app) as server, connected_http2(server) as client:
        stream = await client.open(b"/yes", expect, method=b"POST", end_stream=False)
        view = client.view(stream)
        await client.read_until(lambda: bool(view.interim))
        assert view.interim == [[(b":status", b"100")]]
        await client.send(data(stream, b"body", end_stream=True))
        assert (await client.response(stream)).content == b"body"
        stream = await client.open(b"/no", expect, method=b"POST", end_stream=False)
        assert ((await client.response(stream)).content, client.view(stream).interim) == (b"unasked", [])


async def test_a_response_before_the_end_of_the_request_asks_for_no_more() -> None:
    """RFC 9113 §8.1: RST_STREAM with NO_ERROR behind a complete response."""
    async with make_http2_server(hello) as server, connected_http2(server) as client:
        stream = await client.open(method=b"POST", end_stream=False)
        view = client.view(stream)
        await client.read_until(lambda: view.reset is not None)
        assert (view.content, view.ended, view.reset) == (b"hello", True, Code.NO_ERROR)
        await client.send(data(stream, b"on its way"))
        assert (await client.fetch()).content == b"hello"


async def test_a_body_beyond_the_limit_is_413() -> None:
    async with (
        make_http2_server(echo, limit_request_body=1_000) as server,
        connected_http2(server) as client,
    ):
        stream = await client.open(method=b"POST", fields=[(b"content-length", b"1001")], end_stream=False)
        assert (await client.response(stream)).status == 413
        assert (await client.fetch()).status == 200


async def test_a_ping_is_answered_though_nothing_else_happens() -> None:
    async with make_http2_server(hello) as server, connected_http2(server) as client:
        await client.send(ping(b"12345678"))
        await client.read_until(lambda: client.observer.pongs == [b"12345678"])


# Which version.


async def test_http_1_is_still_spoken_where_http_2_may_begin() -> None:
    async with make_http2_server(hello) as server:
        assert (await ask(server)).body == b"hello"
        assert (await fetch(server)).content == b"hello"
        assert (
            await ask(server, b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        ).status == 200


async def test_a_request_that_begins_like_the_preface_is_http_1() -> None:
    async with make_http2_server(hello) as server, connected(server) as client:
        await client.send(b"P")
        await anyio.lowlevel.checkpoint()
        await client.send(GET.replace(b"GET", b"UT"))
        assert (await client.response()).body == b"hello"


async def test_without_prior_knowledge_the_preface_is_refused() -> None:
    async with make_server(hello) as server, connected(server) as client:
        await client.send(PREFACE + settings())
        assert (await client.response()).status in {400, 505}
        assert await client.rest() == b""


async def test_a_connection_that_is_idle_for_too_long_ends_with_goaway() -> None:
    """RFC 9113 §9.1."""
    async with (
        make_http2_server(hello, timeout_keep_alive=0.05) as server,
        connected_http2(server) as client,
    ):
        stream = await client.open()
        assert (await client.response(stream)).content == b"hello"
        await client.rest()
        assert client.observer.goaways[-1] == (stream, Code.NO_ERROR)


async def test_a_connection_ends_after_so_many_requests() -> None:
    async with make_http2_server(hello, limit_requests_per_connection=3) as server:
        async with connected_http2(server) as client:
            for _ in range(3):
                assert (await client.fetch()).content == b"hello"
            await client.rest()
            assert client.observer.goaways == [(5, Code.NO_ERROR)]
        assert (await fetch(server)).content == b"hello"


async def test_a_server_ends_after_so_many_requests() -> None:
    server = make_http2_server(hello, limit_max_requests=3)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            await group.start(_serve, server)
            async with connected_http2(server) as client:
                streams = [await client.open() for _ in range(3)]
                for stream in streams:
                    assert (await client.response(stream)).content == b"hello"
                await client.rest()


async def _serve(server: runtime.Server, *, task_status: Any) -> None:
    await server.serve(task_status=task_status)


async def test_too_many_requests_at_one_time_are_503() -> None:
    app = Waits()
    async with (
        make_http2_server(app, limit_concurrency=2) as server,
        connected_http2(server) as client,
    ):
        streams = [await client.open() for _ in range(2)]
        await until(lambda: app.running == 2)
        assert (await client.fetch()).status == 503
        app.release.set()
        assert [(await client.response(stream)).status for stream in streams] == [200, 200]


async def test_the_access_log_names_each_request(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        make_http2_server(path, access_log=True) as server,
        connected_http2(server) as client,
    ):
        for name in (b"/one", b"/two"):
            await client.fetch(name)
    lines = [record.getMessage() for record in caplog.records if record.name == "tricorn.access"]
    assert len(lines) == 2
    assert '"GET /one HTTP/2" 200' in lines[0]
    assert '"GET /two HTTP/2" 200' in lines[1]
