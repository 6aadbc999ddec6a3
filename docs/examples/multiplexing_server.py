"""A small server of your own that speaks HTTP/2, too: trio, and a task for each exchange of a connection.

``python docs/examples/multiplexing_server.py [PORT]`` serves an ASGI application in clear text. Clients of HTTP/2
come with prior knowledge: ``curl --http2-prior-knowledge http://127.0.0.1:8000/you``.
"""

import sys
import traceback
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import trio

from sansio import (
    ClientDisconnected,
    Connection,
    DefaultFields,
    Exchange,
    Message,
    Scope,
    Settings,
    TransportInfo,
)

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Bell:
    """Wakes all who wait for it now."""

    def __init__(self) -> None:
        self._event = trio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    def ring(self) -> None:
        self._event.set()
        self._event = trio.Event()


class Driver:
    """One transport and its `Connection`."""

    def __init__(self, stream: trio.SocketStream, app: App, settings: Settings) -> None:
        client, server = stream.socket.getpeername()[:2], stream.socket.getsockname()[:2]
        self._stream = stream
        self._app = app
        self._settings = settings
        self._connection = Connection(TransportInfo(client, server), settings, trio.current_time())
        self._reading = trio.CancelScope()
        self._bytes = trio.Event()

    async def serve(self) -> None:
        async with trio.open_nursery() as self._apps, self._stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            nursery.start_soon(self._write)

    def _look(self) -> None:
        """Look at the outputs. Call this after everything that may have changed them."""
        connection = self._connection
        for exchange in connection.take_ready():
            if isinstance(exchange.tag, Bell):
                exchange.tag.ring()
            else:  # It has just been opened.
                exchange.tag = bell = Bell()
                self._apps.start_soon(self._run_app, exchange, bell)
        if connection.wants_write or connection.write_ended:
            self._bytes.set()
        self._reading.cancel()  # The deadline and wants_read may be others now.

    async def _read(self) -> None:
        """Read, and keep the time."""
        connection = self._connection
        while not connection.closed:
            data: bytes | bytearray | None = None
            lost = False
            with trio.CancelScope(deadline=connection.deadline) as self._reading:
                try:
                    if connection.wants_read:
                        data = await self._stream.receive_some(65_536)
                    else:
                        await trio.sleep_forever()
                except trio.BrokenResourceError:
                    lost = True
            now = trio.current_time()
            if lost:
                connection.connection_lost(now)
            elif data:
                connection.receive_data(bytes(data), now)
            elif data is not None:
                connection.receive_eof(now)
            connection.handle_timeout(now)  # Too early is harmless.
            self._look()

    async def _write(self) -> None:
        """Write what there is. A peer that does not take it in time is lost."""
        connection = self._connection
        while not connection.write_ended:
            await self._bytes.wait()
            self._bytes = trio.Event()
            data = memoryview(connection.data_to_send())
            self._look()
            try:
                for start in range(0, len(data), 65_536):
                    with trio.fail_after(self._settings.timeout_write):
                        await self._stream.send_all(data[start : start + 65_536])
                if connection.write_ended:
                    await self._stream.send_eof()
            except (trio.BrokenResourceError, trio.TooSlowError):
                connection.connection_lost(trio.current_time())
                self._look()

    async def _run_app(self, exchange: Exchange, bell: Bell) -> None:
        async def receive() -> Message:
            while (message := exchange.receive(trio.current_time())) is None:
                self._look()  # A 100 (Continue) may be due.
                await bell.wait()
            self._look()  # The client may send more.
            return message

        async def send(message: Message) -> None:
            exchange.send(message, trio.current_time())
            self._look()
            while not exchange.can_send:
                await bell.wait()

        # The core has no clock, so it cannot know the date.
        self._settings.default_fields.set_date(formatdate(usegmt=True).encode())
        error: Exception | None = None
        try:
            await self._app(exchange.scope, receive, send)
        except ClientDisconnected as departure:
            error = departure
        except Exception as failure:  # noqa: BLE001 - whatever an application raises ends its exchange only.
            traceback.print_exc()
            error = failure
        exchange.finish(error, trio.current_time())
        self._look()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Give the request's content back as it comes, or a greeting to the path if there is none."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    greeting = b"Hello, " + scope["raw_path"] + b" over HTTP/" + scope["http_version"].encode() + b"\n"
    more = True
    while more:
        message = await receive()
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if body:
            greeting = b""
            await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": greeting})


async def main(port: int) -> None:
    settings = Settings(h2c="prior-knowledge", default_fields=DefaultFields(server=b"multiplexing"))

    async def serve(stream: trio.SocketStream) -> None:
        await Driver(stream, app, settings).serve()

    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    print("http://{}:{}".format(*listeners[0].socket.getsockname()), flush=True)
    await trio.serve_listeners(serve, listeners)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
