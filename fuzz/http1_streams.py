"""What peers send over HTTP/1, octet by octet, right and wrong."""

from __future__ import annotations

import random
from typing import Final

from .generate import HOSTILE_HEADS, pipeline
from .http1_differences import DIFFERENCES
from .http1_givens import REQUESTS
from .http1_mutations import each_word, mutate_http1

__all__ = ["CHUNKED", "STREAMS", "http1_streams"]

_RANDOM_SEEDS: Final = 60

CHUNKED: Final = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def _different(requests: int, fields: int) -> bytes:
    """Return requests of which no two fields are the same."""
    blocks = [
        b"".join(b"%x:\r\n" % (number * fields + field) for field in range(fields))
        for number in range(requests)
    ]
    return b"".join(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % block for block in blocks)


STREAMS: Final = (
    b"GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    b"OPTIONS http://a HTTP/1.1\r\nHost: b\r\n\r\n",
    b"OPTIONS http://a? HTTP/1.1\r\nHost: b\r\n\r\n",
    # Beyond the limits of the settings that have small ones.
    b"GET /" + b"a" * 300,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300,
    CHUNKED + b"0\r\n" + b"X: y\r\n" * 7 + b"\r\n",
    CHUNKED + b"0\r\nX: " + b"a" * 300,
    # Beyond those of all.
    CHUNKED + b"1;" + b"a" * 5_000,
    _different(12, 90),
)
"""What peers send; the one with the many fields fills the fast reader's cache."""


def http1_streams() -> list[bytes]:
    """Return what peers send: right, wrong, and in ways that were once read differently, with requests behind it."""
    rng = random.Random(2)
    pipelines = [pipeline(rng) for _ in range(_RANDOM_SEEDS)]
    wrong = [mutate_http1(rng.choice(pipelines), rng) for _ in range(3 * _RANDOM_SEEDS)]
    followed = [*each_word(), *(row.example for row in DIFFERENCES.values())]
    hostile = [*(head * 2 for head in HOSTILE_HEADS), *(stream + REQUESTS[0] for stream in followed)]
    return [*REQUESTS, *pipelines, *wrong, *hostile, *STREAMS]
