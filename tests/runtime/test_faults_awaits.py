"""Cancellation at every moment: of an application, of a connection, of the server."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any

import anyio
import pytest
import sniffio
import trio
from anyio.abc import TaskStatus

import runtime

from .client import make_server, until
from .conftest import Backend, descriptors, living_tasks
from .faults_core import Core, failing
from .faults_scenes import ENDED, SCENES, TIMEOUT, Scene, Stage, app, staged
from .secure_client import Authority

pytestmark = pytest.mark.usefixtures("backend")

EACH_SCENE = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[False, True], ids=["clear", "tls"])
def authority(request: pytest.FixtureRequest, certificates: Authority) -> Authority | None:
    return certificates if request.param else None


class Stepped:
    """An application whose steps are moments: at one of them it is cancelled, and so its next await."""

    def __init__(self) -> None:
        self.at = 0
        self.made = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        called = app(scope, receive, send)
        if scope["path"] == "/sibling":
            await called
        elif sniffio.current_async_library() == "trio":
            with trio.CancelScope() as cancelled:
                await self._step(called, cancelled.cancel)
        else:
            task = asyncio.current_task()
            assert task is not None
            await self._step(called, task.cancel)

    @types.coroutine
    def _step(
        self, called: Coroutine[Any, Any, None], cancel: Callable[[], object]
    ) -> Generator[Any, Any, None]:
        go_on: Callable[[], Any] = partial(called.send, None)
        while True:
            self.made += 1
            if self.made == self.at:
                cancel()
            try:
                awaited = go_on()
            except StopIteration:
                return
            try:
                go_on = partial(called.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 - it is for the application.
                go_on = partial(called.throw, error)


@EACH_SCENE
async def test_an_application_that_is_cancelled_at_any_await_concerns_nobody_else(
    backend: Backend, authority: Authority | None, scene: Scene
) -> None:
    stepped = Stepped()
    async with staged(scene, authority, stepped, limit_concurrency=8) as stage:
        stepped.made = 0
        assert await stage.play()
        await stage.check()
        assert stepped.made
        for step in range(1, stepped.made + 1):
            stepped.at, stepped.made = step, 0
            await stage.play()
            await stage.check()


# The server.


class Moments(trio.abc.Instrument):
    """Counts moments, and acts at one of them."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.made = 0
        self._at = at or -1
        self._act = act

    def count(self) -> None:
        self.made += 1
        if self.made == self._at:
            self._at = -1
            self._act()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count()


@asynccontextmanager
async def counting(backend: Backend, moments: Moments) -> AsyncIterator[None]:
    """Let each step of a task in trio, each callback in asyncio, and each turn of uvloop's be a moment."""
    if backend.name == "trio":
        trio.lowlevel.add_instrument(moments)
        yield
        trio.lowlevel.remove_instrument(moments)
    elif backend.name == "asyncio":
        run = asyncio.Handle._run  # noqa: SLF001 - there is no other way to be asked before each.

        def counted(self: asyncio.Handle) -> None:
            moments.count()
            run(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.Handle, "_run", counted)
            yield
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(_count_turns, moments)
            yield
            group.cancel_scope.cancel()


async def _count_turns(moments: Moments) -> None:
    while True:
        moments.count()
        await anyio.lowlevel.checkpoint()


async def _serve(server: runtime.Server, *, task_status: TaskStatus[Callable[[], object]]) -> None:
    """Serve until cancelled from outside, by whatever the backend has for that."""
    if sniffio.current_async_library() == "trio":
        with trio.CancelScope() as scope:
            task_status.started(scope.cancel)
            await server.serve()
    else:
        task = asyncio.ensure_future(server.serve())
        task_status.started(task.cancel)
        with suppress(asyncio.CancelledError):
            await task


async def end_at(
    backend: Backend, authority: Authority | None, scene: Scene, ending: str, moment: int
) -> int:
    """Let a server end while a scene is played. Return how many moments there were."""
    options = {**({} if authority is None else authority.options), **scene.settings}
    server = make_server(app, **options)
    before = descriptors(), living_tasks()
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as group:
            cancel = await group.start(_serve, server)
            await until(lambda: bool(server.addresses))
            act = {"cancelled": cancel, "asked": server.shut_down}[ending]
            moments = Moments(moment, act)
            async with counting(backend, moments):
                with suppress(*ENDED):
                    await scene.play(server, authority)
            act()
    with anyio.move_on_after(TIMEOUT):
        await until(lambda: (descriptors(), living_tasks()) == before)
    now = descriptors(), living_tasks()
    assert now == before, f"descriptors and tasks {before} have become {now}"
    return moments.made


@EACH_SCENE
@pytest.mark.parametrize("ending", ["cancelled", "asked"])
async def test_a_server_that_is_to_end_at_any_moment_ends_and_leaves_nothing(
    backend: Backend, authority: Authority | None, scene: Scene, ending: str
) -> None:
    async with make_server(app):
        pass  # uvloop keeps a descriptor from its first server on.
    moments = await end_at(backend, authority, scene, ending, 0)
    assert moments
    for moment in range(1, moments + 1):
        await end_at(backend, authority, scene, ending, moment)


async def test_a_server_that_is_cancelled_while_its_core_fails_only_ends(
    authority: Authority | None,
) -> None:
    for number in count(1):
        server = make_server(app, **({} if authority is None else authority.options))
        with anyio.fail_after(TIMEOUT), ExitStack() as stack:
            async with anyio.create_task_group() as group:
                cancel = await group.start(_serve, server)
                await until(lambda server=server: bool(server.addresses))  # type: ignore[misc]  # It has a default.
                core = stack.enter_context(failing(Core(number, cancel)))
                with suppress(*ENDED):
                    await SCENES[0].play(server, authority)
                cancel()
        assert core.told == (len(core.calls) >= number)
        if not core.told:
            break


# A connection.


class Nurseries(trio.abc.Instrument):
    """Counts the steps of tasks that connections have begun, and cancels the connection of one of them."""

    def __init__(self, at: int) -> None:
        self.made = 0
        self._at = at
        self._begun: set[trio.lowlevel.Task] = set()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self._begun.add(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if nursery is None or nursery.parent_task not in self._begun:
            return
        self.made += 1
        if self.made == self._at:
            nursery.cancel_scope.cancel()


async def cancel_at_each_step(stage: Stage, times: int = 1) -> None:
    nurseries = Nurseries(0)
    trio.lowlevel.add_instrument(nurseries)
    assert await stage.play()
    trio.lowlevel.remove_instrument(nurseries)
    assert nurseries.made
    for step in range(1, nurseries.made + 1):
        for _ in range(times):
            cancelling = Nurseries(step)
            trio.lowlevel.add_instrument(cancelling)
            await stage.play()
            trio.lowlevel.remove_instrument(cancelling)
            await stage.check()


@EACH_SCENE
@pytest.mark.parametrize("backend", ["trio"], indirect=True)
async def test_a_connection_that_is_cancelled_at_any_step_concerns_nobody_else(
    authority: Authority | None, scene: Scene
) -> None:
    async with staged(scene, authority, limit_concurrency=8) as stage:
        if scene.ends_server:
            pytest.skip("the tasks of a server of its own are no connection's alone")
        await cancel_at_each_step(stage)


@EACH_SCENE
@pytest.mark.parametrize("backend", ["trio"], indirect=True)
async def test_a_connection_may_be_gone_when_what_it_held_back_is_due(
    authority: Authority | None, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is due in the turn after, which often is the one in which the connection ends.
    monkeypatch.setattr("runtime.trio_listener.HOLD", 0)
    async with staged(scene, authority, limit_concurrency=8) as stage:
        if scene.ends_server:
            pytest.skip("the tasks of a server of its own are no connection's alone")
        await cancel_at_each_step(stage, 8)  # trio runs the tasks of one turn in any order.
