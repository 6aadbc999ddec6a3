"""The laws of `fuzz.machine`, held by hypothesis: whatever happens to a connection, in any order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fuzz import laws_websocket
from fuzz.generate import mutate, pipeline
from fuzz.http2 import Session as Http2Session
from fuzz.http2_script import HELLOS, mutate_http2
from fuzz.http2_script import SETTINGS as HTTP2_SETTINGS
from fuzz.http2_seeds import http2_seeds
from fuzz.laws_http2 import nothing_is_smuggled_into_the_output
from fuzz.machine import Machine
from fuzz.messages import MESSAGES
from fuzz.script import mutate_script, read_script, write_script
from fuzz.seeds import http1_seeds, websocket_seeds
from fuzz.targets import TARGETS
from fuzz.websocket import HEAD, OFFERS, Session, mutate_websocket
from fuzz.websocket import SETTINGS as WEBSOCKET_SETTINGS
from fuzz.websocket_world import Verdict
from fuzz.wire import client_frame
from fuzz.world import (
    SETTINGS,
    AppFinish,
    AppFlush,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Oversleep,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)
from sansio import PeerError

from .peers import request

T = TypeVar("T")
Change: TypeAlias = Callable[[Session], object]

# The same examples each time: a campaign is for new ones.
BUDGET: Final = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


class Drawn:
    """A `fuzz.generate.Chooser` whose choices hypothesis makes, and can make smaller."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def choice(self, values: Sequence[T], /) -> T:
        return self._draw(st.sampled_from(values))

    def randint(self, low: int, high: int, /) -> int:
        return self._draw(st.integers(low, high))


@st.composite
def pipelines(draw: st.DrawFn) -> bytes:
    return pipeline(Drawn(draw))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    return mutate(pipeline(Drawn(draw)), Drawn(draw))


CUTS: Final = st.sampled_from((0, 0, 0, 1, 2, 17))
WHICH: Final = st.sampled_from((0, 0, 0, 0, 1, 2))
LEGAL: Final = [name for name in MESSAGES if not name.startswith(("bad", "unknown"))]
STARTS: Final = [name for name in LEGAL if name.startswith("start")]
SESSIONS: Final = st.sampled_from(websocket_seeds())
CONNECTIONS: Final = st.sampled_from(http2_seeds())
BODIES: Final = [name for name in LEGAL if name.startswith("body")]


class AnyConnection(RuleBasedStateMachine):
    """Peer, application, embedder and clock do what they like."""

    machine: Machine

    @initialize(number=st.integers(0, len(SETTINGS) - 1))
    def accept(self, number: int) -> None:
        self.machine = Machine(SETTINGS[number])

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.machine.do(Take())
            self.machine.check_whole()

    @property
    def calls(self) -> int:
        return len(self.machine.calls)

    # The peer.

    @rule(data=pipelines(), cut=CUTS)
    def requests_come(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

    @rule(data=mutants(), cut=CUTS)
    def nearly_requests_come(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

    @rule(data=pipelines(), share=st.floats(0, 1), cut=CUTS)
    def a_part_comes(self, data: bytes, share: float, cut: int) -> None:
        self.machine.do(Receive(data[: int(len(data) * share)], cut))

    @rule(data=st.binary(max_size=40))
    def octets_come(self, data: bytes) -> None:
        self.machine.do(Receive(data))

    @rule(gone=st.sampled_from((Eof(), Eof(), Lost())))
    def the_peer_goes(self, gone: Operation) -> None:
        self.machine.do(gone)

    # The embedder and its clock.

    @rule()
    def octets_are_taken(self) -> None:
        self.machine.do(Take())

    @rule(
        operation=st.sampled_from(
            (Wait(0.25), Wait(3.0), Wait(100_000.0), ToDeadline(), Oversleep(40.0), Timeout())
        )
    )
    def time_passes(self, operation: Operation) -> None:
        self.machine.do(operation)

    @rule()
    def the_server_shuts_down(self) -> None:
        self.machine.do(ShutDown())

    # The applications.

    @precondition(lambda self: self.calls)
    @rule(which=WHICH)
    def an_application_receives(self, which: int) -> None:
        self.machine.do(AppReceive(which))

    @precondition(lambda self: self.calls)
    @rule(name=st.sampled_from(LEGAL), which=WHICH)
    def an_application_sends(self, name: str, which: int) -> None:
        self.machine.do(AppSend(name, which))

    @precondition(lambda self: self.calls)
    @rule(name=st.sampled_from(list(MESSAGES)), which=WHICH)
    def an_application_sends_anything(self, name: str, which: int) -> None:
        self.machine.do(AppSend(name, which))

    @precondition(lambda self: self.calls)
    @rule(start=st.sampled_from(STARTS), body=st.sampled_from(BODIES))
    def an_application_responds(self, start: str, body: str) -> None:
        self.machine.do(AppSend(start))
        self.machine.do(AppSend(body))

    @precondition(lambda self: self.calls)
    @rule(which=WHICH)
    def an_application_takes_a_while(self, which: int) -> None:
        self.machine.do(AppFlush(which))

    @precondition(lambda self: self.calls)
    @rule(which=WHICH, failed=st.booleans())
    def an_application_finishes(self, which: int, failed: bool) -> None:
        self.machine.do(AppFinish(which, failed))


TestAnyConnection = AnyConnection.TestCase
TestAnyConnection.settings = settings(BUDGET, max_examples=100, stateful_step_count=24)


@pytest.mark.parametrize("target", TARGETS)
def test_every_law_holds_for_the_seeds(target: str) -> None:
    for data in TARGETS[target].seeds():
        TARGETS[target].check(data)


@settings(BUDGET, max_examples=100)
@given(
    number=st.integers(0, len(SETTINGS) - 1),
    stream=st.one_of(pipelines(), mutants(), st.binary(max_size=100)),
)
def test_requests_mean_the_same_in_every_cut_and_to_every_reader(number: int, stream: bytes) -> None:
    """RFC 9112 §2.2: "A recipient MUST parse an HTTP message as a sequence of octets"."""
    TARGETS["gate"].check(bytes([number]) + stream)


@settings(BUDGET, max_examples=100)
@given(number=st.integers(0, len(SETTINGS) - 1), head=mutants())
def test_a_scope_is_sound_whatever_the_head(number: int, head: bytes) -> None:
    TARGETS["scope"].check(bytes([number]) + head)


@st.composite
def sessions(draw: st.DrawFn) -> bytes:
    script = draw(SESSIONS)
    for _ in range(draw(st.integers(1, 3))):
        script = mutate_websocket(script, Drawn(draw))
    return script


@settings(BUDGET, max_examples=100)
@given(script=st.one_of(sessions(), st.binary(max_size=100)))
def test_a_websocket_keeps_every_law_whatever_is_said(script: bytes) -> None:
    TARGETS["websocket"].check(script)


@st.composite
def connections(draw: st.DrawFn) -> bytes:
    script = draw(CONNECTIONS)
    for _ in range(draw(st.integers(1, 3))):
        script = mutate_http2(script, Drawn(draw))
    return script


@settings(BUDGET, max_examples=100)
@given(script=st.one_of(connections(), st.binary(max_size=100)))
def test_http2_keeps_every_law_whatever_happens(script: bytes) -> None:
    TARGETS["http2"].check(script)


@settings(BUDGET, max_examples=100)
@given(data=st.binary(max_size=100))
def test_field_blocks_are_read_as_by_hpack(data: bytes) -> None:
    """RFC 7541. `tests/sansio/test_field_blocks_judge.py` asks for more."""
    TARGETS["field_blocks"].check(data)


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    return mutate_script(draw(st.sampled_from(http1_seeds())), Drawn(draw))


@settings(BUDGET, max_examples=50)
@given(script=scripts())
def test_a_script_stands_for_the_operations_it_was_written_from(script: bytes) -> None:
    assert write_script(*read_script(script)) == script


# Laws can be broken: the connection is right, so that what was seen of it has to be changed.

OPENED: Final[list[Operation]] = [Receive(HEAD % OFFERS[0]), AppReceive(), AppSend("accept"), Take()]
HELLO: Final = Receive(client_frame(0x81, b"hello"))
OTHER: Final = {"type": "websocket.receive", "bytes": b"other", "text": None}
LATE: Final = {"type": "websocket.disconnect", "code": 4_000, "reason": ""}


def seem_open(session: Session) -> None:
    session.connection.closed = False
    session.connection.wants_read = True


BROKEN: Final[dict[str, tuple[list[Operation], Change]]] = {
    "one_session_is_all": (OPENED, lambda s: s.calls.append(s.calls[0])),
    "an_empty_buffer_blocks_nobody": (OPENED, lambda s: setattr(s.calls[0].exchange, "can_send", False)),
    "octets_to_write_are_bounded": (OPENED, lambda s: s.connection.write(bytes(1_000_000))),
    "a_session_that_waits_is_read_for": (
        [*OPENED, AppReceive()],
        lambda s: setattr(s.connection, "wants_read", False),
    ),
    "both_ends_close_the_connection": (
        [*OPENED, Eof(), AppReceive(), Take()],
        lambda s: setattr(s.connection, "closed", False),
    ),
    "messages_that_wait_are_few": (
        [*OPENED, HELLO, HELLO, HELLO],
        lambda s: setattr(s, "settings", replace(s.settings, limit_read_buffer=1)),
    ),
    "silence_ends_the_session": ([*OPENED, Wait(200.0), Take(), Wait(200.0)], seem_open),
    "memory_is_bounded": ([*OPENED, Lost()], lambda s: s.connection.write(bytes(1_000_000))),
    "nothing_is_received_before_accepting": (
        [*OPENED, HELLO, AppReceive()],
        lambda s: setattr(s, "state", "connecting"),
    ),
    "messages_are_refused_as_asgi_says": (
        [*OPENED, AppSend("text")],
        lambda s: setattr(s, "verdict", Verdict(over=False, legal=False, bad=False)),
    ),
    "messages_are_those_of_the_peer": (
        [*OPENED, HELLO, AppReceive()],
        lambda s: s.calls[0].received.append(OTHER),
    ),
    "messages_are_within_the_limits": (
        [*OPENED, HELLO, AppReceive()],
        lambda s: setattr(s, "settings", replace(s.settings, ws_max_size=4)),
    ),
    "everything_that_came_is_told": ([*OPENED, AppReceive()], lambda s: s.fed.extend(HELLO.data)),
    "a_disconnect_says_what_happened": (OPENED, lambda s: s.calls[0].received.append(LATE)),
    "nobody_is_refused_for_nothing": (
        OPENED,
        lambda s: setattr(s.connection, "error", PeerError(None, "why")),
    ),
    "denying_is_one_response": (OPENED, lambda s: setattr(s, "state", "denied")),
    "accepting_upgrades": (OPENED, lambda s: s.wire.__setitem__(slice(9, 12), b"200")),
    "a_client_can_read_the_frames": (OPENED, lambda s: s.wire.extend(b"\x81\x81mask.")),
    "messages_on_the_wire_are_those_sent": (OPENED, lambda s: s.sent.append("never")),
    "pongs_answer_pings": (OPENED, lambda s: s.wire.extend(b"\x8a\x01p")),
    "shutting_down_closes_the_session": (OPENED, lambda s: s.codes.add(1012)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_law_of_the_websocket_notices_what_it_is_there_for(name: str) -> None:
    operations, change = BROKEN[name]
    law = getattr(laws_websocket, name)
    session = Session(WEBSOCKET_SETTINGS[3])
    for operation in operations:
        session.do(operation)
    law(session)
    change(session)
    with pytest.raises(AssertionError):
        law(session)


def test_every_law_of_the_websocket_can_be_broken() -> None:
    assert set(laws_websocket.__all__) == BROKEN.keys()


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb"), (b"x", b"\0"), (b"x\n", b"a")])
def test_a_line_break_in_a_field_of_http2_is_noticed(field: tuple[bytes, bytes]) -> None:
    """Those of HTTP/2 are not delimited by line breaks, but others will write them again (RFC 9113 §8.2.1)."""
    session = Http2Session(HTTP2_SETTINGS[0])
    story: list[Operation] = [Receive(HELLOS[0] + request(1)), AppSend("start"), Take()]
    for operation in story:
        session.do(operation)
    nothing_is_smuggled_into_the_output(session)
    session.fresh = [frame._replace(fields=(*frame.fields, field)) for frame in session.fresh]
    with pytest.raises(AssertionError):
        nothing_is_smuggled_into_the_output(session)
