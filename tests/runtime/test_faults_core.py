"""The barriers: where the core fails, at whichever call, one connection ends, it is written down once, and no more."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from .conftest import Backend
from .faults_core import Core, failing
from .faults_scenes import SCENES, Scene, app, staged
from .secure_client import Authority

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


async def pausing(scope: Any, receive: Any, send: Any) -> None:
    """Let a head wait for its content for so long that it goes out alone."""

    async def send_and_pause(message: Any) -> None:
        await send(message)
        if message["type"] == "http.response.start" and scope["path"] != "/sibling":
            await anyio.sleep(0.01)

    await app(scope, receive, send_and_pause)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("secure", [False, True], ids=["clear", "tls"])
async def test_a_core_that_fails_at_any_call_ends_one_connection(
    backend: Backend, certificates: Authority, scene: Scene, secure: bool
) -> None:
    # A request that is never counted out would soon be one too many.
    async with staged(scene, certificates if secure else None, pausing, limit_concurrency=8) as stage:
        with failing(Core()) as core:
            assert await stage.play()
            core.armed = False
            await stage.check()
        plain = core.calls
        for number in range(1, len(plain) + 1):
            with failing(Core(number)) as core:
                await stage.play()
                core.armed = False
                await stage.check()
            assert core.told == (len(core.calls) >= number), core.calls
