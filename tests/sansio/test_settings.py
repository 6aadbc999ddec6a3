"""Settings: the defaults make sense, what makes no sense is refused, and default fields are encoded once."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.errors import UsageError
from sansio.settings import DefaultFields, Settings, TransportInfo

LIMITS = [each.name for each in dataclasses.fields(Settings) if each.name.startswith("limit_")]
TIMEOUTS = [each.name for each in dataclasses.fields(Settings) if each.name.startswith("timeout_")]
OPTIONAL = ["limit_request_body", "limit_requests_per_connection"]


def make(name: str, value: Any) -> Settings:
    settings = Settings(**{name: value})
    assert getattr(settings, name) == value
    return settings


def test_the_defaults_hold_what_the_rfc_asks_for() -> None:
    """RFC 9112 §3: "request-line lengths of, at minimum, 8000 octets"."""
    settings = Settings()
    assert settings.limit_request_head >= 8_000
    assert settings.limit_request_body is None
    assert settings.http1_reader == "fast"
    assert settings.root_path == ""
    assert settings.default_fields.block == b""


def test_every_timeout_is_finite_by_default() -> None:
    """Whoever embeds the core and sets nothing is still rid of every silent peer."""
    settings = Settings()
    assert TIMEOUTS
    assert all(0 < getattr(settings, name) < math.inf for name in TIMEOUTS)


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("value", [0, 0.0, 1, 2.5, math.inf], ids=repr)
def test_a_timeout_is_any_length_of_time(name: str, value: float) -> None:
    make(name, value)


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("value", [-1, -0.001, -math.inf, math.nan, None, "5", b"5", [], 1j], ids=repr)
def test_what_is_no_length_of_time_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a number of seconds"):
        make(name, value)


@given(name=st.sampled_from(LIMITS), value=st.integers(min_value=1))
def test_a_limit_is_any_positive_integer(name: str, value: int) -> None:
    make(name, value)


@given(
    name=st.sampled_from(LIMITS),
    value=st.integers(max_value=-1) | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
)
def test_what_is_no_count_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a positive integer"):
        make(name, value)


@pytest.mark.parametrize("name", OPTIONAL)
def test_some_limits_can_be_none(name: str) -> None:
    make(name, None)


@pytest.mark.parametrize("name", [name for name in LIMITS if name not in OPTIONAL])
def test_other_limits_cannot_be_none(name: str) -> None:
    """What is held in memory is always bounded."""
    with pytest.raises(UsageError, match=name):
        make(name, None)


def test_only_discarding_can_be_limited_to_nothing() -> None:
    make("limit_discard", 0)
    for name in LIMITS:
        if name != "limit_discard":
            with pytest.raises(UsageError, match=name):
                make(name, 0)


@pytest.mark.parametrize("value", ["fast", "h11"])
def test_the_reader_is_one_of_two(value: str) -> None:
    make("http1_reader", value)


@pytest.mark.parametrize("value", ["", "FAST", "httptools", None, b"h11", 1], ids=repr)
def test_another_reader_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="http1_reader must be"):
        make("http1_reader", value)


@pytest.mark.parametrize("value", ["", "/a", "/a/b", "/ü", "//a"], ids=repr)
def test_a_root_path_is_empty_or_starts_with_a_slash(value: str) -> None:
    make("root_path", value)


@pytest.mark.parametrize("value", ["/", "a", "a/", "/a/", " /a"], ids=repr)
def test_another_root_path_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="root_path must start and not end with '/'"):
        make("root_path", value)


def test_settings_are_given_by_name_and_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Settings(1)  # type: ignore[call-arg]  # That is what is tested.
    with pytest.raises(AttributeError):
        Settings().root_path = "/a"  # type: ignore[misc]  # That is what is tested.


def test_a_replaced_value_is_checked_too() -> None:
    with pytest.raises(UsageError):
        dataclasses.replace(Settings(), limit_request_head=0)


def test_default_fields_are_not_shared_by_accident() -> None:
    one, other = Settings(), Settings()
    one.default_fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert other.default_fields.block == b""


def test_default_fields_are_lines_in_the_order_date_server_extra() -> None:
    fields = DefaultFields(b"tricorn", [(b"x-a", b"1"), (b"x-b", b"2")])
    assert fields.block == b"server: tricorn\r\nx-a: 1\r\nx-b: 2\r\n"
    fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert fields.block == (b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: tricorn\r\nx-a: 1\r\nx-b: 2\r\n")
    assert fields.block == fields.date_line + fields.server_line + fields.extra_lines
    assert fields.fields == ((b"x-a", b"1"), (b"x-b", b"2"))


def test_a_later_date_takes_the_place_of_the_earlier_and_none_removes_it() -> None:
    fields = DefaultFields()
    fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    fields.set_date(b"Sun, 06 Nov 1994 08:49:38 GMT")
    assert fields.block == b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
    fields.set_date(None)
    assert fields.block == fields.date_line == b""


def test_a_transport_of_which_nothing_is_known_is_plain() -> None:
    transport = TransportInfo()
    assert (transport.client, transport.server, transport.secure) == (None, None, False)


def test_a_transport_is_a_value() -> None:
    transport = TransportInfo(("192.0.2.1", 1), ("/run/a.sock", None), secure=True)
    assert transport == TransportInfo(("192.0.2.1", 1), ("/run/a.sock", None), secure=True)
    assert transport != TransportInfo(("192.0.2.1", 1), ("/run/a.sock", None))
    with pytest.raises(AttributeError):
        transport.secure = False  # type: ignore[misc]  # That is what is tested.


def test_without_a_clock_there_is_no_date() -> None:
    fields = DefaultFields(b"tricorn")
    assert fields.date_line == b""
    assert fields.block == fields.server_line == b"server: tricorn\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root_path", 5),
        ("root_path", b"/a"),
        ("root_path", None),
        ("http1_reader", []),
        ("limit_request_head", True),
        ("timeout_linger", True),
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_is_a_usage_error(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        make(name, value)


@pytest.mark.parametrize(
    "name",
    [each.name for each in dataclasses.fields(Settings) if each.name.endswith(("_timeout", "_interval"))],
)
@pytest.mark.parametrize("value", [-1, math.nan, None, "5", True], ids=repr)
def test_a_protocols_times_are_lengths_of_time(name: str, value: Any) -> None:
    make(name, 2.5)
    make(name, math.inf)
    with pytest.raises(UsageError, match=f"{name} must be a number of seconds"):
        make(name, value)


@pytest.mark.parametrize(
    "name",
    [
        "ws_max_size",
        "ws_max_fragments",
        "http2_max_concurrent_streams",
        "http2_initial_window_size",
        "http2_max_header_list_size",
        "http2_reset_burst",
        "http2_reset_rate",
        "http2_control_burst",
        "http2_control_rate",
    ],
)
@pytest.mark.parametrize("value", [0, -1, 1.0, None, "5", True], ids=repr)
def test_a_protocols_limits_are_positive(name: str, value: Any) -> None:
    make(name, 1)
    with pytest.raises(UsageError, match=f"{name} must be a positive integer"):
        make(name, value)


@pytest.mark.parametrize("value", [2**31, 2**40])
def test_a_window_is_no_larger_than_http2_allows(value: int) -> None:
    """RFC 9113 §6.5.2."""
    make("http2_initial_window_size", 2**31 - 1)
    with pytest.raises(UsageError, match="http2_initial_window_size must be at most 2147483647"):
        make("http2_initial_window_size", value)


@pytest.mark.parametrize(
    ("name", "choices"),
    [("http", ["auto", "1", "2"]), ("h2c", ["off", "prior-knowledge"]), ("http1_reader", ["fast", "h11"])],
)
@pytest.mark.parametrize("value", ["", "3", None, 1], ids=repr)
def test_a_choice_is_one_of_few(name: str, choices: list[str], value: Any) -> None:
    for choice in choices:
        make(name, choice)
    with pytest.raises(UsageError, match=f"{name} must be '{choices[0]}' or .*, got {value!r}"):
        make(name, value)


@pytest.mark.parametrize(
    "name",
    ["ws_ping_interval", "ws_ping_timeout", "http2_keep_alive_interval", "http2_keep_alive_timeout"],
)
def test_a_ping_needs_time(name: str) -> None:
    make(name, 0.001)
    with pytest.raises(UsageError, match=f"{name} must be more than 0; math.inf means never"):
        make(name, 0)
