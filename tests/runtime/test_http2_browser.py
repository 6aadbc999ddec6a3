"""A browser's HTTP/2, where there is a browser: Debian's chromium, without a window."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from .client import make_server, place, read_body
from .conftest import Backend
from .secure_client import Authority

CHROMIUM: Final = shutil.which("chromium") or ""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: Debian's package chromium")

PAGE: Final = b"""<!doctype html><script>
const said = [], big = "z".repeat(300000), content = new Uint8Array(300000).map((_, place) => place % 251);
const say = text => said.push(text);
const same = (one, other) => one.length === other.length && one.every((octet, place) => octet === other[place]);
const get = async number =>
  (await (await fetch("/get/" + number)).text()) === "/get/" + number + " ".repeat(number * 100);
const post = async number => {
  const answer = await fetch("/post/" + number, {method: "POST", body: content});
  return same(new Uint8Array(await answer.arrayBuffer()), content);
};
const all = async (ask, count) =>
  (await Promise.all(Array.from({length: count}, (_, number) => ask(number)))).filter(Boolean).length;
const abort = async () => {
  const controller = new AbortController();
  const answer = await fetch("/endless", {signal: controller.signal});
  await answer.body.getReader().read();
  controller.abort();
};
const open = (path, names) => new WebSocket("wss://" + location.host + path, names);
const ended = event => event.code + " " + event.reason + " " + event.wasClean;
const talk = () => new Promise(done => {
  const socket = open("/echo", ["chat", "other"]);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    say(socket.protocol + " " + socket.extensions.split(";")[0]);
    for (const message of ["gr\\u00fcn", new Uint8Array([1, 2, 0, 255]), "", big, "bye"]) socket.send(message);
  };
  socket.onmessage = ({data}) =>
    say(typeof data !== "string" ? new Uint8Array(data).join() : data === big ? "big" : JSON.stringify(data));
  socket.onclose = event => done(say(ended(event)));
});
const refuse = () => new Promise(done => { open("/refuse", []).onclose = event => done(say(ended(event))); });
const close = () => new Promise(done => {
  const socket = open("/echo", []);
  socket.onopen = () => socket.close(3005, "from the page");
  socket.onclose = event => done(say(ended(event)));
});
const run = async () => {
  say("right: " + await all(get, 100) + " " + await all(post, 10));
  say([...new Set(performance.getEntriesByType("resource").map(entry => entry.nextHopProtocol))].join());
  await abort();
  await talk();
  await refuse();
  await close();
};
run().catch(error => say("failed: " + error)).finally(
  () => fetch("/said", {method: "POST", body: said.join("\\n")}));
</script>"""


class App:
    def __init__(self) -> None:
        self.said = b""
        self.done = anyio.Event()
        self.cut_off = anyio.Event()
        self.ends: list[tuple[int, str]] = []
        self.versions: dict[str, set[str]] = {}
        """By kind of scope."""
        self.clients: set[tuple[str, int]] = set()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.versions.setdefault(f"{scope['type']} {scope['scheme']}", set()).add(scope["http_version"])
        self.clients.add(tuple(scope["client"]))
        if scope["type"] == "websocket":
            await self.talk(scope, receive, send)
            return
        path = scope["path"]
        body = await read_body(receive)
        if path.startswith("/get/"):
            body = path.encode() + b" " * int(path[5:]) * 100
        elif path == "/said":
            self.said = body
        elif path == "/":
            body = PAGE
        fields = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        if path == "/endless":
            try:
                while True:
                    await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            finally:
                self.cut_off.set()
        await send({"type": "http.response.body", "body": body})
        if path == "/said":
            self.done.set()

    async def talk(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/refuse":
            await send({"type": "websocket.close"})
            return
        names = scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": names[0] if names else None})
        while (message := await receive())["type"] == "websocket.receive":
            if message["text"] == "bye":
                await send({"type": "websocket.close", "code": 4001, "reason": "gr\u00fcn"})
            else:
                await send({**message, "type": "websocket.send"})
        self.ends.append((message["code"], message["reason"]))


async def test_a_browser_fetches_and_talks_on_one_connection(backend: Backend, tmp_path: Path) -> None:
    """A hundred requests at once, uploads, a download that is broken off, and WebSockets (RFC 8441)."""
    app = App()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with make_server(app, **Authority(tmp_path).options) as server:
            host, port = place(server)
            command = [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--ignore-certificate-errors",
                f"--user-data-dir={profile}",
                f"https://{host}:{port}/",
            ]
            with subprocess.Popen(  # noqa: ASYNC220 - it returns at once.
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            ) as process:
                try:
                    with anyio.fail_after(18):
                        await app.done.wait()
                        await app.cut_off.wait()
                finally:
                    os.killpg(process.pid, signal.SIGKILL)  # With all that it has started.

    assert app.said.decode().split("\n") == [
        "right: 100 10",
        "h2",
        "chat permessage-deflate",
        '"gr\u00fcn"',
        "1,2,0,255",
        '""',
        "big",
        "4001 gr\u00fcn true",
        "1006  false",
        "3005 from the page true",
    ]
    assert app.ends == [(4001, "gr\u00fcn"), (3005, "from the page")]
    assert app.versions == {"http https": {"2"}, "websocket wss": {"2"}}
    assert len(app.clients) == 1
