"""Every system call on an accepted socket, and what both drivers promise when it fails or does less than it should."""

from __future__ import annotations

import asyncio
import errno
from itertools import product

import pytest

from runtime.asyncio_errors import make_exception_handler

from .conftest import Backend
from .faults import ALWAYS, Fault, Run, fails, in_force, reads_one, takes
from .faults_scenes import SCENES, Scene, Stage, staged
from .secure_client import Authority

IN_PYTHON = pytest.mark.parametrize("backend", ["asyncio", "trio"], indirect=True)
EACH_SCENE = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)

pytestmark = [pytest.mark.usefixtures("backend"), IN_PYTHON]

FAILURES = {
    "setblocking": [errno.EINVAL],
    "setsockopt": [errno.EINVAL, errno.ENOBUFS],
    "getpeername": [errno.ENOTCONN, errno.ENOBUFS],
    "getsockname": [errno.EINVAL, errno.ENOBUFS],
    "recv": [errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENOMEM],
    "send": [errno.EPIPE, errno.ECONNRESET, errno.ENOBUFS, errno.ENETDOWN],
    "shutdown": [errno.ENOTCONN, errno.ENOBUFS],
    "close": [errno.EIO, errno.ECONNRESET],
}

FORGOTTEN = {"setblocking", "setsockopt", "close"}
"""asyncio makes these before and after our time, and where they fail it says so and forgets the rest."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[False, True], ids=["clear", "tls"])
def authority(request: pytest.FixtureRequest, certificates: Authority) -> Authority | None:
    return certificates if request.param else None


async def count(stage: Stage, *faults: Fault) -> Run:
    """Play a scene in which nothing goes wrong that matters."""
    with in_force(Run(faults)) as run:
        assert await stage.play()
    await stage.check()
    assert all(run.made[kind] for kind in ("accept", "recv", "send", "close")), run.made
    return run


HALF = Fault("send", ALWAYS, takes(lambda size: (size + 1) // 2))


@EACH_SCENE
@pytest.mark.parametrize("faults", [(), (HALF,)], ids=["whole", "halves"])
async def test_a_call_that_fails_ends_one_connection(
    backend: Backend, authority: Authority | None, scene: Scene, faults: tuple[Fault, ...]
) -> None:
    if backend.name == "asyncio":  # In a loop of its own, as `run` makes it.
        asyncio.get_running_loop().set_exception_handler(make_exception_handler())
    async with staged(scene, authority) as stage:
        plain = await count(stage, *faults)
        for kind, numbers in FAILURES.items():
            if backend.name == "asyncio" and kind in FORGOTTEN:
                continue
            for call, number in product(range(1, plain.made[kind] + 1), numbers):
                fault = Fault(kind, range(call, call + 1), fails(number))
                with in_force(Run((fault, *faults))):
                    await stage.play()
                await stage.check()


@EACH_SCENE
async def test_a_call_that_was_too_early_is_made_again(
    backend: Backend, authority: Authority | None, scene: Scene
) -> None:
    async with staged(scene, authority) as stage:
        plain = await count(stage)
        for kind in ("recv", "send"):
            for number, length in ((errno.EINTR, 1), (errno.EAGAIN, 20)):
                runs = [
                    await count(stage, Fault(kind, range(call, call + length), fails(number)))
                    for call in range(1, plain.made[kind] + 1)
                ]
                # How many calls there are may differ a little, so that the last may not be met.
                assert runs[0].met


@EACH_SCENE
async def test_calls_that_do_a_part_do_the_rest_later(
    backend: Backend, authority: Authority | None, scene: Scene
) -> None:
    one = takes(lambda size: 1)
    async with staged(scene, authority) as stage:
        for fault in (Fault("recv", ALWAYS, reads_one), Fault("send", ALWAYS, one), HALF):
            assert (await count(stage, fault)).met
        await count(stage, Fault("recv", ALWAYS, reads_one), Fault("send", ALWAYS, one))
