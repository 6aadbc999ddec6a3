"""The law of the gate: the verdict on octets does not depend on how they are cut, nor on who reads them."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sansio import Connection, Exchange, Settings, TransportInfo

from .generate import Chooser
from .http1_givens import SETTINGS
from .http1_mutations import mutate_http1
from .scopes import check_scope
from .wire import ResponseReader, read_requests

__all__ = ["PATIENT", "check_gate", "check_scope_of_head", "mutate_gate"]

PATIENT: Final = tuple(replace(settings, ws=False) for settings in SETTINGS if settings.timeout_keep_alive)
"""Here no time passes, and nothing may be due; and a WebSocket would not be a request like others."""
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

# Its scope, its content, and whether that was complete.
_Request: TypeAlias = tuple[dict[str, Any], bytes, bool]


@dataclass(slots=True)
class _Seen:
    """What a server saw of a peer, and the peer of the server."""

    requests: list[_Request]
    wire: bytes
    states: tuple[object, ...]


def check_gate(data: bytes) -> None:
    """Read the same octets in several cuts, through both readers; what is accepted has to stand on the wire."""
    settings = PATIENT[data[0] % len(PATIENT)] if data else PATIENT[0]
    stream = data[1:]
    seen = _serve(stream, settings, 0)
    rng = random.Random(len(stream))
    for reader in ("fast", "h11"):
        for cut in (0, 1, rng.randint(2, 64)):
            other = _serve(stream, replace(settings, http1_reader=reader), cut)
            where = f"reader {reader}, cut {cut}"
            assert other.requests == seen.requests, (
                f"{where}: requests {seen.requests} became {other.requests}"
            )
            assert other.wire == seen.wire, f"{where}: wire {seen.wire!r} became {other.wire!r}"
            assert other.states == seen.states, f"{where}: states {seen.states} became {other.states}"
    _check_requests(stream, seen)
    _check_responses(stream, seen)


def mutate_gate(data: bytes, chooser: Chooser) -> bytes:
    """Change the stream, and sometimes the settings."""
    first = bytes([chooser.randint(0, 255)]) if chooser.randint(0, 7) == 0 else data[:1] or b"\x00"
    return first + mutate_http1(data[1:], chooser)


def _serve(stream: bytes, settings: Settings, cut: int) -> _Seen:
    """Serve a peer that sends these octets, `cut` at a time, by an application that reads, and then answers."""
    connection = Connection(TransportInfo(), settings, 0.0)
    requests: list[_Request] = []
    wire = bytearray()
    step = cut or max(1, len(stream))
    # An application that has nothing to wait for would ask for a 100 in some cuts and not in others.
    for start in range(0, len(stream), step):
        connection.receive_data(stream[start : start + step], 0.0)
        _answer(connection, requests, wire)
    states = (connection.write_ended, connection.error)
    connection.receive_eof(0.0)
    _answer(connection, requests, wire)
    assert connection.closed, "the peer has ended, everything is answered, and the connection is not closed"
    # Content that was refused in the end may have been seen before, or not.
    seen = [(dict(scope), content if complete else b"", complete) for scope, content, complete in requests]
    return _Seen(seen, bytes(wire).replace(_CONTINUE, b""), states)


def _answer(connection: Connection, requests: list[_Request], wire: bytearray) -> None:
    while connection.has_ready or connection.wants_write:
        ready = connection.take_ready()
        while ready:
            exchange = ready.pop(0)
            if exchange.tag is None:
                exchange.tag = len(requests)
                requests.append((exchange.scope, b"", False))
            _run(exchange, requests)
            ready += connection.take_ready()
        wire += connection.data_to_send()
        connection.handle_timeout(0.0)  # There was no time to tell `data_to_send`.


def _run(exchange: Exchange, requests: list[_Request]) -> None:
    number = exchange.tag
    assert isinstance(number, int)
    while not exchange.ended and (message := exchange.receive(0.0)) is not None:
        if message["type"] == "http.disconnect":
            break
        scope, content, _ = requests[number]
        requests[number] = (scope, content + message["body"], not message["more_body"])
        if not message["more_body"]:
            exchange.send({"type": "http.response.start", "status": 200}, 0.0)
            exchange.send({"type": "http.response.body", "body": b"ok"}, 0.0)
            exchange.finish(None, 0.0)


def _check_requests(stream: bytes, seen: _Seen) -> None:
    """What was accepted is what a plain reader finds, and its scope is sound."""
    expected = read_requests(stream)
    for scope, content, complete in seen.requests:
        request = next(expected, None)
        assert request is not None, "a request that is not on the wire"
        check_scope(
            {**scope, "client": ("a", 1), "server": ("a", 1), "state": {}}, request, scope["root_path"]
        )
        if not complete:
            break
        assert content == request.content, f"content {content!r}, and on the wire {request.content!r}"


def _check_responses(stream: bytes, seen: _Seen) -> None:
    """What was written, a client can read."""
    reader = ResponseReader(
        lambda index: (
            str(seen.requests[index][0]["method"]) if index < len(seen.requests) else _refused(stream, seen)
        )
    )
    reader.receive_data(seen.wire)
    reader.receive_eof()
    assert all(response.complete for response in reader.responses), "an incomplete response"
    assert len(reader.responses) - len(seen.requests) in {0, 1}, "more responses than requests"


def _refused(stream: bytes, seen: _Seen) -> str:
    """Return the method of a request that was refused: all that tells is how it begins."""
    ends = [0, *(request.end or len(stream) for request in read_requests(stream))]
    rest = stream[ends[len(seen.requests)] :] if len(seen.requests) < len(ends) else b""
    return "HEAD" if re.match(rb"(\r\n){0,4}HEAD ", rest) else "GET"


def check_scope_of_head(data: bytes) -> None:
    """Read one head, with and without the fast reader."""
    settings = PATIENT[data[0] % len(PATIENT)] if data else PATIENT[0]
    stream = data[1:] + b"\r\n\r\n"
    found = []
    for reader in ("fast", "h11"):
        transport = TransportInfo(("192.0.2.1", 50_000), ("192.0.2.2", 80))
        connection = Connection(transport, replace(settings, http1_reader=reader), 0.0, {})
        connection.receive_data(stream, 0.0)
        ready = connection.take_ready()
        assert len(ready) <= 1, "two requests at a time"
        for exchange in ready:
            check_scope(exchange.scope, next(read_requests(stream)), settings.root_path)
        if not ready:
            assert connection.error is not None or connection.closed or not stream.strip(b"\r\n"), (
                "neither nor"
            )
        found.append([exchange.scope for exchange in ready])
    assert found[0] == found[1], f"{found[0]} became {found[1]}"
