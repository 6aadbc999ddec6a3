"""The page of the states."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from docs.states import lifespan, reading, response, streams
from docs.states.draw import draw
from docs.states.play import Played, Step
from sansio import LifespanState
from sansio.http import ResponseState
from sansio.http1 import Reading

_INTRODUCTION: Final = """\
# States

Four machines decide what may happen next: the response, the lifespan, the reading of HTTP/1, and a stream of HTTP/2.
The pictures and tables here are made by playing everything that can happen in each state,
and so they show what the code does.

In a picture the states stand side by side.
Each arrow leads from one state to another, and the words above it say what leads there.
What changes no state is in the tables only.
"""

_RESPONSE: Final = """\
## The response

This machine is in `sansio/http.py`.
What may be sent is in tables there, one for each state.

![The states of a response](states-response.svg)

The rows are the messages, without their `http.response.`;
`body` and `trailers` alone are the last of their kind.
*refused* is an `UnexpectedMessage`, which leaves everything as it was.
*client gone* stands for whatever ends the exchange from the peer's side:
a lost transport, bad content, a timeout of the peer's.
"""

_RESPONSE_END: Final = """\
After `finish()` the exchange is in one of the last three states.
The head is held back in HEAD_HELD;
`receive` lets go of it, as `flush()` does, when it finds no message.
"""

_LIFESPAN: Final = """\
## The lifespan

This machine is in `sansio/lifespan.py`.
The rows are the messages of the application, without their `lifespan.`,
`shut_down()` of the server, and `finish()`, the return of the application.

![The states of a lifespan](states-lifespan.svg)
"""

_READING: Final = """\
## Reading HTTP/1

This machine is in `sansio/http1.py`.
Its state says what the next octet from the peer is taken for.

![The states of reading](states-reading.svg)
"""

_READING_END: Final = """\
Where a cell has several states, the request decides, and what was decided before:
whether another request may follow, and whether a head has begun.
*time is up* means that `handle_timeout` is called at the deadline that is due first, whichever that is.
An empty cell is what cannot happen.
"""

_STREAMS: Final = """\
## A stream of HTTP/2

This machine is in `sansio/http2_streams.py`; what a frame does in which state is in `sansio/http2.py`.
The states are those of RFC 9113 §5.1, without those that only a server push makes.

![The states of a stream](states-streams.svg)
"""

_STREAMS_END: Final = """\
There is no half-closed (local):
where a response is complete before its request, END_STREAM and RST_STREAM(NO_ERROR) go out together,
and the client stops sending (RFC 9113 §8.1).
A *stream error* is a RST_STREAM with its code, and leads to *closed: reset*;
a *connection error* is a GOAWAY, and ends all streams.
In *closed: reset*, what was on its way is decoded, counted and ignored.
What an application sends in the closed states is in the tables of [the response](#the-response),
and a failure before the response is a 500, complete like any other.
An empty cell is what cannot happen.
"""

_TAKEN_FOR: Final = {
    Reading.HEAD: "a request's head",
    Reading.CONTENT: "a request's content, which the application is to have",
    Reading.PAUSED: "the next request, which has to wait: at most one read of it is kept",
    Reading.DISCARDING: "content that nobody wants, and that is read away",
    Reading.UPGRADED: "frames of a WebSocket",
    Reading.LINGERING: "nothing: our side has ended, and the peer's has not",
    Reading.CLOSED: "nothing: the connection is over",
}


def make_states(notice: str) -> dict[str, str]:
    """Play all machines. Return the text of their page and their pictures, by its path within the documentation."""
    played = {
        "response": response.play_response(),
        "lifespan": lifespan.play_lifespan(),
        "reading": reading.play_reading(),
        "streams": streams.play_streams(),
    }
    made = {"explanation/states.md": _page(notice, **played)}
    for name, (states, title) in _PICTURES.items():
        made[f"explanation/states-{name}.svg"] = draw(states, played[name], title)
    return made


def _page(notice: str, **played: Played) -> str:
    answers = [kind.removeprefix("lifespan.") for kind in lifespan.ANSWERS]
    parts = [
        notice,
        "",
        _INTRODUCTION,
        _RESPONSE,
        *_meanings({state.name: state.value for state in ResponseState}),
        "",
        *_matrix(
            [*response.MESSAGES, "flush()", "finish()", "client gone"],
            _names(ResponseState),
            played["response"],
        ),
        "",
        _RESPONSE_END,
        _LIFESPAN,
        *_meanings({state.name: state.value for state in LifespanState}),
        "",
        *_matrix([*answers, "shut_down()", "finish()"], _names(LifespanState), played["lifespan"]),
        "",
        _READING,
        *_meanings({state.name: _TAKEN_FOR[state] for state in Reading}, "what the next octet is taken for"),
        "",
        *_matrix(list(reading.EVENTS), _names(Reading), played["reading"]),
        "",
        _READING_END,
        _STREAMS,
        *_meanings(streams.STATES),
        "",
        *_matrix(list(streams.EVENTS), list(streams.STATES), played["streams"], _CALLS),
        "",
        _STREAMS_END,
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _names(states: Iterable[Any]) -> list[str]:
    return [state.name for state in states]


_PICTURES: Final = {
    "response": (_names(ResponseState), "The states of a response"),
    "lifespan": (_names(LifespanState), "The states of a lifespan"),
    "reading": (_names(Reading), "The states of reading"),
    "streams": (list(streams.STATES), "The states of a stream"),
}


def _meanings(meanings: Mapping[str, str], heading: str = "meaning") -> list[str]:
    return [
        f"| state | {heading} |",
        "|---|---|",
        *[f"| {name} | {text} |" for name, text in meanings.items()],
    ]


_CALLS: Final = re.compile(r"(\w+\(\))")
_MESSAGES: Final = re.compile(
    r"((?:startup|shutdown)\.\w+|\w+\(\)|\b(?:start|body|early_hint|trailers|more_\w+)\b)"
)


def _matrix(
    events: Sequence[str], states: Sequence[str], played: Played, code: re.Pattern[str] = _MESSAGES
) -> list[str]:
    """Write a table with a row for each event, so that it grows downwards."""
    rows = [f"| | {' | '.join(states)} |", "|---" * (len(states) + 1) + "|"]
    for event in events:
        shown = code.sub(r"`\1`", event)
        cells = [_cell(state, played.steps(state, event)) for state in states]
        rows.append(f"| {shown} | {' | '.join(cells)} |")
    return rows


def _cell(state: str, steps: Sequence[Step]) -> str:
    outcomes: dict[str, list[str]] = {}
    for step in steps:
        outcome = "stays" if step.outcome == state else step.outcome
        outcome = f"*{outcome}*" if step.said is not None and "`" not in outcome else outcome
        outcomes.setdefault(outcome, []).append(step.condition)
    if len(outcomes) <= 1:
        return next(iter(outcomes), "")
    # Without a condition comes first: then the condition says when it is otherwise.
    separator = ", or " if any(map(any, outcomes.values())) else " or "
    return separator.join(
        [f"{outcome} {min(conditions)}".strip() for outcome, conditions in outcomes.items()]
    )
