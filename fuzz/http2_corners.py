"""Scripts of HTTP/2 that lead to where few connections come: each limit, each budget, each refusal.

Each is for the settings, and the client, that make it possible.
"""

from __future__ import annotations

from typing import Final

from .http2_pieces import (
    BYE,
    CONNECT,
    CONNECTION,
    DEADLINE,
    EOF,
    FINISH,
    FULL,
    LARGE,
    NEWEST,
    NEXT,
    OLDER,
    PINGS,
    RECEIVE,
    RESPOND,
    SHUT_DOWN,
    SKIPPING,
    TAKE,
    again,
    again_on,
    data,
    flood,
    frame,
    post,
    prefer,
    request,
    reset,
    say,
    send,
    settings,
    trailers,
    unusual,
    wait,
    window,
)
from .http2_script import Kind

__all__ = ["CORNERS"]

_MISERLY, _GENEROUS, _SMALL, _SINGLE, _HASTY = 6, 7, 1, 2, 3
_OPEN, _CLOSED, _SILENT, _WIDE_OPEN, _NO_PREFACE = 0, 1, 3, 4, 6
_WAITING: Final = send("start", "body 5 more")

CORNERS: Final[tuple[tuple[int, int, list[int]], ...]] = (
    # Budgets, one after the other.
    (_MISERLY, _OPEN, [*settings((2, 0)), *again(2), *TAKE]),
    (_MISERLY, _OPEN, [Kind.GOAWAY, 0, 0, 0, *again(2), *TAKE]),
    (_MISERLY, _OPEN, [*request(), *window(CONNECTION, 1), *again(2), *TAKE]),
    (_MISERLY, _OPEN, [*request(), *window(NEWEST, 1), *again(2), *TAKE]),
    (_MISERLY, _OPEN, [*request(), *prefer(NEWEST, 1), *again(2), *TAKE]),
    (_MISERLY, _OPEN, [*request(), *prefer(64, 1), *TAKE]),
    (_MISERLY, _OPEN, [*unusual(17, 0, NEWEST, b""), *again(2), *TAKE]),
    (_MISERLY, _OPEN, [*post(), *data(0), *again(2), *RECEIVE, *TAKE]),
    (_MISERLY, _OPEN, [*flood(3, 0, 8), *TAKE]),
    (_MISERLY, _OPEN, [*flood(2, 28), *TAKE]),
    (_MISERLY, _OPEN, [*flood(2), *TAKE]),
    (_MISERLY, _OPEN, [*post(2), *data(4), *TAKE, *post(2), *data(0, last=True), *TAKE, *request(17)]),
    *(
        (
            _MISERLY,
            hello,
            [
                *settings((0, 0)),
                *request(),
                *send("start", "body 300 more"),
                *TAKE,
                *([*window(NEWEST, 1), *turn] * 9),
                *TAKE,
            ],
        )
        for hello in (_OPEN, _WIDE_OPEN)
        for turn in ([], TAKE, [*RECEIVE, *send("body 5 more"), *TAKE])
    ),
    (
        _SMALL,
        _OPEN,
        [
            *settings((0, 2)),
            *request(),
            *send("start", "body 300 more"),
            *([*window(NEWEST, 1), *TAKE] * 9),
        ],
    ),
    (_GENEROUS, _OPEN, [*PINGS, *TAKE]),
    (_GENEROUS, _OPEN, [*PINGS, *again(2), *request(), *TAKE]),
    (_GENEROUS, _OPEN, [*wait(2), *TAKE, Kind.PING, 4, 0, *wait(1), *TAKE, *wait(3), *TAKE]),
    (_GENEROUS, _SILENT, [*flood(4), *flood(4), *flood(4), *flood(4), *TAKE, *data(1, 1), *reset(68)]),
    (_GENEROUS, _OPEN, [*flood(4, 0, 8), *flood(4, 0, 8), *TAKE, *request(), *RESPOND]),
    # An application that goes on when its stream was reset counts as a stream.
    *((world, _OPEN, [*([*request(), *TAKE, *reset()] * 5), *TAKE]) for world in (_SINGLE, _SMALL)),
    # Windows: the connection's is full, and a stream that was reset goes on.
    (
        _MISERLY,
        _OPEN,
        [*post(), *reset(), *FINISH, *post(), *FULL, *post(), *FULL, *data(1, 2), *TAKE, *RECEIVE],
    ),
    (_MISERLY, _OPEN, [*post(), *FULL, *data(1), *TAKE]),
    (_MISERLY, _OPEN, [*post(), *FULL, *RECEIVE, *TAKE, *FULL, *RECEIVE, *data(1, last=True), *TAKE]),
    (_MISERLY, _OPEN, [*post(), *FULL, *RESPOND, *TAKE, *post(), *FULL, *reset(), *TAKE]),
    (0, _OPEN, [*request(), *LARGE, *TAKE, *window(NEWEST, 7), *settings((0, 10)), *TAKE]),
    (
        0,
        _OPEN,
        [*request(), *LARGE, *settings((0, 0)), *TAKE, *settings((0, 10)), *TAKE, *settings((0, 11))],
    ),
    *(
        (0, _WIDE_OPEN, [*request(), *send("start", name), *TAKE, *send("body"), *FINISH, *TAKE])
        for name in ("body 5000 more", "body 70000 more")
    ),
    # What the server has to write in several frames, and its table.
    (0, _OPEN, [*request(), *send("start large", "body 5"), *TAKE, *FINISH]),
    (
        0,
        2,
        [
            *request(),
            *send("start large", "body 5"),
            *TAKE,
            *settings((2, 0)),
            *settings((2, 5)),
            *request(),
        ],
    ),
    (
        0,
        _OPEN,
        [*settings((2, 3), (3, 6)), *request(), *send("start large"), *settings((2, 1)), *RESPOND],
    ),
    # Streams that were skipped, and those that have ended.
    *(
        (0, _OPEN, [*again_on(SKIPPING, 0), *again_on(1, template), *TAKE, *RESPOND, *TAKE])
        for template in (0, 26)
    ),
    *(
        (0, _OPEN, [*request(), *RESPOND, *late, *TAKE])
        for late in (trailers(), again_on(NEWEST, 0), reset(), window(NEWEST, 1), data(1, last=True))
    ),
    # Trailers, right and wrong.
    *(
        (
            world,
            _OPEN,
            [*post(), *data(2), *RECEIVE, *trailers(template), *RECEIVE, *RECEIVE, *TAKE, *RESPOND],
        )
        for world in (0, _SMALL)
        for template in (26, 27, 28, 53, 54, 55)
    ),
    (0, _OPEN, [*post(2), *data(1), *trailers(), *TAKE, *RECEIVE]),
    (0, _OPEN, [*post(2), *data(2), *again_on(NEWEST, 26, 4), *TAKE, *RECEIVE]),
    (0, _OPEN, [*post(2), *data(2, last=True), *trailers(), *TAKE, *RECEIVE]),
    # Padding, field blocks in pieces, and frames that are wrong.
    (0, _OPEN, [*post(), *unusual(0, 8, NEWEST, b"\x09abc"), *TAKE]),
    (
        0,
        _OPEN,
        [*post(), *unusual(0, 8, NEWEST, b"\x03abc"), *RECEIVE, *unusual(0, 9, NEWEST, b"\x00"), *RECEIVE],
    ),
    (0, _OPEN, [*unusual(1, 0x2D, NEXT, b"\x09\0\0\0\0\x05\x82"), *TAKE]),
    (0, _OPEN, [*unusual(1, 0x0D, NEXT, b"\x01\x82\0"), *TAKE]),
    (0, _OPEN, [*request(11, 0x31), *unusual(9, 0, NEWEST, b""), *again(4), *TAKE]),
    (
        _SMALL,
        _OPEN,
        [*request(11), *TAKE, *request(12), *TAKE, *request(0, 0x31), *unusual(9, 0, 0, b"v" * 255) * 3],
    ),
    (_HASTY, _OPEN, [*request(0, 0x31), *wait(2), *unusual(9, 4, NEWEST, b""), *TAKE, *RESPOND]),
    *(
        (0, _OPEN, [*unusual(1, 5, NEXT, block), *request(0, 0x44), *TAKE])
        for block in (
            b"\x80",
            b"\x3f\xe2\x1f",
            b"\x00\x85\xff\xff\xff\xff\xff\x01a",
            b"\x82\x20",
            b"\xff\x80",
            b"\x7f",
        )
    ),
    (0, _NO_PREFACE, [*request(), *TAKE, *wait(2), *TAKE]),
    (0, 5, [*request(), *TAKE]),
    (0, _OPEN, [*unusual(4, 0, CONNECTION, bytes(5)), *TAKE]),
    # Crumbs that are made when an application sends, and when octets are taken.
    (
        _MISERLY,
        _OPEN,
        [
            *settings((0, 1)),
            *([*request(), *send("start", "body 300 more")] * 2),
            *window(OLDER, 1),
            *reset(),
            *FINISH,
            *request(),
            *send("start", "body 300 more"),
            *TAKE,
        ],
    ),
    (
        _MISERLY,
        _OPEN,
        [
            *settings((0, 0)),
            *request(),
            *send("start", "body 300 more"),
            *TAKE,
            *(
                octet
                for other in range(1, 6)
                for octet in [*request(), *send("start", "body"), *FINISH, *window(other, 1), *TAKE]
            ),
        ],
    ),
    # Refusals while content comes, or a response goes.
    *((_GENEROUS, _OPEN, [*post(9, way), *data(6), *TAKE, *data(1, last=True), *TAKE]) for way in (0, 0x40)),
    *(
        (
            world,
            _OPEN,
            [*post(template), *data(5), *data(5), *RECEIVE, *data(7), *data(2, last=True), *TAKE],
        )
        for world in (_SMALL, _GENEROUS)
        for template in (1, 3, 9, 22)
    ),
    (
        _SMALL,
        _OPEN,
        [*post(), *send("start", "body 70000 more"), *TAKE, *data(7), *TAKE, *data(5, last=True)],
    ),
    *(
        (
            _HASTY,
            _OPEN,
            [*post(), *RECEIVE, *post(3), *send, *RECEIVE, *wait(1), *data(1), *wait(2), *TAKE],
        )
        for send in ([], send("start", "body 70000 more"))
    ),
    (
        _HASTY,
        _OPEN,
        [*post(), *RECEIVE, *wait(1), *post(), *RECEIVE, *wait(1), *wait(1), *TAKE, *FINISH],
    ),
    (
        _HASTY,
        _OPEN,
        [*settings((0, 0)), *post(), *RECEIVE, *wait(2), *TAKE, *wait(2), *TAKE, *wait(3), *TAKE],
    ),
    *(
        (
            _HASTY,
            1,
            [
                *request() * 2,
                *send("start", "body 300"),
                *TAKE,
                *turn,
                *wait(2),
                *TAKE,
                *wait(3),
                *TAKE,
            ],
        )
        for turn in ([], window(NEWEST, 1), window(CONNECTION, 1), reset(OLDER))
    ),
    # WebSockets: much of it, and before it is accepted; no credit while nobody receives.
    *(
        (
            world,
            hello,
            [
                *request(6, 4),
                *frame(0x81, b"early"),
                *again(4),
                *say("accept"),
                *TAKE,
                *RECEIVE * 4,
                *BYE,
                *TAKE,
            ],
        )
        for world, hello in ((0, _OPEN), (5, _OPEN), (_GENEROUS, _WIDE_OPEN))
    ),
    *(
        (
            5,
            _OPEN,
            [*CONNECT, *frame(0x82, b"much" * 20), *again(3), *RECEIVE, *end, *RECEIVE * 9, *TAKE],
        )
        for end in (BYE, data(0, last=True), reset(), SHUT_DOWN, EOF)
    ),
    (
        5,
        1,
        [
            *CONNECT,
            *say("bytes 300"),
            *frame(0x89, b"p"),
            *again(3),
            *window(NEWEST, 6),
            *TAKE,
            *BYE,
            *TAKE,
        ],
    ),
    (
        _HASTY,
        _OPEN,
        [
            *CONNECT,
            *wait(1),
            *TAKE,
            *frame(0x8A, b""),
            *say("close"),
            *TAKE,
            *wait(1),
            *wait(1),
            *TAKE,
        ],
    ),
    (_HASTY, _OPEN, [*CONNECT, *request(7, 4), *request(6, 4), *wait(2), *TAKE, *wait(3), *TAKE]),
    (_HASTY, 1, [*CONNECT, *say("bytes 70000"), *wait(2), *TAKE, *wait(3), *TAKE]),
    (0, _OPEN, [*request(6, 4), *SHUT_DOWN, *TAKE, *say("accept"), *TAKE, *BYE, *TAKE]),
    (
        0,
        _OPEN,
        [
            *request(6, 4),
            *frame(0x81, b"early"),
            *data(0, last=True),
            *say("accept"),
            *RECEIVE * 4,
            *TAKE,
        ],
    ),
    (0, _OPEN, [*request(6, 4), *data(1), *again(4), *again(4), *say("accept"), *TAKE, *RECEIVE]),
    (0, _OPEN, [*CONNECT, *trailers(), *TAKE, *RECEIVE]),
    (0, 1, [*CONNECT, *say("text", "close"), *TAKE, *window(NEWEST, 4), *TAKE, *BYE, *TAKE]),
    (_MISERLY, _OPEN, [*request(6, 4), *TAKE, *request(22, 4), *TAKE]),
    # Time that goes on after what was waited for.
    (0, _OPEN, [*DEADLINE, *TAKE, *DEADLINE, *TAKE]),
    (0, _OPEN, [*request(0, 0x12), *DEADLINE, *TAKE, *DEADLINE, *TAKE]),
    (_HASTY, _OPEN, [*wait(2), *TAKE, Kind.PING, 4, 0, *DEADLINE, *TAKE, *DEADLINE, *TAKE]),
    (_HASTY, _OPEN, [*post(), *RECEIVE, *wait(1), *data(4), *DEADLINE, *TAKE, *RECEIVE, *TAKE]),
    (_HASTY, _OPEN, [*post(), *RECEIVE, *wait(1), *data(4, last=True), *DEADLINE, *TAKE, *RECEIVE]),
    *((world, _OPEN, [*request(), *LARGE, *TAKE, *wait(5), *TAKE, *wait(5)]) for world in (0, _GENEROUS)),
    # Shutting down while something is on its way.
    (
        _SMALL,
        _OPEN,
        [
            *request() * 3,
            *SHUT_DOWN,
            *TAKE,
            Kind.PING,
            4,
            1,
            *request() * 2,
            *TAKE,
            *RESPOND,
            *RESPOND,
        ],
    ),
    (
        0,
        _OPEN,
        [
            *post(),
            *SHUT_DOWN,
            *TAKE,
            Kind.PING,
            4,
            1,
            *data(4, NEXT),
            *reset(NEXT),
            *window(NEXT, 1),
            *RESPOND,
        ],
    ),
    (0, _OPEN, [*SHUT_DOWN, *TAKE, *EOF, *TAKE]),
    # The last request that is allowed is one reset too many.
    (
        _SMALL,
        _OPEN,
        [*request() * 3, *TAKE, *flood(2), *TAKE, *RESPOND, *request(14) * 2, *TAKE],
    ),
    # What a server has to write is not taken, and the last of it is for a stream.
    (
        _GENEROUS,
        _OPEN,
        [Kind.PING, 0, 2, *again(3), *again(3), *again(0) * 3, *flood(4, 14), *TAKE],
    ),
    # More hosts than are remembered.
    (_GENEROUS, _OPEN, [*flood(4, 0, 0x48), *TAKE]),
    # Fields of requests in a response, and more fields than are kept encoded.
    (0, _OPEN, [*request(), *send("start of requests", "body 5"), *TAKE]),
    (0, _OPEN, [*request(), *send("start many", "body 5"), *TAKE, *request(), *RESPOND]),
    # One crumb too many, when an application sends.
    (
        _MISERLY,
        _OPEN,
        [
            *settings((0, 1)),
            *(
                [*request(), *send("start"), Kind.APP_FLUSH, 0, *TAKE, *send("body 5"), *TAKE, *window(0, 2)]
                * 4
            ),
            *TAKE,
        ],
    ),
    # A WebSocket's client that takes nothing, and asks whether anybody is there.
    (
        5,
        1,
        [
            *CONNECT,
            *say("bytes 70000"),
            *frame(0x89, b"p"),
            *TAKE,
            *window(CONNECTION, 6),
            *window(NEWEST, 6) * 2,
            *TAKE * 3,
        ],
    ),
    # Two wait for windows that stay closed, one of them since later.
    (
        _HASTY,
        _CLOSED,
        [
            *request(),
            *_WAITING,
            *TAKE,
            *wait(1),
            *request(),
            *_WAITING,
            *TAKE,
            *DEADLINE,
            *TAKE,
            *DEADLINE,
            *TAKE,
            *DEADLINE,
            *TAKE,
        ],
    ),
    # A field block that comes now and then.
    (0, _OPEN, [*request(0, 0x31), *(*wait(3), *unusual(9, 0, NEWEST, b"")) * 5, *TAKE]),
    # Its answer, and the next question, are late.
    (_HASTY, _OPEN, [*CONNECT, *DEADLINE, *TAKE, Kind.OVERSLEEP, 3, Kind.TIMEOUT, *TAKE]),
)
"""Number of the settings, number of the client's first words, and operations."""
