"""Operations and laws: everything that must hold of a connection after each thing that happens to it.

A `Machine` is a `fuzz.world.World` that holds every law below against what happened, after each operation; and, when
asked at the end, those that need the whole story, by playing it again in other ways. Hypothesis chooses operations in
the test suite, a fuzzer in campaigns; the laws are the same.

A law is a function. Its name says what holds, its docstring says it in one sentence, and it raises `AssertionError`
if it does not hold.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Final, TypeAlias

from sansio import ClientDisconnected, Connection, Exchange, InvalidMessage, Settings, TransportInfo

from .messages import MESSAGES, fields_of
from .scopes import check_scope
from .wire import ReadResponse
from .world import (
    AppReceive,
    AppSend,
    Call,
    Eof,
    Lost,
    Operation,
    Outputs,
    Oversleep,
    Receive,
    ShutDown,
    Step,
    Take,
    Timeout,
    ToDeadline,
    Wait,
    World,
)

__all__ = ["AFTER_EACH", "AT_THE_END", "Machine", "Violation", "reachable"]

Law: TypeAlias = Callable[[World], None]

# An application may go on after its response while later requests are served; so many at most.
_MAX_UNFINISHED: Final = 17
_HEAD_SLACK: Final = 2_048
_MEMORY_SLACK: Final = 8_192
_FAR: Final = 100_000.0
_SERVER_FIELDS: Final = {b"date", b"server", b"x-extra"}
_FRAMING_FIELDS: Final = {b"connection", b"content-length", b"transfer-encoding"}
_SERVER_STATUSES: Final = {400, 408, 413, 414, 417, 431, 500, 501, 505}


class Violation(AssertionError):
    """A law does not hold. The text has the law, what was seen, and the operations that lead there."""


class Machine(World):
    """A connection under test."""

    def do(self, operation: Operation) -> None:
        """Let one thing happen, and hold the laws against what comes of it. Raises `Violation`."""
        try:
            super().do(operation)
        except AssertionError as error:
            raise Violation(self._tell(f"{error}\n{operation}")) from error
        except Exception as error:
            name = type(error).__name__
            seen = f"nothing undocumented is raised, but {name} by {type(operation).__name__}: {error}\n{operation}"
            raise Violation(self._tell(seen)) from error
        self._hold(AFTER_EACH)

    def check_whole(self) -> None:
        """Hold the laws that need the whole story. Raises `Violation`."""
        self._hold(AT_THE_END)

    def _hold(self, laws: tuple[Law, ...]) -> None:
        for law in laws:
            try:
                law(self)
            except AssertionError as error:
                name = law.__name__.replace("_", " ")
                raise Violation(self._tell(f"{name}: {law.__doc__}\n{error}")) from error

    def _tell(self, what: str) -> str:
        return f"{what}\nafter {self.script()}\nfed {bytes(self.fed)!r}\nwire {bytes(self.wire)!r}"


# The connection's outputs.


def deadlines_lie_ahead(world: World) -> None:
    """A deadline given out is never in the past, and never further away than the longest timeout."""
    deadline = world.connection.deadline
    assert world.late or deadline >= world.now, f"{deadline} at {world.now}"
    s = world.settings
    longest = max(
        s.timeout_request_head,
        s.timeout_keep_alive,
        s.timeout_request_body,
        s.timeout_discard,
        s.timeout_linger,
        s.timeout_graceful_shutdown,
    )
    assert deadline == math.inf or deadline <= world.now + longest, f"{deadline} at {world.now}"


def closed_is_closed(world: World) -> None:
    """A closed connection has no octets, no deadline, no wish to read, and nothing changes it any more."""
    if world.connection.closed:
        assert world.outputs[:5] == (math.inf, False, False, 0, True), world.outputs
    if world.before.outputs.closed:
        assert world.outputs == world.before.outputs, world.outputs
        assert not world.step.opened


def nothing_follows_the_end(world: World) -> None:
    """After `write_ended` there is nothing to write, for ever."""
    if world.connection.write_ended:
        assert not world.connection.wants_write
        assert not world.connection.size
    if world.before.outputs.write_ended:
        assert world.connection.write_ended
        assert not isinstance(world.step.operation, Take) or world.step.outcome == b""


def wants_write_tells_of_octets(world: World) -> None:
    """`wants_write` is true exactly while octets wait."""
    assert world.connection.wants_write == (world.connection.size > 0)


def what_is_empty_or_early_changes_nothing(world: World) -> None:
    """Empty input, a second EOF, a timeout called early or twice, and taking nothing change no output."""
    before, step = world.before.outputs, world.step
    match step.operation:
        case Receive(data=b""):
            unchanged = True
        case Eof():
            unchanged = any(isinstance(earlier.operation, Eof) for earlier in world.steps[:-1])
        case Timeout():
            unchanged = world.now < before.deadline
            assert isinstance(step.outcome, Outputs)
            assert step.outcome.deadline <= world.now or step.outcome == step.outputs, (
                "the second call was not harmless"
            )
        case Take():
            unchanged = not before.wants_write
        case _:
            unchanged = False
    if unchanged:
        assert step.outputs == before, f"{before} became {step.outputs}"
        assert not step.opened


def somebody_is_awaited(world: World) -> None:
    """While no deadline is set, an application or the transport has the next move."""
    connection = world.connection
    if connection.deadline == math.inf and not connection.closed:
        unfinished = sum(not call.finished for call in world.calls)
        assert connection.wants_write or any(world.open_calls) or unfinished >= _MAX_UNFINISHED


def silence_ends_the_connection(world: World) -> None:
    """A peer that does nothing for a very long time is waited for no longer."""
    operation = world.step.operation
    if not isinstance(operation, Wait) or operation.seconds < _FAR:
        return
    connection = world.connection
    if not any(world.open_calls) and sum(not call.finished for call in world.calls) < _MAX_UNFINISHED:
        assert connection.closed or connection.wants_write, world.outputs
    for call in world.open_calls:
        assert not call.waiting or world.request_of(call).end is not None, "an application waits for ever"


def a_head_has_one_deadline(world: World) -> None:
    """Further octets of a head that has begun do not put off its deadline."""
    begun = world.read_up_to
    if (
        not isinstance(world.step.operation, Receive)
        or world.step.opened
        or any(world.open_calls)
        or begun is None
    ):
        return
    if world.before.outputs.wants_write or world.ending:
        return  # It may have an end already that cannot be seen yet.
    if world.before.fed > begun and world.connection.error is None:
        assert world.connection.deadline <= world.before.outputs.deadline, world.connection.deadline


def shutting_down_has_one_deadline(world: World) -> None:
    """Once asked to, the connection is closed in time, whatever its peer and its applications do."""
    if world.shut_down_at is not None and not world.connection.closed:
        last = world.shut_down_at + world.settings.timeout_graceful_shutdown
        assert world.connection.deadline <= last, f"{world.connection.deadline} is after {last}"


# Bounds.


def octets_to_write_are_bounded(world: World) -> None:
    """If applications wait while they cannot send, the outbox holds its limit and one message more, at most."""
    if not world.stubborn:
        limit = world.settings.limit_write_buffer + world.largest_message + _HEAD_SLACK
        assert world.connection.size <= limit, f"{world.connection.size} beyond {limit}"


def a_full_buffer_blocks(world: World) -> None:
    """Whoever has filled the buffer cannot send until it is taken, and then can again."""
    connection = world.connection
    call = world.actor
    if (
        isinstance(world.step.operation, AppSend)
        and world.step.outcome is None
        and call is not None
        and call.open
    ):
        if connection.size > world.settings.limit_write_buffer:
            assert not call.exchange.can_send or connection.size == world.before.outputs.size, "not blocked"
    if not connection.wants_write:
        assert all(call.exchange.can_send for call in world.open_calls), "blocked by nothing"


def reading_stops(world: World) -> None:
    """While the application does not take its content, or a request waits for its turn, nothing more is wanted."""
    for call in world.open_calls:
        request = world.request_of(call)
        if request.end is None:
            held = world.situation(call).statistics.bytes_in - len(call.content)
            assert held < world.settings.limit_read_buffer or not world.connection.wants_read, f"{held} held"
        elif len(world.fed) > request.end:
            assert not world.connection.wants_read, "reads on behind a request that waits"


def reading_goes_on(world: World) -> None:
    """Whoever waits for the peer's octets gets them: reading is wanted while nothing stands in its way."""
    connection = world.connection
    if world.eof or world.lost or connection.closed:
        return
    for call in world.open_calls:
        if call.waiting and world.request_of(call).end is None:
            assert connection.wants_read, "the application waits for content, and nobody reads"
    if not any(world.open_calls) and sum(not call.finished for call in world.calls) < _MAX_UNFINISHED:
        assert connection.wants_read or connection.wants_write, "nothing stands in the way, and nobody reads"


def one_request_is_served_at_a_time(world: World) -> None:
    """At most one exchange is open, and no more than the limit were ever opened."""
    assert sum(1 for _ in world.open_calls) <= 1
    limit = world.settings.limit_requests_per_connection
    assert limit is None or len(world.calls) <= limit, len(world.calls)


def memory_is_bounded(world: World) -> None:
    """What a connection holds is bounded by its settings, for whoever reads and sends only when wanted."""
    if world.eager or world.stubborn or (len(world.steps) % 16 and not world.connection.closed):
        return
    s = world.settings
    by_app = sum(
        len(repr(MESSAGES[step.operation.name]))
        for step in world.steps
        if isinstance(step.operation, AppSend)
    )
    limit = 8 * s.limit_request_head + 2 * s.limit_read_buffer + s.limit_write_buffer
    limit += 4 * world.largest_read + 2 * by_app + _MEMORY_SLACK
    held = sum(
        len(item)
        for item in reachable(world.connection, world.settings)
        if isinstance(item, (bytes, bytearray, str))
    )
    assert held <= limit, f"{held} bytes held, {limit} allowed"


# Requests.


def requests_are_opened_in_order(world: World) -> None:
    """A request is opened when the response before it is complete and the content before it was read."""
    for call in world.calls[world.before.calls :]:
        assert call.index < len(world.requests), "no such request is on the wire"
        if call.index:
            earlier = world.calls[call.index - 1]
            assert world.situation(earlier).statistics.complete, "the response before it is not complete"
            assert world.request_of(earlier).end is not None, "the content before it is not complete"


def nothing_is_opened_after_the_end(world: World) -> None:
    """After a decision to close, on either side, no request is opened."""
    if not world.step.opened:
        return
    before = world.before.outputs
    assert not before.write_ended
    assert not before.closed
    assert before.error is None
    assert not world.lost
    if world.shut_down_at is not None:
        first = next(n for n, step in enumerate(world.steps) if isinstance(step.operation, ShutDown))
        assert sum(len(step.opened) for step in world.steps[first:]) <= 1, (
            "a second request after shut_down()"
        )
    for index, response in enumerate(world.reader.responses):
        assert not response.closes or len(world.calls) <= index + 1, "opened behind a response that closes"
    for request in world.requests[: len(world.calls) - 1]:
        assert not _closes(request.fields), "opened behind a request that closes"
        assert request.version != b"HTTP/1.0", "opened behind a request of HTTP/1.0"


def scopes_say_what_was_asked(world: World) -> None:
    """A scope's types and values are what ASGI and HTTP allow, and say what the octets say."""
    for call in world.calls[world.before.calls :]:
        check_scope(call.scope, world.request_of(call), world.settings.root_path)


def limits_are_kept(world: World) -> None:
    """No request is opened, and no content completed, that is beyond a limit."""
    s = world.settings
    for call in world.calls[-1:]:
        request = world.request_of(call)
        assert request.head_end - request.start <= s.limit_request_head
        assert len(request.fields) <= s.limit_request_fields
        if s.limit_request_body is not None:
            assert len(call.content) <= s.limit_request_body
        if any(not message.get("more_body", True) for message in call.received):
            assert request.extensions <= s.limit_chunk_extensions


def messages_come_in_order(world: World) -> None:
    """An application receives ``request(more)* request(last)? disconnect*``; nothing empty but the last."""
    call = world.actor
    if not isinstance(world.step.operation, AppReceive) or call is None or not call.received:
        return
    before, last = call.received[:-1], call.received[-1]
    assert not any(message["type"] == "http.disconnect" for message in before) or last == {
        "type": "http.disconnect"
    }
    if last["type"] == "http.disconnect":
        assert last == {"type": "http.disconnect"}, last
        return
    assert set(last) == {"type", "body", "more_body"}, last
    assert last["type"] == "http.request"
    assert type(last["body"]) is bytes
    assert type(last["more_body"]) is bool
    assert last["body"] or not last["more_body"], "an empty message in the middle"
    assert all(message["more_body"] for message in before), "a message after the last one"


def content_is_what_was_sent(world: World) -> None:
    """The content that an application receives is the request's; it is complete exactly when the request is."""
    operation = world.step.operation
    call = world.actor
    if not isinstance(operation, AppReceive) or call is None:
        return
    request = world.request_of(call)
    assert request.content.startswith(call.content), "other content"
    has_last = any(not message.get("more_body", True) for message in call.received)
    if has_last:
        assert request.end is not None, "a request cut short looks complete"
        assert call.content == request.content, "content is missing"
    if world.step.outcome is None:
        assert call.open, "an exchange that has ended has no disconnect"
        assert call.content == request.content, "content that has come is kept back"
        assert has_last or request.end is None, "the end that has come is kept back"
    elif not has_last and call.open:
        limit = world.settings.limit_read_buffer + world.largest_read
        assert world.eager or len(call.received[-1].get("body", b"")) <= limit, "more held than allowed"


def waiting_applications_are_woken(world: World) -> None:
    """Whoever waits for a message or for room is named by `take_ready` when there is one."""
    for call in world.calls:
        situation = world.situation(call)
        if call.waiting:
            assert not situation.ended, "nobody told the application of the end"
            assert not situation.half_closed, "nobody told the application of the end"
            assert situation.statistics.bytes_in == len(call.content), (
                "nobody told the application of content"
            )
        if call.blocked:
            assert not situation.disconnected, "nobody told the application of the end"
            assert not situation.can_send, "nobody told the application of room"


def a_lost_client_is_told_of(world: World) -> None:
    """Once the transport is gone or the connection closed, no exchange is open."""
    if world.lost or world.connection.closed:
        assert not any(world.open_calls)
    for call in world.calls:
        assert call.exchange.ended or not call.exchange.disconnected


# Responses.


def messages_are_refused_as_asgi_says(world: World) -> None:
    """A message raises what its state and its values ask for, and nothing else."""
    operation, before, outcome = world.step.operation, world.before.situation, world.step.outcome
    if not isinstance(operation, AppSend) or before is None:
        return
    if not before.ended:
        raised = None if outcome is None else type(outcome)
        assert raised is world.expected, f"{raised} instead of {world.expected}: {outcome}"
    elif not before.disconnected:  # Complete, or given up by its application.
        assert outcome is None or isinstance(outcome, InvalidMessage), outcome
    else:
        assert isinstance(outcome, (ClientDisconnected, InvalidMessage)), outcome


def a_refused_message_changes_nothing(world: World) -> None:
    """A message that raises, and one after the end, leaves octets and state as they were."""
    operation, before = world.step.operation, world.before.situation
    call = world.actor
    if isinstance(operation, AppSend) and call is not None and before is not None:
        if before.ended or world.step.outcome is not None:
            assert world.outputs == world.before.outputs
            assert world.situation(call) == before
            assert not world.step.opened


def responses_are_what_was_sent(world: World) -> None:
    """Each response on the wire has the status, fields, content and trailers that its application sent."""
    if not isinstance(world.step.operation, Take):
        return
    responses = world.reader.responses
    for call in world.calls[-2:]:
        response = responses[call.index] if call.index < len(responses) else None
        if call.released is not None:
            if response is None or response.status is None:
                assert world.lost or world.dropped, "an accepted response is kept back"
            else:
                _check_response(world, call, response)
        elif response is not None and response.status is not None:
            _check_server_response(response)
    for response in responses[len(world.calls) :]:
        _check_server_response(response)


def interim_responses_are_due(world: World) -> None:
    """A 100 is sent once, to a client that waits; a 103 for each hint; none of them to HTTP/1.0."""
    if not isinstance(world.step.operation, Take):
        return
    for call, response in zip(
        world.calls[-2:], world.reader.responses[len(world.calls[:-2]) :], strict=False
    ):
        statuses = [status for status, _ in response.interim]
        current = call.scope["http_version"] == "1.1"
        expects = (b"expect", b"100-continue") in [(n, v.lower()) for n, v in call.scope["headers"]]
        assert statuses.count(100) <= (current and expects)
        assert statuses.count(103) == len(statuses) - statuses.count(100)
        assert statuses.count(103) <= call.model.hints * current
        if not (world.lost or world.dropped):
            assert statuses.count(103) == call.model.hints * current, "a hint is lost"


def nothing_is_smuggled_into_the_output(world: World) -> None:
    """No line break of an application reaches the output."""
    if isinstance(world.step.operation, Take):
        assert isinstance(world.step.outcome, bytes)
        assert b"x-taint" not in world.step.outcome


def the_end_is_announced(world: World) -> None:
    """If it is clear at the head that the connection ends with a response, the response says so."""
    if not isinstance(world.step.operation, Take) or world.before.outputs.write_ended or not world.ending:
        return
    call = world.calls[-1] if world.calls else None
    if call is None or call.completed is None or call.released != call.completed or world.eof or world.lost:
        return
    if not world.settings.timeout_keep_alive:
        return  # The time between two requests is over when it begins.
    between = world.steps[call.completed + 1 :]
    inputs = (Receive, Wait, ToDeadline, Timeout, ShutDown, Oversleep)
    if world.connection.error is None and not any(isinstance(step.operation, inputs) for step in between):
        assert world.reader.responses[-1].closes, "the client was not told"


def a_cut_response_is_seen_to_be_cut(world: World) -> None:
    """Whatever response is incomplete when the connection ends was not completed by its application."""
    if isinstance(world.step.operation, Take) and world.ending and world.reader.responses:
        response = world.reader.responses[-1]
        if not response.complete and len(world.reader.responses) <= len(world.calls):
            call = world.calls[len(world.reader.responses) - 1]
            assert call.completed is None or world.lost or world.dropped, "a complete response was cut off"


def statistics_are_true(world: World) -> None:
    """Statistics count the octets of content in both directions."""
    for call in world.calls[-2:]:
        statistics = world.situation(call).statistics
        request = world.request_of(call)
        assert len(call.content) <= statistics.bytes_in <= len(request.content)
        if call.released is not None:
            assert call.model.start is not None
            assert statistics.status == call.model.start["status"]
            assert statistics.bytes_out == (0 if call.model.bodyless else len(call.model.content))
        if statistics.complete and call.released is None:
            assert statistics.status == 500


def _check_response(world: World, call: Call, response: ReadResponse) -> None:
    model = call.model
    assert model.start is not None
    assert response.status == model.start["status"]
    own = {name for name, _ in fields_of(model.start)}
    added = (_SERVER_FIELDS - own) | _FRAMING_FIELDS
    assert [field for field in response.fields if field[0] not in added] == fields_of(model.start), (
        response.fields
    )
    for name in _SERVER_FIELDS - own:
        assert len(response.values(name)) == 1, f"{name!r} is there {len(response.values(name))} times"
    if response.status == 204:
        assert not response.values(b"content-length")
    elif model.length is not None and response.status != 205:
        assert response.values(b"content-length") == [b"%d" % model.length]
    content = b"" if model.bodyless else bytes(model.content)
    if world.lost or world.dropped:
        assert content.startswith(response.content), "other content"
    else:
        assert response.content == content, "other content"
    if call.completed is not None and not (world.lost or world.dropped):
        closing = not response.values(b"content-length") and not response.values(b"transfer-encoding")
        assert response.complete or (closing and not world.ending), "a complete response looks incomplete"
    if response.complete and response.trailers:
        assert response.trailers == model.trailers
        assert any(name == b"te" for name, _ in call.scope["headers"])


def _check_server_response(response: ReadResponse) -> None:
    assert response.status in _SERVER_STATUSES, response.status
    assert response.closes
    assert len(response.values(b"date")) == 1
    assert len(response.values(b"content-length")) == 1
    assert response.values(b"content-type") == [b"text/plain; charset=utf-8"]
    assert response.complete


# The whole story, played again in other ways.


def the_same_again_gives_the_same(world: World) -> None:
    """The same inputs, messages and times give the same outputs."""
    _compare(world, world.replay(world.operations))


def cuts_do_not_matter(world: World) -> None:
    """However octets are cut on their way, the same comes of them."""
    for cut in (0, 1, 7):
        operations = [
            replace(operation, cut=cut) if isinstance(operation, Receive) else operation
            for operation in world.operations
        ]
        _compare(world, world.replay(operations))


def both_readers_agree(world: World) -> None:
    """With `Settings.http1_reader` the other way round, the same comes of the same."""
    other = "h11" if world.settings.http1_reader == "fast" else "fast"
    _compare(world, world.replay(world.operations, http1_reader=other))


def refused_messages_leave_no_trace(world: World) -> None:
    """Without the messages that were refused, everything goes the same way."""
    steps = [step for step in world.steps if not isinstance(step.outcome, (InvalidMessage, RuntimeError))]
    if len(steps) < len(world.steps):
        _compare(world, world.replay([step.operation for step in steps]), steps)


def shutting_down_ends(world: World) -> None:
    """From any state, shutting down reaches `closed` in time, though peer and applications do nothing."""
    other = world.replay(world.operations)
    other.do(ShutDown())
    assert other.shut_down_at is not None
    last = other.shut_down_at + other.settings.timeout_graceful_shutdown
    other.do(Take())
    while not other.connection.closed:
        assert other.connection.deadline <= last, f"not closed at {last}: {other.outputs}"
        other.do(ToDeadline())
        other.do(Take())


def nothing_is_held_after_the_end(world: World) -> None:
    """A closed connection holds no exchange and no octets."""
    other = world.replay(world.operations)
    other.do(Lost())
    assert other.connection.closed
    for item in reachable(other.connection, other.settings):
        assert not isinstance(item, Exchange), f"{type(item).__name__} is held"


def _compare(world: World, other: World, steps: list[Step] | None = None) -> None:
    """Compare two worlds step by step. How long each lingers, once both have ended their side, may differ.

    Octets behind the end are counted until there are too many, and those that came in the same read as the one that
    brought the end are not.
    """
    ended = False
    for number, (step, again) in enumerate(zip(steps or world.steps, other.steps, strict=True)):
        where = f"step {number}, {step.operation}"
        assert again.opened == step.opened, f"{where}: opened {step.opened} became {again.opened}"
        if not ended and again.outputs != step.outputs:
            ended = _have_ended(world, step, other, again)
            assert ended, f"{where}: outputs {step.outputs} became {again.outputs}"
        if not ended:
            one, two = (repr(x) if isinstance(x, Exception) else x for x in (step.outcome, again.outcome))
            assert one == two, f"{where}: outcome {one} became {two}"


def _have_ended(world: World, step: Step, other: World, again: Step) -> bool:
    """Tell whether these outputs differ only in how long a connection lingers that has ended its side."""
    one, two = step.outputs, again.outputs
    if (one.size, one.error) != (two.size, two.error):
        return False
    ends = []
    for each, last in ((world, step), (other, again)):
        number = next(number for number, found in enumerate(each.steps) if found is last)
        before = each.replay(each.operations[: number + 1])
        before.do(Take())
        ends.append(before.ending)
    return all(ends)


def _closes(fields: list[tuple[bytes, bytes]]) -> bool:
    values = b",".join([value for name, value in fields if name == b"connection"]).lower()
    return b"close" in [member.strip(b" \t") for member in values.split(b",")]


_OPAQUE: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Call)


def _walk(start: object) -> Iterator[object]:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, _OPAQUE):
            continue
        seen.add(id(item))
        yield item
        waiting.extend(gc.get_referents(item))


def reachable(connection: Connection, settings: Settings) -> Iterator[object]:
    """Yield what the connection holds, but for what all connections share."""
    other = Connection(TransportInfo(), settings, 0.0, {})
    shared = {id(item) for item in _walk(other)}
    return (item for item in _walk(connection) if id(item) not in shared)


AFTER_EACH: Final[tuple[Law, ...]] = (
    requests_are_opened_in_order,
    scopes_say_what_was_asked,
    limits_are_kept,
    nothing_is_opened_after_the_end,
    one_request_is_served_at_a_time,
    messages_come_in_order,
    content_is_what_was_sent,
    waiting_applications_are_woken,
    a_lost_client_is_told_of,
    messages_are_refused_as_asgi_says,
    a_refused_message_changes_nothing,
    responses_are_what_was_sent,
    interim_responses_are_due,
    nothing_is_smuggled_into_the_output,
    the_end_is_announced,
    a_cut_response_is_seen_to_be_cut,
    statistics_are_true,
    deadlines_lie_ahead,
    closed_is_closed,
    nothing_follows_the_end,
    wants_write_tells_of_octets,
    what_is_empty_or_early_changes_nothing,
    somebody_is_awaited,
    silence_ends_the_connection,
    a_head_has_one_deadline,
    shutting_down_has_one_deadline,
    octets_to_write_are_bounded,
    a_full_buffer_blocks,
    reading_stops,
    reading_goes_on,
    memory_is_bounded,
)

AT_THE_END: Final[tuple[Law, ...]] = (
    the_same_again_gives_the_same,
    cuts_do_not_matter,
    both_readers_agree,
    refused_messages_leave_no_trace,
    shutting_down_ends,
    nothing_is_held_after_the_end,
)
