"""From a request's target and fields to the scope: nothing is lost, nothing is decoded twice, nothing is shared."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.asgi import Scope
from sansio.fields import TARGET_CHARACTERS
from sansio.scope import RequestHead, ScopeBuilder, parse_target
from sansio.settings import Settings, TransportInfo

targets = st.lists(
    st.sampled_from([b"/", b"?", b"%", b"%2F", b"%c3%a4", b"%ff", b"%00", b"..", b"a", b"+", b";", b"*"])
)
origin_forms = (targets.map(b"".join) | st.lists(st.sampled_from(TARGET_CHARACTERS)).map(bytes)).map(
    lambda rest: b"/" + rest
)


def build(
    target: bytes = b"/",
    *,
    settings: Settings | None = None,
    transport: TransportInfo | None = None,
    state: dict[str, Any] | None = None,
    version: str = "1.1",
) -> Scope:
    builder = ScopeBuilder(transport or TransportInfo(), settings or Settings(), state)
    return builder.build(RequestHead("GET", target, version, [(b"host", b"a")]))


def decode_once(raw: bytes) -> str:
    """Percent-decode and then read UTF-8, the simplest way."""
    octets = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), raw)
    return octets.decode("utf-8", "replace")


# Targets.


@given(origin_forms, st.sampled_from([b"GET", b"OPTIONS", b"FOO"]))
def test_an_origin_form_is_kept_as_it_came(target: bytes, method: bytes) -> None:
    """RFC 9112 §3.2.1. Nothing is normalised: not "//", not "/../"."""
    parsed = parse_target(method, target)
    assert parsed is not None
    assert (parsed.path, parsed.authority) == (target, None)


@given(
    st.binary(max_size=12)
    | st.builds(lambda a, b, c: a + b + c, origin_forms, st.binary(max_size=2), origin_forms)
)
def test_a_target_is_visible_ascii_without_a_fragment_or_none(target: bytes) -> None:
    """RFC 9112 §3.2; §3.2.1: a fragment is never sent."""
    if parse_target(b"GET", target) is not None:
        assert set(target) <= set(TARGET_CHARACTERS)
        assert target


@pytest.mark.parametrize(
    ("method", "target", "path", "authority"),
    [
        pytest.param(b"GET", b"http://a.example", b"/", b"a.example", id="no path"),
        pytest.param(b"GET", b"http://a.example/", b"/", b"a.example", id="root"),
        pytest.param(
            b"GET", b"http://a.example:8000/b?c", b"/b?c", b"a.example:8000", id="path, port and query"
        ),
        pytest.param(b"GET", b"http://a.example?c", b"/?c", b"a.example", id="query without a path"),
        pytest.param(b"GET", b"http://a.example?c/d?e", b"/?c/d?e", b"a.example", id="slash in the query"),
        pytest.param(b"GET", b"HTTPS://A.example/b", b"/b", b"A.example", id="https, any case"),
        pytest.param(b"GET", b"http://[::1]:80//b", b"//b", b"[::1]:80", id="IPv6 and two slashes"),
        pytest.param(b"OPTIONS", b"*", b"*", None, id="asterisk"),
        pytest.param(b"OPTIONS", b"http://a.example", b"*", b"a.example", id="asterisk through a proxy"),
        pytest.param(b"OPTIONS", b"http://a.example/", b"/", b"a.example", id="OPTIONS of the root"),
        pytest.param(b"OPTIONS", b"http://a.example?b", b"/?b", b"a.example", id="OPTIONS with a query"),
        pytest.param(b"GET", b"//evil.example/a", b"//evil.example/a", None, id="two slashes are a path"),
        pytest.param(b"GET", b"/http://a.example/", b"/http://a.example/", None, id="a URL is a path too"),
    ],
)
def test_a_target_is_taken_apart(method: bytes, target: bytes, path: bytes, authority: bytes | None) -> None:
    """RFC 9112 §3.2.2, §3.2.4."""
    parsed = parse_target(method, target)
    assert parsed is not None
    assert (parsed.path, parsed.authority) == (path, authority)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param(b"GET", b"", id="nothing"),
        pytest.param(b"GET", b"*", id="asterisk without OPTIONS"),
        pytest.param(b"OPTIONS", b"**", id="two asterisks"),
        pytest.param(b"GET", b"a", id="relative"),
        pytest.param(b"GET", b"a.example:80", id="authority-form"),
        pytest.param(b"GET", b"?a", id="query alone"),
        pytest.param(b"GET", b"file:///etc/passwd", id="file"),
        pytest.param(b"GET", b"ftp://a.example/", id="ftp"),
        pytest.param(b"GET", b"javascript:alert(1)", id="javascript"),
        pytest.param(b"GET", b"http:/a", id="one slash"),
        pytest.param(b"GET", b"http:a", id="no slash"),
        pytest.param(b"GET", b"http://", id="no host"),
        pytest.param(b"GET", b"http:///a", id="empty host"),
        pytest.param(b"GET", b"http://:80/", id="port alone"),
        pytest.param(b"GET", b"http://user@a.example/", id="user"),
        pytest.param(b"GET", b"http://user:pass@a.example/", id="user and password"),
        pytest.param(b"GET", b"http://a.example:99999/", id="port too high"),
        pytest.param(b"GET", b"http://a.example\\@b.example/", id="backslash"),
        pytest.param(b"GET", b"http://a,b/", id="comma"),
        pytest.param(b"GET", b"/a#b", id="fragment"),
        pytest.param(b"GET", b"http://a.example/#b", id="fragment in absolute-form"),
        pytest.param(b"GET", b"/a b", id="space"),
        pytest.param(b"GET", b"/a\tb", id="tab"),
        pytest.param(b"GET", b"/a\r", id="CR"),
        pytest.param(b"GET", b"/a\n", id="LF"),
        pytest.param(b"GET", b"/\x00", id="NUL"),
        pytest.param(b"GET", b"/\x7f", id="DEL"),
        pytest.param(b"GET", "/ä".encode(), id="UTF-8"),
        pytest.param(b"GET", b"/?\xff", id="beyond ASCII in the query"),
    ],
)
def test_another_target_is_refused(method: bytes, target: bytes) -> None:
    """RFC 9112 §3.2: "any invalid request-line [...] 400 (Bad Request)"."""
    assert parse_target(method, target) is None


# The path in the scope.


@given(origin_forms)
def test_raw_path_and_query_make_up_the_target(target: bytes) -> None:
    scope = build(target)
    raw, query = scope["raw_path"], scope["query_string"]
    assert b"?" not in raw
    assert target in {raw + b"?" + query, raw if query == b"" else None}


@given(origin_forms, st.sampled_from(["", "/app", "/ä/b"]))
def test_path_is_the_root_and_one_decoding_of_raw_path(target: bytes, root_path: str) -> None:
    """ASGI: "percent-encoded sequences and UTF-8 byte sequences decoded into characters"; the root is its prefix."""
    scope = build(target, settings=Settings(root_path=root_path))
    assert scope["root_path"] == root_path
    assert scope["path"] == root_path + decode_once(scope["raw_path"])
    assert scope["raw_path"] == target.partition(b"?")[0]


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        pytest.param(b"/", "/", b"/", b"", id="root"),
        pytest.param(b"/?", "/", b"/", b"", id="empty query"),
        pytest.param(b"/a?b=c?d", "/a", b"/a", b"b=c?d", id="second question mark"),
        pytest.param(b"/a?%41%ff+", "/a", b"/a", b"%41%ff+", id="query stays encoded"),
        pytest.param(b"//evil", "//evil", b"//evil", b"", id="two slashes"),
        pytest.param(b"/..%2f..%2Fetc", "/../../etc", b"/..%2f..%2Fetc", b"", id="encoded slash"),
        pytest.param(b"/a/../b/./c", "/a/../b/./c", b"/a/../b/./c", b"", id="dot segments"),
        pytest.param(b"/%2e%2e/", "/../", b"/%2e%2e/", b"", id="encoded dots"),
        pytest.param(b"/%00", "/\x00", b"/%00", b"", id="NUL"),
        pytest.param(b"/%0d%0aa", "/\r\na", b"/%0d%0aa", b"", id="CR LF"),
        pytest.param(b"/%2541", "/%41", b"/%2541", b"", id="encoded twice"),
        pytest.param(b"/%3Fa", "/?a", b"/%3Fa", b"", id="encoded question mark"),
        pytest.param(b"/%23", "/#", b"/%23", b"", id="encoded fragment"),
        pytest.param(b"/a+b", "/a+b", b"/a+b", b"", id="plus stays plus"),
        pytest.param(b"/%E2%82%AC", "/€", b"/%E2%82%AC", b"", id="UTF-8"),
        pytest.param(b"/%c0%af", "/\ufffd\ufffd", b"/%c0%af", b"", id="overlong UTF-8"),
        pytest.param(b"/%ff", "/\ufffd", b"/%ff", b"", id="no UTF-8"),
        pytest.param(b"/%ed%a0%80", "/\ufffd\ufffd\ufffd", b"/%ed%a0%80", b"", id="surrogate"),
        pytest.param(b"/%e2%82", "/\ufffd", b"/%e2%82", b"", id="UTF-8 cut short"),
        pytest.param(b"/%", "/%", b"/%", b"", id="percent alone"),
        pytest.param(b"/%4", "/%4", b"/%4", b"", id="one digit"),
        pytest.param(b"/%zz%41", "/%zzA", b"/%zz%41", b"", id="no digits"),
        pytest.param(b"/a\\b", "/a\\b", b"/a\\b", b"", id="backslash"),
        pytest.param(b"/a;b=c", "/a;b=c", b"/a;b=c", b"", id="parameter"),
        pytest.param(b"/*", "/*", b"/*", b"", id="asterisk in a path"),
        pytest.param(b'/"<>^`{|}', '/"<>^`{|}', b'/"<>^`{|}', b"", id="what browsers send"),
    ],
)
def test_odd_targets_are_decoded_once_and_otherwise_left_alone(
    target: bytes, path: str, raw_path: bytes, query: bytes
) -> None:
    scope = build(target)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_an_asterisk_is_below_no_root() -> None:
    scope = build(b"*", settings=Settings(root_path="/app"))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("*", b"*", b"")
    assert scope["root_path"] == "/app"


# The rest of the scope.


def test_a_scope_has_exactly_the_keys_of_asgi() -> None:
    """ASGI HTTP & WebSocket 2.5, "HTTP Connection Scope"."""
    head = RequestHead("POST", b"/a?b", "1.1", [(b"host", b"a"), (b"x", b"1"), (b"x", b"2")])
    transport = TransportInfo(("192.0.2.1", 1234), ("192.0.2.2", 443), secure=True)
    assert ScopeBuilder(transport, Settings(), {"pool": 1}).build(head) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "server": ("192.0.2.2", 443),
        "client": ("192.0.2.1", 1234),
        "scheme": "https",
        "method": "POST",
        "root_path": "",
        "path": "/a",
        "raw_path": b"/a",
        "query_string": b"b",
        "headers": [(b"host", b"a"), (b"x", b"1"), (b"x", b"2")],
        "extensions": {"http.response.early_hint": {}, "http.response.trailers": {}},
        "state": {"pool": 1},
    }


def test_values_have_exactly_the_types_of_asgi() -> None:
    scope = build(b"/a%20b?c")
    assert type(scope) is dict
    for key in ("type", "http_version", "scheme", "method", "root_path", "path"):
        assert type(scope[key]) is str
    for key in ("raw_path", "query_string"):
        assert type(scope[key]) is bytes


def test_http_1_0_has_no_extensions() -> None:
    """Trailers and interim responses came with HTTP/1.1 (RFC 9110 §15.2)."""
    scope = build(version="1.0")
    assert (scope["http_version"], scope["extensions"]) == ("1.0", {})


def test_a_socket_without_addresses_says_so() -> None:
    """ASGI: server may be a path and None for a Unix socket; client may be None."""
    scope = build(transport=TransportInfo(None, ("/run/a.sock", None)))
    assert (scope["client"], scope["server"], scope["scheme"]) == (None, ("/run/a.sock", None), "http")


def test_without_a_lifespan_there_is_no_state() -> None:
    assert "state" not in build()
    assert build(state={})["state"] == {}


def test_the_state_is_copied_when_the_request_comes_and_not_deeply() -> None:
    """ASGI Lifespan, "Lifespan State": "a shallow copy"."""
    shared: list[int] = []
    state: dict[str, Any] = {"shared": shared}
    builder = ScopeBuilder(TransportInfo(), Settings(), state)
    first = builder.build(RequestHead("GET", b"/", "1.1", []))
    first["state"]["mine"] = 1
    first["state"]["shared"].append(1)
    state["later"] = 2
    second = builder.build(RequestHead("GET", b"/", "1.1", []))
    assert second["state"] == {"shared": [1], "later": 2}
    assert second["state"]["shared"] is shared
    assert state == {"shared": [1], "later": 2}


def vandalise(value: Any) -> None:
    """Destroy all that can be changed, inside first."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            vandalise(inner)
        value.clear()
        value["broken"] = True
    elif isinstance(value, list):
        for inner in value:
            vandalise(inner)
        value[:] = ["broken"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_nothing_that_an_application_does_to_its_scope_is_seen_by_the_next(version: str) -> None:
    builder = ScopeBuilder(TransportInfo(("a", 1), ("b", 2)), Settings(), {"a": 1})

    def fresh() -> Scope:
        return builder.build(RequestHead("GET", b"/a%20b?c", version, [(b"host", b"a")]))

    expected = fresh()
    vandalise(fresh())
    assert fresh() == expected


# The head.


def test_a_plain_request_has_no_content_and_stays() -> None:
    head = RequestHead("GET", b"/", "1.1", [])
    assert (head.content_length, head.close, head.expects_continue, head.accepts_trailers) == (
        0,
        False,
        False,
        False,
    )


@pytest.mark.parametrize(("secure", "scheme"), [(False, "ws"), (True, "wss")])
def test_a_websockets_scope_differs_from_a_requests_only_where_it_must(secure: bool, scheme: str) -> None:
    """ASGI, "WebSocket", Connection Scope."""
    builder = ScopeBuilder(TransportInfo(secure=secure), Settings(root_path="/x"), {"a": 1})
    head = RequestHead("GET", b"/%20?q", "1.1", [(b"host", b"a")])
    expected = builder.build(head)
    del expected["method"]
    expected |= {
        "type": "websocket",
        "scheme": scheme,
        "subprotocols": ["b", "a"],
        "extensions": {"websocket.http.response": {}},
    }

    first = builder.build_websocket(head, ["b", "a"])
    assert first == expected
    vandalise(first)
    assert builder.build_websocket(head, ["b", "a"]) == expected


def test_a_plain_head_asks_for_no_websocket() -> None:
    assert RequestHead("GET", b"/", "1.1", []).websocket is False
