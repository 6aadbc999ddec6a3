"""The process of `runtime.run` and of the command: its signals, its standard streams, and that it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .client import GET
from .conftest import Backend
from .process import REPOSITORY, TIMEOUT, Process, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are something else there")

LIFESPAN = """
import anyio, asyncio, threading, trio

async def hang(how):
    if how == "thread":
        await anyio.to_thread.run_sync(threading.Event().wait)
    while True:
        try:
            await anyio.sleep_forever()
        except (asyncio.CancelledError, trio.Cancelled):
            pass

async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    if {when!r} == "startup":
        await hang({how!r})
    await send({{"type": "lifespan.startup.complete"}})
    await receive()
    await hang({how!r})
"""


@pytest.mark.parametrize("how", ["task", "thread"])
@pytest.mark.parametrize(("when", "code"), [("startup", 3), ("shutdown", 1)])
def test_a_lifespan_that_cannot_be_cancelled_does_not_keep_the_process(
    backend: Backend, how: str, when: str, code: int
) -> None:
    """A start-up and a shutdown have a time each, and a cancelled task has its own."""
    options = {**backend.options, "port": 0, "timeout_startup": 0.2, "timeout_shutdown": 0.2}
    options["limit_max_requests"] = 1
    program = LIFESPAN.format(how=how, when=when) + f"import runtime\nruntime.run(app, **{options!r})\n"
    with running([sys.executable, "-c", program]) as process:
        if when == "shutdown":
            process.start()
            process.popen.terminate()
        assert process.wait() == code
    assert "An application did not end after its cancellation: the process ends without it" in process.text
    assert f"lifespan {when.replace('startup', 'start-up')} took longer than 0.2 s" in process.text
    assert "Traceback" not in process.text


CANCELLED = """
import anyio, asyncio

async def fail():
    task = asyncio.ensure_future(asyncio.sleep(3600))
    task.cancel()
    await task

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if {when!r} == "startup":
            await fail()
        await send({{"type": "lifespan.startup.complete"}})
        global failing
        failing = asyncio.Event()
        await failing.wait()
        await fail()
    if {when!r} == "later":
        failing.set()
        await anyio.sleep(0.1)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"hello"}})
"""


@pytest.mark.parametrize("backend", ["asyncio", "uvloop"], indirect=True)
@pytest.mark.parametrize("when", ["startup", "later"])
def test_a_lifespan_that_awaits_what_was_cancelled_has_failed(backend: Backend, when: str) -> None:
    """Nobody has cancelled the server: open requests are served, and the exit code tells."""
    with started(CANCELLED.format(when=when), {**backend.options}) as process:
        with process.connect() as client:
            client.sendall(GET)
            assert b"hello" in client.recv(1_000)
        if when == "startup":
            process.popen.terminate()
        code = process.wait()
    if when == "startup":
        assert "seems not to support the lifespan (it raised CancelledError())" in process.text
        assert code == 0
    else:
        assert "LifespanFailed: the lifespan failed: " in process.text
        assert code == 1


THREAD = """
import anyio, threading

async def app(scope, receive, send):
    print("running", flush=True)
    await anyio.to_thread.run_sync(threading.Event().wait, abandon_on_cancel=True)
"""


@pytest.mark.parametrize("backend", ["asyncio", "uvloop"], indirect=True)
def test_a_request_s_thread_does_not_keep_the_process(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "threads.py").write_text(THREAD, encoding="utf-8")
    options = ["--loop", backend.name, "--lifespan", "off", "--timeout-graceful-shutdown", "0.1"]
    with running(command("threads:app", "--app-dir", str(tmp_path), "--port", "0", *options)) as process:
        process.start()
        with process.connect() as client:
            client.sendall(GET)
            process.until("running")
            process.popen.terminate()
            assert process.wait() == 0
    assert "The server has ended, and threads still run (" in process.text


@pytest.mark.parametrize("code", [0, 7])
def test_the_watchdog_ends_what_does_not_end_by_itself(code: int) -> None:
    program = f"""
import threading
from runtime.process import Watchdog
threading.Thread(target=threading.Event().wait, name="forever").start()
print("printed")
Watchdog(0.1).watch({code})
"""
    with running([sys.executable, "-c", program]) as process:
        assert process.wait() == code
    assert "threads still run (forever): the process ends without waiting" in process.text
    assert "printed" in process.text


def test_the_watchdog_leaves_alone_what_ends_in_time() -> None:
    program = """
import threading
from runtime.process import Watchdog
watchdog = Watchdog(0.1)
watchdog.watch(7)
watchdog.stop()
[thread] = [thread for thread in threading.enumerate() if thread.name == "tricorn watchdog"]
thread.join()
print("still there")
"""
    with running([sys.executable, "-c", program]) as process:
        assert process.wait() == 0
    assert "still there" in process.text


FORKING = """
import os, signal, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    text = b"hello"
    if scope["path"] == "/fork":
        child = os.fork()
        if not child:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            finally:
                os._exit(0)
        text = b"ended by %d" % os.WTERMSIG(os.waitpid(child, 0)[1])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no children here")
def test_a_signal_to_a_child_is_the_child_s(backend: Backend) -> None:
    """It is forked with the parent's handlers, and with the descriptor that wakes the parent."""
    with started(FORKING, {**backend.options}) as process:
        for path, answer in (("/fork", b"ended by 15"), ("/", b"hello")):
            with process.connect() as client:
                client.sendall(GET.replace(b"/ ", path.encode() + b" ", 1))
                assert answer in client.recv(1_000)
        process.popen.terminate()
        assert process.wait() == 0
    assert process.text.count("Shutting down") == 1


HELLO = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.fixture
def hello(tmp_path: Path) -> Callable[..., list[str]]:
    """Return the command for an application, with these arguments."""
    (tmp_path / "hello_app.py").write_text(HELLO, encoding="utf-8")

    def make(backend: Backend, *arguments: str) -> list[str]:
        loop = ["--backend", "trio"] if backend.name == "trio" else ["--loop", backend.name]
        return command("hello_app:app", "--app-dir", str(tmp_path), "--lifespan", "off", *loop, *arguments)

    return make


def test_standard_streams_may_be_closed(backend: Backend, hello: Callable[..., list[str]]) -> None:
    """A socket would have their numbers, and uvloop ends the process when it is to close such a one."""
    shell = ["/bin/sh", "-c", 'exec "$@" <&- >&-', "sh", *hello(backend, "--port", "0")]
    with running(shell) as process:
        process.start()
        with process.connect() as client:
            client.sendall(GET)
            assert b"hello" in client.recv(1_000)
        process.popen.terminate()
        assert process.wait() == 0
    assert "Traceback" not in process.text


@pytest.mark.parametrize("number", [0, None], ids=["standard input", "another"])
def test_the_path_of_a_socket_that_was_inherited_stays(
    backend: Backend, hello: Callable[..., list[str]], number: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        arguments = hello(backend, "--fd", str(listening.fileno() if number is None else number))
        with running(arguments, stdin=listening.fileno(), pass_fds=[listening.fileno()]) as process:
            process.until("Listening on")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(TIMEOUT)
                client.connect(str(path))
                client.sendall(GET)
                assert b"hello" in client.recv(1_000)
            process.popen.terminate()
            assert process.wait() == 0
    assert path.exists()
    assert "Traceback" not in process.text


BROKEN_LOG = """
import logging, sys

class Broken(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), file=sys.stderr, flush=True)
        if record.levelno >= logging.ERROR:
            raise RuntimeError("a handler of the user's")

logging.getLogger("tricorn").addHandler(Broken())
logging.getLogger("tricorn").setLevel("INFO")

async def app(scope, receive, send):
    if scope["path"] == "/raise":
        raise ValueError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


def test_a_log_that_fails_ends_nothing_else(backend: Backend) -> None:
    with started(BROKEN_LOG, {**backend.options, "lifespan": "off"}) as process:
        with process.connect() as sibling:
            for path, answer in ((b"/ ", b"hello"), (b"/raise ", b" 500 "), (b"/ ", b"hello")):
                with contextlib.nullcontext(sibling) if path == b"/ " else process.connect() as client:
                    client.sendall(GET.replace(b"/ ", path, 1))
                    assert answer in client.recv(1_000)
        process.popen.send_signal(signal.SIGTERM)
        assert process.wait() == 0


DEEP = """
class Odd(BaseException):
    pass

async def app(scope, receive, send):
    if scope["path"] == "/deep":
        error = Odd()
        for _ in range(5000):
            error = BaseExceptionGroup("deep", [error])
        raise error
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


def test_errors_that_are_too_deep_are_the_application_s_failure(backend: Backend) -> None:
    with started(DEEP, {**backend.options, "lifespan": "off"}) as process:
        for path, answer in ((b"/deep ", b" 500 "), (b"/ ", b"hello")):
            with process.connect() as client:
                client.sendall(GET.replace(b"/ ", path, 1))
                assert answer in client.recv(1_000)
        process.popen.terminate()
        assert process.wait() == 0
    assert "Exception in ASGI application" in process.text
    assert "never retrieved" not in process.text


LEAKING = """
import trio

kept = []

async def leave_open(scope):
    with scope:
        yield

async def app(scope, receive, send):
    if scope["path"] == "/leak":
        opened = trio.CancelScope()
        kept.append(leave_open(opened))
        await anext(kept[-1])
        opened.cancel()
    else:
        await trio.sleep(0.01)
    with trio.CancelScope(shield=True):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.mark.parametrize("backend", ["trio"], indirect=True)
def test_a_scope_that_a_request_leaves_open_is_not_the_next_one_s(backend: Backend) -> None:
    with started(LEAKING, {**backend.options, "lifespan": "off"}) as process:
        with process.connect() as client:
            for path in (b"/leak ", b"/ "):
                client.sendall(GET.replace(b"/ ", path, 1))
                answer = client.recv(1_000)
                assert b" 200 " in answer
                assert b"hello" in answer
        process.popen.kill()
        process.wait()
    assert "it has left a cancel scope open" in process.text


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "runtime", *arguments]


@contextlib.contextmanager
def running(arguments: list[str], **how: object) -> Iterator[Process]:
    """Run a program, and end it if it has not ended."""
    popen = subprocess.Popen(  # type: ignore[call-overload]
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        **how,
    )
    process = Process(popen)
    try:
        yield process
    finally:
        popen.kill()
        process.wait()
