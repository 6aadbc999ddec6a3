"""The laws of `fuzz.machine`, held by hypothesis: whatever happens to a connection, in any order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import laws_websocket
from fuzz.http2 import Session as Http2Session
from fuzz.http2_script import HELLOS
from fuzz.http2_script import SETTINGS as HTTP2_SETTINGS
from fuzz.laws_http2 import fields_have_no_line_breaks
from fuzz.properties import FEW, PROPERTIES
from fuzz.script import mutate_script, read_script, write_script
from fuzz.seeds import http1_seeds
from fuzz.stateful import Drawn
from fuzz.targets import TARGETS
from fuzz.websocket import HEAD, OFFERS, Session
from fuzz.websocket import SETTINGS as WEBSOCKET_SETTINGS
from fuzz.websocket_world import Verdict
from fuzz.wire import client_frame
from fuzz.world import (
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Receive,
    Take,
    Wait,
)
from sansio import PeerError

from .peers import request

PARTS: Final = 4  # A test has a minute, and the machine may be a slow one.
Change: TypeAlias = Callable[[Session], object]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("target", TARGETS)
def test_every_law_holds_for_the_seeds(target: str, part: int) -> None:
    for data in TARGETS[target].seeds()[part::PARTS]:
        TARGETS[target].check(data)


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_law_holds_whatever_happens(name: str) -> None:
    """RFC 9112 §2.2, RFC 9113 §4, RFC 6455 §5: and whatever comes, in any cut, means the same."""
    PROPERTIES[name](FEW)


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    return mutate_script(draw(st.sampled_from(http1_seeds())), Drawn(draw))


@settings(FEW)
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
    fields_have_no_line_breaks(session)
    session.fresh = [frame._replace(fields=(*frame.fields, field)) for frame in session.fresh]
    with pytest.raises(AssertionError):
        fields_have_no_line_breaks(session)
