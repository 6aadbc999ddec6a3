"""HTTP/1 readers against each other: ours, h11 and llhttp; or a parser of yours in place of ours.

Write your parser as a `Reader`: a function that yields a `Message` for each request in some octets, and raises
`Refused` at octets that are no request. Then ``differential(parser)`` is the check of a `fuzz.targets.Target`::

    target = Target(differential(parser), http1_streams, mutate_http1, "my parser")
    Campaign("mine", 60.0).attack(target, plain=True)

A find is a stream that your parser and an oracle read differently, unless a row of `fuzz.http1_differences` says who is
right. With ``known=is_no_smuggling`` it is one that both take, each for something else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from .http1_differences import explain
from .http1_mutations import mutate_http1
from .http1_readers import SETTINGS, read_by_h11, read_by_llhttp, read_by_us
from .http1_reading import Disagreement, Message, Reader, Reading, Refused, compare, read
from .http1_streams import http1_streams

__all__ = ["ORACLES", "Disagreement", "Message", "Reader", "Refused", "check_against_http1", "compare"]
__all__ += ["differential", "explain", "http1_streams", "is_no_smuggling", "mutate_http1"]

ORACLES: Final[Mapping[str, Reader]] = MappingProxyType({"h11": read_by_h11, "llhttp": read_by_llhttp})


def is_no_smuggling(found: Disagreement) -> str:
    """Return why a disagreement is harmless, for a parser that is not meant to be as strict as ours: one refuses."""
    return "one of the two refuses it" if found.refusal else explain(found)


def differential(
    reader: Reader, oracles: Mapping[str, Reader] = ORACLES, known: Callable[[Disagreement], str] = explain
) -> Callable[[bytes], None]:
    """Return a check that raises where `reader` disagrees with an oracle, and `known` has nothing to say about it."""

    def check(stream: bytes) -> None:
        for found in compare(reader, oracles, stream):
            if not known(found):
                raise AssertionError(str(found))

    return check


def check_against_http1(stream: bytes) -> None:
    """Read the same octets with both of our readers, in several cuts, and with the oracles."""
    expected = _without_rests(read(read_by_us, stream))
    cut = random.Random(len(stream)).randint(2, 64)
    for reader in ("fast", "h11"):
        settings = replace(SETTINGS, http1_reader=reader)
        for size in (0, 1, cut):
            again = _without_rests(read(partial(read_by_us, settings=settings, cut=size), stream))
            assert again == expected, (
                f"reader {reader} sees something else in cuts of {size}: {expected}, {again}"
            )
    differential(read_by_us)(stream)
    in_pieces = {"h11": partial(read_by_h11, cut=cut), "llhttp": partial(read_by_llhttp, cut=cut)}
    differential(read_by_us, in_pieces)(stream)


def _without_rests(reading: Reading) -> Reading:
    """Content that is cut off or refused in the end may have been seen before, or not."""
    messages = (
        message if message.complete else replace(message, content=b"") for message in reading.messages
    )
    return replace(reading, messages=tuple(messages))
