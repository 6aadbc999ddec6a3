"""`receive` and `send` as applications use them: cancelled, polled, and from several tasks at once."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest

from .client import GET, OK, connected, hello, make_server, read_body

pytestmark = pytest.mark.usefixtures("backend")

POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"


class Reports:
    """Runs an application's test inside a request, and raises what it raised."""

    def __init__(self, test: Any) -> None:
        self.test = test
        self.error: BaseException | None = None
        self.result: Any = None
        self.done = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            self.result = await self.test(receive, send)
        except Exception as error:
            self.error = error
            raise
        finally:
            self.done.set()

    async def outcome(self) -> Any:
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result


async def poll(receive: Any) -> Any:
    """Ask for a message without waiting, as Starlette's ``is_disconnected`` does."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        return await receive()
    return None


async def test_a_cancelled_receive_loses_nothing() -> None:
    """Whatever the moment of the cancellation: the octets come one by one, and so do the deadlines."""
    size = 200

    async def collect(receive: Any, send: Any) -> bytes:
        body, more, number = b"", True, 0
        while more:
            number += 1
            with anyio.move_on_after(0 if number % 3 else 0.0005):
                message = await receive()
                body += message["body"]
                more = message["more_body"]
            await anyio.lowlevel.checkpoint()
        await hello(None, receive, send)
        return body

    app = Reports(collect)
    async with make_server(app) as server, connected(server) as client:
        await client.send(POST % size)
        for number in range(size):
            await client.send(bytes([number]))
        assert (await client.response()).status == 200
        assert await app.outcome() == bytes(range(size))


async def test_a_message_that_has_come_is_returned_in_a_cancelled_scope() -> None:
    """Without a checkpoint: a poll must be able to see it."""

    async def test(receive: Any, send: Any) -> Any:
        first = await poll(receive)
        nothing = await poll(receive)
        await send(OK)
        await send({"type": "http.response.body"})
        return first, nothing, await poll(receive), await poll(receive)

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert await app.outcome() == (
            {"type": "http.request", "body": b"", "more_body": False},
            None,
            {"type": "http.disconnect"},
            {"type": "http.disconnect"},
        )


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_polling_sees_the_client_leave(reset: bool) -> None:
    polled = anyio.Event()

    async def test(receive: Any, send: Any) -> Any:
        await receive()
        while (message := await poll(receive)) is None:
            polled.set()
            await anyio.lowlevel.checkpoint()
        return message

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await polled.wait()
        await (client.reset() if reset else client.close())
        assert await app.outcome() == {"type": "http.disconnect"}


async def test_a_disconnect_is_told_to_all_who_wait() -> None:
    waiting = anyio.Event()

    async def test(receive: Any, send: Any) -> list[str]:
        await receive()
        told = []

        async def wait() -> None:
            waiting.set()
            told.append((await receive())["type"])

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(wait)
        return told

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await waiting.wait()
        await client.close()
        assert await app.outcome() == ["http.disconnect"] * 5


async def test_each_message_is_given_to_one_of_those_who_wait() -> None:
    taken: list[bytes] = []
    more = anyio.Event()

    async def test(receive: Any, send: Any) -> None:
        async def take() -> None:
            while (message := await receive())["type"] == "http.request":
                taken.append(message["body"])
                more.set()
                if not message["more_body"]:
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
        await hello(None, receive, send)

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(POST % 6)
        for piece in (b"ab", b"cd", b"ef"):
            more = anyio.Event()
            await client.send(piece)
            await more.wait()
        assert (await client.response()).status == 200
        await app.outcome()
    assert b"".join(taken) == b"abcdef"


async def test_receive_waits_until_the_response_is_complete() -> None:
    """ASGI HTTP: after the whole body there is nothing to receive before the end."""
    order: list[str] = []

    async def test(receive: Any, send: Any) -> None:
        await receive()

        async def listen() -> None:
            order.append((await receive())["type"])

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await send(OK)
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            await anyio.wait_all_tasks_blocked()
            order.append("complete")
            await send({"type": "http.response.body"})

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"half"
        await app.outcome()
    assert order == ["complete", "http.disconnect"]


async def test_messages_of_several_tasks_go_out_whole() -> None:
    """Each task's pieces stay in their order, and none is cut by another's."""
    tasks, pieces, size = 5, 40, 10_000

    async def test(receive: Any, send: Any) -> None:
        async def produce(name: bytes) -> None:
            for number in range(pieces):
                body = b"%b%04d" % (name, number) + name * (size - 5)
                await send({"type": "http.response.body", "body": body, "more_body": True})

        await send(OK)
        async with anyio.create_task_group() as group:
            for number in range(tasks):
                group.start_soon(produce, b"abcde"[number : number + 1])
        await send({"type": "http.response.body"})

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        body = (await client.response()).body
        await app.outcome()
    seen: dict[bytes, int] = dict.fromkeys([b"a", b"b", b"c", b"d", b"e"], 0)
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        name = piece[:1]
        assert piece == b"%b%04d" % (name, seen[name]) + name * (size - 5)
        seen[name] += 1
    assert set(seen.values()) == {pieces}


async def test_a_send_that_is_cancelled_while_it_waits_counts_as_sent() -> None:
    size = 20_000_000
    waited = anyio.Event()

    async def test(receive: Any, send: Any) -> int:
        await send(OK)
        cancelled, piece = 0, b"x" * 1_000_000
        for _ in range(size // len(piece)):
            with anyio.move_on_after(0.001) as scope:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if scope.cancelled_caught:
                cancelled += 1
                waited.set()
        await send({"type": "http.response.body"})
        return cancelled

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        _, fields = await client.head()
        assert fields["transfer-encoding"] == "chunked"
        await waited.wait()  # The server's buffers are full.
        received = 0
        while count := int(await client.until(b"\r\n"), 16):
            received += len((await client.exactly(count + 2))[:-2])
        assert received == size
        assert await app.outcome() > 0


async def test_polling_for_long_costs_no_memory() -> None:
    async def test(receive: Any, send: Any) -> int:
        await receive()
        for _ in range(100):
            await poll(receive)
        before = _objects()
        for _ in range(2000):
            await poll(receive)
        grown = _objects() - before
        await hello(None, receive, send)
        return grown

    app = Reports(test)
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).status == 200
        assert await app.outcome() < 500


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_an_app_may_be_late_and_receive_from_a_task_that_outlives_the_call() -> None:
    """A task of the application's that goes on after the call is told that all is over, and sends in vain."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def outlive() -> None:
            await finished.wait()
            seen.append(await receive())
            await send({"type": "http.response.body", "body": b"too late"})
            seen.append("ignored")

        group.start_soon(outlive)
        await read_body(receive)
        await hello(scope, receive, send)

    finished = anyio.Event()
    async with anyio.create_task_group() as group, make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"hello"
        finished.set()
        await anyio.wait_all_tasks_blocked()
        assert seen == [{"type": "http.disconnect"}, "ignored"]
        await client.send(GET)
        assert (await client.response()).body == b"hello"
