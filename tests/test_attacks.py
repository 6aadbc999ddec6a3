"""Real servers under some of the attacks, those that are quick; and that attacks notice what a weak server does.

All of them are carried out by `python -m tests.attacks`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks import http1_behind, http1_parsing, http1_smuggling
from tests.attacks.attack import Attack, Breach, MiB, Patience, Victim
from tests.attacks.catalogue import all_attacks, chosen
from tests.attacks.process import free_port, started
from tests.attacks.report import outcomes_in
from tests.attacks.servers import SERVERS, Start
from tests.attacks.session import HELD, Outcome, attack_process
from tests.attacks.variants import HOST, head, never_smuggle
from tests.benchmarks.certificates import Certificate

QUICK = [
    *http1_smuggling.ATTACKS,
    *http1_behind.ATTACKS,
    *http1_parsing.ATTACKS,
    *chosen(["header-injection", "app-completes-twice", "app-changes-scope"]),
    *chosen(["app-wrong-handshakes", "app-wrong-sessions", "app-corrects-sessions", "app-long-reason"]),
]
OURS = [server for server in SERVERS if server.ours and server.name != "tricorn-uvloop"]

WEAK = """
import asyncio, json, os, signal, sys, time

kept, calls = [], []

def grow():
    kept.append(bytearray(b"x" * 48 * 2**20))

def spin():
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass

def leak():
    kept.extend(open("/dev/null") for _ in range(5))

def weak(path):
    if path == "/grow":
        grow()
    elif path == "/spin":
        spin()
    elif path == "/sleep":
        time.sleep(0.7)
    elif path == "/leak":
        leak()
    elif path == "/traceback":
        print("Traceback (most recent call last):", flush=True)
    elif path == "/exit":
        os._exit(0)
    elif path == "/stay":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            path = head.split()[1]
            if "X-Polite" not in head:
                calls.append({"path": path, "end": "" if path == "/endless" else "returned"})
            weak(path)
            body = json.dumps(calls) if path == "/journal" else "Hello, world!"
            writer.write(f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
            await writer.drain()
            if "Connection: close" in head:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""


# What holds.


@pytest.fixture(scope="module", params=OURS, ids=lambda server: server.name)
def victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    attack = replace(QUICK[0], access_log=True, patience=Patience(head=10, body=10, keep_alive=10))
    start = Start(attack, free_port(), Certificate(folder, folder), folder)
    with started(request.param.command_line(start), start.port, core=None) as process:
        process.until_serving(secure=False)
        yield Victim(process, attack.protocol, attack.patience)


@pytest.mark.parametrize("attack", QUICK, ids=lambda attack: attack.name)
def test_a_server_withstands(attack: Attack, victim: Victim) -> None:
    victim.journal()  # What came before is forgotten.
    try:
        attack.carry_out(victim)
    finally:
        victim.leave()
    victim.serves()


# What is noticed.


def ask(*paths: str) -> Callable[[Victim], None]:
    def carry_out(victim: Victim) -> None:
        for path in paths:
            client = victim.connect()
            client.offer(head(b"GET %b HTTP/1.1" % path.encode(), HOST, b"Connection: close"))
            client.receive_all()

    return carry_out


def attack_weak(carry_out: Callable[[Victim], None], *, bound: float = 100.0) -> Outcome:
    """Attack the weak server; with a bound of 100 seconds and mebibytes no figure is beyond."""
    patience = Patience(keep_alive=0.1, stop=0.1, slack=0.5)
    attack = Attack(
        "any", "any", carry_out, memory=int(bound * MiB), cpu=bound, latency=bound, patience=patience
    )
    port = free_port()
    with started([sys.executable, "-c", WEAK, str(port)], port, core=None) as process:
        return attack_process(attack, process)


def test_a_server_that_does_nothing_wrong_has_held() -> None:
    outcome = attack_weak(ask("/"))
    assert outcome.verdict == HELD
    assert not outcome.beyond


def test_figures_beyond_their_bounds_are_breaches() -> None:
    outcome = attack_weak(ask("/grow", "/spin", "/sleep"), bound=0.3)
    memory, cpu, latency = outcome.breaches
    assert memory.startswith("+")
    assert memory.endswith(" MiB")
    assert cpu.endswith(" s of CPU")
    assert latency.startswith("an answer after ")
    assert outcome.memory > 40 * MiB
    assert outcome.beyond


def test_what_an_attack_leaves_behind_is_a_breach() -> None:
    outcome = attack_weak(ask("/leak", "/traceback", "/stay"))
    assert outcome.breaches == ("5 descriptors stay open", "a traceback in the log", "does not end")
    assert not outcome.beyond


def test_a_server_that_ends_is_a_breach() -> None:
    assert attack_weak(ask("/exit")).breaches == ("ended",)


def test_a_request_that_was_smuggled_and_a_call_that_never_ends_are_breaches() -> None:
    """The weak server ignores all content."""
    variants = {"content": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 0")}

    def smuggle_and_wait(victim: Victim) -> None:
        with pytest.raises(Breach, match="^reads a request behind content$"):
            never_smuggle(variants)(victim)
        ask("/endless")(victim)
        victim.settled(within=0.1)

    outcome = attack_weak(smuggle_and_wait)
    assert outcome.breaches == ("1 calls never ended, one for /endless",)


def test_a_server_that_does_not_start_is_a_breach() -> None:
    attack = replace(QUICK[0])
    with started([sys.executable, "-c", "print('no')"], free_port(), core=None) as process:
        assert attack_process(attack, process).breaches == ("did not start: no",)


# The catalogue.


def test_attacks_are_found_by_name() -> None:
    names = [attack.name for attack in all_attacks()]
    assert [attack.name for attack in chosen([])] == names
    assert [attack.name for attack in chosen(["slowloris", "te-cl"])] == [
        name for name in names if name in {"slowloris", "te-cl"}
    ]
    with pytest.raises(LookupError, match="no-such-attack"):
        chosen(["te-cl", "no-such-attack"])


def test_names_of_attacks_are_words_with_hyphens() -> None:
    assert all(attack.name.replace("-", "").isalnum() and attack.name.islower() for attack in all_attacks())


def test_every_server_says_what_it_lacks() -> None:
    absent = replace(SERVERS[0], requires=("no-such-distribution",))
    assert absent.missing() == ["no-such-distribution"]


def environments() -> Iterator[bytes]:
    """Yield what each process of this machine was started with."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended, or is somebody else's.
            yield (process / "environ").read_bytes()


def test_what_a_session_has_found_out_is_kept_though_it_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "attacks.json"
    command = [sys.executable, "-m", "tests.attacks", "cl-0", "expect-desync", "--servers", "tricorn-trio"]
    marked = os.environ | {"MARK": str(file)}
    with subprocess.Popen(
        [*command, "--json", str(file)], stderr=subprocess.PIPE, text=True, env=marked
    ) as session:
        assert session.stderr is not None
        first = session.stderr.readline().split()[:2]
        session.terminate()
        session.stderr.read()
    assert session.returncode == 143
    assert not any(str(file).encode() in environment for environment in environments())
    assert list(outcomes_in(file.read_text("utf-8"))) == [tuple(first)]
