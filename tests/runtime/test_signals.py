"""Signals, and what else ends the process: on every backend the same."""

from __future__ import annotations

import signal

import pytest

from .client import GET
from .conftest import Backend
from .process import receive_all, started

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)

APP = """
import anyio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    print("running")
    try:
        if scope["path"] == "/wait":
            assert (await receive())["more_body"]
            while (await receive())["more_body"]:
                pass
        elif scope["path"] == "/endless":
            await anyio.sleep_forever()
        elif scope["path"] == "/raise":
            raise eval(scope["query_string"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
    except anyio.get_cancelled_exc_class():
        print("cancelled")
        raise
"""
SLOW = b"POST /wait HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n1"


@SIGNALS
def test_a_signal_stops_an_idle_server(backend: Backend, number: signal.Signals) -> None:
    with started(APP, {**backend.options}) as process:
        with process.connect() as client:
            client.sendall(GET)
            assert b"hello" in client.recv(1000)
            process.popen.send_signal(number)
            assert receive_all(client) == b""
        assert process.wait() == 0
    assert "shut down" in process.text
    assert "Traceback" not in process.text


@SIGNALS
def test_a_signal_lets_an_open_request_finish(backend: Backend, number: signal.Signals) -> None:
    with started(APP, {**backend.options}) as process:
        with process.connect() as client:
            client.sendall(SLOW)
            process.until("running")
            process.popen.send_signal(number)
            process.until("Shutting down")
            client.sendall(b"2")
            answer = receive_all(client)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b"hello")
        assert process.wait() == 0
    assert "cancelled" not in process.text
    assert "shut down" in process.text


@SIGNALS
def test_a_second_signal_waits_for_nobody(backend: Backend, number: signal.Signals) -> None:
    with started(APP, {**backend.options, "timeout_graceful_shutdown": 60}) as process:
        with process.connect() as client:
            client.sendall(GET.replace(b"/ ", b"/endless ", 1))
            process.until("running")
            process.popen.send_signal(number)
            process.until("Shutting down")
            process.popen.send_signal(number)
            receive_all(client)
        assert process.wait() == 0
    assert "cancelled" in process.text
    assert "shut down" in process.text
    assert "Traceback" not in process.text


def test_a_signal_during_start_up_stops_the_server(backend: Backend) -> None:
    program = """
import os, signal, anyio

async def app(scope, receive, send):
    await receive()
    os.kill(os.getpid(), signal.SIGTERM)
    print("Listening on no port:0")
    await anyio.sleep_forever()
"""
    with started(program, {**backend.options, "timeout_shutdown": 60}) as process:
        assert process.wait() == 0
    assert "Traceback" not in process.text


def test_an_app_that_exits_stops_the_server(backend: Backend) -> None:
    options = {**backend.options, "timeout_graceful_shutdown": 0.2}
    with (
        started(APP, options) as process,
        process.connect() as sibling,
        process.connect() as client,
    ):
        sibling.sendall(GET.replace(b"/ ", b"/endless ", 1))
        process.until("running")
        client.sendall(GET.replace(b"/ ", b"/raise?SystemExit(7) ", 1))
        assert process.wait() == 7
    assert "shut down" in process.text


def test_a_keyboard_interrupt_in_an_app_stops_the_server(backend: Backend) -> None:
    with started(APP, {**backend.options}) as process, process.connect() as client:
        client.sendall(GET.replace(b"/ ", b"/raise?KeyboardInterrupt ", 1))
        assert process.wait() != 0
    assert "shut down" in process.text


def test_an_exit_within_a_group_of_exceptions_stops_the_server(backend: Backend) -> None:
    with started(APP, {**backend.options}) as process, process.connect() as client:
        request = b'/raise?BaseExceptionGroup("",[SystemExit(7),ValueError()]) '
        client.sendall(GET.replace(b"/ ", request, 1))
        assert process.wait() != 0
    assert "shut down" in process.text


COLLECTOR = """
import atexit, gc

async def app(scope, receive, send):
    if scope["type"] == "http":
        print("now", gc.get_threshold()[0])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

gc.set_threshold(before)
atexit.register(lambda: print("afterwards", gc.get_threshold()[0]))
"""


@pytest.mark.parametrize(
    ("before", "options", "during"),
    [(700, {}, 5000), (700, {"gc_threshold": 9000}, 9000), (700, {"gc_threshold": 0}, 700), (0, {}, 0)],
)
def test_the_garbage_collector_is_set_for_the_time_of_the_server(
    before: int, options: dict[str, int], during: int
) -> None:
    with started(f"before = {before}\n{COLLECTOR}", {**options}) as process:
        with process.connect() as client:
            client.sendall(GET)
            assert b"hello" in client.recv(1000)
            process.popen.send_signal(signal.SIGTERM)
            assert receive_all(client) == b""
        assert process.wait() == 0
    assert f"now {during}\n" in process.text
    assert f"afterwards {before}\n" in process.text
