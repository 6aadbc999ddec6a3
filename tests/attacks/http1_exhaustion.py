"""Clients that want a server's time: they send slowly, or never, or do not read what they have asked for."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from tests.attacks.attack import Attack, Breach, KiB, MiB, Victim, demand
from tests.attacks.client import Client
from tests.attacks.variants import HOST, head

SLACK: Final = 1.5
"""Seconds by which a busy machine may be late."""
GET: Final = head(b"GET / HTTP/1.1", HOST)


def _many(
    victim: Victim, count: int, begin: bytes = b"", *, receive_buffer: int | None = None
) -> list[Client]:
    """Connect many clients, and let each begin with this."""
    clients = []
    for _ in range(count):
        client = victim.connect(receive_buffer=receive_buffer)
        client.offer(begin)
        clients.append(client)
    return clients


def _are_let_go(clients: Sequence[Client], until: float) -> None:
    """Raise `Breach` if the server has not ended every connection at this time."""
    open_still = sum(not client.is_closed(max(0.01, until - time.monotonic())) for client in clients)
    demand(not open_still, f"{open_still} of {len(clients)} are still connected")


def _trickle(
    begin: bytes, more: bytes, pause: float, timeout: Callable[[Victim], float]
) -> Callable[[Victim], None]:
    """Return an attack that begins 200 requests, and goes on with an octet each now and then."""

    def carry_out(victim: Victim) -> None:
        clients = _many(victim, 200, begin)
        end = time.monotonic() + timeout(victim) + SLACK
        place = 0
        while time.monotonic() < end - SLACK:
            time.sleep(pause)
            for client in clients:
                # Who was answered, is not told any more: the reset that comes of it would take the answer away.
                with suppress(OSError):
                    client.socket.sendall(more[place % len(more) : place % len(more) + 1])
            place += 1
        _are_let_go(clients, end)

    return carry_out


def _fall_silent(count: int, begin: bytes, timeout: Callable[[Victim], float]) -> Callable[[Victim], None]:
    """Return an attack of clients that begin like this, and then say nothing."""

    def carry_out(victim: Victim) -> None:
        clients = _many(victim, count, begin)
        _are_let_go(clients, time.monotonic() + timeout(victim) + SLACK)

    return carry_out


def _head(victim: Victim) -> float:
    return victim.patience.head


def _body(victim: Victim) -> float:
    return victim.patience.body


def _idle(victim: Victim) -> float:
    return victim.patience.keep_alive


def _slow_read(victim: Victim) -> None:
    """64 MiB each for fifty clients that take nothing."""
    _many(victim, 50, head(b"GET /large HTTP/1.1", HOST), receive_buffer=4 * KiB)
    time.sleep(victim.patience.write)
    calls = victim.settled(SLACK + 1)
    demand(len(calls) == 50, f"only {len(calls)} of 50 were served")


def _octet_by_octet(victim: Victim) -> None:
    """A hundred bodies of an octet each now and then, for longer than the timeout: those that go on are served.

    There is no least rate, but what does not end costs no more than it did at first, and silence ends it.
    """
    count, octets = 50, 10
    slow = _many(victim, count, head(b"POST /slow-one HTTP/1.1", HOST, b"Content-Length: %d" % octets))
    endless = _many(victim, count, head(b"POST /endless HTTP/1.1", HOST, b"Content-Length: 1000000000"))
    pause = 2 * victim.patience.body / octets
    for _ in range(octets):
        time.sleep(pause)
        for client in slow + endless:
            client.send(b"x")
    served = sum(client.receive(within=SLACK).startswith(b"HTTP/1.1 200 ") for client in slow)
    demand(served == count, f"{served} of {count} slow bodies were served")
    _are_let_go(endless, time.monotonic() + victim.patience.body + SLACK)
    calls = [call for call in victim.settled() if call["path"] == "/endless"]
    demand(len(calls) == count, f"{len(calls)} of {count} were served")
    demand(not any(call["whole"] for call in calls), "takes a body that was cut off for whole")
    demand(all(call["octets"] <= octets for call in calls), "made up content")


def _trickled_read(victim: Victim) -> None:
    """64 MiB each for fifty clients that take a little now and then: each holds a buffer, and no more.

    Whether that is progress only the kernel can say, and a server may drop them. When they stop, it has to.
    """
    count = 50
    clients = _many(victim, count, head(b"GET /large HTTP/1.1", HOST), receive_buffer=4 * KiB)
    until = time.monotonic() + 2 * victim.patience.write
    while time.monotonic() < until:
        time.sleep(0.1)
        for client in clients:
            with suppress(OSError):
                client.receive(1 * KiB)
    ends = [call["end"] for call in victim.settled(victim.patience.write + SLACK)]
    demand(len(ends) == count, f"only {len(ends)} of {count} were served")
    demand("returned" not in ends, "takes a response that nobody read for complete")


def _slow_pipeline(victim: Victim) -> None:
    """Small responses, very many, that nobody takes."""
    client = victim.connect(receive_buffer=4 * KiB)
    client.offer(head(b"GET /none HTTP/1.1", HOST) * 200_000, 4.0)
    calls = victim.total()
    demand(calls < 50_000, f"made {calls} responses that nobody takes")


# Floods on one connection: sent without end, until the server reads no more.


def _flood(begin: bytes, more: bytes, most: int, *, count: int = 1) -> Callable[[Victim], None]:
    """Return an attack that sends `more` again and again; a breach is to take more octets than that of it."""

    def carry_out(victim: Victim) -> None:
        piece = more * max(1, 65_536 // len(more))
        for _ in range(count):
            client = victim.connect()
            taken = client.offer(begin + piece * (4 * most // len(piece)), 3.0)
            answer = client.receive_all(0.5 if count == 1 else 0.2)
            successes = [status for status in answer.statuses if 200 <= status < 300]
            demand(not successes, "takes it for a request")
            # What waits in the kernel's buffers was taken by nobody.
            demand(answer.ended or taken < most, f"takes {taken / MiB:.0f} MiB and waits for more")
            demand(taken < most, f"takes {taken / MiB:.0f} MiB of it")

    return carry_out


CHUNKS: Final = head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked")


def _tiny_chunks(victim: Victim) -> None:
    """1 MiB of content in chunks of one octet: six times as much on the wire."""
    client = victim.connect()
    client.offer(CHUNKS + b"1\r\na\r\n" * MiB + b"0\r\n\r\n", 10.0)
    answer = _first_answer(client)
    calls = [call for call in victim.settled(10.0) if call["path"] == "/"]
    demand(calls, f"never called: {answer!r}")
    demand(not calls[0]["whole"] or calls[0]["octets"] == MiB, f"{calls[0]['octets']} octets came")
    demand(calls[0]["messages"] < MiB // 100, f"{calls[0]['messages']} messages to the application")


def _first_answer(client: Client) -> bytes:
    try:
        return client.receive(within=10.0)[:20]
    except OSError:
        return b""


def _pipeline(victim: Victim) -> None:
    """A hundred thousand requests at once for what takes a second."""
    client = victim.connect()
    client.offer(head(b"GET /slow HTTP/1.1", HOST) * 100_000, 1.0)
    calls = victim.total()
    demand(calls <= 3, f"{calls} calls at one time")


def _declared(victim: Victim) -> None:
    """Numbers, and nothing more."""
    for framing in (
        head(b"POST / HTTP/1.1", HOST, b"Content-Length: 100000000000000000"),
        CHUNKS + b"fffffffffffffff\r\n",
    ):
        _many(victim, 50, framing + b"x" * 100)
    time.sleep(0.5)


def _gzip_bomb(victim: Victim) -> None:
    """Sixty kilobytes that are sixty megabytes to whoever inflates them."""
    content = gzip.compress(bytes(64 * MiB))
    client = victim.connect()
    fields = (b"Content-Encoding: gzip", b"Content-Length: %d" % len(content), b"Connection: close")
    client.offer(head(b"POST / HTTP/1.1", HOST, *fields) + content)
    client.receive_all()
    [call] = victim.settled()
    demand(call["octets"] == len(content), f"{call['octets']} octets for {len(content)}")


def _idle_connections(victim: Victim) -> None:
    """A thousand clients that have had their answer, and stay."""
    clients = _many(victim, 1_000, head(b"GET /none HTTP/1.1", HOST))
    until = time.monotonic() + victim.patience.keep_alive + SLACK
    while (calls := victim.total()) < 1_000 and time.monotonic() < until - SLACK:
        time.sleep(0.1)
    demand(calls == 1_000, f"{calls} of 1000 were served")
    _are_let_go(clients, until)


def _never_takes_a_100(victim: Victim) -> None:
    fields = (b"Content-Length: 100", b"Expect: 100-continue")
    clients = _many(victim, 100, head(b"POST / HTTP/1.1", HOST, *fields))
    try:
        _are_let_go(clients, time.monotonic() + victim.patience.body + SLACK)
    finally:
        whole = [call for call in victim.journal() if call["whole"]]
    if whole:
        raise Breach(f"{len(whole)} of them are whole requests")


MANY: Final = "Large heads and many fields"
EXTENSIONS: Final = "Extensions and trailers without end"
NEVER_ENDS: Final = "A head that never ends"
UNREAD: Final = "A response that nobody reads"

ATTACKS: Final = (
    Attack(
        "slowloris", NEVER_ENDS, _trickle(b"GET / HTTP/1.1\r\nHost: test\r\nX: ", b"y", 0.1, _head), cpu=1.5
    ),
    Attack("slow-request-line", NEVER_ENDS, _trickle(b"", b"GET /" + b"x" * 1000, 0.1, _head), cpu=1.5),
    Attack("silent-connections", NEVER_ENDS, _fall_silent(300, b"", _head)),
    Attack("slow-empty-lines", "Empty lines without end", _trickle(b"", b"\r\n", 0.3, _head), cpu=1.5),
    Attack(
        "slow-body",
        "Content that stops coming",
        _fall_silent(100, head(b"POST / HTTP/1.1", HOST, b"Content-Length: 1000000000") + b"x" * 10, _body),
    ),
    Attack("slow-body-octet-by-octet", "Content that stops coming", _octet_by_octet),
    Attack("slow-chunks", "Content that stops coming", _fall_silent(100, CHUNKS + b"a;", _body)),
    Attack("continue-held", "A promise of content that is not kept", _never_takes_a_100),
    Attack("slow-read", UNREAD, _slow_read, memory=32 * MiB, cpu=1.5),
    Attack("slow-read-by-crumbs", UNREAD, _trickled_read, memory=32 * MiB, cpu=1.5),
    Attack("slow-read-pipelined", UNREAD, _slow_pipeline, cpu=6.0),
    Attack("huge-request-line", MANY, _flood(b"GET /", b"x", 8 * MiB, count=5)),
    Attack("huge-field", MANY, _flood(b"GET / HTTP/1.1\r\nHost: test\r\nX: ", b"y", 8 * MiB, count=5)),
    Attack("many-fields", MANY, _flood(b"GET / HTTP/1.1\r\nHost: test\r\n", b"a: b\r\n", 8 * MiB, count=5)),
    Attack("empty-lines", "Empty lines without end", _flood(b"", b"\r\n", 8 * MiB)),
    Attack(
        "chunk-extensions", EXTENSIONS, _flood(CHUNKS, b"1;" + b"e" * 4_000 + b"\r\nx\r\n", 8 * MiB), cpu=1.5
    ),
    Attack("chunk-extension", EXTENSIONS, _flood(CHUNKS, b"1;" + b"e" * 65_536, 8 * MiB)),
    Attack("trailers", EXTENSIONS, _flood(CHUNKS + b"0\r\n", b"a: b\r\n", 8 * MiB)),
    Attack("tiny-chunks", "Chunks of one octet", _tiny_chunks, cpu=4.0),
    Attack("pipeline-flood", "A flood of pipelined requests", _pipeline),
    Attack("declared-size", "Content of enormous size", _declared),
    Attack("gzip-bomb", "Content that is compressed", _gzip_bomb),
    Attack("idle-connections", "Idle connections", _idle_connections, memory=24 * MiB, cpu=2.0),
)
