"""Where the figures come from: the machine, its cores, and the versions of all that was measured."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.servers import HTTP2, Server, installed_version


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the servers run on and which the clients; the same one where there is only one."""

    server: int
    load: int

    def note(self) -> str:
        """A warning about cores that share their work, or nothing."""
        if self.server == self.load:
            return "servers and clients share one core"
        siblings = Path(f"/sys/devices/system/cpu/cpu{self.server}/topology/thread_siblings_list")
        if siblings.exists() and self.load in _members(siblings.read_text()):
            return "servers and clients are on two threads of one physical core"
        return ""


def take_cores() -> Cores:
    """Choose two cores and move this process, with the clients that it will start, to the second."""
    usable = sorted(os.sched_getaffinity(0))
    cores = Cores(usable[0], usable[min(1, len(usable) - 1)])
    os.sched_setaffinity(0, {cores.load})
    return cores


def describe_machine() -> dict[str, str]:
    """The CPU, its cores, the kernel and this Python, each as one line."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "CPU": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions(servers: Collection[Server]) -> dict[str, str]:
    """The versions of the clients and of every distribution that `servers` are made of."""
    names = sorted(
        {name for server in servers for name in server.requires}
        | {"anyio", "h11", "h2", "websockets", "wsproto"}
    )
    found = {name: version for name in names if (version := installed_version(name)) is not None}
    if any(server.protocols & HTTP2 for server in servers):
        found["h2load"] = _h2load_version()
    return found | {"wrk": _wrk_version()}


def _wrk_version() -> str:
    # wrk prints its version, ends with an error, and has no other way to say it.
    done = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"wrk (?:debian/)?(\S+)", done.stdout + done.stderr)
    return version[1] if version else "unknown"


def _h2load_version() -> str:
    command = shutil.which("h2load")
    if command is None:
        return "absent"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("h2load ") or "unknown"


def _members(text: str) -> set[int]:
    """The numbers in a kernel list such as `0-1,4`."""
    members: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        members.update(range(int(first), int(last or first) + 1))
    return members
