"""System calls that uvloop makes without Python: a tracer lets them fail in a server's own process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from types import SimpleNamespace
from typing import Final, cast

import anyio
import pytest

import runtime

from .client import Client, connected
from .conftest import Backend
from .faults_scenes import ENDED, SCENES, SIBLING, TIMEOUT, Scene
from .process import Process, started
from .secure_client import Authority, secured

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["asyncio"], indirect=True),  # The clients'.
]

PROGRAM: Final = """
import asyncio
from tests.runtime import faults_scenes

async def app(scope, receive, send):
    if scope["path"] != "/tasks":
        return await faults_scenes.app(scope, receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(asyncio.all_tasks())})
"""

FAILURES: Final = {
    "accept4": ["ECONNABORTED", "ENOBUFS", "EMFILE", "EPERM"],
    "setsockopt": ["EINVAL"],
    "getpeername": ["ENOTCONN", "ENOBUFS"],
    "getsockname": ["ENOBUFS"],
    "read": ["ECONNRESET", "ETIMEDOUT", "ENOMEM"],
    "write": ["EPIPE", "ECONNRESET", "ENOBUFS"],
    "shutdown": ["ENOTCONN", "ENOBUFS"],
}
"""What fails is not done, so that `close` is not among these; and if `epoll_ctl` fails, libuv aborts the process."""

TRY_AGAIN: Final = ["EAGAIN", "EINTR"]

PLAYED: Final = [scene for scene in SCENES if not scene.ends_server]

STEPS: Final = (2, 3, 5)
"""Each second, third, fifth call fails, so that with time each does."""


@cache
def may_trace() -> bool:
    """Whether there is a tracer, and a process may be traced: in some containers none may."""
    tracer = shutil.which("strace")
    if tracer is None:
        return False
    command = [tracer, "-e", "trace=none", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@dataclass(frozen=True)
class Theatre:
    """A server in another process. Whatever it logs as an error fails the tests."""

    process: Process
    authority: Authority | None

    @property
    def server(self) -> runtime.Server:
        """As much of the server as clients need."""
        return cast("runtime.Server", SimpleNamespace(addresses=[("127.0.0.1", self.process.port)]))

    def opened(self) -> AbstractAsyncContextManager[Client]:
        """Connect."""
        if self.authority is None:
            return connected(self.server)
        return secured(self.server, self.authority.client)

    async def play(self, scene: Scene) -> bool:
        """Play a scene, and say whether it came to its end. In time it must."""
        with anyio.fail_after(TIMEOUT):
            try:
                await scene.play(self.server, self.authority)
            except ENDED:
                return False
            return True

    async def count(self, client: Client) -> tuple[int, bytes]:
        """Return how many descriptors and tasks there are."""
        await client.send(SIBLING.replace(b"/sibling", b"/tasks"))
        tasks = (await client.response()).body
        return len(os.listdir(f"/proc/{self.process.popen.pid}/fd")), tasks  # noqa: PTH208 - names are enough.


@pytest.fixture(scope="module", params=[False, True], ids=["clear", "tls"])
def theatre(request: pytest.FixtureRequest, certificates: Authority) -> Iterator[Theatre]:
    if not may_trace():
        pytest.skip("there is no strace, or nothing may be traced")
    authority = certificates if request.param else None
    options: dict[str, object] = {
        "loop": "uvloop",
        "h2c": "prior-knowledge",
        "access_log": False,
        "timeout_keep_alive": 60,
        "timeout_linger": 0.05,
        **({} if authority is None else authority.options),
    }
    with started(PROGRAM, options) as process:
        yield Theatre(process, authority)
        process.popen.terminate()
        assert process.wait() == 0, process.text
    assert "Traceback" not in process.text
    assert " ERROR " not in process.text


@contextmanager
def failing(process: Process, call: str, error: str, step: int) -> Iterator[None]:
    """Let each so-manieth call of a kind fail in a process."""
    pid = str(process.popen.pid)
    command = ["strace", "-f", "-p", pid, "-o", os.devnull, "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error={error}:when={step}+{step}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.terminate()
            tracer.stderr.read()


async def play(theatre: Theatre, call: str, errors: list[str]) -> list[bool]:
    """Play all scenes while a call fails now and then: a sibling is served then, and nothing of others is left."""
    ends = []
    async with theatre.opened() as sibling:
        before = await theatre.count(sibling)
        for error, step in zip(cycle(errors), STEPS, strict=False):
            with failing(theatre.process, call, error, step):
                ends += [await theatre.play(scene) for scene in PLAYED]
            with anyio.fail_after(TIMEOUT):
                while (now := await theatre.count(sibling)) != before:
                    assert now >= before
                    await anyio.sleep(0.01)
        async with theatre.opened() as newcomer:
            assert await theatre.count(newcomer) > before
    return ends


@pytest.mark.parametrize("call", FAILURES)
async def test_a_call_that_fails_ends_one_connection(backend: Backend, theatre: Theatre, call: str) -> None:
    ends = await play(theatre, call, FAILURES[call])
    if call in {"read", "write"}:
        assert not all(ends), "nothing failed"


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_call_that_was_too_early_is_made_again(backend: Backend, theatre: Theatre, call: str) -> None:
    assert all(await play(theatre, call, TRY_AGAIN))
