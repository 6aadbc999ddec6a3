"""What the client of HTTP/2 may see on a stream: a response, or a WebSocket, held against what was sent.

Source: RFC 9113 §8.1; RFC 8441 §5; ASGI HTTP & WebSocket 2.5.
"""

from __future__ import annotations

from typing import Final

from tests.peers import StreamView

from .connection_world import Call
from .http2_world import Http2World
from .messages import fields_of
from .wire import Side, read_deflate, read_frames

__all__ = ["OWN_STATUSES", "check_response", "check_session", "is_own"]

_SERVER_FIELDS: Final = {b"date", b"server", b"x-extra"}
_FIELDS_OF_REQUESTS: Final = {b"te", b"upgrade"}  # No response of HTTP/2 has them. RFC 9113 §8.2.2
OWN_STATUSES: Final = {408, 413, 500}
"""Of the responses of the server's own, in place of an application's."""


def is_own(call: Call, view: StreamView) -> bool:
    """Tell whether a response is the server's, in place of the application's."""
    start = call.model.start
    return (
        start is None
        or (view.value(b"content-type") == b"text/plain; charset=utf-8" and call.exchange.failure is not None)
        or (view.status in OWN_STATUSES and view.status != start["status"])
    )


def check_response(s: Http2World, call: Call, view: StreamView) -> None:
    model = call.model
    statuses = [dict(fields)[b":status"] for fields in view.interim]
    expects = (b"expect", b"100-continue") in [(n, v.lower()) for n, v in call.exchange.scope["headers"]]
    assert statuses.count(b"100") <= expects, "100 (Continue) to nobody who waits"
    assert statuses.count(b"103") == len(statuses) - statuses.count(b"100") <= model.hints, "other hints"
    if view.status is None:
        late = call.model.released and not (s.ending or call.exchange.disconnected or view.reset is not None)
        assert not late or view.peer_reset, "an accepted response is kept back"
        return
    if is_own(call, view):
        assert view.status in OWN_STATUSES, f"{view.status} by nobody"
        return
    start = model.start
    assert start is not None
    assert view.status == start["status"], f"{view.status} instead of {start['status']}"
    sent = [each for each in fields_of(start) if each[0] not in _FIELDS_OF_REQUESTS]
    own = {name for name, _ in sent}
    fields = [each for each in view.fields if each[0] not in (_SERVER_FIELDS - own) | {b"content-length"}]
    assert fields == sent, f"other fields: {fields}"
    for name in _SERVER_FIELDS - own:
        assert len([each for each in view.fields if each[0] == name]) == 1, f"{name!r} is not there once"
    if model.length is not None and view.status not in {204, 205}:
        assert view.value(b"content-length") == b"%d" % model.length, "another content-length"
    content = b"" if model.bodyless else bytes(model.content)
    assert content.startswith(view.content), "other content"
    if view.ended:
        assert view.content == content, "a response that is cut off looks complete"
        assert model.complete or model.awaits_trailers, "an incomplete response looks complete"
    wanted = any(name == b"te" for name, _ in call.exchange.scope["headers"])
    if view.trailers is not None:
        assert wanted, "trailers that nobody wants"
        assert view.trailers == model.trailers, f"other trailers: {view.trailers}"


def check_session(s: Http2World, call: Call, view: StreamView) -> None:
    assert not view.interim, "an interim response to a WebSocket's handshake"
    session = s.sessions[call]
    if session.state == "connecting":
        assert view.status in {None, 403, 500}, f"{view.status}, and nothing was accepted"
    elif session.state == "denied":
        assert view.status in {None, 401, 403, 500}, view.status
    elif view.status is not None:
        assert view.status == 200, f"accepted, and the status is {view.status} (RFC 8441 §5)"
        server, client = _sides(s, call, view)
        assert not server.wrong, f"no client can read the frames: {server.wrong}"
        assert not server.behind_close, "frames behind the close frame"
        assert server.messages == session.sent[: len(server.messages)], "other messages on the wire"
        pings = iter(client.pings)
        assert all(pong in pings for pong in server.pongs), "a pong to no ping"
        content = [
            message["bytes"] if message["text"] is None else message["text"]
            for message in call.received
            if message["type"] == "websocket.receive"
        ]
        assert content == client.messages[: len(content)], f"other messages: {content}, {client.messages}"
        limits = s.settings
        over = (
            max(client.fragments, default=0) > limits.ws_max_fragments or client.octets > limits.ws_max_size
        )
        if call.waiting and not (call.finished or over or client.doubtful or client.wrong):
            assert content == client.messages, f"messages do not come: {client.messages}"
        sizes = [len(x.encode()) if isinstance(x, str) else len(x) for x in content]
        assert max(sizes, default=0) <= s.settings.ws_max_size, "a message beyond the limit"


def _sides(s: Http2World, call: Call, view: StreamView) -> tuple[Side, Side]:
    said = s.said(call)
    assert said is not None
    extensions = view.value(b"sec-websocket-extensions")
    head = b"HTTP/1.1 101 " + (b"" if extensions is None else b"\r\nsec-websocket-extensions: " + extensions)
    deflate = read_deflate(head)
    octets, whole = view.content, bytes(said.content)
    return read_frames(octets, deflate, client=False), read_frames(whole, deflate, client=True)
