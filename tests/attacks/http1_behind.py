"""Requests behind one that ends its connection, because it says so or because it is none."""

from __future__ import annotations

import time
from typing import Final

from tests.attacks.attack import Attack, Victim, demand
from tests.attacks.variants import HOST, PATIENCE, behind, head, never_smuggle, refuse

POST: Final = b"POST / HTTP/1.1"

# Requests that must not be read any more. RFC 9112 §9.6.
ENDED: Final = {
    "close": head(b"GET / HTTP/1.1", HOST, b"Connection: close"),
    "close-in-a-list": head(b"GET / HTTP/1.1", HOST, b"Connection: x, Close"),
    "http-1.0": head(b"GET / HTTP/1.0", HOST),
    "close-with-content": head(POST, HOST, b"Content-Length: 5", b"Connection: close") + b"abcde",
    "slow-and-close": head(b"GET /slow HTTP/1.1", HOST, b"Connection: close"),
}
BROKEN: Final = {
    "no-version": b"GET /\r\n\r\n",
    "no-colon": head(b"GET / HTTP/1.1", HOST, b"X"),
    "bad-length": head(POST, HOST, b"Content-Length: x"),
    "bad-chunk": head(POST, HOST, b"Transfer-Encoding: chunked") + b"x\r\n",
    "junk": b"\x00" * 40 + b"\r\n\r\n",
}


def _bad_behind_slow(victim: Victim) -> None:
    """What is bad comes while the request before it is at work: that is answered whole, then the bad one."""
    clients = {f"{name}{later}": victim.connect() for name in BROKEN for later in ("", "-later")}
    slow = head(b"GET /slow HTTP/1.1", HOST)
    for name, client in clients.items():
        bad = BROKEN.get(name, b"")
        client.send(slow + (bad + behind(name) if bad else b""))
    give_up_at = time.monotonic() + PATIENCE
    while (calls := len(victim.journal())) < len(clients) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    demand(calls == len(clients), f"{calls} of {len(clients)} are at work")
    for name in BROKEN:
        later = f"{name}-later"
        clients[later].offer(BROKEN[name] + behind(later))
    for name, client in clients.items():
        answer = client.receive_all(3.0)
        demand(answer.ended, f"goes on behind {name}")
        demand(answer.bodies[:1] == [b"Hello, world!"], f"cuts off the response before {name}")
        demand(len(answer.statuses) == 2 and answer.statuses[1] >= 400, f"{answer.statuses} for {name}")
    found = [call["path"] for call in victim.settled() if call["path"].startswith("/smuggled/")]
    demand(not found, f"called an application for {found[0]}" if found else "")


BEHIND: Final = "Requests behind a request that ends the connection"

ATTACKS: Final = (
    Attack("behind-close", BEHIND, never_smuggle(ENDED, within=1.6)),
    Attack("behind-error", BEHIND, refuse(BROKEN)),
    Attack("bad-behind-slow", BEHIND, _bad_behind_slow),
)
