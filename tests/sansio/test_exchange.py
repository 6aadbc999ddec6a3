"""The face that every kind of call shows to whoever runs the application."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sansio import Connection, Exchange, ExchangeStatistics, Lifespan, Settings, TransportInfo


def open_http() -> Exchange:
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.0)
    (exchange,) = connection.take_ready()
    return exchange


kinds = pytest.mark.parametrize(
    "make", [open_http, Lifespan, lambda: Exchange({})], ids=["http", "lifespan", "bare"]
)


@kinds
def test_a_new_exchange_can_send_and_nothing_has_happened_to_it(make: Callable[[], Exchange]) -> None:
    exchange = make()
    assert exchange.can_send
    assert not exchange.ended
    assert not exchange.disconnected
    assert not exchange.half_closed
    assert not exchange.holds
    assert exchange.failure is None


@kinds
def test_the_tag_is_the_embedders(make: Callable[[], Exchange]) -> None:
    exchange = make()
    assert exchange.tag is None
    exchange.tag = tag = object()
    exchange.flush(1.0)
    assert exchange.tag is tag


@kinds
def test_an_exchange_takes_no_other_attributes(make: Callable[[], Exchange]) -> None:
    """A misspelt attribute is an error and not a silent new one."""
    with pytest.raises(AttributeError):
        make().can_sent = True  # type: ignore[attr-defined]  # That is what is tested.


@kinds
def test_exchanges_are_told_apart_by_identity(make: Callable[[], Exchange]) -> None:
    """Embedders keep them in dictionaries."""
    one, other = make(), make()
    assert one != other
    assert len({one, other, one}) == 2


@kinds
def test_flushing_where_nothing_is_held_does_nothing(make: Callable[[], Exchange]) -> None:
    exchange = make()
    exchange.flush(1.0)
    assert not exchange.holds
    assert not exchange.ended


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda exchange: exchange.receive(0.0), id="receive"),
        pytest.param(lambda exchange: exchange.send({"type": "http.response.start"}, 0.0), id="send"),
        pytest.param(lambda exchange: exchange.finish(None, 0.0), id="finish"),
        pytest.param(lambda exchange: exchange.statistics(0.0), id="statistics"),
    ],
)
def test_a_kind_that_leaves_something_out_is_noticed(use: Callable[[Exchange], object]) -> None:
    scope = {"type": "a new one"}
    exchange = Exchange(scope)
    assert exchange.scope is scope
    with pytest.raises(NotImplementedError):
        use(exchange)


def test_statistics_are_values() -> None:
    def make(status: int) -> ExchangeStatistics:
        return ExchangeStatistics(
            kind="http",
            client=("192.0.2.1", 1234),
            scheme="http",
            method="GET",
            target=b"/",
            http_version="1.1",
            status=status,
            bytes_in=0,
            bytes_out=2,
            opened=1.0,
            ended=2.0,
            complete=True,
            fields=(),
            response_fields=(),
        )

    assert make(200) == make(200)
    assert make(200) != make(404)
    with pytest.raises(AttributeError):
        make(200).status = 500  # type: ignore[misc]  # That is what is tested.


def test_statistics_tell_what_an_access_log_needs() -> None:
    connection = Connection(TransportInfo(("192.0.2.1", 1234), secure=True), Settings(), 0.0)
    connection.receive_data(b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 1.0)
    (exchange,) = connection.take_ready()
    exchange.receive(1.5)
    open_still = exchange.statistics(1.75)
    assert (open_still.status, open_still.ended, open_still.complete) == (None, 1.75, False)
    exchange.send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]}, 2.0)
    exchange.send({"type": "http.response.body", "body": b"hello"}, 3.0)
    exchange.finish(None, 4.0)
    assert exchange.statistics(5.0) == ExchangeStatistics(
        kind="http",
        client=("192.0.2.1", 1234),
        scheme="https",
        method="POST",
        target=b"/a?b",
        http_version="1.1",
        status=201,
        bytes_in=3,
        bytes_out=5,
        opened=1.0,
        ended=3.0,
        complete=True,
        fields=[(b"host", b"a"), (b"content-length", b"3")],
        response_fields=[(b"x-a", b"1"), (b"content-length", b"5")],
    )


def test_what_an_application_does_to_its_scope_does_not_reach_the_access_log() -> None:
    """The scope is the application's; what the client sent stays what it was."""
    exchange = open_http()
    exchange.scope["headers"].append((b"forged", b"1"))
    exchange.scope["client"] = ("198.51.100.1", 1)
    exchange.scope["method"] = "FORGED"
    statistics = exchange.statistics(1.0)
    assert (statistics.method, statistics.client) == ("GET", None)
    assert list(statistics.fields) == [(b"host", b"a")]
