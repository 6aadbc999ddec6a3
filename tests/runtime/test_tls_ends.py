"""TLS over real sockets: peers that do not shake hands, do not read, or leave; and how a connection ends."""

from __future__ import annotations

import contextlib
import shutil
import ssl
from typing import Any

import anyio
import pytest

from .client import GET, OK, connected, hello, make_server, place, serving, until
from .secure_client import Authority, check_it_serves, client_hello, context_of, refusals, secured, tls_of

pytestmark = pytest.mark.usefixtures("backend")

POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


# Peers that do not shake hands.


@pytest.mark.parametrize(
    "data",
    [GET, b"\x00" * 100, b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-scan\r\n", bytes(range(256)) * 300],
    ids=["http", "zeros", "record", "ssh", "garbage"],
)
async def test_what_is_no_handshake_ends_the_connection_and_is_one_line(
    authority: Authority, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async with make_server(hello, access_log=True, **authority.options) as server:
        async with connected(server) as client:
            await client.send(data)
            assert b"HTTP" not in await client.rest()
        [line] = await refusals(caplog)
        assert "closed: TLS handshake: " in line
        assert all(record.levelname == "INFO" and record.exc_info is None for record in caplog.records)
        assert not [record for record in caplog.records if record.name == "tricorn.access"]
        await check_it_serves(server, authority)


@pytest.mark.parametrize("part", [0, 100])
async def test_a_handshake_that_stalls_ends_in_time(
    authority: Authority, caplog: pytest.LogCaptureFixture, part: int
) -> None:
    async with make_server(hello, timeout_tls_handshake=0.05, **authority.options) as server:
        async with connected(server) as stalled:
            if part:
                await stalled.send(client_hello(authority)[:part])
            assert await stalled.rest() == b""
        [line] = await refusals(caplog)
        assert line.endswith("closed: TLS handshake: not complete in time")


async def test_a_handshake_that_stalls_holds_up_nobody(authority: Authority) -> None:
    async with (
        make_server(hello, timeout_tls_handshake=None, **authority.options) as server,
        connected(server) as stalled,
    ):
        await stalled.send(client_hello(authority)[:100])
        for _ in range(3):
            await check_it_serves(server, authority)


async def test_a_handshake_one_octet_at_a_time_is_one(authority: Authority) -> None:
    async with make_server(hello, **authority.options) as server, connected(server) as client:
        for octet in client_hello(authority):
            await client.send(bytes([octet]))
        assert (await client.exactly(3))[:2] == b"\x16\x03"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("part", [0, 1, 100, 10_000])
async def test_a_peer_that_leaves_during_the_handshake_is_not_worth_a_word(
    authority: Authority, caplog: pytest.LogCaptureFixture, part: int, reset: bool
) -> None:
    async with make_server(hello, **authority.options) as server:
        async with connected(server) as client:
            if part:
                await client.send(client_hello(authority)[:part])
            await (client.reset() if reset else client.close())
        await check_it_serves(server, authority)
        assert "TLS" not in caplog.text


async def test_a_client_that_ends_its_side_during_the_handshake_is_let_go(authority: Authority) -> None:
    async with make_server(hello, **authority.options) as server, connected(server) as client:
        await client.send(client_hello(authority)[:50])
        await client.end()
        assert await client.rest() == b""


# How a connection ends.


async def collects(messages: list[Any], receive: Any) -> None:
    while not messages or messages[-1]["type"] != "http.disconnect":
        messages.append(await receive())


@pytest.mark.parametrize("end", ["fin", "close_notify", "rst", "damage"])
@VERSIONS
async def test_an_end_in_the_middle_of_a_body_is_a_disconnect(
    authority: Authority, caplog: pytest.LogCaptureFixture, end: str, version: ssl.TLSVersion
) -> None:
    """RFC 9112 §8: an incomplete message must not look complete."""
    messages: list[Any] = []
    told = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await collects(messages, receive)
        told.set()

    async with (
        make_server(app, **authority.options) as server,
        secured(server, context_of(authority, version)) as client,
    ):
        await client.send(POST % 10 + b"half")
        await until(lambda: bool(messages))
        match end:
            case "fin":
                await tls_of(client).raw.send_eof()
            case "close_notify":
                await client.end()
            case "rst":
                await client.reset()
            case "damage":
                await tls_of(client).raw.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await told.wait()
        if end == "damage":
            assert (await refusals(caplog))[0].endswith("closed: TLS: decryption failed or bad record mac")
            with pytest.raises(anyio.BrokenResourceError) as caught:
                await client.stream.receive()
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            assert caught.value.__cause__.reason is not None
            assert "ALERT_BAD_RECORD_MAC" in caught.value.__cause__.reason
        else:
            assert "TLS" not in caplog.text
    assert [message["type"] for message in messages[:-1]] == ["http.request"] * (len(messages) - 1)
    assert all(message["more_body"] for message in messages[:-1])
    assert b"".join(message["body"] for message in messages[:-1]) == b"half"


@VERSIONS
async def test_a_client_that_has_said_farewell_still_gets_its_responses(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    """RFC 8446 §6.1: close_notify concerns one direction; RFC 9112 §9.6."""
    waiting, go_on = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        waiting.set()
        assert (await receive())["type"] == "http.disconnect"
        await send(OK)
        await send({"type": "http.response.body", "body": b"x" * 1_000_000})
        go_on.set()

    async with (
        make_server(app, **authority.options) as server,
        secured(server, context_of(authority, version)) as client,
    ):
        await client.send(GET)
        await waiting.wait()
        # "Any data received after a closure alert has been received MUST be ignored." RFC 8446 §6.1
        await tls_of(client).send_eof(b"ignored")
        assert (await client.response()).body == b"x" * 1_000_000
        await go_on.wait()
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_a_farewell_that_comes_with_the_request_is_a_departure(
    authority: Authority, timeout: float
) -> None:
    begun, cancelled = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with (
        make_server(app, timeout_disconnect=timeout, **authority.options) as server,
        secured(server, authority.client) as client,
    ):
        tls_of(client).tls.write(GET)
        await tls_of(client).send_eof()
        with anyio.fail_after(5):
            await begun.wait()
            await cancelled.wait()


async def test_a_client_that_sends_more_after_the_last_response_still_gets_it(authority: Authority) -> None:
    """RFC 9112 §9.6: the server closes in stages; close_notify ends its own side only."""
    async with (
        make_server(hello, **authority.options) as server,
        secured(server, authority.client) as client,
    ):
        await client.send(POST % 10_000_000)
        assert (await client.response()).fields["connection"] == "close"
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()
        for _ in range(5):
            await client.send(b"x" * 10_000)
            await check_it_serves(server, authority)  # By then it has been read.


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")
async def test_new_keys_may_be_asked_for(authority: Authority) -> None:
    """RFC 8446 §4.6.3. The command asks for them when it reads a line with K."""
    async with make_server(hello, **authority.options) as server:
        host, port = place(server)
        command = [*("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3"), "-noservername"]
        async with await anyio.open_process(command) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            for _ in range(3):
                await process.stdin.send(b"K\n")
                told = b""
                while b"KEYUPDATE" not in told:
                    told += await process.stderr.receive()
                await process.stdin.send(GET)
                told = b""
                while b"HTTP/1.1 200 OK" not in told:
                    told += await process.stdout.receive()
            process.terminate()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")
async def test_a_client_may_not_negotiate_again(authority: Authority) -> None:
    """RFC 9113 §9.2.1. The command asks for it when it reads a line with R."""
    async with make_server(hello, **authority.options) as server:
        host, port = place(server)
        command = [*("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"), "-noservername"]
        async with await anyio.open_process(command) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            await process.stdin.send(b"R\n")
            told = b""
            while b"no renegotiation" not in told:
                told += await process.stderr.receive()
            with contextlib.suppress(ProcessLookupError):  # It may have ended by itself.
                process.terminate()


# Clients that do not read.


class Endless:
    """Sends for ever, and remembers how much went."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(OK)
            while True:
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
                self.sent += 65_536
        finally:
            self.ended.set()


async def test_an_app_waits_for_a_client_that_does_not_read(authority: Authority) -> None:
    app = Endless()
    async with make_server(app, **authority.options) as server, secured(server, authority.client) as client:
        await client.send(GET)
        before = -1
        while before != app.sent or not app.sent:
            before = app.sent
            await anyio.sleep(0.05)  # Nothing tells that the kernel's buffers are full.
        assert app.sent < 20_000_000  # What kernels hold of a connection on this machine.
        await client.exactly(app.sent)
        await until(lambda: app.sent > before)
        await client.reset()
        await app.ended.wait()


async def test_a_client_that_never_reads_is_dropped(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    app = Endless()
    async with (
        make_server(app, timeout_write=0.2, **authority.options) as server,
        secured(server, authority.client) as client,
    ):
        await client.send(GET)
        await app.ended.wait()
        await until(lambda: "A peer took nothing for 0.2 s" in caplog.text)


async def test_a_client_whose_body_nobody_takes_has_to_wait(authority: Authority) -> None:
    release = anyio.Event()
    data = bytes(30_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await hello(scope, receive, send)

    async with make_server(app, **authority.options) as server, secured(server, authority.client) as client:
        with anyio.move_on_after(0.3) as scope:  # Nothing tells that the kernel's buffers are full.
            await client.send(POST % len(data) + data)
        assert scope.cancelled_caught
        await client.reset()  # An unknown part of the record was sent.
        release.set()
        await check_it_serves(server, authority)


# The server's own end.


async def test_a_shutdown_ends_idle_connections_and_handshakes_at_once(authority: Authority) -> None:
    async with (
        serving(hello, **authority.options) as server,
        connected(server) as silent,
        connected(server) as half,
        secured(server, authority.client) as fresh,
        secured(server, authority.client) as used,
    ):
        await half.send(client_hello(authority)[:50])
        await used.send(GET)
        await used.response()
        server.shut_down()
        for client in (fresh, used):
            with pytest.raises(anyio.EndOfStream):
                await client.stream.receive()
        assert await silent.rest() == b""
        assert await half.rest() == b""


async def test_a_shutdown_lets_a_request_end(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    running, release = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        await release.wait()
        await hello(scope, receive, send)

    async with serving(app, **authority.options) as server, secured(server, authority.client) as client:
        await client.send(GET)
        await running.wait()
        server.shut_down()
        await until(lambda: "Shutting down" in caplog.text)
        release.set()
        response = await client.response()
        assert (response.body, response.fields["connection"]) == (b"hello", "close")
        with pytest.raises(anyio.EndOfStream):
            await client.stream.receive()


async def test_cancelling_with_connections_in_every_state_leaves_nothing(authority: Authority) -> None:
    """The descriptors and tasks that are left are counted after each test."""
    running = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        await anyio.sleep_forever()

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is the point.
        async with (
            make_server(app, **authority.options) as server,
            connected(server) as half,
            secured(server, authority.client),
            secured(server, authority.client) as busy,
        ):
            await half.send(client_hello(authority)[:50])
            await busy.send(GET)
            await running.wait()
            raise ZeroDivisionError
