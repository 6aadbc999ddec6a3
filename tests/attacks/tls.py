"""Attacks on the handshake of TLS, on its records and on its end."""

from __future__ import annotations

import ssl
import subprocess
import time
from contextlib import suppress
from typing import Final

from tests.attacks.attack import Attack, Breach, KiB, MiB, Victim, demand
from tests.attacks.client import Client, trusting
from tests.attacks.variants import HOST, head

GET: Final = head(b"GET / HTTP/1.1", HOST)
SLACK: Final = 1.5
RENEGOTIATIONS: Final = 5
KEY_UPDATES: Final = 500


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = trusting().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def _are_let_go(clients: list[Client], until: float) -> None:
    still = sum(not client.is_closed(max(0.01, until - time.monotonic())) for client in clients)
    demand(not still, f"{still} of {len(clients)} are still connected")


def _stall(victim: Victim) -> None:
    """Three hundred clients that say nothing, or only half of what they have to say."""
    hello = _client_hello()
    until = time.monotonic() + victim.patience.handshake + SLACK
    clients = [victim.connect_plain() for _ in range(300)]
    for number, client in enumerate(clients):
        client.offer(hello[: number % len(hello)])
    _are_let_go(clients, until)


def _slow_hello(victim: Victim) -> None:
    """Octet by octet: each of them lengthens nothing."""
    hello = _client_hello()
    clients = [victim.connect_plain() for _ in range(50)]
    until = time.monotonic() + victim.patience.handshake + SLACK
    for place in range(100):
        if time.monotonic() > until - SLACK:
            break
        for client in clients:
            with suppress(OSError):
                client.socket.sendall(hello[place : place + 1])
        time.sleep(0.05)
    _are_let_go(clients, until)


def _garbage(victim: Victim) -> None:
    """What is no handshake: it is never answered in clear text, and never a request."""
    hello = _client_hello()
    for octets in (
        GET,
        b"\x00" * 500,
        b"\xff" * 500,
        b"\x16\x03\x01\xff\xff" + bytes(500),
        b"\x80\x2e\x01\x00\x02" + bytes(45),
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x20" + bytes(32),
        hello[:60] + bytes(len(hello) - 60),
        hello + GET,
        hello * 20,
    ):
        client = victim.connect_plain()
        client.offer(octets)
        answer = client.receive_all(victim.patience.handshake + SLACK)
        demand(b"HTTP/" not in answer.data, f"answers {answer.data[:20]!r} in clear text")
        demand(answer.ended, f"stays connected after {octets[:5]!r}")
    calls = victim.journal()
    demand(not calls, f"{len(calls)} requests out of garbage")


def _handshake_flood(victim: Victim) -> None:
    """Two hundred handshakes that nothing follows."""
    for number in range(200):
        with suppress(OSError):
            client = victim.connect()
            if number % 2:
                client.reset()
            else:
                client.close()


def _openssl(victim: Victim, version: str, command: bytes, times: int, pause: float) -> bytes:
    """Give `openssl s_client` a command of one letter so many times, then a request, and return the answer."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{victim.port}", version, "-noservername"]
    answer = b""
    # It may end before it has read all of it.
    with (
        suppress(BrokenPipeError),
        subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as client,
    ):
        assert client.stdin is not None
        try:
            time.sleep(0.3)
            for _ in range(times):
                # Only at the beginning of what it reads is a letter a command.
                client.stdin.write(command + b"\n")
                time.sleep(pause)
            client.stdin.write(GET.replace(b"Host", b"Connection: close\r\nHost"))
            with suppress(subprocess.TimeoutExpired):
                answer = client.communicate(timeout=3.0)[0]
        finally:
            client.kill()
    return answer


def _renegotiation(victim: Victim) -> None:
    """RFC 9113 §9.2.1, CVE-2011-1473: each handshake costs the server more than the client."""
    answer = _openssl(victim, "-tls1_2", b"R", RENEGOTIATIONS, 0.1)
    demand(b"HTTP/1.1 200" not in answer, f"negotiates {RENEGOTIATIONS} times")


def _key_updates(victim: Victim) -> None:
    """RFC 8446 §4.6.3: each asks for one of the server's."""
    _openssl(victim, "-tls1_3", b"K", KEY_UPDATES, 0.002)


def _truncation(victim: Victim) -> None:
    """The connection is cut at a place that its client has not chosen: no request is whole, and none is made of it."""
    sized = head(b"POST /cut HTTP/1.1", HOST, b"Content-Length: 10")
    chunked = head(b"POST /cut HTTP/1.1", HOST, b"Transfer-Encoding: chunked")
    for begin in (sized + b"abcde", chunked + b"5\r\nabcde\r\n", chunked + b"5\r\nabcde\r\n0\r\n"):
        for reset in (False, True):
            client = victim.connect()
            client.offer(begin)
            time.sleep(0.05)
            if reset:
                client.reset()
            else:
                client.shut_down()
                client.receive_all(0.5)
    calls = victim.settled()
    demand(calls, "no request came")
    whole = [call for call in calls if call["whole"]]
    demand(not whole, f"{len(whole)} of {len(calls)} requests that were cut off are whole")


def _tiny_records(victim: Victim) -> None:
    """Content in records of one octet, each with 22 around it."""
    client = victim.connect()
    size = 20_000
    try:
        client.send(head(b"POST / HTTP/1.1", HOST, b"Content-Length: %d" % size, b"Connection: close"))
        for _ in range(size):
            client.send(b"x")
    except OSError as error:
        raise Breach(f"a slow client is dropped: {error}") from error
    client.receive_all()
    [call] = victim.settled()
    demand(call["octets"] == size, f"{call['octets']} of {size} octets came")


def _never_read(victim: Victim) -> None:
    """64 MiB each for thirty clients that take nothing."""
    for _ in range(30):
        victim.connect(receive_buffer=4 * KiB).offer(head(b"GET /large HTTP/1.1", HOST))
    time.sleep(victim.patience.write)
    victim.settled(SLACK + 1)


STALL: Final = "Handshakes that stall"
NEW_KEYS: Final = "Renegotiation, new keys, compression"

ATTACKS: Final = (
    Attack("tls-handshake-stall", STALL, _stall, "https", memory=24 * MiB),
    Attack("tls-slow-hello", STALL, _slow_hello, "https"),
    Attack("tls-handshake-flood", STALL, _handshake_flood, "https", memory=16 * MiB, cpu=2.0),
    Attack("tls-garbage", "Plain HTTP on the port", _garbage, "https"),
    Attack("tls-truncation", "Truncation", _truncation, "https"),
    Attack("tls-tiny-records", "Chunks of one octet", _tiny_records, "https", cpu=2.5),
    Attack("tls-never-read", "Clients that do not read", _never_read, "https", memory=48 * MiB, cpu=1.5),
    Attack("tls-renegotiation", NEW_KEYS, _renegotiation, "https", needs="openssl"),
    Attack("tls-key-updates", NEW_KEYS, _key_updates, "https", needs="openssl"),
)
