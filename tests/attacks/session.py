"""Attack a server that has just been started, and judge what came of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.attacks.attack import Attack, Breach, MiB, Victim
from tests.attacks.polite import Experience, accompanied
from tests.attacks.process import Process, free_port, started
from tests.attacks.servers import Server, Start
from tests.benchmarks.certificates import Certificate
from tests.benchmarks.measure import Clock, descriptors, forget_peak, peak_bytes
from tests.benchmarks.servers import StartError

HELD: Final = "held"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack did to a server."""

    breaches: tuple[str, ...]
    """What the server must not do and did, a broken rule before a figure beyond its bound; empty is green."""
    memory: int = 0
    """Bytes that the peak of resident memory grew by."""
    cpu: float = 0.0
    """Seconds of CPU time."""
    elapsed: float = 0.0
    """Seconds that the attack took."""
    answers: int = 0
    """How often the polite client was answered."""
    slowest: float = 0.0
    """Seconds that its slowest answer took."""
    beyond: bool = False
    """All breaches are figures beyond their bounds, which a busy machine may have caused."""

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        return "; ".join(self.breaches) or HELD


def carry_out(attack: Attack, server: Server, core: int | None, certificate: Certificate) -> Outcome:
    """Start the server, attack it, and return what came of it. Once more where only figures were beyond bounds."""
    outcome = _carry_out_once(attack, server, core, certificate)
    if outcome.beyond:
        again = _carry_out_once(attack, server, core, certificate)
        return again if len(again.breaches) <= len(outcome.breaches) else outcome
    return outcome


def _carry_out_once(attack: Attack, server: Server, core: int | None, certificate: Certificate) -> Outcome:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = server.command_line(Start(attack, port, certificate, Path(folder)))
        with started(words, port, core, attack.descriptors) as process:
            return attack_process(attack, process)


def attack_process(attack: Attack, process: Process) -> Outcome:
    """Attack a server that was started just now, wait until it serves if it is to, and end it."""
    victim = Victim(process, attack.protocol, attack.patience)
    if not attack.starts:
        return Outcome(tuple(_rules_broken(attack, victim)))
    try:
        process.until_serving(secure=victim.secure)
    except StartError as error:
        return Outcome((f"did not start: {_last_line(str(error))}",))
    open_before = descriptors(process.pid)
    try:
        with accompanied(process.port, secure=victim.secure) as companion:
            resident = forget_peak(process.pid)
            with Clock(process.pid) as clock:
                broken = _rules_broken(attack, victim)
            peak = peak_bytes(process.pid)
            experience = companion.leave()
    except OSError as error:
        early = f"ended too early, with {process.wait(0)}: {_last_line(process.output())}"
        return Outcome((str(error) if process.runs else early,))
    figures = Outcome(
        (),
        max(0, peak - resident),
        max(0.0, clock.cpu),  # Less than nothing when the tree has ended.
        clock.elapsed,
        experience.answers,
        experience.slowest,
    )
    beyond: list[str] = []
    if not attack.ends:
        beyond = _beyond_bounds(attack, figures)
        if gone := _is_gone(victim):
            broken = [gone]
        else:
            broken += _afterwards(attack, victim, experience, open_before)
    return Outcome(
        (*broken, *beyond),
        figures.memory,
        figures.cpu,
        figures.elapsed,
        figures.answers,
        figures.slowest,
        bool(beyond) and not broken,
    )


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["without a word"])[-1]


def _rules_broken(attack: Attack, victim: Victim) -> list[str]:
    try:
        attack.carry_out(victim)
    except Breach as breach:
        return [str(breach)]
    except Exception as error:  # noqa: BLE001 - what an attack did not expect is told like a breach, and the next goes on.
        return [f"{type(error).__name__}: {error}"]
    finally:
        victim.leave()
    return []


def _beyond_bounds(attack: Attack, figures: Outcome) -> list[str]:
    beyond = []
    if figures.memory > attack.memory:
        beyond.append(f"+{figures.memory / MiB:.0f} MiB")
    if figures.cpu > attack.cpu:
        beyond.append(f"{figures.cpu:.1f} s of CPU")
    if figures.slowest > attack.latency:
        beyond.append(f"an answer after {figures.slowest:.1f} s")
    return beyond


def _afterwards(attack: Attack, victim: Victim, experience: Experience, open_before: int) -> list[str]:
    """What of the server's is not as it was before the attack; in the end it is told to end."""
    process = victim.process
    broken = []
    if experience.failures > attack.failures:
        total = experience.failures + experience.answers
        broken.append(f"{experience.failures} of {total} polite requests not served")
    open_after = _descriptors_later(
        process.pid, open_before, attack.patience.keep_alive + attack.patience.slack
    )
    if open_after > open_before:
        broken.append(f"{open_after - open_before} descriptors stay open")
    if not attack.tracebacks and "Traceback (most recent call last)" in process.output():
        broken.append("a traceback in the log")
    process.terminate()
    if process.wait(attack.patience.stop + attack.patience.slack) is None:
        broken.append("does not end")
    return broken


def _is_gone(victim: Victim) -> str:
    """What is wrong if the server serves nobody any more, or nothing."""
    if not victim.process.runs:
        return "ended"
    try:
        victim.serves()
    except Breach as breach:
        return str(breach)
    return ""


def _descriptors_later(pid: int, wanted: int, within: float) -> int:
    give_up_at = time.monotonic() + within
    while (found := descriptors(pid)) > wanted and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return found
