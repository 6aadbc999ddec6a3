"""Applications that break the rules: what comes of it on the wire, for other clients, and for the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tests.attacks.attack import Attack, KiB, MiB, Victim, demand
from tests.attacks.client import Answer
from tests.attacks.hostile_app import EMPTY_EVENTS, HUGE, OUTLIVES_BY
from tests.attacks.hostile_messages import BAD_FIELDS, INJECTIONS, WRONG
from tests.attacks.variants import HOST, head, send_all, some

LAST_CHUNK: Final = b"0\r\n\r\n"
SLACK: Final = 3.0


def _get(path: str, *lines: bytes) -> bytes:
    return head(b"GET %b HTTP/1.1" % path.encode(), HOST, *lines)


def _ask(victim: Victim, path: str, within: float = 1.0) -> Answer:
    return send_all(victim, {"": _get(path)}, within)[""]


def _header_injection(victim: Victim) -> None:
    """By fields, trailers and links here; by the answer to a handshake in `websocket_applications`."""
    wants = (b"TE: trailers", b"Connection: TE")
    requests = {
        f"{way}/{name}": _get(f"/crlf/{way}/{name}", *wants) for way in INJECTIONS for name in BAD_FIELDS
    }
    answers = send_all(victim, requests, 0.7)
    injected = [name for name, answer in answers.items() if b"njected" in answer.data]
    demand(not injected, f"writes a field with {some(injected)}" if injected else "")
    silent = [name for name, answer in answers.items() if not answer.statuses]
    demand(not silent, f"no answer to {some(silent)}" if silent else "")


def _raises(victim: Victim) -> None:
    """A response that was begun and not finished must not look complete (RFC 9112 §8)."""
    answer = _ask(victim, "/raise-before")
    demand(answer.statuses == [500], f"{answer.statuses} for an application that raises")
    answer = _ask(victim, "/raise-after-start")
    complete = answer.statuses == [200] and (
        answer.data.endswith(LAST_CHUNK) or b"ontent-length: 0" in answer.data
    )
    demand(not complete, "a response that was only begun looks complete")
    answer = _ask(victim, "/raise-in-chunks")
    demand(not answer.data.endswith(LAST_CHUNK), "half a response in chunks looks complete")
    demand(answer.ended, "half a response in chunks never ends")
    answer = _ask(victim, "/raise-in-length")
    demand(answer.ended, "half a response with a length never ends")
    answer = _ask(victim, "/raise-after-the-end")
    demand(answer.bodies[:1] == [b"whole"], "what was complete is cut off")


def _wrong_messages(victim: Victim) -> None:
    """The client gets a 500, or can see that something is missing; never a response that nobody meant."""
    for name in WRONG:
        answer = _ask(victim, f"/wrong/{name}", 0.5)
        demand(answer.ended or answer.statuses, f"hangs after {name}")
        final = [status for status in answer.statuses if status >= 200]
        demand(len(final) <= 1, f"{len(final)} responses after {name}")
        demand(101 not in answer.statuses, f"101 after {name}")
        lowered = answer.data.lower()
        demand(
            not (b"content-length: 50" in lowered and b"transfer-encoding: chunked" in lowered)
            and lowered.count(b"content-length:") < 2,
            f"a response with two lengths after {name}",
        )


def _lying_length(victim: Victim) -> None:
    """RFC 9112 §6.2: what is beyond a length would be the next response."""
    answer = _ask(victim, "/too-much")
    demand(b"injected" not in answer.data, "writes more than the length says")
    answer = _ask(victim, "/too-little", 1.5)
    demand(answer.ended, "a response that is too short leaves its client waiting")


def _never_reads(victim: Victim) -> None:
    """The client cannot send more than there is room for."""
    client = victim.connect()
    client.offer(head(b"POST /never-read HTTP/1.1", HOST, b"Content-Length: %d" % (256 * MiB)))
    client.offer(bytes(64 * MiB), 1.5)
    answer = client.receive_all(2.0)
    demand(200 in answer.statuses or answer.ended, "no answer to content that is not read")


def _disconnected_sender(path: str) -> Callable[[Victim], None]:
    def carry_out(victim: Victim) -> None:
        clients = [victim.connect(receive_buffer=16 * KiB) for _ in range(5)]
        for client in clients:
            client.offer(_get(path))
            with suppress(OSError):
                client.receive(100)
            client.reset()
        victim.settled(3 + SLACK)

    return carry_out


def _huge_message(victim: Victim) -> None:
    """32 MiB at once, for a client that takes its time."""
    client = victim.connect(receive_buffer=64 * KiB)
    client.offer(_get("/huge", b"Connection: close"))
    time.sleep(0.3)
    answer = client.receive_all(10.0)
    size = len(answer.bodies[0]) if answer.bodies else 0
    demand(size == HUGE, f"{size} of {HUGE} octets came")


def _empty_events(victim: Victim) -> None:
    """Many messages that are nothing on the wire."""
    answer = send_all(victim, {"": _get("/empty-events", b"Connection: close")}, 20.0)[""]
    demand(b"done" in answer.data, f"{EMPTY_EVENTS} empty messages never end")
    demand(len(answer.data) < 64 * KiB, f"{len(answer.data)} octets for nothing")


def _outlives(victim: Victim) -> None:
    """What a task sends after its request has no place in the response to another one."""
    client = victim.connect()
    with suppress(OSError):
        client.send(_get("/outlive"))
        client.receive_until(b"whole")
        client.send(_get("/slow", b"Connection: close"))
    answer = client.receive_all(OUTLIVES_BY + 2.0)
    demand(b"njected" not in answer.data, "sends into the response to another request")


def _blocks(victim: Victim) -> None:
    """Everybody waits meanwhile, and nobody afterwards."""
    client = victim.connect()
    client.offer(_get("/block", b"Connection: close"))
    answer = client.receive_all(3.0)
    demand(answer.bodies == [b"whole"], f"{answer.statuses} after a pause")


def _completes_twice(victim: Victim) -> None:
    """What is behind a complete response is nobody's: the next request gets its own."""
    client = victim.connect()
    client.send(_get("/complete-twice"))
    client.receive_until(b"whole")
    client.send(_get("/none", b"Connection: close"))
    answer = client.receive_all(2.0)
    demand(b"njected" not in answer.data, "writes a second response to one request")
    demand(answer.statuses in ([200], []), f"answered {answer.statuses} to the next request")


def _changes(victim: Victim) -> None:
    """Buffers and messages that change as soon as `send` has returned. A server may refuse what is not bytes."""
    wanted = b"".join(b"%c" % (97 + number % 26) * 65_536 for number in range(100))
    for kind in ("octets", "buffer", "view"):
        client = victim.connect(receive_buffer=64 * KiB)
        client.offer(_get(f"/change-later/{kind}", b"Connection: close"))
        time.sleep(0.2)
        answer = client.receive_all(10.0)
        demand(b"njected" not in answer.data, f"writes what was changed after it was sent as {kind}")
        if kind != "octets" and answer.statuses == [500]:
            continue
        demand(answer.statuses == [200], f"{answer.statuses} for {kind} that were changed later")
        demand(answer.bodies == [wanted], f"writes other content than was sent as {kind}")


def _changes_scope(victim: Victim) -> None:
    """What an application does to its scope is seen by no other call, on this connection or on another one."""
    before = _ask(victim, "/scope", 0.3).bodies
    demand(before and b"njected" not in before[0], f"{before} at first")
    client = victim.connect()
    for path in ("/change-scope", "/change-scope"):
        client.send(_get(path))
        client.receive_until(b"whole")
    client.send(_get("/scope"))
    demand(client.receive_all(0.3).bodies == before, "the next call on the connection sees what was changed")
    demand(_ask(victim, "/scope", 0.3).bodies == before, "a call on another connection sees what was changed")


def _never_returns(victim: Victim) -> None:
    """It has a client, swallows every cancellation, and the process is told to end."""
    victim.connect().offer(_get("/swallow"))
    time.sleep(0.3)
    victim.process.terminate()
    demand(victim.process.wait(victim.patience.stop + SLACK) is not None, "does not end")


LEFT: Final = "An application that does not notice that its client has left"

ATTACKS: Final = (
    Attack("header-injection", "Fields that are none", _header_injection, tracebacks=True),
    Attack("app-raises", "Exceptions", _raises, tracebacks=True),
    Attack("app-wrong-messages", "Messages that are none", _wrong_messages, tracebacks=True),
    Attack("app-lies-about-length", "A length that is wrong", _lying_length, tracebacks=True),
    Attack("app-never-reads", "An application that never reads", _never_reads),
    Attack(
        "app-sends-for-ever",
        LEFT,
        _disconnected_sender("/send-for-ever"),
        cpu=4.0,
        memory=16 * MiB,
        tracebacks=True,
    ),
    Attack(
        "app-ignores-disconnect",
        LEFT,
        _disconnected_sender("/send-until-told"),
        cpu=4.0,
        memory=16 * MiB,
        tracebacks=True,
    ),
    Attack("app-huge-message", "A message of enormous size", _huge_message, memory=80 * MiB, cpu=1.5),
    Attack("app-empty-messages", "An application that blocks the event loop", _empty_events, cpu=6.0),
    Attack("app-outlived-request", "Tasks that outlive their request", _outlives, tracebacks=True),
    Attack("app-completes-twice", "Messages that are none", _completes_twice, tracebacks=True),
    Attack("app-changes-messages", "Objects that change later", _changes, tracebacks=True),
    Attack("app-changes-scope", "Objects that change later", _changes_scope, tracebacks=True),
    Attack(
        "app-blocks-the-loop",
        "An application that blocks the event loop",
        _blocks,
        latency=1.5,
    ),
    Attack("app-never-returns", "An application that never ends", _never_returns, ends=True, tracebacks=True),
)
