"""Whoever drives a connection, the same comes of the same octets: for the client, and for the application."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import pytest

from fuzz import against_http2_frames, against_websocket_frames
from fuzz.generate import pipeline
from fuzz.http1_mutations import mutate_http1
from tests import peers
from tests.peers import DATA, PREFACE, WINDOW_UPDATE

from .client import OK, connected, serving

Log: TypeAlias = list[Any]
Outcome: TypeAlias = tuple[Any, list[str]]
"""What the client has read, and what its applications have seen."""

STORIES: Final = 80
TIMEOUT: Final = 1.0
"""Seconds after which a server gives up a client that says nothing: each story ends with that, or before."""

SETTINGS: Final[dict[str, Any]] = {
    "timeout_request_head": TIMEOUT,
    "timeout_request_body": TIMEOUT,
    "timeout_keep_alive": TIMEOUT,
    "timeout_linger": TIMEOUT,
    "ws_ping_interval": TIMEOUT,
    "ws_ping_timeout": TIMEOUT,
    "ws_close_timeout": TIMEOUT,
    "http2_window_timeout": TIMEOUT,
    "limit_request_body": 10_000,
    "ws_max_size": 10_000,
    "h2c": "prior-knowledge",
}

BACKENDS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("asyncio", {"use_uvloop": False}),
    ("asyncio", {"use_uvloop": True}),
    ("trio", {}),
]


class Witness:
    """An application that reads what there is, answers with it, and remembers it, for each client."""

    def __init__(self) -> None:
        self.logs: dict[int, list[Log]] = defaultdict(list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        seen = {name: scope[name] for name in ("type", "http_version", "path", "raw_path", "headers")}
        log: Log = [repr(seen), repr(scope["query_string"]), repr(scope.get("method"))]
        self.logs[scope["client"][1]].append(log)
        try:
            await (self._talk if scope["type"] == "websocket" else self._answer)(receive, send, log)
        except Exception as error:
            log.append(f"{type(error).__name__}: {error}")
            raise

    async def _answer(self, receive: Any, send: Any, log: Log) -> None:
        content, more = b"", True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if message["type"] != "http.request":
                log.append(message["type"])
        log.append(content.hex())
        await send(OK)
        await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
        await send({"type": "http.response.body", "body": content[len(content) // 2 :]})

    async def _talk(self, receive: Any, send: Any, log: Log) -> None:
        message = await receive()
        log.append(repr(message))
        await send({"type": "websocket.accept"})
        while message["type"] != "websocket.disconnect":
            message = await receive()
            log.append(repr(message))
            if message["type"] == "websocket.receive":
                await send(
                    {"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")}
                )


async def play(stories: list[bytes]) -> list[Outcome]:
    """Tell each story to a server on a connection of its own, all of them side by side."""
    app = Witness()
    read: list[bytes] = [b""] * len(stories)
    ports = [0] * len(stories)

    async def tell(number: int, story: bytes) -> None:
        async with connected(server) as client:
            ports[number] = client.socket.getsockname()[1]
            await client.send(story)
            read[number] = await client.rest()

    with anyio.fail_after(20):
        async with serving(app, **SETTINGS) as server:
            async with anyio.create_task_group() as group:
                for number, story in enumerate(stories):
                    group.start_soon(tell, number, story)
            server.shut_down()
    told = [[json.dumps(log) for log in app.logs[port]] for port in ports]
    return list(zip(read, told, strict=True))


def http1(rng: random.Random) -> bytes:
    octets = pipeline(rng)
    for _ in range(rng.randint(0, 2)):
        octets = mutate_http1(octets, rng)
    return octets


def websocket(rng: random.Random) -> bytes:
    frames = [frame for _ in range(rng.randint(1, 4)) for frame in against_websocket_frames.invent(rng)]
    place = rng.randint(0, len(frames) - 1)
    if rng.randint(0, 1):
        frames[place : place + 1] = against_websocket_frames.change(frames[place], rng)
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if rng.randint(0, 1) else b""
    return (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + offer + b"\r\n" + b"".join(frames)
    )


def http2(rng: random.Random) -> bytes:
    """Some requests, and then what may be anything."""
    frames = []
    for stream in range(1, rng.choice((1, 3, 5, 7)) + 1, 2):
        if rng.randint(0, 1):
            frames.append(peers.request(stream, path=b"/%d" % stream))
        else:
            frames.append(peers.request(stream, b"POST", path=b"/%d" % stream, end_stream=False))
            frames += [peers.data(stream, bytes(rng.randint(0, 900))) for _ in range(rng.randint(0, 2))]
            frames.append(peers.data(stream, b"end", end_stream=True))
    for _ in range(rng.randint(0, 2)):
        frames.append(against_http2_frames.change(rng.choice(frames), rng))
    frames += [against_http2_frames.invent(rng) for _ in range(rng.randint(0, 2))]
    return PREFACE + peers.settings() + b"".join(frames)


def plain(octets: bytes) -> bytes:
    """Leave the time out."""
    return re.sub(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT", b"now", octets)


def by_stream(octets: bytes) -> Any:
    """Leave out how content was divided, and which stream was faster."""
    streams: dict[int, list[Any]] = defaultdict(list)
    content: dict[int, bytes] = defaultdict(bytes)
    end = 0
    while end < len(octets):
        size, kind = int.from_bytes(octets[end : end + 3], "big"), octets[end + 3]
        stream = int.from_bytes(octets[end + 5 : end + 9], "big")
        payload = plain(octets[end + 9 : end + 9 + size])
        end += 9 + size
        if kind == DATA:
            content[stream] += payload
        elif kind != WINDOW_UPDATE:
            streams[stream].append((kind, payload))
    return dict(streams), dict(content)


KINDS: Final[dict[str, tuple[Callable[[random.Random], bytes], Callable[[bytes], Any]]]] = {
    "http1": (http1, plain),
    "websocket": (websocket, plain),
    "http2": (http2, by_stream),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_octets_give_the_same_octets_and_messages(kind: str) -> None:
    tell, read = KINDS[kind]
    rng = random.Random(kind)
    stories = [tell(rng) for _ in range(STORIES)]
    played = [
        anyio.run(partial(play, stories), backend=backend, backend_options=options)
        for backend, options in BACKENDS
    ]
    for number, outcomes in enumerate(zip(*played, strict=True)):
        seen = [(read(octets), sorted(logs) if kind == "http2" else logs) for octets, logs in outcomes]
        assert seen[0] == seen[1] == seen[2], stories[number]
    assert sum(len(logs) for _, logs in played[0]) > STORIES / 4, "hardly an application was called"
