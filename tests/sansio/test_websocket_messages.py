"""What an application's WebSocket messages say, and what is wrong with them. RFC 6455 §4.2.2, §7.4."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import InvalidMessage, Message, UnexpectedMessage
from sansio.asgi import Field
from sansio.http1_writer import ENCODER
from sansio.websocket_messages import (
    encode_text,
    read_accept,
    read_close,
    read_denial,
    read_denial_start,
    read_octets,
    unexpected,
)


def accept(**values: Any) -> Message:
    return {"type": "websocket.accept", **values}


def close(*values: Any) -> Message:
    return {"type": "websocket.close", **dict(zip(("code", "reason"), values, strict=False))}


# Accepting.


@pytest.mark.parametrize(
    ("subprotocol", "answers"), [(None, []), ("b", [(b"sec-websocket-protocol", b"b")])], ids=["none", "one"]
)
def test_accepting_makes_a_field_of_the_subprotocol(subprotocol: str | None, answers: list[Field]) -> None:
    fields, made = read_accept(accept(subprotocol=subprotocol, headers=[(b"X-A", b"1")]), ["a", "b"], ENCODER)
    assert fields.lines == [b"x-a: 1\r\n"]
    assert made == answers


def test_accepting_needs_no_values() -> None:
    fields, answers = read_accept(accept(), [], ENCODER)
    assert (fields.lines, answers) == ([], [])


@pytest.mark.parametrize("subprotocol", ["c", "A", "", "a, b", b"a", 5, ["a"]], ids=repr)
def test_a_subprotocol_that_was_not_offered_raises(subprotocol: Any) -> None:
    """RFC 6455 §4.2.2: the client would have to fail the connection."""
    with pytest.raises(InvalidMessage, match="'subprotocol' must be one of"):
        read_accept(accept(subprotocol=subprotocol), ["a", "b"], ENCODER)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ([(b"Sec-WebSocket-Protocol", b"a")], "'subprotocol'"),
        ([(b"sec-websocket-accept", b"a")], "the server's"),
        ([(b"x", b"1"), (b"sec-websocket-extensions", b"a")], "the server's"),
        ([(b"Upgrade", b"websocket")], "the server's"),
        ([(b":status", b"101")], "not a token"),
        ([(b"x", b"a\r\nb")], "control character"),
        ([("x", b"a")], "must be bytes"),
        (None, "iterable"),
    ],
    ids=["protocol", "accept", "extensions", "upgrade", "pseudo", "split", "str", "none"],
)
def test_fields_that_are_the_servers_or_wrong_raise(headers: Any, problem: str) -> None:
    with pytest.raises(InvalidMessage, match=problem):
        read_accept(accept(headers=headers), ["a"], ENCODER)


# Denying.


def test_the_body_of_a_denial_is_https() -> None:
    message: Message = {"type": "websocket.http.response.body", "body": b"a", "more_body": True}
    assert read_denial(message, "state") == {"type": "http.response.body", "body": b"a", "more_body": True}
    assert message["type"] == "websocket.http.response.body"


@pytest.mark.parametrize(
    "kind", ["http.response.body", "websocket.http.response.start", "", None, []], ids=repr
)
def test_another_message_in_a_denial_raises(kind: Any) -> None:
    with pytest.raises(UnexpectedMessage, match=r"expected 'websocket.http.response.body', got .*; so far"):
        read_denial({"type": kind}, "so far")


@pytest.mark.parametrize("message", [None, {}, [], "type", {"body": b"a"}], ids=repr)
def test_what_is_no_message_is_left_to_http(message: Any) -> None:
    assert read_denial(message, "state") is message


# Messages.


@pytest.mark.parametrize(
    ("text", "octets"), [("", b""), ("é", b"\xc3\xa9"), ("\0\U0001f600", b"\0\xf0\x9f\x98\x80")], ids=ascii
)
def test_text_goes_out_in_utf_8(text: str, octets: bytes) -> None:
    assert encode_text("text", text) == octets


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"], ids=ascii)
def test_text_that_utf_8_cannot_carry_raises(text: str) -> None:
    """RFC 3629 §3: "The definition of UTF-8 prohibits encoding character numbers between U+D800 and U+DFFF"."""
    with pytest.raises(InvalidMessage, match="'text' has a surrogate"):
        encode_text("text", text)


@pytest.mark.parametrize("text", [b"a", 5, None, ["a"]], ids=repr)
def test_text_of_another_type_raises(text: Any) -> None:
    with pytest.raises(InvalidMessage, match="'text' must be a str, got"):
        encode_text("text", text)


@pytest.mark.parametrize(
    "octets",
    [b"", b"ab", bytearray(b"ab"), memoryview(b"ab")],
    ids=["empty", "bytes", "bytearray", "memoryview"],
)
def test_octets_are_kept_as_they_were(octets: Any) -> None:
    read = read_octets(octets, None)
    assert (type(read), read) == (bytes, bytes(octets))


@pytest.mark.parametrize("octets", ["a", 5, ["a"]], ids=repr)
def test_octets_of_another_type_raise(octets: Any) -> None:
    with pytest.raises(InvalidMessage, match="'bytes' must be bytes, got"):
        read_octets(octets, None)


@pytest.mark.parametrize(("octets", "text"), [(None, None), (b"", ""), (b"a", b"a")], ids=repr)
def test_both_kinds_and_neither_raise(octets: Any, text: Any) -> None:
    with pytest.raises(InvalidMessage, match="exactly one of 'bytes' and 'text'"):
        read_octets(octets, text)


# Closing.


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_a_code_that_a_close_frame_may_have_is_taken(code: int) -> None:
    """RFC 6455 §7.4.1, §7.4.2, and the registry that they found."""
    assert read_close(close(code, "é")) == (code, "é")


@pytest.mark.parametrize("values", [(), (None,), (None, None), (1000, "")], ids=repr)
def test_without_a_code_and_a_reason_it_is_1000_and_none(values: tuple[Any, ...]) -> None:
    assert read_close(close(*values)) == (1000, "")


@pytest.mark.parametrize(
    "code",
    [999, 0, -1, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70_000, True, 1000.0, "1000"],
    ids=repr,
)
def test_a_code_that_no_close_frame_may_have_raises(code: Any) -> None:
    """RFC 6455 §7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame"."""
    with pytest.raises(InvalidMessage, match="'code' must be 1000 to 1003, .* got"):
        read_close(close(code))


@pytest.mark.parametrize(
    ("reason", "problem"),
    [("\ud800", "'reason' has a surrogate"), (b"a", "'reason' must be a str, got bytes")],
)
def test_a_reason_that_is_no_text_raises(reason: Any, problem: str) -> None:
    with pytest.raises(InvalidMessage, match=problem):
        read_close(close(1000, reason))


def test_a_reason_that_is_too_long_is_cut_between_characters() -> None:
    """RFC 6455 §5.5: a control frame has at most 125 octets, and two are the code's."""
    assert read_close(close(1000, "é" * 100)) == (1000, "é" * 61)


# What has no place.


@pytest.mark.parametrize(
    ("legal", "expected"),
    [(["a", "b"], "expected 'a' or 'b', got 'c'; so far"), ([], "expected nothing more, got 'c'; so far")],
    ids=["some", "none"],
)
def test_an_unexpected_message_is_told_what_could_have_come(legal: list[str], expected: str) -> None:
    assert str(unexpected("c", legal, "so far")) == expected


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_the_start_of_a_denial_is_that_of_a_response(version: str) -> None:
    message = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]}
    assert read_denial_start(message, version) == {"status": 401, "headers": [(b"a", b"b")]}
    assert read_denial_start({"type": "websocket.http.response.start"}, version) == {
        "status": None,
        "headers": (),
    }


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_denial_that_would_accept_on_http2_raises(status: int) -> None:
    """RFC 8441 §4: any 2xx accepts there. RFC 6455 §4.2.2: on HTTP/1.1 only 101 does."""
    message = {"type": "websocket.http.response.start", "status": status}
    with pytest.raises(InvalidMessage, match=f"must not be 2xx, .* got {status}"):
        read_denial_start(message, "2")
    assert read_denial_start(message, "1.1")["status"] == status
