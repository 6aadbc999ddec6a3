"""Where the server is, and how its clients get there."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import anyio
import trustme
from anyio.abc import SocketStream
from cryptography import x509

from tests.peers import Fields
from tests.runtime.client import Client
from tests.runtime.http2_client import Http2Client
from tests.runtime.secure_client import SecureStream

__all__ = ["Authority", "Place"]

_SECURE = 0.4  # So many of the connections speak TLS.


class Authority:
    """Issues the server's certificate, again and again, into the same two files."""

    def __init__(self, folder: Path) -> None:
        self.chain = folder / "chain.pem"
        self.key = folder / "key.pem"
        self.serial = 0
        """The serial number of the newest certificate."""
        self._ca = trustme.CA()
        self.http1 = self._trusting("http/1.1")
        """For clients that trust the server."""
        self.http2 = self._trusting("h2")
        self.old = self._trusting("http/1.1")
        """For clients that speak TLS 1.2."""
        self.old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.renew()

    def renew(self) -> None:
        """Write another certificate."""
        issued = self._ca.issue_cert("127.0.0.1")
        self.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)
        self.serial = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number

    def _trusting(self, protocol: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        context.set_alpn_protocols([protocol])
        return context


class _SecureHttp2Client(Http2Client):
    """The same inside of TLS."""

    async def open(
        self,
        path: bytes = b"/",
        fields: Fields = (),
        *,
        method: bytes = b"GET",
        end_stream: bool = True,
        **more: Any,
    ) -> int:
        return await super().open(path, fields, method=method, end_stream=end_stream, scheme=b"https", **more)


@dataclass(frozen=True, slots=True)
class Place:
    """The server's two ports on 127.0.0.1, and who issued its certificate."""

    plain: int
    secure: int
    authority: Authority

    @asynccontextmanager
    async def connected(self, *, secure: bool = False) -> AsyncIterator[SocketStream]:
        """Connect, and close in the end whatever happened."""
        async with await anyio.connect_tcp("127.0.0.1", self.secure if secure else self.plain) as stream:
            yield stream

    @asynccontextmanager
    async def secured(self, context: ssl.SSLContext) -> AsyncIterator[Client]:
        """Connect and shake hands."""
        async with self.connected(secure=True) as stream:
            secure = SecureStream(stream, context)
            await secure.shake_hands()
            yield Client(cast("SocketStream", secure))

    @asynccontextmanager
    async def http1(self, random: Random) -> AsyncIterator[Client]:
        """Connect in one of the ways there are."""
        authority = self.authority
        if random.random() < _SECURE:
            async with self.secured(
                random.choice([authority.http1, authority.http1, authority.old])
            ) as client:
                yield client
        else:
            async with self.connected() as stream:
                yield Client(stream)

    @asynccontextmanager
    async def http2(
        self, random: Random, *items: tuple[int, int], window: int = 1_048_576
    ) -> AsyncIterator[Http2Client]:
        """Connect in one of the ways there are, and exchange settings."""
        if random.random() < _SECURE:
            async with self.secured(self.authority.http2) as secure:
                client: Http2Client = _SecureHttp2Client(secure)
                await client.start(*items, window=window)
                yield client
        else:
            async with self.connected() as stream:
                client = Http2Client(Client(stream))
                await client.start(*items, window=window)
                yield client

    def url(self, random: Random, path: str) -> tuple[str, ssl.SSLContext | None]:
        """Return where a WebSocket is, and with which context."""
        if random.random() < _SECURE:
            return f"wss://127.0.0.1:{self.secure}{path}", self.authority.http1
        return f"ws://127.0.0.1:{self.plain}{path}", None
