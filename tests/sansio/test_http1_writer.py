"""The writer of HTTP/1: what it makes of what it is given, read back by h11."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.fields import EncodedFields
from sansio.http1_writer import (
    CONTINUE,
    ENCODER,
    LAST_CHUNK,
    encode_chunk,
    encode_early_hint,
    encode_error,
    encode_head,
    encode_switch,
    encode_trailers,
)
from sansio.settings import DefaultFields

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def read(octets: bytes, method: str = "GET") -> list[h11.Event]:
    """Return what an HTTP/1 client makes of these octets."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(octets)
    client.receive_data(b"")
    events: list[h11.Event] = []
    while not events or not isinstance(events[-1], (h11.EndOfMessage, h11.ConnectionClosed)):
        event = client.next_event()
        assert not isinstance(event, type)
        events.append(event)
    return events


def make_defaults() -> DefaultFields:
    defaults = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    defaults.set_date(DATE)
    return defaults


def head(fields: EncodedFields, status: int = 200, length: int | None = 0, **framing: bool) -> h11.Response:
    octets = b"".join(
        encode_head(
            status,
            fields,
            make_defaults(),
            length,
            chunked=framing.get("chunked", False),
            close=framing.get("close", False),
        )
    )
    response = read(octets + (LAST_CHUNK if framing.get("chunked") else b""), "HEAD" if length else "GET")[0]
    assert isinstance(response, h11.Response)
    return response


def test_a_head_has_the_defaults_the_fields_and_the_framing_in_this_order() -> None:
    response = head(ENCODER.encode([(b"X-A", b"1"), (b"x-a", b"2")]), length=5)
    assert response.status_code == 200
    assert list(response.headers) == [
        (b"date", DATE),
        (b"server", b"tricorn"),
        (b"x-extra", b"1"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"content-length", b"5"),
    ]


@pytest.mark.parametrize("name", [b"date", b"server"])
def test_a_default_gives_way_to_the_applications_own(name: bytes) -> None:
    """RFC 9110 §6.6.1 and §10.2.4: a response has one of each."""
    response = head(ENCODER.encode([(name, b"mine")]))
    assert [value for field, value in response.headers if field == name] == [b"mine"]
    assert {b"date", b"server", b"x-extra"} <= {field for field, _ in response.headers}


def test_framing_is_a_length_or_chunks_or_neither() -> None:
    """RFC 9112 §6.1: no Content-Length beside a Transfer-Encoding."""
    fields = ENCODER.encode([])
    assert (b"transfer-encoding", b"chunked") in list(head(fields, length=None, chunked=True).headers)
    assert (b"content-length", b"0") in list(head(fields, length=0, chunked=True).headers)
    neither = {name for name, _ in head(fields, 204, None).headers}
    assert not neither & {b"content-length", b"transfer-encoding", b"connection"}


def test_a_connection_that_ends_says_so() -> None:
    """RFC 9112 §9.6."""
    assert (b"connection", b"close") in list(head(ENCODER.encode([]), close=True).headers)


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_a_reason(status: int) -> None:
    """RFC 9112 §4. Some clients cannot read a status line without one."""
    assert head(ENCODER.encode([]), status, None if status in {204, 304} else 0).reason


@pytest.mark.parametrize(("status", "phrase"), [(413, b"Content Too Large"), (422, b"Unprocessable Content")])
def test_reasons_are_those_of_the_registry(status: int, phrase: bytes) -> None:
    """RFC 9110 §15.5."""
    assert head(ENCODER.encode([]), status).reason == phrase


@pytest.mark.parametrize("reason", ["", "because"])
def test_an_error_ends_the_connection_and_says_why(reason: str) -> None:
    error, content = encode_error(400, reason, make_defaults())
    response, *data, _ = read(error + content)
    assert isinstance(response, h11.Response)
    assert response.status_code == 400
    assert {(b"connection", b"close"), (b"date", DATE)} <= set(response.headers)
    assert b"".join(event.data for event in data if isinstance(event, h11.Data)) == content
    assert content == (b"Bad Request: because\n" if reason else b"Bad Request\n")


@given(st.lists(st.binary(min_size=1, max_size=300)))
def test_chunks_are_read_back(contents: list[bytes]) -> None:
    octets = b"".join(encode_head(200, ENCODER.encode([]), make_defaults(), None, chunked=True, close=False))
    octets += b"".join(map(encode_chunk, contents)) + LAST_CHUNK
    events = read(octets)
    assert b"".join(event.data for event in events if isinstance(event, h11.Data)) == b"".join(contents)
    assert isinstance(events[-1], h11.EndOfMessage)


def test_trailers_follow_the_last_chunk() -> None:
    octets = b"".join(encode_head(200, ENCODER.encode([]), make_defaults(), None, chunked=True, close=False))
    end = read(octets + encode_trailers(ENCODER.encode_trailers([(b"X-Sum", b"5")])))[-1]
    assert isinstance(end, h11.EndOfMessage)
    assert list(end.headers) == [(b"x-sum", b"5")]


def test_interim_responses_come_before_the_final_one() -> None:
    """RFC 9110 §15.2."""
    hint = encode_early_hint(ENCODER.encode_value(b"link", b"</a>; rel=preload"))
    final = b"".join(encode_head(200, ENCODER.encode([]), make_defaults(), 0, chunked=False, close=False))
    first, second, third, *_ = read(CONTINUE + hint + final)
    assert isinstance(first, h11.InformationalResponse)
    assert isinstance(second, h11.InformationalResponse)
    assert isinstance(third, h11.Response)
    assert (first.status_code, second.status_code, third.status_code) == (100, 103, 200)
    assert list(second.headers) == [(b"link", b"</a>; rel=preload")]


@given(st.text("abc-", min_size=1), st.text("abc ", max_size=20))
def test_a_line_is_decoded_to_what_it_was(name: str, value: str) -> None:
    pair = (name.encode(), value.strip().encode())
    (line,) = ENCODER.encode([pair]).lines
    assert ENCODER.decode(line) == pair


def test_an_answer_to_another_version_of_websocket_names_ours() -> None:
    """RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response"; RFC 6455 §4.4."""
    for status, upgrade, version in ((426, [b"websocket"], [b"13"]), (400, [], [])):
        response = read(b"".join(encode_error(status, "", make_defaults())))[0]
        assert isinstance(response, h11.Response)
        assert [value for name, value in response.headers if name == b"upgrade"] == upgrade
        assert [value for name, value in response.headers if name == b"sec-websocket-version"] == version


@pytest.mark.parametrize(
    ("fields", "date", "server"),
    [([], DATE, b"tricorn"), ([(b"date", b"d"), (b"Server", b"s"), (b"x", b"1")], b"d", b"s")],
    ids=["defaults", "own"],
)
def test_a_switch_has_the_answer_and_each_field_once(
    fields: list[tuple[bytes, bytes]], date: bytes, server: bytes
) -> None:
    """RFC 6455 §4.2.2."""
    octets = encode_switch(
        ENCODER.encode(fields), make_defaults(), [(b"sec-websocket-protocol", b"a")], b"t="
    )
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Upgrade", "websocket")]))
    client.send(h11.EndOfMessage())
    client.receive_data(octets)
    event = client.next_event()
    assert isinstance(event, h11.InformationalResponse)
    assert event.status_code == 101
    others = [(b"x", b"1")] if fields else []
    assert sorted(event.headers) == sorted(
        [
            (b"connection", b"Upgrade"),
            (b"date", date),
            (b"sec-websocket-accept", b"t="),
            (b"sec-websocket-protocol", b"a"),
            (b"server", server),
            (b"upgrade", b"websocket"),
            (b"x-extra", b"1"),
            *others,
        ]
    )
