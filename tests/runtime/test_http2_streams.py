"""HTTP/2's streams side by side over real sockets: none holds up another."""

from __future__ import annotations

import contextvars
from typing import Any

import anyio
import pytest

from tests.peers import Code, window_update

from .client import OK, hello, read_body, until
from .http2_client import Waits, connected_http2, is_served, make_http2_server

pytestmark = pytest.mark.usefixtures("backend")

PIECE = b"x" * 65_536


async def test_a_hundred_applications_run_at_one_time() -> None:
    app = Waits()
    async with make_http2_server(app) as server, connected_http2(server) as client:
        streams = [await client.open() for _ in range(100)]
        await until(lambda: app.running == 100)
        app.release.set()
        for stream in streams:
            assert (await client.response(stream)).content == b"hello"


async def test_a_slow_application_never_holds_up_a_fast_one() -> None:
    app = Waits()
    async with make_http2_server(app) as server, connected_http2(server) as client:
        slow = await client.open(b"/slow")
        await until(lambda: app.running == 1)
        for _ in range(20):
            assert (await client.fetch(b"/sibling")).content == b"hello"
        assert client.view(slow).frames == []
        app.release.set()
        assert (await client.response(slow)).content == b"hello"


async def test_responses_come_in_the_order_in_which_they_are_made() -> None:
    events = [anyio.Event() for _ in range(5)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await events[int(scope["path"][1:])].wait()
        await hello(scope, receive, send)

    async with make_http2_server(app) as server, connected_http2(server) as client:
        streams = [await client.open(b"/%d" % number) for number in range(5)]
        for number in (3, 0, 4, 2, 1):
            events[number].set()
            assert (await client.response(streams[number])).content == b"hello"


@pytest.mark.parametrize("received", [0, 1], ids=["nothing", "one-message"])
async def test_an_application_that_does_not_read_never_stalls_another_upload(received: int) -> None:
    """RFC 9113 §5.2.2. All streams but one have sent all that they may."""
    release = anyio.Event()
    content = bytes(range(256)) * 2_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/lazy":
            for _ in range(received):
                await receive()
            await release.wait()
            await hello(scope, receive, send)
        else:
            body = await read_body(receive)
            await send(OK)
            await send({"type": "http.response.body", "body": body})

    limits = {"http2_max_concurrent_streams": 4, "http2_initial_window_size": 65_536}
    async with make_http2_server(app, **limits) as server, connected_http2(server) as client:
        lazy = [await client.open(b"/lazy", method=b"POST", end_stream=False) for _ in range(3)]
        for stream in lazy:
            assert await client.fill(stream) == 65_536
        for _ in range(2):
            stream = await client.open(b"/eager", method=b"POST", end_stream=False)
            await client.upload(stream, content, end_stream=True)
            assert (await client.response(stream)).content == content
        release.set()
        for stream in lazy:
            assert (await client.response(stream)).content == b"hello"


async def test_a_response_that_is_not_taken_never_stalls_another() -> None:
    """RFC 9113 §5.2: windows of streams are closed one by one."""
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(OK)
        for _ in range(20):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            if scope["path"] == "/untaken":
                sent += 1
        await send({"type": "http.response.body"})

    async with make_http2_server(app) as server, connected_http2(server, window=0) as client:
        await client.send(window_update(0, 2**30))
        untaken = [await client.open(b"/untaken") for _ in range(10)]
        for stream in untaken:
            await client.head(stream)
        taken = await client.open(b"/taken")
        await client.send(window_update(taken, 2**30))
        assert len((await client.response(taken)).content) == 20 * len(PIECE)
        assert sent < 40
        for stream in untaken:
            await client.send(window_update(stream, 2**30))
            assert len((await client.response(stream)).content) == 20 * len(PIECE)


async def test_applications_that_never_pause_let_others_have_their_turn() -> None:
    stop = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        await send(OK)
        while not stop:
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body"})

    async with make_http2_server(app) as server, connected_http2(server) as client:
        streams = [await client.open() for _ in range(5)]
        await is_served(server, client)
        stop = True
        for stream in streams:
            assert (await client.response(stream)).ended


async def test_a_context_variable_of_one_request_is_never_seen_by_another() -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="of the server")
    seen: list[tuple[str, str, str]] = []
    barrier = anyio.Event()
    begun = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        before = word.get()
        word.set(scope["path"])
        begun += 1
        await barrier.wait()
        await read_body(receive)
        seen.append((scope["path"], before, word.get()))
        await hello(scope, receive, send)

    async with make_http2_server(app) as server, connected_http2(server) as client:
        streams = [await client.open(b"/%d" % number) for number in range(10)]
        await until(lambda: begun == 10)
        barrier.set()
        for stream in streams:
            await client.response(stream)
        for number in range(10, 13):
            await client.fetch(b"/%d" % number)
    assert sorted(seen) == sorted((f"/{number}", "of the server", f"/{number}") for number in range(13))


async def test_what_the_lifespan_made_is_each_requests_own_copy() -> None:
    seen: list[Any] = []
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["word"] = "state"
            word.set("context")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append((dict(scope["state"]), word.get()))
        scope["state"]["more"] = "mine"
        await hello(scope, receive, send)

    async with (
        make_http2_server(app, lifespan="on") as server,
        connected_http2(server) as client,
    ):
        streams = [await client.open() for _ in range(3)]
        for stream in streams:
            await client.response(stream)
    assert seen == [({"word": "state"}, "context")] * 3


async def test_an_application_that_raises_concerns_its_stream_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Before the response 500, in the middle of it RST_STREAM (RFC 9113 §8.1)."""
    running, go_on = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/well":
            running.set()
            await go_on.wait()
            await hello(scope, receive, send)
            return
        if scope["path"] == "/middle":
            await send(OK)
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("mine")

    async with make_http2_server(app) as server, connected_http2(server) as client:
        well = await client.open(b"/well")
        await running.wait()
        assert (await client.fetch(b"/before")).status == 500
        view = await client.fetch(b"/middle")
        assert (view.status, view.ended, view.reset) == (200, False, Code.INTERNAL_ERROR)
        go_on.set()
        assert (await client.response(well)).content == b"hello"
    assert caplog.text.count("ValueError: mine") == 2


async def test_work_after_a_response_holds_up_nobody() -> None:
    release = anyio.Event()
    done = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal done
        await hello(scope, receive, send)
        await release.wait()
        done += 1

    async with make_http2_server(app) as server, connected_http2(server) as client:
        for _ in range(20):
            assert (await client.fetch()).content == b"hello"
        release.set()
        await until(lambda: done == 20)
