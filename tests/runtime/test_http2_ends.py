"""How HTTP/2's streams and connections end over real sockets: by reset, because the client leaves, by shutdown."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

import runtime
from tests.peers import Code, data, rst

from .client import OK, hello, serving, until
from .http2_client import Http2Client, Waits, connected_http2, make_http2_server

pytestmark = pytest.mark.usefixtures("backend")

PIECE = b"x" * 65_536


async def begin_shutdown(server: runtime.Server, caplog: pytest.LogCaptureFixture) -> None:
    server.shut_down()
    await until(lambda: "Shutting down" in caplog.text)


# Clients that lose interest, or leave.


async def test_the_application_of_a_reset_stream_is_told_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """RFC 9113 §5.4.2; ASGI HTTP 2.4: `send` raises then."""
    messages: list[str] = []
    running, go_on, told = anyio.Event(), anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/other":
            await go_on.wait()
            await hello(scope, receive, send)
            return
        running.set()
        messages.append((await receive())["type"])
        try:
            await send(OK)
        except OSError:
            messages.append("raised")
            raise
        finally:
            told.set()

    async with make_http2_server(app) as server, connected_http2(server) as client:
        other = await client.open(b"/other")
        stream = await client.open()
        await running.wait()
        await client.send(rst(stream))
        await told.wait()
        go_on.set()
        assert (await client.response(other)).content == b"hello"
        assert client.view(stream).frames == []
    assert messages == ["http.disconnect", "raised"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_blocked_send_raises_when_its_stream_is_reset(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(OK)
            while True:
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        except OSError as error:
            errors.append(error)
            raise

    async with make_http2_server(app) as server, connected_http2(server, window=0) as client:
        streams = [await client.open() for _ in range(3)]
        for stream in streams:
            await client.head(stream)
        for number, stream in enumerate(streams, 1):
            await client.send(rst(stream))
            await until(lambda: len(errors) == number)  # noqa: B023 - it is awaited at once.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_the_application_of_a_reset_stream_is_cancelled_and_no_other(timeout: float) -> None:
    app = Waits()
    async with (
        make_http2_server(app, timeout_disconnect=timeout) as server,
        connected_http2(server) as client,
    ):
        streams = [await client.open() for _ in range(3)]
        await until(lambda: app.running == 3)
        await client.send(rst(streams[1]))
        await until(lambda: app.cancelled == 1)
        assert app.running == 2
        app.release.set()
        for stream in (streams[0], streams[2]):
            assert (await client.response(stream)).content == b"hello"
    assert app.cancelled == 1


async def test_without_a_timeout_nobody_is_cancelled() -> None:
    app = Waits()
    async with make_http2_server(app) as server, connected_http2(server) as client:
        stream = await client.open()
        await until(lambda: app.running == 1)
        await client.send(rst(stream))
        await client.fetch(b"/sibling")
        assert (app.running, app.cancelled) == (1, 0)
        app.release.set()
        await until(lambda: app.running == 0)
        assert app.cancelled == 0


async def test_a_stream_that_is_reset_behind_its_response_cancels_nobody() -> None:
    release = anyio.Event()
    outcomes: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        try:
            await release.wait()
            outcomes.append("done")
        except BaseException:
            outcomes.append("cancelled")
            raise

    async with (
        make_http2_server(app, timeout_disconnect=0) as server,
        connected_http2(server) as client,
    ):
        stream = await client.open()
        await client.response(stream)
        await client.send(rst(stream))
        other = await client.open()
        await client.response(other)
        release.set()
        await until(lambda: len(outcomes) == 2)
    assert outcomes == ["done", "done"]


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_when_the_client_leaves_every_application_is_told(reset: bool) -> None:
    """Those that receive, those that send, and those whose request is not complete."""
    ended: list[str] = []
    waiting = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal waiting
        path = scope["path"]
        try:
            if path == "/sends":
                await send(OK)
                waiting += 1
                while True:
                    await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            if path == "/receives":
                await receive()
            waiting += 1
            message = await receive()
            assert message == {"type": "http.disconnect"}
            assert await receive() == message
        finally:
            ended.append(path)

    async with make_http2_server(app) as server, connected_http2(server, window=0) as client:
        for _ in range(10):
            await client.open(b"/sends")
            await client.open(b"/receives")
            await client.open(b"/uploads", method=b"POST", end_stream=False)
        await until(lambda: waiting == 30)
        assert ended == []
        await (client.client.reset() if reset else client.client.close())
        await until(lambda: len(ended) == 30)
    assert sorted(ended) == ["/receives"] * 10 + ["/sends"] * 10 + ["/uploads"] * 10


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_when_the_client_leaves_every_application_is_cancelled_some_time_later(
    timeout: float,
) -> None:
    app = Waits()
    async with make_http2_server(app, timeout_disconnect=timeout) as server:
        async with connected_http2(server) as client:
            for _ in range(20):
                await client.open()
            await until(lambda: app.running == 20)
        await until(lambda: app.cancelled == 20)
    assert app.running == 0


async def test_a_request_cut_short_is_a_disconnect_and_never_a_whole_body() -> None:
    """RFC 9113 §8.1: without END_STREAM a request is not complete."""
    messages: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not messages or messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())

    async with make_http2_server(app) as server:
        async with connected_http2(server) as client:
            stream = await client.open(method=b"POST", end_stream=False)
            await client.send(data(stream, b"half"))
            await until(lambda: bool(messages))
        await until(lambda: messages[-1]["type"] == "http.disconnect")
    assert all(message.get("more_body", True) for message in messages)


# Shutdown.


async def _rest(client: Http2Client, last: int) -> None:
    """The server has nothing to say but that it goes."""
    await client.rest()
    assert client.observer.goaways[-1] == (last, Code.NO_ERROR)


async def test_an_idle_connection_ends_with_goaway() -> None:
    async with (
        serving(hello, h2c="prior-knowledge") as server,
        connected_http2(server) as fresh,
        connected_http2(server) as used,
    ):
        stream = await used.open()
        await used.response(stream)
        server.shut_down()
        with anyio.fail_after(2):
            await _rest(used, stream)
            await _rest(fresh, 0)


async def test_streams_that_are_open_are_finished(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9113 §6.8: GOAWAY names the last stream that is served; they are all answered, content and all."""
    app = Waits()
    async with serving(app, h2c="prior-knowledge") as server, connected_http2(server) as client:
        streams = [await client.open() for _ in range(10)]
        await until(lambda: app.running == 10)
        await begin_shutdown(server, caplog)
        await client.read_until(lambda: bool(client.observer.goaways))
        app.release.set()
        for stream in streams:
            assert (await client.response(stream)).content == b"hello"
        await _rest(client, streams[-1])
    assert app.answered == 10


async def test_an_upload_and_a_download_go_on(caplog: pytest.LogCaptureFixture) -> None:
    running = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})
            running.set()

    content = bytes(range(256)) * 2_000
    async with serving(app, h2c="prior-knowledge") as server, connected_http2(server) as client:
        stream = await client.open(method=b"POST", end_stream=False)
        await client.upload(stream, content[:1_000])
        await running.wait()
        await begin_shutdown(server, caplog)
        await client.upload(stream, content[1_000:], end_stream=True)
        assert (await client.response(stream)).content == content
        await _rest(client, stream)


async def test_a_request_that_is_on_its_way_is_still_served(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9113 §6.8: the first GOAWAY refuses nothing; the second follows when the client has heard of it."""
    app = Waits()
    async with serving(app, h2c="prior-knowledge") as server, connected_http2(server) as client:
        first = await client.open()
        await until(lambda: app.running == 1)
        await begin_shutdown(server, caplog)
        second = await client.open()
        await until(lambda: app.running == 2)
        await client.read_until(lambda: len(client.observer.goaways) == 2)
        third = await client.open()
        app.release.set()
        for stream in (first, second):
            assert (await client.response(stream)).content == b"hello"
        await _rest(client, second)
        assert client.view(third).frames == []
    assert app.answered == 2


async def test_streams_that_take_too_long_are_cut_off() -> None:
    app = Waits()
    async with (
        serving(app, h2c="prior-knowledge", timeout_graceful_shutdown=0.1) as server,
        connected_http2(server) as client,
    ):
        streams = [await client.open() for _ in range(5)]
        await until(lambda: app.running == 5)
        server.shut_down()
        await client.rest()
        assert not any(client.view(stream).ended and client.view(stream).status == 200 for stream in streams)
    assert app.cancelled == 5


async def test_a_client_may_leave_during_shutdown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Waits()
    async with (
        serving(app, h2c="prior-knowledge", timeout_disconnect=0) as server,
        connected_http2(server) as client,
    ):
        for _ in range(5):
            await client.open()
        await until(lambda: app.running == 5)
        await begin_shutdown(server, caplog)
        await client.client.reset()
    assert app.cancelled == 5


async def test_a_server_that_is_cancelled_tells_its_clients_and_leaves_nothing() -> None:
    app = Waits()
    server = make_http2_server(app)

    async def serve(*, task_status: Any) -> None:
        await server.serve(task_status=task_status)

    async with AsyncExitStack() as stack:
        async with anyio.create_task_group() as group:
            await group.start(serve)
            client = await stack.enter_async_context(connected_http2(server))
            streams = [await client.open() for _ in range(5)]
            await until(lambda: app.running == 5)
            group.cancel_scope.cancel()
        assert (app.running, app.cancelled) == (0, 5)
        await client.rest()
        for stream in streams:
            view = client.view(stream)
            assert view.status == 500 or view.reset is not None
