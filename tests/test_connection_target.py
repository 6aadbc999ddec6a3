"""The laws of `fuzz.connection`, held by hypothesis on a connection of any protocol; and each of them can be broken."""

from types import ModuleType
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import connection, http2, lifespan, websocket
from fuzz import machine as http1
from fuzz.connection import ConnectionMachine
from fuzz.connection_script import LANGUAGE, WEBSOCKET_WORLDS, mutate_connection
from fuzz.connection_seeds import connection_seeds
from fuzz.laws import Violation
from fuzz.laws_work import count_lines, work_is_in_proportion
from fuzz.operations import (
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)
from fuzz.properties import FEW
from fuzz.stateful import Drawn
from fuzz.websocket_script import HEAD, OFFERS
from fuzz.wire import client_frame
from sansio import Connection, Settings, TransportInfo

from . import peers
from .broken import (
    GET,
    PART,
    POST,
    RESPOND,
    Change,
    again,
    asked,
    at,
    at_the_first,
    note,
    output,
    received,
    see,
    seen_outputs,
    written,
)

SCRIPTS: Final = st.sampled_from(connection_seeds())


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    script = draw(SCRIPTS)
    for _ in range(draw(st.integers(1, 3))):
        script = mutate_connection(script, Drawn(draw))
    return script


@settings(FEW, max_examples=30)
@given(script=scripts())
def test_a_script_stands_for_the_operations_it_was_written_from(script: bytes) -> None:
    assert LANGUAGE.write(*LANGUAGE.read(script)) == script


# Each law can be broken: the connection is right, so that what was seen of it has to be changed.

BROKEN: Final[dict[str, tuple[int, list[Operation], Change]]] = {
    "closed_is_closed": (0, [GET], output("closed", True)),
    "nothing_follows_the_end": (0, [GET, *RESPOND], output("write_ended", True)),
    "wants_write_tells_of_octets": (0, [GET], output("wants_write", True)),
    "what_is_empty_or_early_changes_nothing": (0, [GET, Receive(b"")], seen_outputs(deadline=2_000.0)),
    "each_exchange_is_named_once": (0, [GET], lambda world: world.named.extend(world.named)),
    "deadlines_lie_ahead": (0, [], at(50.0)),
    "deadlines_are_not_far": (0, [], at(-100.0)),
    "somebody_has_the_next_move": (
        0,
        [GET, *RESPOND, Take()],
        lambda world: world.connection.stop_deadlines(),
    ),
    "content_that_comes_gains_time": (
        0,
        [PART, AppReceive(), AppReceive(), ToDeadline()],
        lambda world: setattr(world.calls[0], "heard_at", world.now - 1.0),
    ),
    "silence_is_not_endured": (0, [Wait(100_000.0)], output("closed", False)),
    "shutting_down_has_one_deadline": (
        0,
        [GET, ShutDown()],
        lambda world: setattr(world, "shut_down_at", world.now - 10.0),
    ),
    "nothing_comes_of_what_is_behind_the_end": (0, [GET, Eof(), Receive(b"a")], see(opened=({},))),
    "nothing_is_opened_behind_a_fault": (
        0,
        [Receive(b"bad\r\n"), Receive(b"a")],
        seen_outputs(size=10_000),
    ),
    "an_end_is_final": (0, [GET, *RESPOND], at_the_first(end=())),
    "scopes_are_sound": (0, [GET], see(opened=({"type": "http", "method": "GET"},))),
    "everybody_is_told_of_the_end": (0, [GET], note("lost", True)),
    "applications_hear_of_the_end": (0, [GET, Lost(), AppSend("start")], see(outcome=None)),
    "messages_come_in_turn": (
        0,
        [GET, Lost(), AppReceive()],
        received({"type": "http.request", "body": b"late", "more_body": False}),
    ),
    "messages_are_of_the_right_kind": (0, [GET, AppSend("websocket text")], see(outcome=None)),
    "a_refused_message_changes_nothing": (0, [GET, AppSend("body")], written(b"a")),
    "nothing_is_smuggled_into_the_output": (0, [Take()], see(outcome=b"a: b\r\nx-taint: 1\r\n")),
    "whoever_waits_is_named": (
        0,
        [GET, *RESPOND],
        at_the_first(waiting=True),
    ),
    "whoever_waits_is_read_for": (0, [POST, AppReceive()], output("wants_read", False)),
    "asking_again_changes_nothing": (0, [POST, AppReceive(), AppReceive()], output("deadline", 2_000.0)),
    "statistics_add_up": (0, [GET], lambda world: world.calls[0].content.extend(b"more")),
    "applications_at_work_are_limited": (0, [GET], lambda world: world.calls.extend(world.calls)),
    "requests_are_limited": (3, [GET, *RESPOND], lambda world: world.calls.extend(world.calls)),
    "messages_are_fewer_than_octets": (
        0,
        [GET],
        received(*[{"type": "http.request", "body": b"", "more_body": True}] * 100),
    ),
    "what_is_not_received_stops_the_peer": (2, [PART], output("wants_read", True)),
    "octets_to_write_are_few": (0, [GET], written(bytes(100_000))),
    "memory_is_bounded_by_the_settings": (
        WEBSOCKET_WORLDS + 1,
        [Timeout()] * 8,
        written(bytes(10_000_000)),
    ),
    "the_same_again_gives_the_same": (0, [GET, *RESPOND, Take()], see(outcome=b"other")),
    "what_is_empty_or_early_leaves_no_trace": (0, [GET], see(opened=())),
    "refused_messages_leave_no_trace": (0, [GET, AppSend("bad none"), *RESPOND], seen_outputs(size=1)),
    "a_receive_that_was_given_up_loses_nothing": (0, [POST, AppReceive()], see(outcome={})),
    "however_octets_are_cut_the_same_comes_of_them": (0, [GET], see(opened=())),
    "nothing_was_kept_back": (0, [GET], again(at_the_first(waiting=True))),
    "shutting_down_ends": (0, [GET], again(asked(timeout_graceful_shutdown=1.0))),
    "a_clock_that_goes_back_does_no_harm": (0, [GET], again(asked(timeout_graceful_shutdown=1.0))),
    "nothing_is_held_after_the_end": (
        0,
        [GET],
        again(lambda world: setattr(world.connection, "error", world.calls[0].exchange)),
    ),
}

LAWS = {law.__name__: law for law in (*connection.AFTER_EACH, *connection.AT_THE_END)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_law_notices_what_it_is_there_for(name: str) -> None:
    world, operations, change = BROKEN[name]
    law = LAWS[name]
    machine = ConnectionMachine(world)
    for operation in operations:
        machine.do(operation)
    if machine.steps:
        law(machine)
    change(machine)
    with pytest.raises(AssertionError):
        law(machine)


def test_every_law_can_be_broken() -> None:
    laws = {law.__name__ for law in (*connection.AFTER_EACH, *connection.AT_THE_END)}
    assert laws == BROKEN.keys()


@pytest.mark.parametrize("target", [connection, http1, http2, websocket, lifespan])
def test_every_law_says_in_a_sentence_what_holds(target: ModuleType) -> None:
    for law in (*target.AFTER_EACH, *target.AT_THE_END):
        assert law.__doc__, law
        assert law.__doc__.partition("\n")[0].endswith((".", "?")), law


def test_a_machine_names_the_law_the_world_and_the_operations() -> None:
    machine = ConnectionMachine(2)
    machine.do(GET)
    machine.connection.wants_write = True
    with pytest.raises(Violation, match=r"(?s)wants write tells of octets: .*WORLDS\[2\].*GET / HTTP"):
        machine.do(Timeout())


# Work.

FLOOD: Final = Settings(http2_control_burst=10**6, http2_reset_burst=10**6)
NEGOTIATED: Final = TransportInfo(alpn="h2")
HELLO: Final = peers.PREFACE + peers.settings() + peers.settings(ack=True)
SHAPES: Final[dict[str, tuple[bytes, bytes]]] = {
    "messages": (HEAD % OFFERS[0], client_frame(0x81, b"a")),
    "compressed": (HEAD % OFFERS[1], client_frame(0xC1, b"J\x04\x00")),
    "fragments": (HEAD % OFFERS[0] + client_frame(0x01, b"a"), client_frame(0x00, b"a")),
    "pings of a session": (HEAD % OFFERS[0], client_frame(0x89, b"a")),
    "pings": (HELLO, peers.ping()),
    "settings": (HELLO, peers.settings((4, 100))),
    "windows": (HELLO, peers.window_update(0, 1)),
    "unknown frames": (HELLO, peers.frame(0x77, 0, 0, b"a")),
    "content": (HELLO + peers.request(1, b"POST", end_stream=False), peers.data(1, b"a")),
    "empty content": (HELLO + peers.request(1, b"POST", end_stream=False), peers.data(1)),
    "preferences": (HELLO + peers.request(1, b"POST", end_stream=False), peers.priority_update(1, b"u=1")),
}


def serve(first: bytes, more: bytes, times: int, cut: int) -> None:
    """Let a peer say something again and again, to an application that accepts and receives everything."""
    connection = Connection(NEGOTIATED if first.startswith(HELLO) else TransportInfo(), FLOOD, 0.0)
    connection.receive_data(first, 0.0)
    exchanges = connection.take_ready()
    for exchange in exchanges:
        if exchange.scope["type"] == "websocket":
            exchange.send({"type": "websocket.accept"}, 0.0)
    data = more * times
    for start in range(0, len(data), cut):
        connection.receive_data(data[start : start + cut], 0.0)
        connection.data_to_send()
        for exchange in exchanges:
            while exchange.receive(0.0) is not None:
                pass


@pytest.mark.parametrize(("first", "more"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cut", [1, 1_000, 10**6], ids=["octets", "reads", "whole"])
def test_the_work_grows_no_faster_than_the_octets(first: bytes, more: bytes, cut: int) -> None:
    small = count_lines(lambda: serve(first, more, 50, cut))
    large = count_lines(lambda: serve(first, more, 400, cut))
    assert large < 12 * small


def test_only_the_work_of_the_core_is_counted() -> None:
    def make() -> Connection:
        return Connection(TransportInfo(), Settings(), 0.0)

    once = count_lines(make)
    assert once > 0
    assert count_lines(lambda: [make() for _ in range(10)]) > 5 * once
    assert count_lines(lambda: sum(range(1_000))) == 0


def test_work_that_is_not_in_proportion_is_noticed() -> None:
    machine = ConnectionMachine(0)
    machine.do(GET)
    work_is_in_proportion(machine)
    with pytest.raises(AssertionError):
        work_is_in_proportion(machine, per_octet=1, per_event=1)
