"""What can happen to a connection, for hypothesis to choose from: rules for a peer, applications, a clock, an embedder.

A rule is a sentence about what happens. The laws are held after each, and those of the whole story at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests import peers

from .connection import ConnectionMachine
from .connection_script import LANGUAGE, WORLDS
from .generate import mutate, pipeline
from .http1_givens import SETTINGS
from .machine import Machine
from .messages import MESSAGES
from .operations import (
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
from .websocket_script import HEAD, OFFERS

__all__ = ["AnyHttp1", "AnyProtocol", "Drawn", "mutants", "pipelines"]

T = TypeVar("T")


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
    """Requests of HTTP/1, one behind the other."""
    return pipeline(Drawn(draw))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """What is nearly requests of HTTP/1."""
    return mutate(pipeline(Drawn(draw)), Drawn(draw))


_CUTS: Final = st.sampled_from((0, 0, 0, 1, 2, 17))
_WHICH: Final = st.sampled_from((0, 0, 0, 0, 1, 2))
_LEGAL: Final = [name for name in MESSAGES if not name.startswith(("bad", "unknown"))]
_STARTS: Final = [name for name in _LEGAL if name.startswith("start")]
_BODIES: Final = [name for name in _LEGAL if name.startswith("body")]
_ANYTHING: Final = st.sampled_from(LANGUAGE.names)
_KNOWN: Final = st.sampled_from(LANGUAGE.known)
_OPENINGS: Final = st.sampled_from(
    [
        *LANGUAGE.known[:3],
        HEAD % OFFERS[0],
        HEAD % OFFERS[1],
        peers.PREFACE + peers.settings() + peers.settings(ack=True) + peers.request(1),
        peers.PREFACE + peers.settings() + peers.request(1, b"POST", end_stream=False) + peers.request(3),
    ]
)


class _Story(RuleBasedStateMachine):
    """What happens whichever protocol is spoken."""

    machine: Any
    """The connection under test."""

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.machine.do(Take())
            self.machine.check_whole()

    @property
    def calls(self) -> int:
        return len(self.machine.calls)

    # The peer.

    @rule(data=st.binary(max_size=40), cut=_CUTS)
    def octets_come(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

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
    @rule(which=_WHICH)
    def an_application_receives(self, which: int) -> None:
        self.machine.do(AppReceive(which))

    @precondition(lambda self: self.calls)
    @rule(which=_WHICH)
    def an_application_takes_a_while(self, which: int) -> None:
        self.machine.do(AppFlush(which))

    @precondition(lambda self: self.calls)
    @rule(which=_WHICH, failed=st.booleans())
    def an_application_finishes(self, which: int, failed: bool) -> None:
        self.machine.do(AppFinish(which, failed))


class AnyHttp1(_Story):
    """Requests of HTTP/1, and applications that answer them."""

    machine: Machine

    @initialize(number=st.integers(0, len(SETTINGS) - 1))
    def accept(self, number: int) -> None:
        self.machine = Machine(SETTINGS[number])

    @rule(data=pipelines(), cut=_CUTS)
    def requests_come(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

    @rule(data=mutants(), cut=_CUTS)
    def nearly_requests_come(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

    @rule(data=pipelines(), share=st.floats(0, 1), cut=_CUTS)
    def a_part_comes(self, data: bytes, share: float, cut: int) -> None:
        self.machine.do(Receive(data[: int(len(data) * share)], cut))

    @precondition(lambda self: self.calls)
    @rule(name=st.sampled_from(_LEGAL), which=_WHICH)
    def an_application_sends(self, name: str, which: int) -> None:
        self.machine.do(AppSend(name, which))

    @precondition(lambda self: self.calls)
    @rule(name=st.sampled_from(list(MESSAGES)), which=_WHICH)
    def an_application_sends_anything(self, name: str, which: int) -> None:
        self.machine.do(AppSend(name, which))

    @precondition(lambda self: self.calls)
    @rule(start=st.sampled_from(_STARTS), body=st.sampled_from(_BODIES))
    def an_application_responds(self, start: str, body: str) -> None:
        self.machine.do(AppSend(start))
        self.machine.do(AppSend(body))


class AnyProtocol(_Story):
    """A peer that speaks whatever it likes."""

    machine: ConnectionMachine

    @initialize(world=st.integers(0, len(WORLDS) - 1), opening=_OPENINGS)
    def accept(self, world: int, opening: bytes) -> None:
        self.machine = ConnectionMachine(world)
        self.machine.do(Receive(opening))

    @rule(data=_KNOWN, cut=_CUTS)
    def something_known_comes(self, data: bytes, cut: int) -> None:
        self.machine.do(Receive(data, cut))

    @rule(first=_KNOWN, second=_KNOWN, share=st.floats(0, 1), cut=_CUTS)
    def two_things_come_in_one_read(self, first: bytes, second: bytes, share: float, cut: int) -> None:
        self.machine.do(Receive(first + second[: int(len(second) * share)], cut))

    @precondition(lambda self: self.calls)
    @rule(name=_ANYTHING, which=_WHICH)
    def an_application_sends_anything(self, name: str, which: int) -> None:
        self.machine.do(AppSend(name, which))

    @precondition(lambda self: self.calls)
    @rule(accepts=st.booleans(), which=_WHICH)
    def an_application_answers(self, accepts: bool, which: int) -> None:
        for name in ("websocket accept", "websocket text") if accepts else ("start", "body 5"):
            self.machine.do(AppSend(name, which))
