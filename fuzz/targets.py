"""What a campaign can aim at. A target is a function of octets that raises `AssertionError` if a law does not hold.

``connection``: the octets are a script of operations for a connection of any protocol (`fuzz.connection`).
``http1``: the octets are a script of operations (`fuzz.script`) for a `Machine`.
``gate``: the octets are what a peer sends, to a server whose application reads everything and answers. However they
are cut and whoever reads them, the same comes of them.
``scope``: the octets are a request's head. If it is accepted, its scope is sound.
``websocket``: the octets are a script for a `fuzz.websocket.Session`.
``http2``: the octets are a script for a `fuzz.http2.Session`.
``field_blocks``: the octets are field blocks. What hpack reads, the machine reads, and nothing else.
``against_http1``, ``against_http2``, ``against_websocket``: the octets are what a peer sends. Other libraries read them
too, and where they differ from us, a table says who is right.
``lifespan``: the octets are a script of operations (`fuzz.lifespan`) for a `sansio.Lifespan`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .against_http1 import check_against_http1
from .against_http2 import against_http2_seeds, check_against_http2, mutate_against_http2
from .against_websocket import against_websocket_seeds, check_against_websocket, mutate_against_websocket
from .connection import check_connection
from .connection_script import mutate_connection
from .connection_seeds import connection_seeds
from .field_blocks import check_field_blocks, field_block_seeds, mutate_field_blocks
from .generate import Chooser, mutate
from .http1_gate import check_gate, check_scope_of_head, mutate_gate
from .http1_mutations import mutate_http1
from .http1_streams import http1_streams
from .http2 import check_http2
from .http2_script import mutate_http2
from .http2_seeds import http2_seeds
from .lifespan import check_lifespan, lifespan_seeds, mutate_lifespan
from .machine import check_http1
from .script import mutate_script
from .seeds import gate_seeds, http1_seeds, scope_seeds, websocket_seeds
from .websocket import check_websocket, mutate_websocket
from .words import HTTP1_WORDS, HTTP2_WORDS, WEBSOCKET_WORDS

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Something to aim at."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, Chooser], bytes]
    about: str
    words: tuple[bytes, ...] = ()
    """Octets that stand together in its inputs: libFuzzer's dictionary."""
    code: tuple[str, ...] = ("*.py",)
    """The files of `sansio` that it aims at, as patterns."""
    beyond: tuple[str, ...] = ()
    """Those of them of which its inputs run nothing."""


_HTTP1_ALONE: Final = ("http2*.py", "field_blocks.py", "lifespan.py")


TARGETS: Final = {
    "connection": Target(
        check_connection,
        connection_seeds,
        mutate_connection,
        "connections of any protocol: octets of all of them, applications, time, in any order",
        (*HTTP1_WORDS, *HTTP2_WORDS, *WEBSOCKET_WORDS),
    ),
    "http1": Target(
        check_http1,
        http1_seeds,
        mutate_script,
        "whole connections: peer, applications, time, in any order",
        HTTP1_WORDS,
        beyond=_HTTP1_ALONE,
    ),
    "gate": Target(
        check_gate,
        gate_seeds,
        mutate_gate,
        "requests in any cut, through every reader",
        HTTP1_WORDS,
        ("http1*.py", "fields.py", "scope.py"),
    ),
    "against_http1": Target(
        check_against_http1,
        http1_streams,
        mutate_http1,
        "requests, against h11 and llhttp",
        HTTP1_WORDS,
        ("http1*.py", "fields.py", "scope.py"),
    ),
    "scope": Target(
        check_scope_of_head,
        scope_seeds,
        mutate,
        "heads, and the scopes that are made of them",
        HTTP1_WORDS,
        beyond=_HTTP1_ALONE,
    ),
    "websocket": Target(
        check_websocket,
        websocket_seeds,
        mutate_websocket,
        "WebSockets: frames, an application and time, in any order",
        WEBSOCKET_WORDS,
        beyond=_HTTP1_ALONE,
    ),
    "http2": Target(
        check_http2,
        http2_seeds,
        mutate_http2,
        "HTTP/2: frames, many applications and time, in any order",
        HTTP2_WORDS,
    ),
    "field_blocks": Target(
        check_field_blocks,
        field_block_seeds,
        mutate_field_blocks,
        "HTTP/2's field blocks, against hpack",
        code=("field_blocks.py",),
    ),
    "against_http2": Target(
        check_against_http2,
        against_http2_seeds,
        mutate_against_http2,
        "HTTP/2's frames, in several cuts, against h2",
        HTTP2_WORDS,
    ),
    "against_websocket": Target(
        check_against_websocket,
        against_websocket_seeds,
        mutate_against_websocket,
        "WebSocket frames and offers, in several cuts, against wsproto and websockets",
        WEBSOCKET_WORDS,
        beyond=_HTTP1_ALONE,
    ),
    "lifespan": Target(
        check_lifespan,
        lifespan_seeds,
        mutate_lifespan,
        "lifespans: start-up, shutdown and an application, in any order",
        code=("lifespan.py", "exchange.py"),
    ),
}
