"""What a scope must be, for every request: types, grammar, and what it says of the octets it came from.

Source: ASGI HTTP & WebSocket 2.5, "HTTP Connection Scope"; RFC 9110 §5, §7.2; RFC 9112 §3.2.
"""

from __future__ import annotations

import re
from typing import Any, Final

from .wire import ReadRequest

__all__ = ["check_scope", "check_soundness"]

_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]{1,32}")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_ABSOLUTE: Final = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]+)(.*)")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_COMMON_KEYS: Final = {
    "type": str,
    "asgi": dict,
    "http_version": str,
    "scheme": str,
    "path": str,
    "raw_path": bytes,
    "query_string": bytes,
    "root_path": str,
    "headers": list,
    "client": tuple,
    "server": tuple,
    "extensions": dict,
    "state": dict,
}
_KEYS: Final[dict[str, dict[str, type]]] = {
    "http": {**_COMMON_KEYS, "method": str},
    "websocket": {**_COMMON_KEYS, "subprotocols": list},
}
_SCHEMES: Final = {"http": {"http", "https"}, "websocket": {"ws", "wss"}}
_INTERIM: Final[dict[str, object]] = {"http.response.early_hint": {}, "http.response.trailers": {}}


def check_scope(scope: dict[str, Any], request: ReadRequest, root_path: str) -> None:
    """Hold the scope of a request of HTTP/1 against the request on the wire."""
    check_soundness(scope, root_path)
    assert scope["type"] == "http"
    assert scope["scheme"] == "http"
    assert scope["http_version"] in {"1.0", "1.1"}, scope["http_version"]
    _check_target(scope, request)
    _check_fields(scope, request)


def check_soundness(scope: dict[str, Any], root_path: str) -> None:
    """Hold a scope of any protocol against what ASGI and HTTP allow."""
    kind = scope["type"]
    assert {key: type(value) for key, value in scope.items()} == _KEYS[kind], "keys or types of the scope"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["scheme"] in _SCHEMES[kind], scope["scheme"]
    assert scope["http_version"] in {"1.0", "1.1", "2"}, scope["http_version"]
    if kind == "http":
        assert _METHOD.fullmatch(scope["method"]), scope["method"]
        assert scope["extensions"] == ({} if scope["http_version"] == "1.0" else _INTERIM)
    else:
        assert scope["http_version"] != "1.0", "a WebSocket in HTTP/1.0"
        assert scope["extensions"] == {"websocket.http.response": {}}
        assert all(
            type(name) is str and _NAME.fullmatch(name.lower().encode()) for name in scope["subprotocols"]
        )
    for field in scope["headers"]:
        assert type(field) is tuple, field
        name, value = field
        assert type(name) is bytes, field
        assert type(value) is bytes, field
        assert _NAME.fullmatch(name), field
        # Crumbs of HTTP/2 "MUST be concatenated [...] using the two-octet delimiter [...] '; '", and may be empty.
        # RFC 9113 §8.2.3
        crumbs = name == b"cookie" and scope["http_version"] == "2"
        assert _VALUE.fullmatch(value.strip(b"; ") if crumbs else value), field
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    assert len(hosts) <= 1, hosts
    assert hosts or scope["http_version"] == "1.0", "no host"
    assert all(_HOST.fullmatch(host) for host in hosts), hosts
    raw_path = scope["raw_path"]
    assert raw_path.isascii(), raw_path
    assert raw_path.startswith(b"/") or raw_path == b"*", raw_path
    assert scope["query_string"].isascii(), scope["query_string"]
    assert scope["root_path"] == root_path
    decoded = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw_path).decode("utf-8", "replace")
    assert scope["path"] == ("*" if raw_path == b"*" else root_path + decoded), scope["path"]


def _check_target(scope: dict[str, Any], request: ReadRequest) -> None:
    raw_path, query = scope["raw_path"], scope["query_string"]
    assert scope["method"] == request.method
    target = request.target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and not target.startswith(b"/"):
        target = absolute[2]
        if request.method == "OPTIONS" and not target:
            target = b"*"
        elif not target.startswith(b"/"):
            target = b"/" + target
        assert scope["headers"][0] == (b"host", absolute[1]), "the target's authority is not the host"
    again = raw_path + b"?" + query if b"?" in target else raw_path
    assert again == target, f"{raw_path!r} and {query!r} do not make {target!r}"


def _check_fields(scope: dict[str, Any], request: ReadRequest) -> None:
    # Which spelling of the coding's name is shown is nobody's concern; h11 knows one only.
    coding = b"transfer-encoding"
    fields = [(name, value.lower() if name == coding else value) for name, value in request.fields]
    shown = [(name, value.lower() if name == coding else value) for name, value in scope["headers"]]
    if not request.target.startswith((b"/", b"*")):
        fields = [field for field in fields if field[0] != b"host"]
        assert shown[1:] == fields, "fields"
    else:
        assert shown == fields, "fields"
    framing = [name for name, _ in fields if name in {b"content-length", coding}]
    assert len(framing) <= 1, "framing that can be read in two ways"
    assert scope["http_version"] == "1.1" or coding not in framing, "a coding in HTTP/1.0"
    assert scope["http_version"] == ("1.0" if request.version == b"HTTP/1.0" else "1.1")
