"""Every step of TLS that fails, and handshakes that stop at any octet."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, ClassVar

import anyio
import pytest

from .client import connected, hello, make_server
from .conftest import Backend
from .faults import Fault, Run
from .faults_core import Core, Failure, failing
from .faults_scenes import SCENES, TIMEOUT, Scene, staged
from .secure_client import Authority, check_it_serves, client_hello

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


class Stepping(ssl.SSLObject):
    """TLS whose steps are those of the run in which it began."""

    current: ClassVar[Run | None] = None

    def _make(self, kind: str, step: Callable[..., Any], *arguments: Any) -> Any:
        run = vars(self).setdefault("_run", Stepping.current)
        return step(*arguments) if run is None else run.make(kind, step, *arguments)

    def do_handshake(self) -> None:
        self._make("do_handshake", super().do_handshake)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the name that it has.
        return self._make("read", super().read, len)

    def write(self, data: Any) -> int:
        size: int = self._make("write", super().write, data)
        return size

    def unwrap(self) -> Any:
        return self._make("unwrap", super().unwrap)


def _ours(step: Callable[..., Any], *arguments: Any) -> Any:
    raise Failure(step.__name__)


def _theirs(step: Callable[..., Any], *arguments: Any) -> Any:
    error = ssl.SSLError(1, "[SSL] bad record")
    error.reason = "BAD_RECORD"
    raise error


def _context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.both)
    context.sslobject_class = Stepping
    return context


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_step_that_fails_ends_one_connection(
    backend: Backend, authority: Authority, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What TLS complains of is the peer's fault; whatever else is raised is ours and is written down once."""
    async with staged(scene, authority, ssl_certfile=None, ssl_context=_context(authority)) as stage:
        plain = Run()
        with monkeypatch.context() as patch:
            patch.setattr(Stepping, "current", plain)
            assert await stage.play()
        await stage.check()
        for kind, count in plain.made.items():
            for number in range(1, count + 1):
                for fault in [_ours] if kind == "write" else [_ours, _theirs]:
                    run = Run((Fault(kind, range(number, number + 1), fault),))
                    with failing(Core()) as core:
                        core.armed = False
                        with monkeypatch.context() as patch:
                            patch.setattr(Stepping, "current", run)
                            await stage.play()
                        await stage.check()
                    assert core.told == (run.met if fault is _ours else 0)


async def test_a_handshake_that_stops_at_any_octet_is_ended_in_time(
    backend: Backend, authority: Authority
) -> None:
    async def stop(cut: int) -> None:
        async with connected(server) as client:
            if cut <= len(greeting):
                await client.send(greeting[:cut])
            else:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = authority.client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
                with pytest.raises(ssl.SSLWantReadError):
                    tls.do_handshake()
                await client.send(outgoing.read())
                while not outgoing.pending:
                    incoming.write(await client.stream.receive())
                    try:
                        tls.do_handshake()
                    except ssl.SSLWantReadError:
                        continue
                await client.send(outgoing.read()[: cut - len(greeting)])
            await client.rest()

    greeting = client_hello(authority)
    async with make_server(hello, timeout_tls_handshake=0.2, **authority.options) as server:
        await check_it_serves(server, authority)
        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                # The client's last flight is 80 octets at most, but for its last octet.
                for cut in range(1, len(greeting) + 72):
                    group.start_soon(stop, cut)
        await check_it_serves(server, authority)
