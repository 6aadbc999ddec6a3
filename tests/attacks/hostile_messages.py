"""What an application may not send, or what nobody may see of it: fields, and messages of a response."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]


def start(status: Any = 200, *fields: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(fields)}


def body(body: Any, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


BAD_FIELDS: Final[dict[str, Any]] = {
    "value": (b"x", b"a\r\nInjected: yes"),
    "lf": (b"x", b"a\nInjected: yes"),
    "name": (b"x\r\nInjected", b"yes"),
    "null": (b"x", b"a\x00Injected: yes"),
    "end": (b"x", b"a\r\n\r\nInjected: yes"),
    "space": (b"Injected: yes\r\nx y", b"z"),
}

INJECTIONS: Final[dict[str, Callable[[Any], list[Any]]]] = {
    "fields": lambda field: [start(200, field), body(b"")],
    "trailers": lambda field: [
        {**start(), "trailers": True},
        body(b"x"),
        {"type": "http.response.trailers", "headers": [field]},
    ],
    "links": lambda field: [
        {"type": "http.response.early_hint", "links": [b": ".join(field)]},
        start(),
        body(b""),
    ],
}
"""The ways of a bad field into a response."""

HOP_BY_HOP: Final[dict[str, list[Any]]] = {
    "connection": [(b"connection", b"keep-alive, x-kept")],
    "close": [(b"connection", b"close")],
    "upgrade": [(b"Connection", b"upgrade"), (b"Upgrade", b"h2c")],
    "keep-alive": [(b"Keep-Alive", b"timeout=5")],
    "proxy-connection": [(b"proxy-connection", b"keep-alive")],
    "transfer-encoding": [(b"Transfer-Encoding", b"chunked")],
    "te": [(b"te", b"trailers")],
}
"""Fields that belong to one connection of HTTP/1."""

WRONG: Final[dict[str, list[Any]]] = {
    "none": [None],
    "empty": [{}],
    "unknown-type": [{"type": "nonsense"}],
    "no-start": [body(b"x")],
    "two-starts": [start(), start()],
    "text": [start(), body("text")],
    "status-as-text": [start("200"), body(b"x")],
    "status-99": [start(99), body(b"x")],
    "status-1000": [start(1000), body(b"x")],
    "status-true": [start(True), body(b"x")],
    "status-of-a-fraction": [start(200.0), body(b"x")],
    "status-101": [start(101), body(b"x")],
    "no-status": [{"type": "http.response.start"}, body(b"x")],
    "fields-as-text": [start(200, ("x", "y")), body(b"x")],
    "fields-of-three": [start(200, (b"x", b"y", b"z")), body(b"x")],
    "fields-of-none": [{"type": "http.response.start", "status": 200, "headers": None}, body(b"x")],
    "fields-as-a-number": [{**start(), "headers": 5}, body(b"x")],
    "fields-as-a-dict": [{**start(), "headers": {b"x": b"y"}}, body(b"x")],
    "field-of-one": [start(200, (b"x",)), body(b"x")],
    "field-of-none": [start(200, None), body(b"x")],
    "field-of-numbers": [start(200, (1, 2)), body(b"x")],
    "more-as-text": [start(), {"type": "http.response.body", "body": b"x", "more_body": "no"}],
    "trailers-as-text": [{**start(), "trailers": "no"}, body(b"x")],
    "trailers-unannounced": [start(), {"type": "http.response.trailers", "headers": []}],
    "links-as-text": [{"type": "http.response.early_hint", "links": "x"}],
    "accept": [{"type": "websocket.accept"}],
    "number-as-body": [start(), body(5)],
    "start-only": [start()],
    "nothing": [],
    "two-lengths": [start(200, (b"content-length", b"1"), (b"content-length", b"2")), body(b"x")],
    "length-and-coding": [
        start(200, (b"content-length", b"50"), (b"transfer-encoding", b"chunked")),
        body(b"x"),
    ],
}
