"""Hosts: what may stand in a Host field and in the authority of a target, and what an attack would put there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.fields import is_host


@pytest.mark.parametrize(
    "value",
    [
        b"a",
        b"server.example",
        b"SERVER.example",
        b"server.example.",
        b"server.example:80",
        b"server.example:",
        b"server.example:0",
        b"server.example:65535",
        b"127.0.0.1:8000",
        b"[::1]",
        b"[::1]:8000",
        b"[2001:db8::192.0.2.1]",
        b"xn--bcher-kva.example",
        b"under_score.example",
        b"a-b~c!d$e&f'g(h)i*j+k;l=m",
        b"%41.example",
    ],
    ids=repr,
)
def test_a_host_has_a_name_or_an_address_and_perhaps_a_port(value: bytes) -> None:
    """RFC 9110 §7.2."""
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b":80",
        b"a:65536",
        b"a:123456",
        b"a:-1",
        b"a:8a",
        b"a:80:80",
        b"a b",
        b" a",
        b"a ",
        b"a\tb",
        b"user@a",
        b"user:password@a",
        b"a/",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"a,b",
        b"a, a",
        b"[::1",
        b"::1",
        b"[]",
        b"[::g]",
        b"[::1]a",
        b"[..]",
        b"[....]",
        b"[:::::]",
        b"[1:2:3:4:5:6:7:8:9]",
        b"[12345::]",
        b"[127.0.0.1]",
        b"[fe80::1%25eth0]",
        b"[" + b":" * 46 + b"]",
        b"%4",
        b"%zz",
        b"b\xfccher.example",
        b"a\x00",
        b"a\n",
        b"a\r",
        b"a\x7f",
        b"<a>",
        b'"a"',
        b"{a}",
        b"a|b",
        b"a^b",
        b"a`b",
    ],
    ids=repr,
)
def test_what_is_no_host_is_none(value: bytes) -> None:
    """RFC 9110 §4.2.4 on user information, §4.2.1 on empty hosts; lists of hosts are an attack."""
    assert not is_host(value)


@given(st.binary(max_size=10))
def test_a_host_never_has_what_ends_an_authority(value: bytes) -> None:
    if is_host(value):
        assert not set(value) & set(b"/?#@\\, \t\r\n\x00")
        assert value.isascii()
