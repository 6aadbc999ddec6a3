"""Attacks on the socket, on the process and on its way to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tests.attacks.attack import Attack, KiB, MiB, Patience, Victim, demand
from tests.attacks.client import Client
from tests.attacks.http2_peer import Http2Peer, attacker
from tests.attacks.variants import HOST, head, send_all, some
from tests.attacks.websocket_peer import HANDSHAKE
from tests.peers import StreamView, data

GET: Final = head(b"GET / HTTP/1.1", HOST)
DESCRIPTORS: Final = 64
CONCURRENCY: Final = 20


def _connection_flood(victim: Victim) -> None:
    """More connections than the server may have descriptors, which then all go away."""
    clients = []
    for _ in range(3 * DESCRIPTORS):
        with suppress(OSError):
            clients.append(victim.connect(timeout=1.0))
    time.sleep(2.0)
    for client in clients:
        client.close()
    victim.serves(within=3.0)


def _concurrency_flood(victim: Victim) -> None:
    """Many clients when as many as allowed are at work: they are told 503, and who is at work is served."""
    waits = head(b"POST /held HTTP/1.1", HOST, b"Content-Length: 5", b"Expect: 100-continue")
    held: list[Client] = []
    for _ in range(5 * CONCURRENCY):  # The polite client may be at work, too.
        if len(held) < CONCURRENCY:
            client = victim.connect()
            client.send(waits)
            # Whom the server asks for content, is at work.
            if client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "):
                held.append(client)
    demand(len(held) == CONCURRENCY, f"{len(held)} of {CONCURRENCY} were let in")
    beyond = {f"request {number}": GET for number in range(200)} | {"a WebSocket": HANDSHAKE % (b"/", b"")}
    answers = send_all(victim, beyond, 3.0)
    others = [name for name, answer in answers.items() if answer.statuses != [503]]
    demand(not others, f"answered {answers[others[0]].statuses} to {some(others)}" if others else "")
    still = [name for name, answer in answers.items() if not answer.ended]
    demand(not still, f"keeps the connection of {some(still)}" if still else "")
    for client in held:
        client.send(b"whole")
    cut = sum(not client.receive_until(b"Hello, world!").startswith(b"HTTP/1.1 200 ") for client in held)
    demand(not cut, f"{cut} of {CONCURRENCY} were not served")
    calls = [call["path"] for call in victim.settled()]
    demand(calls == ["/held"] * CONCURRENCY, f"{len(calls)} calls instead of {CONCURRENCY}")


def _concurrency_flood_on_streams(victim: Victim) -> None:
    """The same on one connection of HTTP/2, which goes on afterwards."""
    with attacker(victim) as peer:
        held: list[StreamView] = []
        for _ in range(3 * CONCURRENCY):
            if len(held) < CONCURRENCY:
                fields = [(b"expect", b"100-continue")]
                view = peer.view(peer.open(b"/held", fields, method=b"POST", end_stream=False))
                _await_answer(peer, view)
                held += [view] if view.interim else []
        demand(len(held) == CONCURRENCY, f"{len(held)} of {CONCURRENCY} were let in")
        statuses = [peer.fetch(b"/").status for _ in range(50)]
        demand(statuses == [503] * 50, f"answered {statuses[0]} when all places were taken")
        for view in held:
            peer.send(data(view.id, b"whole", end_stream=True))
            demand(peer.response(view.id).status == 200, f"answered {view.status} to who had a place")
        demand(peer.fetch(b"/").status == 200, "refuses though places are free")
    calls = [call["path"] for call in victim.settled()]
    demand(calls == [*["/held"] * CONCURRENCY, "/"], f"{len(calls)} calls instead of {CONCURRENCY + 1}")


def _await_answer(peer: Http2Peer, view: StreamView) -> None:
    peer.read_until(lambda: bool(view.interim or view.status))


def _resets_before_accept(victim: Victim) -> None:
    """Gone before anybody has asked who it was."""
    for number in range(3_000):
        client = victim.connect()
        if number % 2:
            client.offer(GET)
        client.reset()


def _resets_in_responses(victim: Victim) -> None:
    """Gone in the middle of a response, at some place."""
    for number in range(200):
        client = victim.connect(receive_buffer=16 * KiB)
        client.offer(head(b"GET /large HTTP/1.1", HOST))
        if number % 4:
            with suppress(OSError):
                client.receive(1 << (number % 16))
        client.reset()
    victim.settled()


def _cut_requests(victim: Victim) -> None:
    """A request is cut at every place, with an end of TCP and with a reset: never a whole one."""
    request = head(b"POST /cut HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + b"5\r\nabcde\r\n0\r\n\r\n"
    sized = head(b"POST /cut HTTP/1.1", HOST, b"Content-Length: 5") + b"abcde"
    for whole in (request, sized):
        for place in range(1, len(whole)):
            client = victim.connect()
            client.offer(whole[:place])
            with suppress(OSError):
                client.shut_down()
            if place % 2:
                client.reset()
    calls = [call for call in victim.settled() if call["whole"]]
    demand(not calls, f"{len(calls)} requests that were cut short are whole")


# How a server ends.


def _stop_under_load(victim: Victim) -> None:
    """Twenty responses have begun, and take a second more: they come to their ends."""
    clients = [victim.connect() for _ in range(20)]
    for client in clients:
        client.offer(head(b"GET /drip HTTP/1.1", HOST))
    for client in clients:
        with suppress(OSError):
            client.receive_until(b"\r\n\r\n")
    victim.process.terminate()
    cut = sum(not client.receive_all(3.0).data.endswith(b"89") for client in clients)
    demand(not cut, f"{cut} of 20 responses are cut off")
    _ends(victim)


def _stop_with_stuck_clients(victim: Victim) -> None:
    """Clients in every state that say nothing more, and do not read."""
    beginnings = (
        b"",
        b"GET /",
        GET,
        head(b"POST / HTTP/1.1", HOST, b"Content-Length: 100"),
        head(b"GET /large HTTP/1.1", HOST),
        head(b"GET /wait HTTP/1.1", HOST),
    )
    clients: list[Client] = []
    for begin in beginnings * 5:
        clients.append(victim.connect(receive_buffer=4 * KiB))
        clients[-1].offer(begin)
    time.sleep(0.3)
    victim.process.terminate()
    _ends(victim)


def _ends(victim: Victim) -> None:
    demand(victim.process.wait(victim.patience.stop + 3.0) is not None, "does not end")


def _limited(name: str, carry_out: Callable[[Victim], None], protocol: str) -> Attack:
    """The polite client is one too many, and the held ones hold for longer than a body may take elsewhere."""
    return Attack(
        name,
        "A flood of connections",
        carry_out,
        protocol=protocol,
        patience=Patience(body=20.0),
        concurrency=CONCURRENCY,
        failures=10_000,
    )


ATTACKS: Final = (
    _limited("concurrency-flood", _concurrency_flood, "http1"),
    _limited("concurrency-flood-on-streams", _concurrency_flood_on_streams, "h2c"),
    Attack("connection-flood", "No descriptors left", _connection_flood, descriptors=DESCRIPTORS),
    Attack("reset-in-accept", "Resets at a bad moment", _resets_before_accept, cpu=2.0),
    Attack("reset-in-response", "Resets at a bad moment", _resets_in_responses, memory=16 * MiB, cpu=3.0),
    Attack("cut-requests", "An end that looks like completeness", _cut_requests),
    Attack("stop-under-load", "Stopping under load", _stop_under_load, ends=True),
    Attack("stop-with-stuck-clients", "Stopping under load", _stop_with_stuck_clients, ends=True),
)
