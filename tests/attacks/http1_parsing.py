"""Requests that are none, or that say one thing to the server and another one to whoever asks it later."""

from __future__ import annotations

import ast
import re
from typing import Final

from tests.attacks.attack import Attack, Victim, demand
from tests.attacks.client import Answer
from tests.attacks.variants import HOST, accept_none, accepted, head, send_all, some
from tests.peers import PREFACE, request, settings

GET: Final = b"GET / HTTP/1.1"
FIELDS: Final = b"GET /fields HTTP/1.1"
TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")


def _control_octets(victim: Victim) -> None:
    """RFC 9110 §5.1, §5.5: a name is a token; a value has no CR, LF or NUL. The rest is kept, or refused."""
    names = {f"octet {octet} in a name": head(FIELDS, HOST, b"X%cY: z" % octet) for octet in range(256)}
    for octet, (name, answer) in enumerate(send_all(victim, names).items()):
        wanted = [((b"x%cy" % octet).lower(), b"z")] if TOKEN.match(b"%c" % octet) else None
        if octet == ord(":"):
            wanted = [(b"x", b"Y: z")]
        found = _told_fields(name, answer)
        demand(found == wanted, f"{found} for {name}")
    values = {
        f"octet {octet} in a value": head(FIELDS, HOST, b"X: %ca%cb%c" % (octet, octet, octet))
        for octet in range(256)
    }
    for octet, (name, answer) in enumerate(send_all(victim, values).items()):
        found = _told_fields(name, answer)
        value = b"%ca%cb%c" % (octet, octet, octet)
        kept = [(b"x", value.strip(b" \t"))]
        may_be_refused = octet < 32 or octet == 127
        demand(found == kept or (may_be_refused and found is None), f"{found} for {name}")
        demand(found is None or octet not in b"\0\r\n", f"keeps {name}")


def _told_fields(name: str, answer: Answer) -> list[tuple[bytes, bytes]] | None:
    """What the application saw beside the host, or None for a request that was refused."""
    demand(answer.statuses in ([200], [400]), f"answered {answer.statuses} to {name}")
    if answer.statuses == [400]:
        return None
    fields: list[tuple[bytes, bytes]] = ast.literal_eval(answer.bodies[0].decode())
    return [field for field in fields if field[0] != b"host"]


# RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code".
HOSTS: Final = {
    "none": head(GET),
    "two": head(GET, HOST, b"Host: other"),
    "user-information": head(GET, b"Host: user@test"),
    "path": head(GET, b"Host: test/path"),
    "query": head(GET, b"Host: test?x"),
    "list": head(GET, b"Host: test, other"),
    "space": head(GET, b"Host: te st"),
    "port": head(GET, b"Host: test:80:90"),
    "null": head(GET, b"Host: test\x00"),
}


def _other_protocols(victim: Victim) -> None:
    """Only the octets of HTTP/1.0 and HTTP/1.1 are requests of them."""
    answers = send_all(
        victim,
        {
            "HTTP/0.9": b"GET /\r\n\r\n",
            "HTTP/0.9 as text": head(b"GET / HTTP/0.9", HOST),
            "HTTP/2.0 as text": head(b"GET / HTTP/2.0", HOST),
            "HTTP/9.9": head(b"GET / HTTP/9.9", HOST),
            "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
            "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
            "SMTP": b"EHLO test\r\nMAIL FROM:<a@b>\r\n\r\n",
            "lower case": head(b"GET / http/1.1", HOST),
        },
    )
    taken = accepted(answers)
    demand(not taken, f"accepts {some(taken)}" if taken else "")
    called = [call for call in victim.journal() if call["path"] != "/"]
    demand(not called, f"called for {called[0]['target']!r}" if called else "")


def _connect(victim: Victim) -> None:
    """RFC 9110 §9.3.6: a 2xx to CONNECT makes a tunnel, and what follows is no request and no content."""
    request = head(b"CONNECT other:443 HTTP/1.1", b"Host: other:443")
    answer = send_all(victim, {"": request}, 0.5)[""]
    opened = [status for status in answer.statuses if 200 <= status < 300]
    demand(not opened, "a success to CONNECT, and so a tunnel")


def _preface(victim: Victim) -> None:
    """The preface of HTTP/2 where that was not asked for, in one piece and cut behind what looks like a head."""
    stream = settings() + request(1, path=b"/smuggled", scheme=b"http")
    whole = send_all(victim, {"whole": PREFACE + stream}, 0.5)["whole"]
    client = victim.connect()
    client.offer(PREFACE[:18])
    cut = client.receive_all(0.5)
    client.offer(PREFACE[18:] + stream)
    for answer in (whole, cut):
        demand(answer.statuses in ([400], [505]), f"answered {answer.statuses or answer.data[:9]!r}")
        demand(answer.ended, "waits for more of it")
    demand(not victim.journal(), "called an application")


def _trace(victim: Victim) -> None:
    """RFC 9110 §9.3.8: what comes back is what the proxies before have added, and what scripts may not see."""
    plain = head(b"TRACE / HTTP/1.1", HOST, b"Cookie: secret", b"X-Added-By-A-Proxy: secret")
    bodied = head(b"TRACE / HTTP/1.1", HOST, b"Content-Length: 6") + b"secret"
    for answer in send_all(victim, {"": plain, "content": bodied}, 0.5).values():
        demand(accepted({"": answer}) == [] and answer.statuses, f"answered {answer.statuses} to TRACE")
        demand(b"secret" not in answer.data, "sends back what came")
    demand(not victim.journal(), "called an application")


TARGETS: Final = {
    # What came, and the path that it is: decoded once, and never cleaned up.
    b"//evil": "//evil",
    b"/..%2f..": "/../..",
    b"/a/../b/./c": "/a/../b/./c",
    b"/%252e%252e": "/%2e%2e",
    b"/%00": "/\0",
    b"/%c0%af": "/\ufffd\ufffd",
    b"/a\\b": "/a\\b",
    b"/a;b=c": "/a;b=c",
    b"/%zz%4": "/%zz%4",
    b"/%e4": "/\ufffd",
}
BAD_TARGETS: Final = {
    "space": head(b"GET /a b HTTP/1.1", HOST),
    "control-character": head(b"GET /\x01 HTTP/1.1", HOST),
    "high-octet": head(b"GET /\xc0\xaf HTTP/1.1", HOST),
    "null": head(b"GET /\x00 HTTP/1.1", HOST),
    "tab": head(b"GET /\tx HTTP/1.1", HOST),
    "no-slash": head(b"GET x HTTP/1.1", HOST),
    "asterisk-of-get": head(b"GET * HTTP/1.1", HOST),
    "delete": head(b"GET /\x7f HTTP/1.1", HOST),
}


def _targets(victim: Victim) -> None:
    """A path that was decoded twice, or cleaned up, leads where no check has looked."""
    for raw, path in TARGETS.items():
        client = victim.connect()
        client.offer(head(b"GET %b HTTP/1.1" % raw, HOST, b"Connection: close"))
        client.receive_all(1.0)
        found = victim.paths()
        # Whoever refuses what it does not like is on the safe side.
        demand(found in ([path], []), f"{raw.decode('latin-1')} is {found}")
    accept_none(BAD_TARGETS)(victim)


def _response_splitting(victim: Victim) -> None:
    """The application puts a path with CR and LF into a field."""
    for inside in (b"%0d%0aSet-Cookie:%20a=b", b"%0aSet-Cookie:%20a=b", b"%0d%0a%0d%0aHTTP/1.1%20200%20OK"):
        answer = send_all(victim, {"": head(b"GET /redirect/%b HTTP/1.1" % inside, HOST)}, 0.3)[""]
        lines = re.split(rb"[\r\n]+", answer.data)
        forged = [line for line in lines if line.startswith((b"Set-Cookie", b"HTTP/1.1 200"))]
        demand(not forged, f"writes {forged[0].decode()}" if forged else "")


def _log_injection(victim: Victim) -> None:
    """Lines and sequences of a terminal, by every way into a line of the log."""
    send_all(
        victim,
        {
            "path": head(b"GET /a%0aFORGED%20path HTTP/1.1", HOST),
            "return": head(b"GET /a%0d%0aFORGED%20return HTTP/1.1", HOST),
            "escape": head(b"GET /%1b[2J HTTP/1.1", HOST),
            "query": head(b"GET /?a=%0aFORGED%20query HTTP/1.1", HOST),
            "agent": head(GET, HOST, b"User-Agent: \x1b[2Jagent", b"Referer: \x1b[2J"),
            "quotes": head(b'GET /a"b HTTP/1.1', HOST, b'User-Agent: a"b'),
            "separator": head(b"GET /%c2%85FORGED%20next HTTP/1.1", HOST),
            "method": head(b"G\x1b[2JT / HTTP/1.1", HOST),
            "bad": b"FORGED\r\n\x1b[2J\r\n\r\n",
        },
        0.5,
    )
    log = victim.log()
    lines = re.split("[\r\n\x0b\x0c\x85\u2028\u2029]", log)
    forged = [line for line in lines if line.startswith("FORGED")]
    demand(not forged, f"logs a line {forged[0][:20]!r}" if forged else "")
    # Colours are the server's own.
    demand("\x1b[2J" not in log, "logs an escape sequence")


def _forwarded(victim: Victim) -> None:
    """From 127.0.0.2, which no server trusts unless it is told to."""
    client = victim.connect_plain(source="127.0.0.2")
    client.offer(
        head(
            b"GET /x HTTP/1.1",
            HOST,
            b"Connection: close",
            b"X-Forwarded-For: 192.0.2.1",
            b"X-Forwarded-Proto: https",
            b"X-Real-IP: 192.0.2.1",
            b"Forwarded: for=192.0.2.1;proto=https",
            b"Daphne-Root-Path: /y",
        )
    )
    client.receive_all()
    [call] = victim.settled()
    demand(call["client"] == "127.0.0.2", f"the client is {call['client']}")
    demand(call["scheme"] == "http", f"the scheme is {call['scheme']}")
    demand(call["path"] == "/x", f"the path is {call['path']}")


ATTACKS: Final = (
    Attack("control-octets", "Control characters in fields", _control_octets),
    Attack("host-abuse", "A Host that is none", accept_none(HOSTS)),
    Attack("other-protocols", "Other protocols and other methods", _other_protocols),
    Attack("connect-tunnel", "Other protocols and other methods", _connect),
    Attack("http2-preface", "Other protocols and other methods", _preface),
    Attack("trace-echo", "Other protocols and other methods", _trace),
    Attack("target-oddities", "Targets that are decoded twice", _targets),
    Attack("response-splitting", "Line ends by way of the application", _response_splitting, tracebacks=True),
    Attack("log-injection", "Forged lines in the log", _log_injection, access_log=True, tracebacks=True),
    Attack("forged-forwarding", "Forged clients", _forwarded),
)
