"""What came of a session: a table for a terminal, JSON for a program, and the same table for the docs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.attacks.attack import Attack, MiB
from tests.attacks.servers import Server
from tests.attacks.session import HELD, Outcome
from tests.benchmarks.servers import installed_version
from tests.benchmarks.tables import Row, aligned, table, write_between

BEGIN_MARK: Final = "<!-- attacks: begin -->"
END_MARK: Final = "<!-- attacks: end -->"
NOT_SPOKEN: Final = "-"
PARTS: Final = ("anyio", "h11", "h2", "tricorn", "websockets", "wsproto")


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known about a session. Its methods only tell it."""

    attacks: Sequence[Attack]
    servers: Sequence[Server]
    outcomes: dict[tuple[str, str], Outcome]
    """By the names of the attack and of the server; those that a server does not speak are not there."""
    left_out: dict[str, str]
    """Servers that are not there, and why."""
    machine: dict[str, str]
    when: datetime

    @property
    def all_ours_held(self) -> bool:
        """No attack has breached tricorn."""
        return not any(
            outcome.breaches
            for server in self.servers
            if server.ours
            for attack in self.attacks
            if (outcome := self.outcomes.get((attack.name, server.name)))
        )

    def text(self) -> str:
        """The verdicts, and what each attack has cost tricorn."""
        parts = [self._conditions(), aligned(self._verdicts()), "what it cost", aligned(self._costs())]
        parts += [f"{name} was left out: {reason}." for name, reason in self.left_out.items()]
        return "\n\n".join(parts)

    def markdown(self) -> str:
        """The same for a page: the verdicts of all, then what it has cost tricorn."""
        costs = (
            "What each has cost: how far the peak of resident memory rose, CPU time, "
            "and the slowest answer to the polite client beside it."
        )
        parts = [self._conditions(), table(self._verdicts()), costs, table(self._costs())]
        parts += [f"{name} was left out: {reason}." for name, reason in self.left_out.items()]
        parts.append(
            "Versions: " + ", ".join(f"{name} {number}" for name, number in self._versions().items()) + "."
        )
        return "\n\n".join(parts)

    def json(self) -> str:
        """Every outcome with its bounds."""
        return json.dumps(
            {
                "when": self.when.isoformat(timespec="seconds"),
                "machine": self.machine,
                "versions": self._versions(),
                "left_out": self.left_out,
                "attacks": [
                    {
                        "name": attack.name,
                        "threat": attack.threat,
                        "protocol": attack.protocol,
                        "bounds": {"memory": attack.memory, "cpu": attack.cpu, "latency": attack.latency},
                        "servers": {
                            server.name: asdict(outcome) | {"verdict": outcome.verdict}
                            for server in self.servers
                            if (outcome := self.outcomes.get((attack.name, server.name)))
                        },
                    }
                    for attack in self.attacks
                ],
            },
            indent=2,
            ensure_ascii=False,
        )

    def write_docs(self, page: Path) -> None:
        """Put it between the marks of `page`. Raises `MarksError` and then writes nothing."""
        write_between(page, BEGIN_MARK, END_MARK, self.markdown())

    def _conditions(self) -> str:
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        held = {
            server.name: sum(self._verdict(attack, server) == HELD for attack in self.attacks)
            for server in self.servers
        }
        spoken = {
            server.name: sum((attack.name, server.name) in self.outcomes for attack in self.attacks)
            for server in self.servers
        }
        counts = ", ".join(f"{name} {held[name]} of {spoken[name]}" for name in held)
        return f"{self.when:%Y-%m-%d}; {machine}. Held: {counts}."

    def _verdict(self, attack: Attack, server: Server) -> str:
        outcome = self.outcomes.get((attack.name, server.name))
        return NOT_SPOKEN if outcome is None else outcome.verdict

    def _verdicts(self) -> list[Row]:
        rows: list[Row] = [("attack", *(server.name for server in self.servers))]
        rows += [
            (
                attack.name,
                *(self._verdict(attack, server).replace("|", "\\|") for server in self.servers),
            )
            for attack in self.attacks
        ]
        return rows

    def _costs(self) -> list[Row]:
        ours = [server for server in self.servers if server.ours]
        rows: list[Row] = [("attack", *(server.name for server in ours))]
        for attack in self.attacks:
            found = [self.outcomes.get((attack.name, server.name)) for server in ours]
            rows.append((attack.name, *(NOT_SPOKEN if one is None else _cost(one) for one in found)))
        return rows

    def _versions(self) -> dict[str, str]:
        names = sorted({name for server in self.servers for name in server.requires} | set(PARTS))
        return {name: version for name in names if (version := installed_version(name)) is not None}


def outcomes_in(text: str) -> dict[tuple[str, str], Outcome]:
    """Read back what `Report.json` has written."""
    found = {}
    for attack in json.loads(text)["attacks"]:
        for server, facts in attack["servers"].items():
            del facts["verdict"]
            found[attack["name"], server] = Outcome(**facts | {"breaches": tuple(facts["breaches"])})
    return found


def _cost(outcome: Outcome) -> str:
    if not outcome.answers:
        return NOT_SPOKEN
    slowest = f"{outcome.slowest * 1000:.0f} ms"
    return f"+{outcome.memory / MiB:.1f} MiB, {outcome.cpu:.2f} s, {slowest}"
