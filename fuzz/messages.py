"""What applications send: legal messages and others, by name, and what ASGI says about each.

Names that begin with "bad" are messages that must be refused wherever their type is expected. `TAINT` stands in
everything that tries to smuggle a line into the output; it must never be seen there.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from sansio import InvalidMessage, UnexpectedMessage

__all__ = [
    "ANY_MESSAGES",
    "LIFESPAN_MESSAGES",
    "MESSAGES",
    "TAINT",
    "WEBSOCKET_LEGAL",
    "WEBSOCKET_MESSAGES",
    "ResponseModel",
    "content_of",
    "fields_of",
]

TAINT: Final = b"\r\nx-taint: 1"
_BAD: Final = "bad"

Field = tuple[bytes, bytes]


def _start(status: object = 200, *fields: object, **keys: object) -> dict[str, object]:
    return {"type": "http.response.start", "status": status, "headers": list(fields), **keys}


def _body(body: object = b"", *, more: object = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def _trailers(*fields: object, more: object = False) -> dict[str, object]:
    return {"type": "http.response.trailers", "headers": list(fields), "more_trailers": more}


def _hint(links: object) -> dict[str, object]:
    return {"type": "http.response.early_hint", "links": links}


_LENGTH_5: Final = (b"content-length", b"5")

# Scripts that were kept name messages by number: what was added stands at the end.
_LATER: Final[dict[str, Any]] = {
    "start many": _start(200, *((b"x-many", b"%d" % number) for number in range(520))),
    "start of requests": _start(200, (b"te", b"trailers"), (b"upgrade", b"h2c")),
}
MESSAGES: Final[dict[str, Any]] = {
    "start": {"type": "http.response.start", "status": 200},
    "start length 5": _start(200, _LENGTH_5, (b"content-type", b"text/plain")),
    "start length 300": _start(200, (b"Content-Length", b"300"), (b"content-length", b" 300\t")),
    "start length 0": _start(404, (b"content-length", b"0")),
    "start 204": _start(204, (b"content-length", b"0")),
    "start 205": _start(205, _LENGTH_5),
    "start 304": _start(304, _LENGTH_5, (b"etag", b'"a"')),
    "start 599": _start(599, (b"connection", b"keep-alive, Close")),
    "start own fields": _start(
        200, (b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"), [b"SERVER", b"mine"], (b"X-Opaque", b"\x80\t\xff")
    ),
    "start hop-by-hop": _start(
        200, (b"transfer-encoding", b"gzip"), (b"keep-alive", b"timeout=5"), (b"connection", b"upgrade")
    ),
    "start cookies": _start(
        302, (b"set-cookie", b"a=b"), (b"set-cookie", b" a=c "), (b"X-Empty", b""), (b"vary", b"*")
    ),
    "start large": _start(200, (b"x-large", b"v" * 20_000)),
    "start trailers": _start(200, trailers=True),
    "start trailers length 5": _start(200, _LENGTH_5, trailers=True),
    "body": {"type": "http.response.body"},
    "body more": _body(more=True),
    "body 5": _body(b"hello"),
    "body 5 more": _body(bytearray(b"hello"), more=True),
    "body 5 view": _body(memoryview(b"hello")),
    "body 300": _body(b"y" * 300),
    "body 300 more": _body(b"0\r\n\r\n" + b"y" * 295, more=True),
    "body 5000 more": _body(b"x" * 5_000, more=True),
    "body 70000 more": _body(b"z" * 70_000, more=True),
    "trailers": {"type": "http.response.trailers"},
    "trailers more": _trailers((b"X-First", b"1"), more=True),
    "trailers last": _trailers((b"x-last", b"2 "), (b"x-last", b"3")),
    "hint": _hint([b"</a>; rel=preload"]),
    "hint two": _hint((b"</a>", b"</b>")),
    "hint none": _hint([]),
    "bad none": None,
    "bad text": "http.response.start",
    "bad empty": {},
    "bad type list": {"type": ["http.response.start"]},
    "bad status text": _start("200"),
    "bad status 99": _start(99),
    "bad status 101": _start(101),
    "bad status 600": _start(600),
    "bad status bool": _start(True),
    "bad status absent": {"type": "http.response.start"},
    "bad name taint": _start(200, (b"x" + TAINT, b"a")),
    "bad name empty": _start(200, (b"", b"a")),
    "bad name colon": _start(200, (b":status", b"200")),
    "bad value taint": _start(200, (b"x", b"a" + TAINT)),
    "bad value nul": _start(200, (b"location", b"/\x00x-taint")),
    "bad value text": _start(200, (b"x", "a")),
    "bad field alone": _start(200, (b"x",)),
    "bad field bytes": _start(200, b"xy"),
    "bad fields": {"type": "http.response.start", "status": 200, "headers": None},
    "bad length": _start(200, (b"content-length", b"-5")),
    "bad length text": _start(200, (b"content-length", "5")),
    "bad lengths": _start(200, _LENGTH_5, (b"content-length", b"6")),
    "bad trailers flag": _start(200, trailers=1),
    "bad date taint": _start(200, (b"date", b"now" + TAINT)),
    "bad connection taint": _start(200, (b"connection", b"close" + TAINT)),
    "bad body text": _body("hello"),
    "bad body none": _body(None),
    "bad more": _body(more=1),
    "bad link taint": _hint([b"</a>" + TAINT]),
    "bad links": _hint(b"</a>"),
    "bad link text": _hint(["</a>"]),
    "bad trailer taint": _trailers((b"x", b"a" + TAINT)),
    "bad trailer name": _trailers((b"x\r\nx-taint", b"a")),
    "bad trailer length": _trailers(_LENGTH_5),
    "bad more trailers": _trailers(more=None),
    "unknown type": {"type": "websocket.sent", "text": "x-taint"},
    "unknown number": {"type": 5},
    **_LATER,
}

_DROPPED: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"content-length"}
)


def fields_of(message: dict[str, Any]) -> list[Field]:
    """Return the fields of a legal message as a client must see them, but for those of framing."""
    fields = [(name.lower(), value.strip(b" \t")) for name, value in message.get("headers", ())]
    return [field for field in fields if field[0] not in _DROPPED]


def content_of(message: dict[str, Any]) -> bytes:
    """Return the content of a legal message."""
    return bytes(message.get("body", b""))


class _Stage(enum.Enum):
    """What the application has sent."""

    NOTHING = frozenset({"http.response.start", "http.response.early_hint"})
    START = frozenset({"http.response.body", "http.response.early_hint"})
    TRAILERS = frozenset({"http.response.trailers", "http.response.early_hint"})
    ALL = frozenset[str]()


class ResponseModel:
    """What ASGI says of one exchange's messages, told again in the simplest words."""

    def __init__(self, method: str) -> None:
        self.start: dict[str, Any] | None = None
        self.content = bytearray()
        self.trailers: list[Field] = []
        self.hints = 0
        self.released = False
        """The head was let go of: too late for hints."""
        self._method = method
        self._stage = _Stage.NOTHING

    @property
    def complete(self) -> bool:
        """The application has sent everything."""
        return self._stage is _Stage.ALL

    @property
    def awaits_trailers(self) -> bool:
        """The content is complete and trailers were announced."""
        return self._stage is _Stage.TRAILERS

    @property
    def bodyless(self) -> bool:
        """The response has no content, whatever is sent (RFC 9110 §6.4.1)."""
        return self._method == "HEAD" or (self.start is not None and self.start["status"] in {204, 205, 304})

    @property
    def length(self) -> int | None:
        """The Content-Length that the application promised."""
        if self.start is None:
            return None
        lengths = [
            value for name, value in self.start.get("headers", ()) if name.lower() == b"content-length"
        ]
        return int(lengths[0]) if lengths else None

    def judge(self, name: str) -> type[Exception] | None:
        """Return what sending this message must raise, if the client is there and the response is not complete."""
        message = MESSAGES[name]
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, (str, int)):
            return InvalidMessage
        if kind not in self._stage.value:
            return UnexpectedMessage
        if kind == "http.response.early_hint" and self.released:
            return None  # Too late to be looked at.
        if name.startswith(_BAD):
            return InvalidMessage
        if kind == "http.response.body" and self.length is not None and not self.bodyless:
            rest = self.length - len(self.content) - len(content_of(message))
            if rest < 0 or (rest > 0 and not message.get("more_body", False)):
                return InvalidMessage
        return None

    def accept(self, name: str) -> None:
        """Go on by a message that was not refused."""
        message = MESSAGES[name]
        match message["type"]:
            case "http.response.start":
                self.start = message
                self._stage = _Stage.START
            case "http.response.early_hint":
                self.hints += bool(message["links"]) and not self.released
            case "http.response.body":
                self.content += content_of(message)
                if not message.get("more_body", False):
                    announced = self.start is not None and self.start.get("trailers", False)
                    self._stage = _Stage.TRAILERS if announced else _Stage.ALL
            case "http.response.trailers":
                self.trailers += fields_of(message)
                if not message.get("more_trailers", False):
                    self._stage = _Stage.ALL


_SEND: Final = "websocket.send"
_CLOSE: Final = "websocket.close"
_DENY: Final = "websocket.http.response."

WEBSOCKET_MESSAGES: Final[dict[str, Any]] = {
    "accept": {"type": "websocket.accept"},
    "accept b": {"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-extra", b"1")]},
    "bad accept subprotocol": {"type": "websocket.accept", "subprotocol": "c"},
    "bad accept field": {"type": "websocket.accept", "headers": [(b"Sec-WebSocket-Accept", b"x")]},
    "bad accept value": {"type": "websocket.accept", "headers": [(b"x", b"a\r\nb")]},
    "text": {"type": _SEND, "text": "h\u00e9llo"},
    "text none": {"type": _SEND, "text": "", "bytes": None},
    "text 300": {"type": _SEND, "text": "\U0001f600ab" * 100},
    "bytes": {"type": _SEND, "bytes": b"\x00\xff"},
    "bytes 125": {"type": _SEND, "bytes": b"x" * 125},
    "bytes 300": {"type": _SEND, "bytes": bytes(range(100)) * 3, "text": None},
    "bytes 70000": {
        "type": _SEND,
        "bytes": b"".join(number.to_bytes(4, "big") for number in range(3_500)) * 5,
    },
    "bad both": {"type": _SEND, "text": "", "bytes": b""},
    "bad neither": {"type": _SEND},
    "bad surrogate": {"type": _SEND, "text": "\ud800"},
    "bad text": {"type": _SEND, "text": b"a"},
    "bad bytes": {"type": _SEND, "bytes": "a"},
    "close": {"type": _CLOSE},
    "close 3000": {"type": _CLOSE, "code": 3000, "reason": "enough"},
    "close long": {"type": _CLOSE, "code": 1001, "reason": "\u00e9" * 100},
    "bad close 1005": {"type": _CLOSE, "code": 1005},
    "bad close 1006": {"type": _CLOSE, "code": 1006},
    "bad close 70000": {"type": _CLOSE, "code": 70_000},
    "bad close code": {"type": _CLOSE, "code": "1000"},
    "bad close reason": {"type": _CLOSE, "reason": "\udfff"},
    "deny": {"type": _DENY + "start", "status": 401, "headers": [(b"content-length", b"2")]},
    "deny 204": {"type": _DENY + "start", "status": 204},
    "bad deny": {"type": _DENY + "start", "status": 101},
    "deny body": {"type": _DENY + "body", "body": b"no"},
    "deny more": {"type": _DENY + "body", "body": b"n", "more_body": True},
    "bad deny body": {"type": _DENY + "body", "body": "no"},
    "start": {"type": "http.response.start", "status": 200},
    "body": {"type": "http.response.body", "body": b"ok"},
    "hint": {"type": _DENY + "early_hint", "links": [b"</a>"]},
    "receive": {"type": "websocket.receive", "text": "a"},
    "bad type": {"type": None},
    "bad empty": {},
    "bad none": None,
    "bad accept taint": {"type": "websocket.accept", "headers": [(b"x", b"a" + TAINT)]},
    "bad accept name": {"type": "websocket.accept", "headers": [(b"x" + TAINT, b"a")]},
    "bad subprotocol taint": {"type": "websocket.accept", "subprotocol": "a" + TAINT.decode()},
    "bad deny taint": {"type": _DENY + "start", "status": 403, "headers": [(b"x", b"a" + TAINT)]},
    "bad deny name": {"type": _DENY + "start", "status": 403, "headers": [(b"x" + TAINT, b"a")]},
    "bytes array": {"type": _SEND, "bytes": bytearray(b"\x00\xff")},
}

ANY_MESSAGES: Final[dict[str, Any]] = {
    **{name: message for name, message in MESSAGES.items() if name not in _LATER},
    **{f"websocket {name}": message for name, message in WEBSOCKET_MESSAGES.items()},
    **_LATER,
}
"""The messages of both kinds of scope."""

# What is legal before an answer, after accepting and after denying.
WEBSOCKET_LEGAL: Final[dict[str, set[object]]] = {
    "connecting": {"websocket.accept", _CLOSE, _DENY + "start"},
    "open": {_SEND, _CLOSE},
    "denied": {_DENY + "body"},
}

_STARTED: Final = "lifespan.startup.complete"
_NOT_STARTED: Final = "lifespan.startup.failed"
_STOPPED: Final = "lifespan.shutdown.complete"
_NOT_STOPPED: Final = "lifespan.shutdown.failed"

LIFESPAN_MESSAGES: Final[dict[str, Any]] = {
    "started": {"type": _STARTED},
    "started, and more": {"type": _STARTED, "x-extra": None},
    "not started": {"type": _NOT_STARTED, "message": "no database"},
    "not started, silently": {"type": _NOT_STARTED},
    "stopped": {"type": _STOPPED},
    "stopped, and more": {"type": _STOPPED, "x-extra": None},
    "not stopped": {"type": _NOT_STOPPED, "message": "a database that does not let go"},
    "not stopped, silently": {"type": _NOT_STOPPED, "message": ""},
    "bad text of bytes": {"type": _NOT_STARTED, "message": b"no database"},
    "bad text of none": {"type": _NOT_STARTED, "message": None},
    "bad text of list": {"type": _NOT_STOPPED, "message": ["no", "database"]},
    "bad none": None,
    "bad text": _STARTED,
    "bad empty": {},
    "bad type list": {"type": [_STARTED]},
    "bad type absent": {"message": "no database"},
    "startup": {"type": "lifespan.startup"},
    "shutdown": {"type": "lifespan.shutdown"},
    "start": {"type": "http.response.start", "status": 200},
    "accept": {"type": "websocket.accept"},
    "unknown type": {"type": "lifespan.startup.completed"},
    "unknown number": {"type": 5},
    "started, and said": {"type": _STARTED, "message": "all is well"},
    "stopped, and said": {"type": _STOPPED, "message": None},
}
