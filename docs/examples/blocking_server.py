"""A small server of your own on top of `sansio`: blocking sockets and a thread per connection, no event loop.

``python docs/examples/blocking_server.py [PORT]`` serves `app`, whose receive and send are plain functions.
"""

import math
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from email.utils import formatdate

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

App = Callable[[Scope, Callable[[], Message], Callable[[Message], None]], None]


class Driver:
    """One socket and its `Connection`."""

    def __init__(self, sock: socket.socket, app: App, settings: Settings) -> None:
        transport = TransportInfo(client=sock.getpeername()[:2], server=sock.getsockname()[:2])
        self._sock = sock
        self._app = app
        self._settings = settings
        self._half_closed = False
        self._connection = Connection(transport, settings, time.monotonic())

    def serve(self) -> None:
        with self._sock:
            self._sock.settimeout(self._settings.timeout_write)
            while not self._connection.closed:
                self._write()
                ready = self._connection.take_ready()
                for exchange in ready:
                    if exchange.tag is None:  # It has just been opened.
                        exchange.tag = "taken"
                        self._run_app(exchange)
                if not ready:
                    self._wait()

    def _run_app(self, exchange: Exchange) -> None:
        def receive() -> Message:
            while (message := exchange.receive(time.monotonic())) is None:
                self._write()  # A 100 (Continue) may be due.
                self._wait()
            return message

        def send(message: Message) -> None:
            exchange.send(message, time.monotonic())
            self._write()
            while not exchange.can_send:
                self._wait()
                self._write()

        # The core has no clock, so it cannot know the date.
        self._settings.default_fields.set_date(formatdate(usegmt=True).encode())
        error: Exception | None = None
        try:
            self._app(exchange.scope, receive, send)
        except ClientDisconnected as departure:
            error = departure
        except Exception as failure:  # noqa: BLE001 - whatever an application raises ends its exchange only.
            traceback.print_exc()
            error = failure
        exchange.finish(error, time.monotonic())

    def _write(self) -> None:
        """Send what there is. A peer that does not take it in time is lost."""
        try:
            self._sock.sendall(self._connection.data_to_send())
            if self._connection.write_ended and not self._half_closed:
                self._half_closed = True
                self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._connection.connection_lost(time.monotonic())

    def _wait(self) -> None:
        """Wait for one thing to happen, and tell the connection."""
        connection = self._connection
        if connection.closed:
            return
        left = connection.deadline - time.monotonic()
        timeout = None if left == math.inf else max(0.0, left)
        readable, _, _ = select.select([self._sock] if connection.wants_read else [], [], [], timeout)
        now = time.monotonic()
        if readable:
            try:
                data = self._sock.recv(65536)
            except OSError:
                connection.connection_lost(now)
            else:
                if data:
                    connection.receive_data(data, now)
                else:
                    connection.receive_eof(now)
        connection.handle_timeout(now)  # Too early is harmless.


def app(scope: Scope, receive: Callable[[], Message], send: Callable[[Message], None]) -> None:
    """Give the request's content back, or a greeting to the path if there is none."""
    body = bytearray()
    more = True
    while more:
        message = receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    send({"type": "http.response.body", "body": bytes(body) or b"Hello, " + scope["raw_path"] + b"\n"})


def main(port: int) -> None:
    settings = Settings(default_fields=DefaultFields(server=b"blocking"))
    with socket.create_server(("127.0.0.1", port)) as listener:
        print("http://{}:{}".format(*listener.getsockname()), flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=Driver(sock, app, settings).serve, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
