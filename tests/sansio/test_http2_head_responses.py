"""The head of an HTTP/2 response, and when it goes.

Source: RFC 9113 §8.3.2; RFC 9110 §6.6.1, §10.2.4; RFC 7541 §7.1.3.
"""

from __future__ import annotations

import hpack
import pytest
from hpack import NeverIndexedHeaderTuple

from sansio import DefaultFields, Settings
from tests.messages import body, start
from tests.peers import HEADERS
from tests.sansio.http2_client import Http2Pair

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_response_of_the_application_follows_its_request() -> None:
    pair = Http2Pair()
    call = pair.open()
    call.send(start(200, [(b"X-Name", b"value"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")]))
    call.send(body(b"content"))
    assert call.view.status == 200
    assert call.view.value(b"x-name") == b"value"
    assert [value for name, value in call.view.fields if name == b"set-cookie"] == [b"a=b", b"c=d"]
    assert call.view.value(b"content-length") == b"7"


@pytest.mark.parametrize("status", [200, 204, 206, 304, 400, 404, 500, 201, 299, 418, 451, 599])
def test_any_final_status_goes_out(status: int) -> None:
    pair = Http2Pair()
    call = pair.open()
    call.respond(status=status)
    assert call.view.status == status


def test_default_fields_go_with_each_response_and_give_way_to_the_application_s() -> None:
    defaults = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    defaults.set_date(DATE)
    pair = Http2Pair(Settings(default_fields=defaults))
    names = [b"date", b"server", b"x-extra"]
    first = pair.open()
    first.respond(b"x")
    assert [first.view.value(name) for name in names] == [DATE, b"tricorn", b"1"]
    second = pair.open()
    second.respond(b"x", fields=[(b"date", b"mine")])
    assert [second.view.value(name) for name in names] == [b"mine", b"tricorn", b"1"]
    third = pair.open()
    third.respond(b"x", fields=[(b"Server", b"another")])
    assert [third.view.value(name) for name in names] == [DATE, b"another", b"1"]
    defaults.set_date(b"later")
    fourth = pair.open()
    fourth.finish()
    assert fourth.view.status == 500
    assert [fourth.view.value(name) for name in names] == [b"later", b"tricorn", b"1"]
    defaults.set_date(None)
    fifth = pair.open()
    fifth.respond(b"x")
    assert [fifth.view.value(name) for name in names] == [None, b"tricorn", b"1"]


def test_a_head_waits_for_its_content_until_somebody_lets_go_of_it() -> None:
    pair = Http2Pair()
    flushed, reading = pair.open(), pair.open(b"POST", end=False)
    for call in (flushed, reading):
        call.send(start())
        assert call.exchange.holds
        assert call.view.frames == []
    flushed.exchange.flush(pair.now)
    pair.settle()
    assert reading.receive() is None
    for call in (flushed, reading):
        assert not call.exchange.holds
        assert (call.view.status, call.view.ended) == (200, False)


def test_secrets_stay_out_of_the_tables_of_everyone_on_the_way() -> None:
    """RFC 7541 §7.1.3: a never-indexed literal stays one."""
    pair = Http2Pair()
    call = pair.open()
    call.respond(fields=[(b"set-cookie", b"secret"), (b"x-public", b"1")])
    (head,) = [frame for frame in call.view.frames if frame.kind == HEADERS]
    fields = hpack.Decoder().decode(head.payload, raw=True)
    kinds = {bytes(field[0]): isinstance(field, NeverIndexedHeaderTuple) for field in fields}
    assert kinds[b"set-cookie"]
    assert not kinds[b"x-public"]


def test_a_long_value_goes_out_whole() -> None:
    pair = Http2Pair()
    for size in (126, 127, 128, 254, 255, 16_383, 16_384, 70_000):
        call = pair.open()
        call.respond(fields=[(b"x" * min(size, 300), b"y" * size)])
        assert call.view.value(b"x" * min(size, 300)) == b"y" * size


@pytest.mark.parametrize("extra", range(-40, 2))
def test_a_head_that_just_fills_its_frames_has_an_end(extra: int) -> None:
    """RFC 9113 §6.10: END_HEADERS on the last of them. One of these sizes is two frames and no octet more."""
    pair = Http2Pair()
    call = pair.open()
    call.respond(fields=[(b"x", b"y" * (2 * 16_384 + extra))])
    assert call.view.status == 200
    assert len(call.view.value(b"x") or b"") == 2 * 16_384 + extra
