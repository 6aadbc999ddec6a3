"""The program that is soaked: one application, in clear text and inside of TLS, in one event loop.

It writes one line of JSON with its two ports, takes a certificate in files that may change, and ends with SIGTERM.
Everything about the process is in its arguments: see `arguments`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import ssl
import sys
from functools import partial
from typing import Any, Final

import anyio

import runtime
from tests.soak.app import Application

__all__ = ["DEADLINE", "OPTIONS", "arguments"]

DEADLINE: Final = 3.0
"""Seconds after which the server gives up a peer that does nothing."""

OPTIONS: Final[dict[str, Any]] = {
    "lifespan": "on",
    "timeout_tls_handshake": DEADLINE,
    "timeout_request_head": DEADLINE,
    "timeout_request_body": DEADLINE,
    "timeout_keep_alive": DEADLINE,
    "timeout_write": DEADLINE,
    "timeout_linger": 1.0,
    "timeout_graceful_shutdown": 5.0,
    "ws_ping_interval": 1.0,
    "ws_ping_timeout": DEADLINE,
    "ws_close_timeout": 1.0,
    "http2_keep_alive_interval": 1.0,
    "http2_keep_alive_timeout": DEADLINE,
    "http2_window_timeout": DEADLINE,
}
"""Short timeouts, so that all of them come to pass."""

_PR_SET_PDEATHSIG: Final = 1
_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"


def arguments(
    backend: str, loop: str, chain: os.PathLike[str], key: os.PathLike[str], options: dict[str, Any]
) -> list[str]:
    """Return the arguments of the program."""
    return [
        *("--backend", backend),
        *("--loop", loop),
        *("--chain", os.fspath(chain)),
        *("--key", os.fspath(key)),
        *("--options", json.dumps(options)),
    ]


async def _serve(chain: str, key: str, options: dict[str, Any]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    app = Application(renew=partial(context.load_cert_chain, chain, key))
    stop = anyio.Event()
    serve = partial(runtime.serve, app, port=0, shutdown_trigger=stop.wait, **options)
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with anyio.create_task_group() as group:
            plain = await group.start(partial(serve, h2c="prior-knowledge"))
            secure = await group.start(partial(serve, ssl_context=context))
            sys.stdout.write(json.dumps({"plain": plain[0][1], "secure": secure[0][1]}) + "\n")
            sys.stdout.flush()
            async for _ in signals:
                stop.set()
                break


def _configure_logging() -> None:
    """Let the log go to standard error, and the access log be written to nowhere."""
    logging.basicConfig(level=logging.INFO, format=_FORMAT, stream=sys.stderr)
    access = logging.getLogger("tricorn.access")
    access.propagate = False
    access.addHandler(logging.FileHandler(os.devnull))


def _end_with_parent() -> None:
    """Let the kernel end this process where the one that began it was killed (`prctl(2)`)."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It was faster.
        sys.exit(1)


def main() -> None:
    """Serve until SIGTERM, or until the soak has gone."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.server", description=__doc__)
    parser.add_argument("--backend", choices=["asyncio", "trio"], required=True)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], required=True)
    parser.add_argument("--chain", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--options", type=json.loads, required=True)
    given = parser.parse_args()
    _end_with_parent()
    _configure_logging()
    options = {"use_uvloop": given.loop == "uvloop"} if given.backend == "asyncio" else {}
    anyio.run(_serve, given.chain, given.key, given.options, backend=given.backend, backend_options=options)


if __name__ == "__main__":
    main()
