"""ASGI's scopes and messages: the versions we speak, and the types of what crosses `Exchange`.

Source: ASGI 3.0; HTTP & WebSocket Message Format 2.5; Lifespan 2.0.
"""

from collections.abc import Iterable, MutableMapping
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "ASGI_VERSION",
    "HTTP_SPEC_VERSION",
    "LIFESPAN_SPEC_VERSION",
    "Field",
    "HttpDisconnect",
    "HttpRequest",
    "HttpResponseBody",
    "HttpResponseEarlyHint",
    "HttpResponseStart",
    "HttpResponseTrailers",
    "LifespanEvent",
    "Message",
    "Scope",
]

ASGI_VERSION: Final = "3.0"
HTTP_SPEC_VERSION: Final = "2.5"
LIFESPAN_SPEC_VERSION: Final = "2.0"

Scope: TypeAlias = dict[str, Any]
"""What an application is called with. Its own from the moment it is handed over: nothing in it is shared."""

Message: TypeAlias = MutableMapping[str, Any]
"""One ASGI message, to or from the application. The typed shapes below say what is in it."""

Field: TypeAlias = tuple[bytes, bytes]
"""One field line: name and value (RFC 9110 §5)."""


class HttpRequest(TypedDict):
    """A part of the request's content; the last one has ``more_body`` false."""

    type: Literal["http.request"]
    body: bytes
    more_body: bool


class HttpDisconnect(TypedDict):
    """The client has left, or the response is complete."""

    type: Literal["http.disconnect"]


class HttpResponseStart(TypedDict):
    """Status and fields of the response."""

    type: Literal["http.response.start"]
    status: int
    headers: NotRequired[Iterable[Iterable[bytes]]]
    trailers: NotRequired[bool]


class HttpResponseBody(TypedDict):
    """A part of the response's content; the last one has ``more_body`` false, which is its default."""

    type: Literal["http.response.body"]
    body: NotRequired[bytes]
    more_body: NotRequired[bool]


class HttpResponseTrailers(TypedDict):
    """Fields that follow the content, if ``http.response.start`` announced them."""

    type: Literal["http.response.trailers"]
    headers: NotRequired[Iterable[Iterable[bytes]]]
    more_trailers: NotRequired[bool]


class HttpResponseEarlyHint(TypedDict):
    """Values of Link fields for one 103 (Early Hints) response (RFC 8297)."""

    type: Literal["http.response.early_hint"]
    links: Iterable[bytes]


class LifespanEvent(TypedDict):
    """What the lifespan's application receives."""

    type: Literal["lifespan.startup", "lifespan.shutdown"]
