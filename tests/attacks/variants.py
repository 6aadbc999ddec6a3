"""An attack of many variants: octets that must be refused, or that end somewhere, with another request behind each.

The request behind has a path of its own for each variant, and the journal tells which of them were read. All variants
are sent at once, each on its own connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from tests.attacks.attack import Victim, demand
from tests.attacks.client import Answer

PATIENCE: Final = 1.0
"""Seconds for a server to say something to what looks incomplete to it."""

HOST: Final = b"Host: test"


def head(*lines: bytes) -> bytes:
    """Join lines to a head."""
    return b"".join([line + b"\r\n" for line in lines]) + b"\r\n"


def behind(name: str) -> bytes:
    """Return the request that is hidden behind a variant."""
    return head(b"GET /smuggled/%b HTTP/1.1" % name.encode(), HOST)


def some(names: Iterable[str]) -> str:
    """Tell of many names in few words."""
    first, *others = sorted(names)
    return f"{first} and {len(others)} more" if others else first


def send_all(victim: Victim, variants: Mapping[str, bytes], within: float = PATIENCE) -> dict[str, Answer]:
    """Send each on its own connection and return what came back until then, or until the server ended it."""
    clients = {name: victim.connect() for name in variants}
    for name, client in clients.items():
        client.offer(variants[name])
    give_up_at = time.monotonic() + within
    answers = {
        name: client.receive_all(max(0.02, give_up_at - time.monotonic())) for name, client in clients.items()
    }
    for client in clients.values():
        client.close()
    return answers


def smuggled(victim: Victim) -> set[str]:
    """Return the names of the variants behind which another request was read, since the last question."""
    prefix = "/smuggled/"
    return {path.removeprefix(prefix) for path in victim.paths() if path.startswith(prefix)}


def accepted(answers: Mapping[str, Answer]) -> list[str]:
    """Return the names of those whose first final answer was a success."""
    finals = {
        name: [status for status in answer.statuses if status >= 200] for name, answer in answers.items()
    }
    return [name for name, statuses in finals.items() if statuses and statuses[0] < 400]


def refuse(variants: Mapping[str, bytes]) -> Callable[[Victim], None]:
    """Return an attack of octets that no server may take for a request, or read on behind."""

    def carry_out(victim: Victim) -> None:
        answers = send_all(victim, {name: data + behind(name) for name, data in variants.items()})
        _smuggles_nothing(victim, variants)
        taken = accepted(answers)
        demand(not taken, f"accepts {some(taken)}" if taken else "")

    return carry_out


def accept_none(variants: Mapping[str, bytes]) -> Callable[[Victim], None]:
    """Return an attack of octets that no server may take for a request, though all agree on where they end."""

    def carry_out(victim: Victim) -> None:
        taken = accepted(send_all(victim, variants))
        demand(not taken, f"accepts {some(taken)}" if taken else "")

    return carry_out


def never_smuggle(variants: Mapping[str, bytes], within: float = PATIENCE) -> Callable[[Victim], None]:
    """Return an attack of octets that may be accepted, but hide no other request whatever comes of them."""

    def carry_out(victim: Victim) -> None:
        send_all(victim, {name: data + behind(name) for name, data in variants.items()}, within)
        _smuggles_nothing(victim, variants)

    return carry_out


def _smuggles_nothing(victim: Victim, variants: Collection[str]) -> None:
    found = smuggled(victim) & set(variants)
    demand(not found, f"reads a request behind {some(found)}" if found else "")
