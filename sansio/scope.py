"""From a request's head to the application's scope. This is the one place where a scope is made.

Source: ASGI HTTP & WebSocket 2.5, "HTTP Connection Scope"; RFC 9112 §3.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from .asgi import ASGI_VERSION, HTTP_SPEC_VERSION, Field, Scope
from .fields import TARGET_CHARACTERS, is_host
from .settings import Settings, TransportInfo

__all__ = ["RequestHead", "ScopeBuilder", "Target", "parse_target"]

_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)


class Target:
    """A request target, taken apart."""

    __slots__ = ("authority", "path")

    def __init__(self, path: bytes, authority: bytes | None = None) -> None:
        self.path = path
        """Path and query as they came: origin-form, or ``*``."""
        self.authority = authority
        """Host and port of an absolute-form target: it takes the place of the Host field (RFC 9112 §3.2.2)."""


def parse_target(method: bytes, target: bytes) -> Target | None:
    """Read a request target in origin-form, absolute-form or asterisk-form; None if it is none of these.

    Authority-form belongs to CONNECT, which an origin does not serve. Source: RFC 9112 §3.2.
    """
    if target.translate(None, TARGET_CHARACTERS):
        return None
    if target.startswith(b"/"):
        return Target(target)
    if target == b"*":
        return Target(target) if method == b"OPTIONS" else None
    match = _ABSOLUTE_FORM.fullmatch(target)
    if match is None or not is_host(match[1]):
        return None
    if match[2] is None and match[3] is None and method == b"OPTIONS":
        return Target(b"*", match[1])  # RFC 9112 §3.2.4
    return Target((match[2] or b"/") + (match[3] or b""), match[1])


class RequestHead:
    """What the head of one request says, whichever reader read it."""

    __slots__ = (
        "accepts_trailers",
        "close",
        "content_length",
        "expects_continue",
        "fields",
        "method",
        "target",
        "version",
        "websocket",
    )

    def __init__(  # noqa: PLR0913 - a record.
        self,
        method: str,
        target: bytes,
        version: str,
        fields: list[Field],
        content_length: int | None = 0,
        close: bool = False,  # noqa: FBT001, FBT002 - positional, because one is made per request.
        expects_continue: bool = False,  # noqa: FBT001, FBT002
        accepts_trailers: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        self.method = method
        self.target = target
        """Path and query, or ``*``."""
        self.version = version
        """``1.0``, ``1.1`` or ``2``, as ASGI spells it."""
        self.fields = fields
        """Names in lower case, in the order in which they came."""
        self.content_length = content_length
        """Size of the content; None when only its end will tell (a chunked coding)."""
        self.close = close
        """The client wants, or the version demands, that the connection ends with the response."""
        self.expects_continue = expects_continue
        """The client waits for a 100 (Continue) before it sends the content (RFC 9110 §10.1.1)."""
        self.accepts_trailers = accepts_trailers
        """The client sent ``TE: trailers`` (RFC 9110 §10.1.4)."""
        self.websocket = False
        """The client asks for this to become a WebSocket (RFC 6455 §4.1). Its handshake was not looked at."""


class ScopeBuilder:
    """Builds the scopes of one connection's requests."""

    __slots__ = ("_root_path", "_state", "_template")

    def __init__(self, transport: TransportInfo, settings: Settings, state: Mapping[str, Any] | None) -> None:
        """Take what all requests of a connection share. `state` is the lifespan's namespace, if there is one."""
        self._root_path = settings.root_path
        self._state = state
        self._template: Scope = {
            "type": "http",
            "asgi": None,
            "http_version": "1.1",
            "server": transport.server,
            "client": transport.client,
            "scheme": "https" if transport.secure else "http",
            "method": "",
            "root_path": settings.root_path,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "headers": None,
            "extensions": None,
        }

    def build(self, head: RequestHead) -> Scope:
        """Build a scope. Nothing mutable in it is shared with another one, but for what is inside ``state``."""
        scope = self._template.copy()
        raw_path, _, query_string = head.target.partition(b"?")
        if b"%" in raw_path:
            # One decoding pass, and bytes that are not UTF-8 become U+FFFD.
            scope["path"] = self._root_path + unquote_to_bytes(raw_path).decode("utf-8", "replace")
        elif raw_path == b"*":
            scope["path"] = "*"
        else:
            scope["path"] = self._root_path + raw_path.decode("ascii")
        scope["raw_path"] = raw_path
        scope["query_string"] = query_string
        scope["asgi"] = {"version": ASGI_VERSION, "spec_version": HTTP_SPEC_VERSION}
        scope["method"] = head.method
        scope["headers"] = head.fields.copy()
        if head.version != "1.1":
            scope["http_version"] = head.version
        # Trailers and interim responses exist since HTTP/1.1.
        scope["extensions"] = (
            {"http.response.early_hint": {}, "http.response.trailers": {}} if head.version != "1.0" else {}
        )
        if self._state is not None:
            scope["state"] = dict(self._state)
        return scope

    def build_websocket(self, head: RequestHead, subprotocols: list[str]) -> Scope:
        """Build the scope of a request that asks to become a WebSocket. As with `build`, nothing is shared."""
        scope = self.build(head)
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = subprotocols
        scope["extensions"] = {"websocket.http.response": {}}
        del scope["method"]
        return scope
