"""What is asked of the servers. A new question is a function that returns a `Sample` and a row below."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks.apps import BODY_SIZE
from tests.benchmarks.echo import Echo
from tests.benchmarks.h2load import BROWSER_FIELDS, BROWSER_TARGETS, DOWN, UP, H2load
from tests.benchmarks.load import Wrk, download, idle_connections, upload
from tests.benchmarks.measure import Clock, resident_bytes
from tests.benchmarks.results import Sample
from tests.benchmarks.servers import (
    DEFLATE,
    ECHO_REFERENCE,
    H2_TLS,
    H2C,
    HTTP1,
    HTTP2_REFERENCE,
    REFERENCE,
    TLS_REFERENCE,
    WEBSOCKET,
    Running,
)

MEBIBYTES: Final = BODY_SIZE / 2**20
PER_REQUEST: Final = "µs CPU/request"
PER_ECHO: Final = "µs CPU/echo"
PER_MEBIBYTE: Final = "ms CPU/MiB"
REQUEST_RATE: Final = "requests/s"
ECHO_RATE: Final = "echoes/s"
MEBIBYTE_RATE: Final = "MiB/s"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question, asked of every server that speaks `protocol`; the lower the cost, the better.

    The costs are also told as multiples of that of the server called `reference`.
    `run` is given a server that has just started and the number of seconds that it may take.
    Those with one `section` are told together, under that heading.
    """

    name: str
    title: str
    cost_unit: str
    rate_unit: str
    run: Callable[[Running, int], Sample]
    protocol: str = HTTP1
    connections: int = 64
    reference: str = REFERENCE
    section: str = ""


def _requests(wrk: Wrk, server: Running, seconds: int) -> Sample:
    with Clock(server.pid) as clock:
        requests = wrk.run(server.port, seconds)
    return Sample(clock.cpu / requests * 1e6, requests / clock.elapsed, clock.cpu / clock.elapsed)


def _requests_beside(idle: int, server: Running, seconds: int) -> Sample:
    with idle_connections(server.port, idle):
        return _requests(Wrk(), server, seconds)


def _answers(client: Echo | H2load, server: Running, seconds: int) -> Sample:
    with client.ready(server.port, seconds) as work, Clock(server.pid) as clock:
        answers = work()
    return Sample(clock.cpu / answers * 1e6, answers / clock.elapsed, clock.cpu / clock.elapsed)


def _bodies(transfer: Callable[[int, float], int], server: Running, seconds: int) -> Sample:
    with Clock(server.pid) as clock:
        mebibytes = transfer(server.port, seconds) * MEBIBYTES
    return Sample(clock.cpu / mebibytes * 1e3, mebibytes / clock.elapsed, clock.cpu / clock.elapsed)


def _transfers(load: H2load, server: Running, seconds: int) -> Sample:
    with load.ready(server.port, seconds) as work, Clock(server.pid) as clock:
        mebibytes = work() * MEBIBYTES
    return Sample(clock.cpu / mebibytes * 1e3, mebibytes / clock.elapsed, clock.cpu / clock.elapsed)


def _down(path: str, port: int, seconds: float) -> int:
    return download(port, path, seconds)


def _memory_of_idle(count: int, server: Running, _seconds: int) -> Sample:
    before = resident_bytes(server.pid)
    with idle_connections(server.port, count):
        return Sample((resident_bytes(server.pid) - before) / count / 1000)


def _on(connections: int) -> str:
    return "one connection" if connections == 1 else f"{connections} connections"


def _over_http2(name: str, title: str, load: H2load) -> Scenario:
    """A scenario for h2load, with or without TLS: small requests, or bodies where it has one stream only."""
    small = load.streams > 1
    return Scenario(
        name,
        f"{title}, {'TLS' if load.tls else 'no TLS'}, {_on(load.connections)}",
        PER_REQUEST if small else PER_MEBIBYTE,
        REQUEST_RATE if small else MEBIBYTE_RATE,
        partial(_answers if small else _transfers, load),
        protocol=H2_TLS if load.tls else H2C,
        connections=load.connections,
        reference=TLS_REFERENCE if load.tls else HTTP2_REFERENCE,
        section="HTTP/2",
    )


HELLO: Final = H2load(connections=8, streams=16)
BROWSER: Final = replace(HELLO, targets=BROWSER_TARGETS, fields=BROWSER_FIELDS)

SCENARIOS: Final = (
    Scenario("hello", "13 bytes, wrk, 64 connections", PER_REQUEST, REQUEST_RATE, partial(_requests, Wrk())),
    Scenario(
        "browser",
        "hello with a browser's request head: 11 fields, one of 1,000 cookies and targets",
        PER_REQUEST,
        REQUEST_RATE,
        partial(_requests, Wrk(script=Path(__file__).with_name("browser.lua"))),
    ),
    Scenario(
        "down",
        "10 MiB down in 64 KiB messages, Content-Length, one connection",
        PER_MEBIBYTE,
        MEBIBYTE_RATE,
        partial(_bodies, partial(_down, "/down")),
    ),
    Scenario(
        "down-chunked",
        "10 MiB down in 64 KiB messages, chunked, one connection",
        PER_MEBIBYTE,
        MEBIBYTE_RATE,
        partial(_bodies, partial(_down, "/down-chunked")),
    ),
    Scenario(
        "up",
        "10 MiB up, Content-Length, one connection",
        PER_MEBIBYTE,
        MEBIBYTE_RATE,
        partial(_bodies, upload),
    ),
    Scenario(
        "idle",
        "resident memory per idle keep-alive connection, after 2,000",
        "KB/connection",
        "",
        partial(_memory_of_idle, 2000),
        connections=2000,
    ),
    *(
        Scenario(
            f"idle-cost-{idle}",
            f"hello with {idle:,} idle connections beside it",
            PER_REQUEST,
            REQUEST_RATE,
            partial(_requests_beside, idle),
            connections=idle + 64,
        )
        for idle in (10, 1000, 5000)
    ),
    *(
        Scenario(
            name,
            f"WebSocket, binary messages of {size} echoed, {_on(echo.connections)}",
            PER_ECHO,
            ECHO_RATE,
            partial(_answers, echo),
            protocol=DEFLATE if echo.deflate else WEBSOCKET,
            connections=echo.connections,
            reference=ECHO_REFERENCE,
        )
        for name, size, echo in (
            ("echo-16", "16 bytes", Echo(16)),
            ("echo-1k", "1 KiB", Echo(1024)),
            ("echo-64k", "64 KiB", Echo(64 * 1024)),
            ("echo-1m", "1 MiB", Echo(1024 * 1024, connections=1)),
            ("echo-1k-deflate", "1 KiB, compressed both ways,", Echo(1024, deflate=True)),
        )
    ),
    _over_http2("h2-hello", "13 bytes, h2load, 16 streams each", HELLO),
    _over_http2("h2-browser", "h2-hello with a browser's 11 fields and 1,000 targets", BROWSER),
    _over_http2("h2-hello-tls", "13 bytes, h2load, 16 streams each", replace(HELLO, tls=True)),
    _over_http2("h2-down", "10 MiB down in 64 KiB messages, one stream at a time", DOWN),
    _over_http2("h2-up", "10 MiB up, one stream at a time", UP),
    _over_http2(
        "h2-down-tls", "10 MiB down in 64 KiB messages, one stream at a time", replace(DOWN, tls=True)
    ),
    _over_http2("h2-up-tls", "10 MiB up, one stream at a time", replace(UP, tls=True)),
)


def chosen(names: list[str]) -> list[Scenario]:
    """The scenarios called `names`; a name that is nobody's chooses the family that begins with it.

    No names choose all. Raises `LookupError` for a name that chooses none.
    """
    selected: set[str] = set()
    for name in names:
        exact = [scenario.name for scenario in SCENARIOS if scenario.name == name]
        family = [scenario.name for scenario in SCENARIOS if scenario.name.startswith(f"{name}-")]
        if not exact and not family:
            raise LookupError(name)
        selected.update(exact or family)
    return [scenario for scenario in SCENARIOS if not names or scenario.name in selected]
