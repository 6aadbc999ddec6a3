"""What both drivers promise when something fails: it ends one connection at most, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Self

import anyio
import pytest

from .client import GET, OK, ask, connected, hello, make_server, read_body, until
from .conftest import Backend
from .process import receive_all, started

IN_PYTHON = pytest.mark.parametrize("backend", ["asyncio", "trio"], indirect=True)
POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"

# System calls that fail. uvloop makes its own in C, so it has no part in this.

pytestmark = pytest.mark.usefixtures("backend")


class Faulty(socket.socket):
    """An accepted socket on which one method fails, the first time or always."""

    method = ""
    error: OSError | None = None
    armed = False
    count = 0


def _make(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def call(self: Faulty, *arguments: Any) -> Any:
        if Faulty.armed and Faulty.method == name:
            Faulty.count += 1
            assert Faulty.error is not None
            raise Faulty.error
        return original(self, *arguments)

    return call


for _name in ("recv", "send", "setsockopt", "getpeername", "getsockname", "shutdown"):
    setattr(Faulty, _name, _make(_name))


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Let one system call fail on the sockets that are accepted from now on."""
    accept = socket.socket.accept

    def accept_faulty(self: socket.socket) -> tuple[socket.socket, Any]:
        if Faulty.armed and Faulty.method == "accept":
            Faulty.count += 1
            Faulty.armed = False
            assert Faulty.error is not None
            raise Faulty.error
        sock, address = accept(self)
        if Faulty.armed:
            sock = Faulty(fileno=sock.detach())
        return sock, address

    def arm(method: str, number: int) -> None:
        Faulty.method, Faulty.error = method, OSError(number, os.strerror(number))
        Faulty.armed, Faulty.count = True, 0

    monkeypatch.setattr(socket.socket, "accept", accept_faulty)
    yield arm
    Faulty.armed = False


@IN_PYTHON
@pytest.mark.parametrize(
    ("method", "number"),
    [
        ("recv", errno.ECONNRESET),
        ("recv", errno.ETIMEDOUT),
        ("recv", errno.EHOSTUNREACH),
        ("send", errno.EPIPE),
        ("send", errno.ECONNRESET),
        ("send", errno.ENOBUFS),
        ("setsockopt", errno.EINVAL),
        ("getpeername", errno.ENOTCONN),
        ("shutdown", errno.ENOTCONN),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else str(value),
)
async def test_a_system_call_that_fails_concerns_one_connection(
    backend: Backend, faulty: Callable[[str, int], None], method: str, number: int
) -> None:
    if method == "setsockopt" and backend.name == "asyncio":
        pytest.skip("asyncio itself sets TCP_NODELAY, and forgets to close the socket when that fails")
    finished = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await hello(scope, receive, send)
        finally:
            finished.append(scope["path"])

    async with make_server(app, timeout_linger=0.1) as server, connected(server) as sibling:
        await sibling.send(GET)
        await sibling.response()
        faulty(method, number)
        async with connected(server) as client:
            await client.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
            await client.rest()
        Faulty.armed = False
        await sibling.send(GET)
        assert (await sibling.response()).body == b"hello"
        assert (await ask(server)).body == b"hello"


@IN_PYTHON
@pytest.mark.parametrize(
    "number",
    [errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM],
    ids=lambda number: errno.errorcode[number],
)
async def test_accepting_goes_on_after_an_error(
    faulty: Callable[[str, int], None], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_server(hello) as server:
        faulty("accept", number)
        assert (await ask(server)).body == b"hello"
    assert Faulty.count == 1
    caplog.clear()  # asyncio writes some of them down as an error.


@IN_PYTHON
async def test_a_send_that_fails_in_the_middle_of_a_response_reaches_the_app(
    faulty: Callable[[str, int], None],
) -> None:
    outcome: list[BaseException] = []
    go_on, done = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        try:
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
                await anyio.lowlevel.checkpoint()
        except OSError as error:
            outcome.append(error)
        done.set()

    async with make_server(app) as server:
        faulty("send", errno.EPIPE)
        Faulty.method = ""
        async with connected(server) as client:
            await client.send(GET)
            await client.until(b"first\r\n")
            Faulty.method = "send"
            go_on.set()
            await done.wait()
            assert await client.rest() == b""
    assert len(outcome) == 1


# Resets and departures at every moment.


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await read_body(receive)
    await send(OK)
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await anyio.lowlevel.checkpoint()
    await send({"type": "http.response.body"})
    await anyio.sleep(0.002)  # Work after the response.


async def fills(scope: Any, receive: Any, send: Any) -> None:
    await send(OK)
    for _ in range(100):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})


async def does_nothing(scope: Any, receive: Any, send: Any) -> None:
    await anyio.lowlevel.checkpoint()


async def raises(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise ValueError("bad")


@pytest.mark.parametrize("app", [answers, fills, does_nothing, raises], ids=lambda app: app.__name__)
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_clients_that_leave_at_any_moment_concern_nobody_else(app: Any, reset: bool) -> None:
    async def mixed(scope: Any, receive: Any, send: Any) -> None:
        await (hello if scope["path"] == "/sibling" else app)(scope, receive, send)

    request = (POST % 4 + b"body") * 2 + GET
    async with make_server(mixed) as server, connected(server) as sibling:
        for cut in range(0, len(request) + 12, 4):
            async with connected(server) as client:
                await client.send(request[:cut] or b"\r\n")
                if cut % 8 == 0:
                    await anyio.sleep(0.0005 * (cut % 7))
                await (client.reset() if reset else client.close())
            if cut % 40 == 0:
                await sibling.send(b"GET /sibling HTTP/1.1\r\nHost: test\r\n\r\n")
                assert (await sibling.response()).body == b"hello"
        await sibling.send(b"GET /sibling HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (await sibling.response()).body == b"hello"


async def test_a_reset_between_pipelined_requests_leaves_the_server_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**OK, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
        await anyio.sleep(0.002)

    async with make_server(app) as server:
        for _ in range(30):
            async with connected(server) as client:
                await client.send(GET * 2)
                await client.head()
                await client.reset()
        assert (await ask(server)).status == 200


async def test_a_reset_while_a_response_waits_to_be_written_is_only_a_departure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcomes: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await fills(scope, receive, send)
        except BaseException as error:
            outcomes.append(error)
            raise

    async with make_server(app) as server:
        for number in range(20):
            async with connected(server) as client:
                await client.send(GET)
                await client.until(b"\r\n\r\n")
                await client.reset()
            await until(lambda count=number + 1: len(outcomes) == count)  # type: ignore[misc]  # It has a default.
    assert all(isinstance(error, OSError) for error in outcomes)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_cancelling_with_connections_in_every_state_leaves_nothing() -> None:
    """The descriptors and tasks that are left are counted after each test."""
    running = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running
        running += 1
        try:
            if scope["path"] == "/receives":
                await read_body(receive)
            elif scope["path"] == "/fills":
                await fills(scope, receive, send)
            elif scope["path"] == "/waits":
                await anyio.sleep_forever()
            await hello(scope, receive, send)
            if scope["path"] == "/works-on":
                await anyio.sleep_forever()
        finally:
            running -= 1

    for _ in range(5):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is the point.
            async with make_server(app) as server, AsyncStack() as stack:
                idle = await stack.connect(server)
                await idle.send(GET)
                await idle.response()
                await (await stack.connect(server)).send(b"GET / HTT")
                for name in (b"/receives", b"/fills", b"/waits", b"/works-on"):
                    client = await stack.connect(server)
                    await client.send((POST % 9).replace(b"/", name, 1) + b"half")
                await until(lambda: running == 4)
                await idle.send(GET)
                raise ZeroDivisionError
        assert running == 0


class AsyncStack:
    """Clients that are closed together."""

    def __init__(self) -> None:
        self._clients: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        with anyio.CancelScope(shield=True):
            for client in self._clients:
                await client.__aexit__(None, None, None)

    async def connect(self, server: Any) -> Any:
        client = connected(server)
        self._clients.append(client)
        return await client.__aenter__()


# Applications that fail, with whatever there is.


class Odd(BaseException):
    """Neither an Exception nor one of those that end a process."""


@pytest.mark.parametrize(
    "error",
    [Odd("odd"), BaseExceptionGroup("odd", [Odd(), ValueError()]), GeneratorExit(), StopAsyncIteration()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("moment", ["before", "within", "after"])
async def test_an_app_that_raises_whatever_there_is_concerns_nobody_else(
    error: BaseException, moment: str
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        if moment == "before":
            raise error
        await send(OK)
        await send({"type": "http.response.body", "body": b"x", "more_body": moment == "within"})
        raise error

    async with make_server(app) as server, connected(server) as sibling:
        async with connected(server) as client:
            await client.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
            answer = await client.rest()
            assert answer.startswith(b"HTTP/1.1 500" if moment == "before" else b"HTTP/1.1 200")
        await sibling.send(b"GET /sibling HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (await sibling.response()).body == b"hello"


async def test_an_app_that_cancels_its_own_scope_concerns_nobody_else() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with anyio.CancelScope() as cancelled:
            cancelled.cancel()
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            group.cancel_scope.cancel()
        await hello(scope, receive, send)

    async with make_server(app) as server:
        assert (await ask(server)).body == b"hello"


# Descriptors run out.

EXHAUSTED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


def test_a_server_without_descriptors_serves_again_when_there_are_some(backend: Backend) -> None:
    def cpu() -> float:
        fields = Path(f"/proc/{process.popen.pid}/stat").read_text("ascii").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with started(EXHAUSTED, {**backend.options, "lifespan": "off"}) as process:
        with process.connect() as sibling:
            sibling.sendall(GET)
            assert b"hello" in sibling.recv(1000)
            with ExitStack() as stack:
                for _ in range(200):
                    stack.enter_context(closing(process.connect()))
                before = cpu()
                time.sleep(1.5)  # What it costs to have nothing is a matter of time.
                assert cpu() - before < 0.6
                sibling.sendall(GET)
                assert b"hello" in sibling.recv(1000)
        answer = b""
        while not answer:  # One of the first may still be refused. The process has a time limit of its own.
            with process.connect() as client, suppress(ConnectionError):
                client.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
                answer = receive_all(client)
        assert answer.endswith(b"hello")
        process.popen.terminate()
        assert process.wait() == 0
    assert "Traceback" not in process.text
    told = process.text.count("Cannot accept: [Errno 24]")
    assert told <= 100 if backend.name == "trio" else told <= 4
    assert told or backend.name == "uvloop"  # It says nothing.
