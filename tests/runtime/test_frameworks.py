"""Frameworks, each as its users use it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import fastapi
import httpx
import pytest
import quart
import quart_trio
import starlette.applications
import starlette.background
import starlette.requests
import starlette.responses
import starlette.routing

from .client import GET, connected, make_server, place
from .conftest import Backend

DATA = hashlib.shake_128(b"seed").digest(3_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
PIECES = [DATA[start : start + 100_000] for start in range(0, len(DATA), 100_000)]


class Site:
    """What each framework's application is to do, and what has been seen of it."""

    def __init__(self) -> None:
        self.app: Any = None
        self.in_background = anyio.Event()
        self.waiting = anyio.Event()
        self.gone = anyio.Event()
        self.shut_down = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if scope.get("path") == "/endless":
                self.gone.set()


def make_starlette(site: Site) -> Any:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        yield {"word": "from the lifespan"}
        site.shut_down.set()

    async def upload(request: starlette.requests.Request) -> starlette.responses.Response:
        digest = hashlib.sha256()
        async for piece in request.stream():
            digest.update(piece)
        return starlette.responses.PlainTextResponse(digest.hexdigest())

    async def download(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.StreamingResponse(_pieces())

    async def background(request: starlette.requests.Request) -> starlette.responses.Response:
        task = starlette.background.BackgroundTask(_set, site.in_background)
        return starlette.responses.PlainTextResponse("at once", background=task)

    async def state(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.PlainTextResponse(request.state.word)

    async def poll(request: starlette.requests.Request) -> starlette.responses.Response:
        while not await request.is_disconnected():
            site.waiting.set()
            await anyio.sleep(0.001)
        site.gone.set()
        return starlette.responses.PlainTextResponse("nobody")

    async def endless(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.StreamingResponse(_endless(site))

    route = starlette.routing.Route
    routes = [
        route("/upload", upload, methods=["POST"]),
        *(
            route(f"/{function.__name__}", function)
            for function in (download, background, state, poll, endless)
        ),
    ]
    return starlette.applications.Starlette(routes=routes, lifespan=lifespan)


def make_fastapi(site: Site) -> Any:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        yield {"word": "from the lifespan"}
        site.shut_down.set()

    app = fastapi.FastAPI(lifespan=lifespan)

    async def upload(request: fastapi.Request) -> fastapi.Response:
        return fastapi.Response(hashlib.sha256(await request.body()).hexdigest())

    async def download() -> fastapi.Response:
        return starlette.responses.StreamingResponse(_pieces())

    async def background(tasks: fastapi.BackgroundTasks) -> fastapi.Response:
        tasks.add_task(_set, site.in_background)
        return fastapi.Response("at once", background=tasks)

    async def state(request: fastapi.Request) -> fastapi.Response:
        return fastapi.Response(request.state.word)

    async def poll(request: fastapi.Request) -> None:
        while not await request.is_disconnected():
            site.waiting.set()
            await anyio.sleep(0.001)
        site.gone.set()

    async def endless() -> fastapi.Response:
        return starlette.responses.StreamingResponse(_endless(site))

    app.add_api_route("/upload", _resolved(upload, request=fastapi.Request), methods=["POST"])
    app.add_api_route("/download", _resolved(download))
    app.add_api_route("/background", _resolved(background, tasks=fastapi.BackgroundTasks))
    app.add_api_route("/state", _resolved(state, request=fastapi.Request))
    app.add_api_route("/poll", _resolved(poll, request=fastapi.Request))
    app.add_api_route("/endless", _resolved(endless))
    return app


def _resolved(function: Any, **annotations: Any) -> Any:
    """Give a function within a function annotations that FastAPI can read."""
    function.__annotations__ = annotations
    return function


def make_quart(site: Site, kind: Any = quart.Quart) -> Any:
    app = kind(__name__)
    words = []

    @app.before_serving  # type: ignore[untyped-decorator,unused-ignore]  # The class may be either.
    async def start() -> None:
        words.append("from the lifespan")

    @app.after_serving  # type: ignore[untyped-decorator,unused-ignore]
    async def stop() -> None:
        site.shut_down.set()

    async def upload() -> str:
        digest = hashlib.sha256()
        async for piece in quart.request.body:
            digest.update(piece)
        return digest.hexdigest()

    async def download() -> Any:
        return _pieces()

    async def background() -> str:
        app.add_background_task(_set, site.in_background)
        return "at once"

    async def state() -> str:
        return words[0]

    async def endless() -> Any:
        return _endless(site)

    app.route("/upload", methods=["POST"])(upload)
    for function in (download, background, state, endless):
        app.route(f"/{function.__name__}")(function)
    return app


def make_quart_trio(site: Site) -> Any:
    return make_quart(site, quart_trio.QuartTrio)


async def _pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


async def _endless(site: Site) -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 100_000
        site.waiting.set()


async def _set(event: anyio.Event) -> None:
    event.set()


ALL = [
    (make, backend)
    for make, backends in [
        (make_starlette, ["asyncio", "uvloop", "trio"]),
        (make_fastapi, ["asyncio", "uvloop", "trio"]),
        (make_quart, ["asyncio", "uvloop"]),
        (make_quart_trio, ["trio"]),
    ]
    for backend in backends
]


def _ids(value: Any) -> str:
    return value if isinstance(value, str) else value.__name__.removeprefix("make_")


FRAMEWORKS = pytest.mark.parametrize(("make", "backend"), ALL, indirect=["backend"], ids=_ids)
THAT_POLL = pytest.mark.parametrize(("make", "backend"), ALL[:6], indirect=["backend"], ids=_ids)


@asynccontextmanager
async def browsing(make: Any) -> AsyncIterator[tuple[Site, httpx.AsyncClient, Any]]:
    site = Site()
    site.app = make(site)
    async with make_server(site, lifespan="on") as server:
        host, port = place(server)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=10) as client:
            yield site, client, server
    assert site.shut_down.is_set()


@FRAMEWORKS
async def test_a_streaming_upload(backend: Backend, make: Any) -> None:
    async with browsing(make) as (_, client, _):
        assert (await client.post("/upload", content=_pieces())).text == DIGEST
        assert (await client.post("/upload", content=DATA)).text == DIGEST


@FRAMEWORKS
async def test_a_streaming_download(backend: Backend, make: Any) -> None:
    async with browsing(make) as (_, client, _):
        response = await client.get("/download")
        assert response.content == DATA


@FRAMEWORKS
async def test_a_background_task_runs_after_the_response(backend: Backend, make: Any) -> None:
    async with browsing(make) as (site, client, _):
        assert (await client.get("/background")).text == "at once"
        await site.in_background.wait()
        assert (await client.get("/background")).status_code == 200


@FRAMEWORKS
async def test_what_the_lifespan_made_is_there(backend: Backend, make: Any) -> None:
    async with browsing(make) as (_, client, _):
        assert (await client.get("/state")).text == "from the lifespan"


@FRAMEWORKS
# Starlette leaves the application's generator to the garbage collector, and trio says so.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_an_endless_download_ends_with_its_client(
    backend: Backend, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody calls that an error, whatever the framework makes of it."""
    async with browsing(make) as (site, _, server):
        async with connected(server) as client:
            await client.send(GET.replace(b"/ ", b"/endless ", 1))
            await site.waiting.wait()
        await site.gone.wait()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@THAT_POLL
async def test_polling_sees_that_the_client_is_gone(backend: Backend, make: Any) -> None:
    async with browsing(make) as (site, _, server):
        async with connected(server) as client:
            await client.send(GET.replace(b"/ ", b"/poll ", 1))
            await site.waiting.wait()
            assert not site.gone.is_set()
        await site.gone.wait()
