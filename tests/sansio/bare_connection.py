"""A connection that is driven by hand, without a `tests.pair.Pair`: to open it, and to see its state."""

from __future__ import annotations

import math

from sansio import (
    Connection,
    Exchange,
    Settings,
    TransportInfo,
)

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


def connect(settings: Settings | None = None, now: float = 0.0) -> Connection:
    return Connection(TransportInfo(), settings or Settings(), now)


def open_exchange(connection: Connection, data: bytes = GET, now: float = 0.0) -> Exchange:
    connection.receive_data(data, now)
    (exchange,) = connection.take_ready()
    return exchange


def states(connection: Connection) -> tuple[object, ...]:
    return (
        connection.deadline,
        connection.wants_read,
        connection.wants_write,
        connection.has_ready,
        connection.write_ended,
        connection.closed,
        connection.error,
        connection.size,
    )


def assert_over(connection: Connection) -> None:
    """No bytes and no deadline follow."""
    assert connection.closed
    assert connection.write_ended
    assert not connection.wants_read
    assert not connection.wants_write
    assert connection.deadline == math.inf
    assert connection.data_to_send() == b""
