"""The gate: targets, and the hosts that they are about."""

from typing import Final

import pytest

from .http1_octets import head_of, status_of

HOST: Final = b"Host: a"

TARGETS: Final = {
    "origin-form": (b"GET", b"/a/b?c", None),
    "two-slashes": (b"GET", b"//a", None),
    "what-browsers-send": (b"GET", b'/"<>[\\]^`{|}', None),
    "percent-escapes": (b"GET", b"/%00%0d%0a%zz%", None),
    "absolute-form": (b"GET", b"http://b:80/x?y", None),
    "absolute-form-in-capitals": (b"GET", b"HTTPS://B", None),
    "absolute-form-without-a-path": (b"GET", b"http://b?y", None),
    "absolute-form-with-an-address": (b"GET", b"http://[::1]:80/", None),
    "asterisk-form": (b"OPTIONS", b"*", None),
    "asterisk-form-of-get": (b"GET", b"*", 400),
    "more-than-an-asterisk": (b"OPTIONS", b"*/", 400),
    "authority-form": (b"GET", b"b:80", 400),
    "no-slash": (b"GET", b"foo", 400),
    "query-only": (b"GET", b"?a", 400),
    "fragment": (b"GET", b"/a#b", 400),
    "high-octet": (b"GET", b"/\xc3\xa4", 400),
    "delete": (b"GET", b"/\x7f", 400),
    "no-host": (b"GET", b"http:///x", 400),
    "no-host-at-all": (b"GET", b"http://", 400),
    "only-a-port": (b"GET", b"http://:80/", 400),
    "user-information": (b"GET", b"http://u@b/", 400),
    "bad-port": (b"GET", b"http://b:x/", 400),
    "backslash-in-the-authority": (b"GET", b"http://b\\c/", 400),
    "other-scheme": (b"GET", b"file://b/etc", 400),
    "one-slash": (b"GET", b"http:/b", 400),
}


@pytest.mark.parametrize(("method", "target", "status"), TARGETS.values(), ids=TARGETS)
def test_targets(method: bytes, target: bytes, status: int | None) -> None:
    """RFC 9112 §3.2: four forms, of which authority-form is for CONNECT only."""
    assert status_of(head_of(b"%b %b HTTP/1.1" % (method, target), HOST)) == status


HOSTS: Final = {
    "name": ([b"a.example"], None),
    "port": ([b"a:8000"], None),
    "empty-port": ([b"a:"], None),
    "address": ([b"127.0.0.1:1"], None),
    "address-in-brackets": ([b"[2001:db8::1]:65535"], None),
    "escape": ([b"%41-_~!$&'()*+;="], None),
    "none": ([], 400),
    "two": ([b"a", b"b"], 400),
    "two-equal": ([b"a", b"a"], 400),
    "empty": ([b""], 400),
    "only-a-port": ([b":80"], 400),
    "port-too-large": ([b"a:65536"], 400),
    "port-that-is-none": ([b"a:8a"], 400),
    "port-of-six-digits": ([b"a:000080"], 400),
    "list": ([b"a,b"], 400),
    "user-information": ([b"u@a"], 400),
    "path": ([b"a/b"], 400),
    "query": ([b"a?b"], 400),
    "fragment": ([b"a#b"], 400),
    "backslash": ([b"a\\b"], 400),
    "space": ([b"a b"], 400),
    "high-octet": ([b"\xe4"], 400),
    "broken-escape": ([b"a%4"], 400),
    "brackets-left-open": ([b"[::1"], 400),
}


@pytest.mark.parametrize(("values", "status"), HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("target", [b"/", b"http://b/"], ids=["origin-form", "absolute-form"])
def test_hosts(values: list[bytes], status: int | None, target: bytes) -> None:
    """RFC 9112 §3.2: 400 for "any HTTP/1.1 request message that lacks a Host header field" and for a bad one."""
    assert status_of(head_of(b"GET %b HTTP/1.1" % target, *[b"Host: " + value for value in values])) == status
