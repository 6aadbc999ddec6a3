"""Certificates that hold for the time of a test run, and a client that speaks TLS octet by octet."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import trustme
from anyio.abc import SocketStream

import runtime

from .client import GET, Client, connected, until


class Authority:
    """Issues a certificate for the server, in files, and certificates for clients."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        pair = self._ca.issue_cert("127.0.0.1", "localhost")
        self.certificate, self.key, self.both = (
            folder / name for name in ("cert.pem", "key.pem", "both.pem")
        )
        self.authorities = folder / "ca.pem"
        pair.cert_chain_pems[0].write_to_path(self.certificate)
        pair.private_key_pem.write_to_path(self.key)
        pair.private_key_and_cert_chain_pem.write_to_path(self.both)
        self._ca.cert_pem.write_to_path(self.authorities)

    @property
    def options(self) -> dict[str, Any]:
        """What a server needs to speak TLS."""
        return {"ssl_certfile": str(self.both)}

    @cached_property
    def client(self) -> ssl.SSLContext:
        """For clients that trust the server."""
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context

    def certified(self) -> ssl.SSLContext:
        """Return a context for a client that has a certificate, too."""
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        self._ca.issue_cert("client@example.org").configure_cert(context)
        return context


class SecureStream:
    """As much of a stream as `Client` needs. Where the server's end was not announced, `receive` says it is broken."""

    def __init__(self, stream: SocketStream, context: ssl.SSLContext) -> None:
        self.raw = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.tls.write(rest) :]
        await self._flush()

    async def receive(self, size: int = 65_536) -> bytes:
        while True:
            try:
                data = self.tls.read(size)
            except ssl.SSLWantReadError:
                await self._exchange()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                raise anyio.BrokenResourceError from error
            if not data:
                raise anyio.EndOfStream
            return data

    async def send_eof(self, more: bytes = b"") -> None:
        """Send close_notify, and nothing about it in TCP, but perhaps more bytes in the same segment."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.raw.send(self._outgoing.read() + more)

    async def aclose(self) -> None:
        await self.raw.aclose()

    def extra(self, attribute: Any) -> Any:
        return self.raw.extra(attribute)  # noqa: S610 - it is no query.

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self.raw.send(self._outgoing.read())

    async def _exchange(self) -> None:
        await self._flush()
        try:
            self._incoming.write(await self.raw.receive())
        except anyio.EndOfStream as error:
            raise anyio.BrokenResourceError from error


@asynccontextmanager
async def secured(server: runtime.Server, context: ssl.SSLContext) -> AsyncIterator[Client]:
    """Connect to a server, shake hands, and close in the end without a word."""
    async with connected(server) as client:
        stream = SecureStream(client.stream, context)
        await stream.shake_hands()
        yield Client(cast("SocketStream", stream))


def tls_of(client: Client) -> SecureStream:
    """Return what is below a client that `secured` made."""
    stream: object = client.stream
    assert isinstance(stream, SecureStream)
    return stream


def context_of(authority: Authority, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client's context for this version only."""
    context = authority.certified()
    context.minimum_version = context.maximum_version = version
    return context


async def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged of peers, once there is something."""
    await until(lambda: "TLS" in caplog.text)
    return [record.getMessage() for record in caplog.records if "TLS" in record.getMessage()]


async def check_it_serves(server: runtime.Server, authority: Authority) -> None:
    async with secured(server, authority.client) as client:
        await client.send(GET)
        assert (await client.response()).body == b"hello"


def client_hello(authority: Authority) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = authority.client.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()
