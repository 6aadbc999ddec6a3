"""WebSockets of frameworks, each as its users use it."""

from __future__ import annotations

from typing import Any

import anyio.lowlevel
import django.conf
import fastapi
import pytest
import quart
import quart_trio
import starlette.applications
import starlette.responses
import starlette.routing
import starlette.websockets
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.urls import re_path

from .client import Client, connected, make_server, until
from .conftest import Backend
from .websocket_clients import HANDSHAKE, TEXT, Closed, Refused, frame, opened


class Seen:
    """What an application has seen of its clients' ends."""

    def __init__(self) -> None:
        self.codes: list[int | None] = []


def make_starlette(seen: Seen) -> Any:
    async def echo(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.accept(subprotocol="chat", headers=[(b"x-word", b"hello")])
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    raise starlette.websockets.WebSocketDisconnect(message["code"], message["reason"])
                if message.get("text") is not None:
                    await websocket.send_text(message["text"])
                else:
                    await websocket.send_bytes(message["bytes"])
        except starlette.websockets.WebSocketDisconnect as disconnect:
            seen.codes.append(disconnect.code)

    async def refuse(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.close()

    async def deny(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.send_denial_response(starlette.responses.PlainTextResponse("no", 418))

    async def close(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.accept()
        await websocket.close(3005, "enough")

    async def fail(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.accept()
        raise ValueError("mine")

    async def count(websocket: starlette.websockets.WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("on and on")
                await anyio.lowlevel.checkpoint()
        except starlette.websockets.WebSocketDisconnect as disconnect:
            seen.codes.append(disconnect.code)

    route = starlette.routing.WebSocketRoute
    functions = (echo, refuse, deny, close, fail, count)
    return starlette.applications.Starlette(
        routes=[route(f"/{function.__name__}", function) for function in functions]
    )


def make_fastapi(seen: Seen) -> Any:
    app = fastapi.FastAPI()

    async def echo(websocket: fastapi.WebSocket) -> None:
        await websocket.accept(subprotocol="chat", headers=[(b"x-word", b"hello")])
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    raise fastapi.WebSocketDisconnect(message["code"], message["reason"])
                if message.get("text") is not None:
                    await websocket.send_text(message["text"])
                else:
                    await websocket.send_bytes(message["bytes"])
        except fastapi.WebSocketDisconnect as disconnect:
            seen.codes.append(disconnect.code)

    async def refuse(websocket: fastapi.WebSocket) -> None:
        raise fastapi.WebSocketException(1008)

    async def close(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.close(3005, "enough")

    async def fail(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        raise ValueError("mine")

    async def count(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("on and on")
                await anyio.lowlevel.checkpoint()
        except fastapi.WebSocketDisconnect as disconnect:
            seen.codes.append(disconnect.code)

    for function in (echo, refuse, close, fail, count):
        function.__annotations__ = {"websocket": fastapi.WebSocket}  # As FastAPI can read them.
        app.add_api_websocket_route(f"/{function.__name__}", function)
    return app


def make_quart(seen: Seen, kind: Any = quart.Quart) -> Any:
    app = kind(__name__)

    async def echo() -> None:
        await quart.websocket.accept(headers={"x-word": "hello"}, subprotocol="chat")
        try:
            while True:
                await quart.websocket.send(await quart.websocket.receive())
        finally:
            seen.codes.append(None)  # Quart cancels, and says no code.

    async def refuse() -> Any:
        return quart.Response("no", 403)

    async def close() -> None:
        await quart.websocket.accept()
        await quart.websocket.close(3005, "enough")

    async def fail() -> None:
        await quart.websocket.accept()
        raise ValueError("mine")

    for function in (echo, refuse, close, fail):
        app.websocket(f"/{function.__name__}")(function)
    return app


def make_quart_trio(seen: Seen) -> Any:
    return make_quart(seen, quart_trio.QuartTrio)


def make_channels(seen: Seen) -> Any:
    if not django.conf.settings.configured:
        django.conf.settings.configure()

    class Echo(AsyncWebsocketConsumer):  # type: ignore[misc]  # It comes without types.
        async def connect(self) -> None:
            await self.accept(subprotocol="chat", headers=[(b"x-word", b"hello")])

        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            await self.send(text_data=text_data, bytes_data=bytes_data)

        async def disconnect(self, code: int) -> None:
            seen.codes.append(code)

    class Refuse(AsyncWebsocketConsumer):  # type: ignore[misc]
        async def connect(self) -> None:
            await self.close()

    class Close(AsyncWebsocketConsumer):  # type: ignore[misc]
        async def connect(self) -> None:
            await self.accept()
            await self.close(3005, "enough")

    class Fail(AsyncWebsocketConsumer):  # type: ignore[misc]
        async def connect(self) -> None:
            await self.accept()
            raise ValueError("mine")

    consumers: dict[str, Any] = {"echo": Echo, "refuse": Refuse, "close": Close, "fail": Fail}
    return URLRouter([re_path(f"^{name}$", consumer.as_asgi()) for name, consumer in consumers.items()])


ALL = [
    (make, backend)
    for make, backends in [
        (make_starlette, ["asyncio", "uvloop", "trio"]),
        (make_fastapi, ["asyncio", "uvloop", "trio"]),
        (make_quart, ["asyncio", "uvloop"]),
        (make_channels, ["asyncio", "uvloop"]),
        (make_quart_trio, ["trio"]),
    ]
    for backend in backends
]


def _ids(value: Any) -> str:
    return value if isinstance(value, str) else value.__name__.removeprefix("make_")


FRAMEWORKS = pytest.mark.parametrize(("make", "backend"), ALL, indirect=["backend"], ids=_ids)
# Quart ends a WebSocket that failed with 1000, and cancels one whose client has left.
THAT_TELL_THE_CODE = pytest.mark.parametrize(
    ("make", "backend"),
    [pair for pair in ALL if "quart" not in pair[0].__name__],
    indirect=["backend"],
    ids=_ids,
)
STARLETTE = pytest.mark.parametrize(("make", "backend"), ALL[:6], indirect=["backend"], ids=_ids)


async def open_echo(client: Client) -> None:
    await client.send(
        HANDSHAKE.replace(b"/ ", b"/echo ", 1).replace(b"\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n", 1)
    )
    assert (await client.head())[0] == 101


@FRAMEWORKS
async def test_an_echo(backend: Backend, make: Any) -> None:
    seen = Seen()
    messages: list[str | bytes] = ["grün", b"\0\xff", "x" * 1_000_000, b"x" * 1_000_000]
    async with make_server(make(seen)) as server:
        async with opened(server, "/echo", subprotocols=["other", "chat"]) as peer:
            assert (peer.subprotocol, peer.fields["x-word"]) == ("chat", "hello")
            for message in messages:
                await peer.send(message)
                assert await peer.receive() == message
        await until(lambda: len(seen.codes) == 1)


@FRAMEWORKS
async def test_a_refusal(backend: Backend, make: Any) -> None:
    async with make_server(make(Seen())) as server:
        with pytest.raises(Refused) as caught:
            await opened(server, "/refuse").__aenter__()
        assert caught.value.status == 403


@FRAMEWORKS
async def test_a_close_by_the_application(backend: Backend, make: Any) -> None:
    async with make_server(make(Seen())) as server, opened(server, "/close") as peer:
        with pytest.raises(Closed) as caught:
            await peer.receive()
        assert caught.value.args == (3005, "enough")


@THAT_TELL_THE_CODE
async def test_a_failure_is_1011(backend: Backend, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with make_server(make(Seen())) as server, opened(server, "/fail") as peer:
        with pytest.raises(Closed) as caught:
            await peer.receive()
        assert caught.value.args[0] == 1011
    assert "ValueError: mine" in caplog.text


@THAT_TELL_THE_CODE
async def test_the_clients_code(backend: Backend, make: Any) -> None:
    seen = Seen()
    async with make_server(make(seen)) as server:
        async with opened(server, "/echo", subprotocols=["chat"]) as peer:
            await peer.close(3999, "bye")
        async with connected(server) as client:
            await open_echo(client)
            await until(lambda: len(seen.codes) == 1)
            await client.reset()
        await until(lambda: len(seen.codes) == 2)
    assert seen.codes == [3999, 1006]


@FRAMEWORKS
async def test_a_client_that_vanishes_is_no_error_of_the_servers(
    backend: Backend, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the framework meets it while it sends or while it receives. Quart has a log of its own."""
    app, ended = make(Seen()), []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            ended.append(scope["path"])

    async with make_server(watched) as server:
        async with connected(server) as client:
            await open_echo(client)
            await client.send(frame(TEXT, b"x") * 1000)
            await client.exactly(3)
            await client.reset()
        await until(lambda: bool(ended))
    ours = [record for record in caplog.records if record.name.startswith("tricorn")]
    assert not [record for record in ours if record.levelname == "ERROR"]


@STARLETTE
async def test_sending_to_a_client_that_has_left_is_a_disconnect_with_1006(
    backend: Backend, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Starlette makes it of the OSError that send raises."""
    seen = Seen()
    async with make_server(make(seen)) as server:
        async with opened(server, "/count") as peer:
            assert await peer.receive() == "on and on"
        await until(lambda: seen.codes == [1006])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"], indirect=True)
async def test_a_denial_of_starlettes(backend: Backend) -> None:
    async with make_server(make_starlette(Seen())) as server:
        with pytest.raises(Refused) as caught:
            await opened(server, "/deny").__aenter__()
        assert caught.value.status == 418
