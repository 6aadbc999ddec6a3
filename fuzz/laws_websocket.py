"""Laws of a WebSocket: what is said on both sides is what was meant, and what is held is bounded."""

from __future__ import annotations

import math
from typing import Final

from sansio import ClientDisconnected

from .laws import octets_held
from .operations import AppSend, Wait
from .websocket_script import SECONDS
from .websocket_world import WebSocketWorld
from .wire import ResponseReader, read_deflate

__all__ = [
    "a_client_can_read_the_frames",
    "a_disconnect_says_what_happened",
    "a_session_that_waits_is_read_for",
    "accepting_upgrades",
    "an_empty_buffer_blocks_nobody",
    "both_ends_close_the_connection",
    "denying_is_one_response",
    "everything_that_came_is_told",
    "memory_is_bounded",
    "messages_are_refused_as_asgi_says",
    "messages_are_those_of_the_peer",
    "messages_are_within_the_limits",
    "messages_on_the_wire_are_those_sent",
    "messages_that_wait_are_few",
    "nobody_is_refused_for_nothing",
    "nothing_is_received_before_accepting",
    "octets_to_write_are_bounded",
    "one_session_is_all",
    "pongs_answer_pings",
    "shutting_down_closes_the_session",
    "silence_ends_the_session",
]

_ACCEPT: Final = b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"  # RFC 6455 §1.3 has this pair.
_HEAD_SIZE: Final = 2_048
_SLACK: Final = 16_384
_OFTEN: Final = 8


# Outputs and bounds.


def one_session_is_all(world: WebSocketWorld) -> None:
    """Behind a request that asks for an upgrade no other is opened."""
    assert len(world.calls) <= 1, "a second exchange"


def an_empty_buffer_blocks_nobody(world: WebSocketWorld) -> None:
    """While no octets wait to be taken, the application can send."""
    if world.exchange is not None and not world.connection.wants_write:
        assert world.exchange.can_send, "blocked by nothing"


def octets_to_write_are_bounded(world: WebSocketWorld) -> None:
    """If the application waits while it cannot send, the outbox holds its limit and one message more, at most."""
    if not world.stubborn:
        most = world.settings.limit_write_buffer + world.largest + _HEAD_SIZE
        assert world.connection.size <= most, f"octets to write are not bounded: {world.connection.size}"


def a_session_that_waits_is_read_for(world: WebSocketWorld) -> None:
    """While the application of an open session waits, octets are wanted."""
    call = world.call
    if call is not None and call.waiting and world.state == "open" and not (world.eof or call.exchange.ended):
        assert world.connection.wants_read, "the application waits, and nobody reads"


def both_ends_close_the_connection(world: WebSocketWorld) -> None:
    """When the session has ended and the peer's side too, the connection closes as soon as its octets are taken."""
    if world.exchange is not None and world.exchange.ended and world.eof:
        c = world.connection
        assert c.closed or c.wants_write, "both sides have ended, and it is not closed"


def messages_that_wait_are_few(world: WebSocketWorld) -> None:
    """No more messages wait for the application than the limit for what is held has octets."""
    call = world.call
    if call is not None and world.state == "open" and not call.finished:
        waiting = call.exchange.statistics(world.now).messages_in - len(world.contents)
        assert waiting <= world.settings.limit_read_buffer + 1, f"too many messages wait: {waiting}"


def silence_ends_the_session(world: WebSocketWorld) -> None:
    """A peer that answers no ping is waited for no longer."""
    operation, c = world.step.operation, world.connection
    if isinstance(operation, Wait) and operation.seconds == SECONDS[-1]:
        asked = c.wants_read and world.settings.ws_ping_interval < math.inf and world.state != "denied"
        assert c.closed or c.wants_write or not asked, "silence does not end the connection"


def memory_is_bounded(world: WebSocketWorld) -> None:
    """What a session holds is bounded by its settings, compressed messages included."""
    if world.eager or world.stubborn or (len(world.steps) % _OFTEN and not world.connection.closed):
        return
    s = world.settings
    most = 2 * s.limit_read_buffer + 6 * s.ws_max_size + s.limit_write_buffer + 6 * world.largest + _SLACK
    held = octets_held(world.connection, s)
    assert held <= most, f"memory is not bounded: {held} octets held"


# Messages.


def nothing_is_received_before_accepting(world: WebSocketWorld) -> None:
    """An application that has not accepted receives no message of its peer."""
    assert world.state == "open" or not world.contents, "a message before accept"


def messages_are_refused_as_asgi_says(world: WebSocketWorld) -> None:
    """A message is refused if its type is not expected or its values are wrong, or nobody hears it, and never else."""
    verdict, outcome = world.verdict, world.step.outcome
    if verdict is None or not isinstance(world.step.operation, AppSend) or world.before.situation is None:
        return
    if isinstance(outcome, ClientDisconnected):
        assert world.before.situation.disconnected, "the client is there"
    if verdict.over:
        return
    if outcome is None:
        assert verdict.legal, f"an illegal message is taken: {world.step.operation}, {world.state_before}"
        assert not verdict.bad, f"a bad message is taken: {world.step.operation}"
    else:
        # The content of a denial may not be of the length that was promised.
        wrong = not verdict.legal or verdict.bad or world.state_before == "denied"
        assert wrong, f"a legal message is refused: {outcome}"


def messages_are_those_of_the_peer(world: WebSocketWorld) -> None:
    """The application receives the peer's messages, whole and in their order."""
    if _is_open(world):
        client, _ = world.read_sides()
        content = world.contents
        assert content == client.messages[: len(content)], f"other messages: {content}, {client.messages}"


def messages_are_within_the_limits(world: WebSocketWorld) -> None:
    """No message is received that is larger than the limit, or in more fragments."""
    if _is_open(world):
        s, content = world.settings, world.contents
        sizes = [len(x.encode()) if isinstance(x, str) else len(x) for x in content]
        assert max(sizes, default=0) <= s.ws_max_size, "a message beyond the limit"
        most = max(world.read_sides()[0].fragments[: len(content)], default=0)
        assert most <= s.ws_max_fragments, "a message of more fragments than the limit"


def everything_that_came_is_told(world: WebSocketWorld) -> None:
    """An application that waits has received every message that came, and there was no end."""
    call = world.call
    if not _is_open(world) or call is None or call.finished or not call.waiting or _beyond(world):
        return
    client, _ = world.read_sides()
    if not any(message["type"] == "websocket.disconnect" for message in call.received):
        assert world.contents == client.messages, f"messages do not come: {client.messages}"
        assert not client.wrong, f"the end does not come: {client}"
        assert client.close is None, f"the end does not come: {client}"


def a_disconnect_says_what_happened(world: WebSocketWorld) -> None:
    """The code of a disconnect is the peer's, or ours, or 1006 if something happened to the connection."""
    last = world.calls[0].received[-1] if world.calls and world.calls[0].received else {}
    if not _is_open(world) or last.get("type") != "websocket.disconnect":
        return
    client, server = world.read_sides()
    code = last["code"]
    peers = {client.close[0]} if client.close else set()
    assert code in world.codes | peers, f"a disconnect that nobody meant: {code}"
    told = server.close[0] if server.close else None
    assert told in {code, None} or (code, told) == (1006, 1011), f"told {told}, and the peer {code}"
    assert code != 1006 or world.eof or world.lost or told == 1011, "abnormal, but nothing happened"


def nobody_is_refused_for_nothing(world: WebSocketWorld) -> None:
    """A session fails for a rule that was broken, a limit that was exceeded, or a ping that was not answered."""
    error = world.connection.error
    if _is_open(world) and error is not None and error.reason != "no answer to a ping":
        client, _ = world.read_sides()
        assert client.wrong or _beyond(world) or not client.at_rest, f"refused for nothing: {error}"


# The wire.


def denying_is_one_response(world: WebSocketWorld) -> None:
    """A session that was not accepted is one response at most, and no upgrade."""
    if not _is_open(world):
        reader = ResponseReader(lambda _: "GET")
        reader.receive_data(bytes(world.wire))
        assert len(reader.responses) < 2, "two responses"
        assert all(response.status != 101 for response in reader.responses), "upgraded, and not accepted"


def accepting_upgrades(world: WebSocketWorld) -> None:
    """A session that was accepted begins with an upgrade that proves the key read, and agrees on nothing unwanted."""
    if _is_open(world):
        head, _, _ = bytes(world.wire).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), "accepted, and not upgraded"
        assert _ACCEPT in head + b"\r\n", "the wrong proof of having read the key"
        wanted = world.settings.ws_per_message_deflate
        assert read_deflate(head) is None or wanted, "compression that nobody wants"


def a_client_can_read_the_frames(world: WebSocketWorld) -> None:
    """A client can read every frame, up to the end of the last one, and nothing comes behind a close frame."""
    if _is_open(world):
        _, server = world.read_sides()
        assert not server.wrong, f"no client can read the frames: {server.wrong}"
        assert server.at_rest, "a frame or a message is not complete"
        assert not server.behind_close, "frames behind the close frame"


def messages_on_the_wire_are_those_sent(world: WebSocketWorld) -> None:
    """What the application sent is on the wire, and nothing else."""
    if _is_open(world):
        _, server = world.read_sides()
        dropped = world.lost or 1012 in world.codes
        said = world.sent[: len(server.messages)] if dropped else world.sent
        assert server.messages == said, f"other messages on the wire: {server.messages}, {world.sent}"


def pongs_answer_pings(world: WebSocketWorld) -> None:
    """Each pong has what one of the peer's pings had, in their order."""
    if _is_open(world):
        client, server = world.read_sides()
        pings = iter(client.pings)
        assert all(pong in pings for pong in server.pongs), f"a pong to no ping: {server.pongs}"


def shutting_down_closes_the_session(world: WebSocketWorld) -> None:
    """If the server shuts down, the peer of an open session is told by a close frame."""
    if _is_open(world) and 1012 in world.codes:
        over = world.lost or world.eof or world.connection.closed
        assert over or world.read_sides()[1].close, "shutting down does not close the session"


def _is_open(world: WebSocketWorld) -> bool:
    """Tell whether the session was accepted, and something of it was taken."""
    return world.state == "open" and bool(world.wire)


def _beyond(world: WebSocketWorld) -> bool:
    """Tell whether the peer may have exceeded a limit."""
    s, (client, _) = world.settings, world.read_sides()
    return (
        max(client.fragments, default=0) > s.ws_max_fragments
        or client.octets > s.ws_max_size
        or client.doubtful
    )
