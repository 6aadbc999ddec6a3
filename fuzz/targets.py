"""What a campaign can aim at. A target is a function of octets that raises `AssertionError` if a law does not hold.

``http1``: the octets are a script of operations (`fuzz.script`) for a `Machine`.
``gate``: the octets are what a peer sends, to a server whose application reads everything and answers. However they
are cut and whoever reads them, the same comes of them; and what the machine accepts, h11 accepts with the same result.
``scope``: the octets are a request's head. If it is accepted, its scope is sound.
``websocket``: the octets are a script for a `fuzz.websocket.Session`.
``http2``: the octets are a script for a `fuzz.http2.Session`.
``field_blocks``: the octets are field blocks. What hpack reads, the machine reads, and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import h11

from sansio import Connection, Exchange, Settings, TransportInfo

from .field_blocks import check_field_blocks, field_block_seeds, mutate_field_blocks
from .generate import Chooser, mutate, pipeline
from .http2 import check_http2
from .http2_script import mutate_http2
from .http2_seeds import http2_seeds
from .machine import Machine
from .scopes import check_scope
from .script import mutate_script, read_script
from .seeds import gate_seeds, http1_seeds, scope_seeds, websocket_seeds
from .websocket import check_websocket, mutate_websocket
from .wire import ResponseReader, read_requests
from .world import SETTINGS

__all__ = ["TARGETS", "Target"]

# Here no time passes, and nothing may be due.
_PATIENT: Final = tuple(settings for settings in SETTINGS if settings.timeout_keep_alive)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """Something to aim at."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, Chooser], bytes]
    about: str


def check_http1(data: bytes) -> None:
    """Let a whole connection happen, and hold every law."""
    settings, operations = read_script(data)
    machine = Machine(SETTINGS[settings])
    for operation in operations:
        machine.do(operation)
    machine.check_whole()


# Its scope, its content, and whether that was complete.
_Request: TypeAlias = tuple[dict[str, Any], bytes, bool]


@dataclass(slots=True)
class _Seen:
    """What a server saw of a peer, and the peer of the server."""

    requests: list[_Request]
    wire: bytes
    states: tuple[object, ...]


def check_gate(data: bytes) -> None:
    """Read the same octets in several cuts, through both readers, and through h11 alone."""
    settings = _PATIENT[data[0] % len(_PATIENT)] if data else _PATIENT[0]
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
    _check_against_h11(stream, seen)


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


def _check_against_h11(stream: bytes, seen: _Seen) -> None:
    """Whatever was accepted, h11 accepts with the same result; and what was written, a client can read."""
    expected = iter(read_requests(stream))
    for scope, content, complete in seen.requests:
        request = next(expected, None)
        assert request is not None, "a request that is not on the wire"
        check_scope(
            {**scope, "client": ("a", 1), "server": ("a", 1), "state": {}}, request, scope["root_path"]
        )
        if not complete:
            break
        assert content == request.content, f"content {content!r}, and on the wire {request.content!r}"
        peer = h11.Connection(h11.SERVER, max_incomplete_event_size=2**30)
        # Trailers are ours: nobody shows them to h11, which has rules of its own for some.
        peer.receive_data(stream[request.start : request.content_end] + (b"\r\n" if request.chunked else b""))
        event = peer.next_event()
        assert isinstance(event, h11.Request), f"h11 reads {event}"
        assert event.method.decode() == scope["method"]
        assert event.target == request.target
        read = b""
        while isinstance(event := peer.next_event(), h11.Data):
            read += event.data
        assert isinstance(event, h11.EndOfMessage), f"h11 reads {event}"
        assert read == content, f"content {content!r}, and h11 reads {read!r}"
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
    rest = stream[ends[len(seen.requests)] :].lstrip(b"\r\n") if len(seen.requests) < len(ends) else b""
    return "HEAD" if rest.startswith(b"HEAD ") else "GET"


def _mutate_stream(data: bytes, chooser: Chooser) -> bytes:
    """Change some octets, or put requests in between."""
    if chooser.randint(0, 3):
        return mutate(data, chooser)
    middle = chooser.randint(1, max(1, len(data)))
    return data[:middle] + pipeline(chooser) + data[middle:]


def check_scope_of_head(data: bytes) -> None:
    """Read one head, with and without the fast reader."""
    settings = _PATIENT[data[0] % len(_PATIENT)] if data else _PATIENT[0]
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


TARGETS: Final = {
    "http1": Target(
        check_http1, http1_seeds, mutate_script, "whole connections: peer, applications, time, in any order"
    ),
    "gate": Target(
        check_gate, gate_seeds, _mutate_stream, "requests in any cut, through every reader, against h11"
    ),
    "scope": Target(check_scope_of_head, scope_seeds, mutate, "heads, and the scopes that are made of them"),
    "websocket": Target(
        check_websocket,
        websocket_seeds,
        mutate_websocket,
        "WebSockets: frames, an application and time, in any order",
    ),
    "http2": Target(
        check_http2, http2_seeds, mutate_http2, "HTTP/2: frames, many applications and time, in any order"
    ),
    "field_blocks": Target(
        check_field_blocks, field_block_seeds, mutate_field_blocks, "HTTP/2's field blocks, against hpack"
    ),
}
