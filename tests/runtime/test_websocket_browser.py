"""A browser's WebSocket, where there is a browser: Debian's chromium, without a window."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from typing import Any, Final

import anyio
import pytest

import runtime

from .conftest import Backend

CHROMIUM: Final = shutil.which("chromium") or ""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")

PAGE: Final = b"""<!doctype html><script>
const said = [], big = "z".repeat(300000);
const say = text => said.push(text);
const open = (path, names) => new WebSocket("ws://" + location.host + path, names);
const ended = event => event.code + " " + event.reason + " " + event.wasClean;
const first = open("/echo", ["chat", "other"]);
first.binaryType = "arraybuffer";
first.onopen = () => {
  say(first.protocol + " " + first.extensions.split(";")[0]);
  for (const message of ["gr\\u00fcn", new Uint8Array([1, 2, 0, 255]), "", big, "bye"]) first.send(message);
};
first.onmessage = ({data}) =>
  say(typeof data !== "string" ? new Uint8Array(data).join() : data === big ? "big" : JSON.stringify(data));
first.onclose = event => {
  say(ended(event));
  open("/refuse", []).onclose = event => {
    say(ended(event));
    const third = open("/echo", []);
    third.onopen = () => third.close(3005, "from the page");
    third.onclose = event => {
      say(ended(event));
      fetch("/said", {method: "POST", body: said.join("\\n")});
    };
  };
};
</script>"""


class App:
    def __init__(self) -> None:
        self.said = b""
        self.done = anyio.Event()
        self.ends: list[tuple[int, str]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.talk(scope, receive, send)
            return
        more = True
        while more:
            message = await receive()
            if scope["path"] == "/said":
                self.said += message["body"]
            more = message["more_body"]
        fields = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": PAGE if scope["path"] == "/" else b""})
        if scope["path"] == "/said":
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


async def test_a_browser_talks_and_sees_how_it_ends(backend: Backend) -> None:
    app = App()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with runtime.Server(app, port=0, lifespan="off") as server:
            port = server.addresses[0][1]
            command = [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={profile}",
                f"http://127.0.0.1:{port}/",
            ]
            with subprocess.Popen(  # noqa: ASYNC220 - it returns at once.
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            ) as process:
                try:
                    with anyio.fail_after(15):
                        await app.done.wait()
                finally:
                    os.killpg(process.pid, signal.SIGKILL)  # With all that it has started.

    assert app.said.decode().split("\n") == [
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
