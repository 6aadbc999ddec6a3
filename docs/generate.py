"""Makes the pages of the documentation that only repeat what the code says: settings, flags, states.

``python docs/generate.py`` writes them, and says which of them have changed. They are kept in the repository, so
that they can be read without building anything; the tests refuse one that is out of date.

The states are not drawn by hand. Each machine is made, put into each state that it can reach, and given everything
that can happen to it there; what it then does is what the diagrams and the tables show.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from html import escape
from pathlib import Path
from typing import Any, Final

import sansio
from runtime import cli, options
from runtime.config import OPTIONS, Config
from runtime.options import Option
from sansio import ClientDisconnected, Connection, Lifespan, LifespanState, Settings, TransportInfo
from sansio.http import HttpExchange, ResponseState
from sansio.http1 import Http1, Reading
from sansio.lifespan import _ANSWERS
from sansio.websocket import WebSocketExchange

DOCS: Final = Path(__file__).parent
NOTICE: Final = "% Made by docs/generate.py: change that, or the code that it reads, and run it again."


def generate() -> dict[str, str]:
    """Return the text of each page and each picture, by its path within the documentation."""
    response = play_response()
    lifespan = play_lifespan()
    reading = play_reading()
    return {
        "reference/settings.md": settings_page(),
        "reference/cli.md": cli_page(),
        "explanation/states.md": states_page(response, lifespan, reading),
        "explanation/states-response.svg": draw(
            [state.name for state in ResponseState], response, "The states of a response"
        ),
        "explanation/states-lifespan.svg": draw(
            [state.name for state in LifespanState], lifespan, "The states of a lifespan"
        ),
        "explanation/states-reading.svg": draw(
            [state.name for state in Reading], reading, "The states of reading"
        ),
    }


# Settings.

_SETTINGS_INTRODUCTION: Final = """\
# Settings

Every option of the server has one name, in three spellings:
a field of `runtime.Config` (`timeout_keep_alive`),
a keyword of `runtime.run`, `runtime.serve` and `runtime.Server`,
and a flag of the command (`--timeout-keep-alive`).
The flags alone are listed in [the command](cli.md).

Timeouts are seconds, and `None` means never.
Sizes are bytes, and `None` means that there is no limit.
`Config` takes the text that the command takes, too: [how values are written](cli.md#how-values-are-written).
Sources are the rules that an option comes from.
"""

_CORE_INTRODUCTION: Final = """\
## `sansio.Settings`

Whoever embeds `sansio` has no `Config`.
These are the settings of a connection, with the defaults that they have there.
Here a timeout that never fires is `math.inf`, and a value of the wrong kind raises `UsageError`.

| field | type | default | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """Return the page of all options of `runtime.Config`, and of `sansio.Settings`."""
    parts = [NOTICE, "", _SETTINGS_INTRODUCTION]
    for group in groups():
        parts.append(f"## {group}\n")
        parts += [_option_section(name, option) for name, option in OPTIONS.items() if option.group == group]
    parts.append(_CORE_INTRODUCTION.rstrip("\n"))
    parts += _core_rows()
    return "\n".join(parts).rstrip("\n") + "\n"


def groups() -> list[str]:
    """Return the headings under which the options stand, in their order."""
    return list(dict.fromkeys(option.group for option in OPTIONS.values()))


def _option_section(name: str, option: Option) -> str:
    lines = [
        f"### `{name}`",
        "",
        _text(option.help),
        "",
        f"- flag: {_flags(name, option)}",
        f"- value: {_value(option)}",
        f"- default: {_default(name, option)}",
    ]
    if option.source:
        lines.append(f"- source: {option.source}")
    return "\n".join([*lines, ""])


def _flags(name: str, option: Option) -> str:
    flag = "--" + name.replace("_", "-")
    switch = option.kind == "switch"
    shown = f"`{flag}` and `--no-{flag[2:]}`" if switch else f"`{flag} {_metavar(name, option)}`"
    also = " or ".join(f"`{alias}`" for alias in option.aliases)
    return shown + (f", also {also}" if also else "")


def _metavar(name: str, option: Option) -> str:
    if option.choices:
        return "|".join(option.choices)
    words = {"timeout": "DURATION", "size": "SIZE", "count": "N", "field": "'NAME: VALUE'"}
    return words.get(option.kind, name.rpartition("_")[2].upper())


def _value(option: Option) -> str:
    """Say in words what an option may be."""
    match option.kind:
        case "choice":
            return "one of " + ", ".join(f"`{choice}`" for choice in option.choices)
        case "switch":
            return "`True` or `False`"
        case "timeout":
            least = "0 (at once) or more" if option.zero else "more than 0"
            return f"seconds, {least}; `None`: never"
        case "count" | "size":
            least = f"{option.minimum} or more"
            if option.maximum is not None:
                least = f"{option.minimum} to {option.maximum}"
            unit = "bytes, " if option.kind == "size" else "a whole number, "
            none = "; `None`: no limit" if option.group == "Limits" else ", or `None`"
            return unit + least + (none if option.optional else "")
        case "bind":
            return "texts; one alone will do"
        case "field":
            return "texts, or pairs of name and value; one alone will do"
        case "text" | "secret":
            return "text, or `None`" if option.optional else "text"


def _default(name: str, option: Option) -> str:
    default = Config.__dataclass_fields__[name].default
    if default is None and option.kind == "timeout":
        return "`None` (never)"
    if isinstance(default, str):
        return f'`"{default}"`'
    unit = f" {option.unit}" if option.unit and default is not None else ""
    return f"`{default:g}`{unit}" if isinstance(default, float) else f"`{default!r}`{unit}"


def _core_rows() -> list[str]:
    rows = []
    documented = attribute_docstrings(Settings)
    for entry in fields(Settings):
        default = repr(entry.default)
        if entry.default is MISSING:
            default = f"{getattr(entry.default_factory, '__name__', '')}()"
        kind = entry.type if isinstance(entry.type, str) else str(entry.type)
        kind = kind.replace("|", "\\|")
        rows.append(f"| `{entry.name}` | `{kind}` | `{default}` | {_text(documented[entry.name])} |")
    return rows


def attribute_docstrings(described: type) -> dict[str, str]:
    """Return the strings that stand below the fields of a class, by the field's name."""
    tree = ast.parse(inspect.getsource(described))
    body = tree.body[0]
    found: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found


def _text(text: str) -> str:
    """Make a sentence of the code fit for Markdown, in which asterisks and flags are something else."""
    one_line = " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")
    return re.sub(r"(?<![`\w-])(--[a-z][a-z0-9-]*(?: (?:uvloop|debug))?)", r"`\1`", one_line)


# The command.

_CLI_SYNOPSIS: Final = """\
# The command

```text
tricorn [options] APP
python -m runtime [options] APP
```

`APP` is `module:attribute`, as in `package.module:app`.
The attribute may lie deeper, as in `package.module:site.app`.
The module is imported from the folder that `--app-dir` names, and else from the current one.
With `--factory`, or written `package.module:make_app()`,
it is a function without parameters that makes the application.

Options may stand before and after `APP`, and a flag cannot be abbreviated.
A value that begins with a hyphen is written behind an equals sign: `--root-path=-x`.
"""

_CLI_SIGNALS: Final = """\
## Signals

| signal | effect |
|---|---|
| INT, TERM | accepts no more, finishes what is open, shuts down the lifespan, and exits |
| a second one | does not wait for what is open |
"""

_CLI_OTHERS: Final = """\
## Flags of other servers

Those who come from uvicorn or hypercorn know other flags.
Some of them are other words for options of tricorn:
"""


def cli_page() -> str:
    """Return the page of the command."""
    exit_codes = [
        (0, "a clean stop"),
        (cli._CRASHED, "a crash, or a lifespan that failed after its start-up"),
        (cli._USAGE, "a mistake in the options"),
        (
            cli._STARTUP_FAILED,
            "the server could not start: no such application, an address in use, a failed start-up",
        ),
    ]
    parts = [NOTICE, "", _CLI_SYNOPSIS]
    parts += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    parts += [f"| {code} | {meaning} |" for code, meaning in exit_codes]
    parts += ["", _CLI_SIGNALS, *_syntax(), "", "## Options", ""]
    parts += ["What each option is for, and where it comes from, is in [the settings](settings.md).", ""]
    parts += ["| flag | effect |", "|---|---|"]
    parts += [
        "| `-h`, `--help` | shows all flags and exits |",
        "| `--version` | shows the version and exits |",
        "",
    ]
    for group in groups():
        parts += [f"### {group}", "", "| flag | meaning | default |", "|---|---|---|"]
        parts += [_flag_row(name, option) for name, option in OPTIONS.items() if option.group == group]
        parts.append("")
    parts += [_CLI_OTHERS, *_aliases(), "", *_foreign_flags()]
    return "\n".join(parts).rstrip("\n") + "\n"


def _syntax() -> list[str]:
    durations = ", ".join(f"`{unit}`" for unit in options._SECONDS if unit)
    sizes = ", ".join(
        f"`{unit}` ({size})"
        for unit, size in zip(("kB", "MB", "GB", "KiB", "MiB", "GiB"), _SIZES, strict=True)
    )
    yes = ", ".join(f"`{text}`" for text, value in options._SWITCH.items() if value)
    no = ", ".join(f"`{text}`" for text, value in options._SWITCH.items() if not value)
    return [
        "## How values are written",
        "",
        "| value | how it is written |",
        "|---|---|",
        (
            f"| `DURATION` | seconds, as in `30` or `2.5`, or numbers with units ({durations}), "
            "as in `500ms` or `1h30m`; `none`: never |"
        ),
        (
            f"| `SIZE` | bytes, as in `65536`, or a whole number with a unit, in capital letters or not: {sizes}; "
            "`none` where there may be no limit |"
        ),
        "| `N` | a whole number; `none` where there may be no limit |",
        "| `NAME: VALUE` | one field, in quotes for the shell; give the flag again for another one |",
        (
            "| `--bind` | `host:port`, `host` (with port 8000), `[v6]:port`, `unix:path` or `fd://N`; "
            "give the flag again for another one |"
        ),
        "",
        "Choices may be written in capital letters.",
        f"Where a program gives a switch as text to `Config`, it is one of {yes}; or {no}.",
    ]


_SIZES: Final = [options._BYTES[unit.lower()] for unit in ("kB", "MB", "GB", "KiB", "MiB", "GiB")]


def _flag_row(name: str, option: Option) -> str:
    short = [alias for alias in option.aliases if not alias.startswith("--")]
    flag = ", ".join([*short, "--" + name.replace("_", "-")])
    if option.kind == "switch":
        flag = f"{flag}`, `--no-{name.replace('_', '-')}"
    else:
        flag = f"{flag} {_metavar(name, option)}".replace("|", "\\|")
    default = Config.__dataclass_fields__[name].default
    if isinstance(default, bool):
        shown = "yes" if default else "no"
    elif default is None or default in ("", ()):
        shown = "none"
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        shown += f" {option.unit}" if option.unit else ""
    return f"| `{flag}` | {_text(option.help)} | {shown} |"


def _aliases() -> list[str]:
    rows = ["| flag | here |", "|---|---|"]
    rows += [
        f"| `{alias}` | `--{name.replace('_', '-')}` |"
        for name, option in OPTIONS.items()
        for alias in option.aliases
    ]
    rows += [
        f"| `{flag}` | `--no-{action.dest.replace('_', '-')}` |"
        for action in cli._Parser()._actions
        for flag in action.option_strings
        if action.dest in OPTIONS and action.help == argparse.SUPPRESS
    ]
    return rows


def _foreign_flags() -> list[str]:
    taken = [f"`{flag} {value}`" for flag, values in cli._TAKEN.items() for value in values]
    taken += [
        f"`{flag}`"
        for action in cli._Parser()._actions
        for flag in action.option_strings
        if action.dest == "taken" and action.nargs == 0
    ]
    by_advice: dict[str, list[str]] = {}
    for flag, advice in cli._UNSUPPORTED.items():
        by_advice.setdefault(advice, []).append(f"`{flag}`")
    lines = [
        "Some ask for what is so anyway, and are taken without effect:",
        ", ".join(taken) + ".",
        "",
        "The others are known and refused, with exit code 2 and a word about what to do instead:",
        "",
        "| flag | instead |",
        "|---|---|",
    ]
    lines += [f"| {', '.join(flags)} | {_text(advice) or 'nothing'} |" for advice, flags in by_advice.items()]
    return lines


# Machines, and what they do.


@dataclass(frozen=True)
class Step:
    """Something that happened to a machine in one state, and where it led."""

    state: str
    event: str
    outcome: str
    """The next state, or what the machine said instead."""
    is_state: bool
    condition: str = ""


class Played:
    """What was seen of one machine."""

    def __init__(self) -> None:
        self._steps: dict[Step, None] = {}

    def add(self, step: Step) -> None:
        """Keep one step, once."""
        self._steps[step] = None

    def steps(self, state: str, event: str) -> list[Step]:
        """Return what was seen when this happened in that state, in the order of conditions."""
        found = [step for step in self._steps if step.state == state and step.event == event]
        return sorted(found, key=lambda step: (step.condition, step.outcome))

    def changes(self, states: Sequence[str]) -> list[tuple[str, str, list[str]]]:
        """Return each pair of states that something leads along, with all that does, in the order of the states."""
        found: dict[tuple[str, str], list[str]] = {}
        for step in self._steps:
            if step.is_state and step.outcome != step.state:
                events = found.setdefault((step.state, step.outcome), [])
                always = len({other.outcome for other in self.steps(step.state, step.event)}) == 1
                event = step.event if always else f"{step.event} {step.condition}".strip()
                if event not in events:
                    events.append(event)
        ordered = sorted(found, key=lambda pair: (states.index(pair[0]), states.index(pair[1])))
        return [(*pair, found[pair]) for pair in ordered]


def explore(
    make: Callable[[], Any],
    events: Mapping[str, Callable[[Any], str | None]],
    look: Callable[[Any], tuple[Any, ...]],
) -> list[tuple[tuple[Any, ...], str, str | None, tuple[Any, ...]]]:
    """Give every event to a machine in every situation that it can get into.

    A situation is what `look` returns. An event returns what the machine said, if it is worth telling, and raises
    `Impossible` where it cannot happen. A situation is reached again by playing the events that led there.
    """
    seen = []
    paths: dict[tuple[Any, ...], list[str]] = {look(make()): []}
    waiting = list(paths)
    while waiting:
        situation = waiting.pop(0)
        for event, happen in events.items():
            machine = make()
            for earlier in paths[situation]:
                events[earlier](machine)
            try:
                said = happen(machine)
            except Impossible:
                continue
            reached = look(machine)
            seen.append((situation, event, said, reached))
            if reached not in paths:
                paths[reached] = [*paths[situation], event]
                waiting.append(reached)
    return seen


class Impossible(Exception):
    """This cannot happen here."""


# The response.

_REQUEST: Final = b"GET / HTTP/1.1\r\nHost: example.org\r\nTE: trailers\r\n\r\n"
_START: Final = "http.response.start"
_MESSAGES: Final[Mapping[str, dict[str, Any]]] = {
    "start": {"type": _START, "status": 200},
    "start with trailers": {"type": _START, "status": 200, "trailers": True},
    "early_hint": {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]},
    "body with more_body": {"type": "http.response.body", "body": b"a", "more_body": True},
    "body": {"type": "http.response.body", "body": b"a"},
    "trailers with more_trailers": {"type": "http.response.trailers", "more_trailers": True},
    "trailers": {"type": "http.response.trailers"},
}
_KINDS: Final = frozenset(message["type"] for message in _MESSAGES.values())
_FORBIDDEN: Final = "refused"
_IGNORED: Final = "ignored"


class _Response:
    """A connection with one request."""

    def __init__(self) -> None:
        self.connection = Connection(TransportInfo(), Settings(), 0.0)
        self.connection.receive_data(_REQUEST, 0.0)
        [exchange] = self.connection.take_ready()
        if not isinstance(exchange, HttpExchange):
            raise TypeError(exchange)
        self.exchange = exchange
        self.finished = False

    def send(self, name: str) -> str | None:
        """Send one message, and say what became of it if it led nowhere."""
        message = _MESSAGES[name]
        exchange = self.exchange
        if not _KINDS.issuperset(exchange._legal):
            raise RuntimeError(f"messages that are not played: {set(exchange._legal) - _KINDS}")
        action = exchange._legal.get(message["type"])
        before = exchange.state
        try:
            exchange.send(message, 0.0)
        except ClientDisconnected:
            return "`ClientDisconnected`"
        except sansio.UnexpectedMessage:
            if action is not None:
                raise
            return _FORBIDDEN
        # What the table does not name is refused, or comes after the end.
        if action is None or action is HttpExchange._ignore:
            if exchange.state is not before:
                raise RuntimeError(f"{name} is in no table and changed {before}")
            return _IGNORED
        return None

    def finish(self) -> None:
        if self.finished:
            raise Impossible
        self.finished = True
        self.exchange.finish(None, 0.0)

    def flush(self) -> None:
        self.exchange.flush(0.0)


def play_response() -> Played:
    """Play everything that can happen to the response to one request."""
    events: dict[str, Callable[[_Response], str | None]] = {
        name: (lambda machine, name=name: machine.send(name))  # type: ignore[misc]
        for name in _MESSAGES
    }
    events["flush()"] = lambda machine: machine.flush()
    events["finish()"] = lambda machine: machine.finish()
    events["client gone"] = lambda machine: machine.connection.connection_lost(0.0)
    played = Played()
    for (state, trailers, _), event, said, (reached, _, _) in explore(
        _Response,
        events,
        lambda machine: (machine.exchange.state, machine.exchange.trailers, machine.finished),
    ):
        condition = "if trailers were announced" if trailers else ""
        played.add(Step(state.name, event, said or reached.name, said is None, condition))
    return played


# The lifespan.


def play_lifespan() -> Played:
    """Play everything that can happen to a lifespan."""
    answers = list(dict.fromkeys(kind for _, kind in _ANSWERS))

    def answer(kind: str) -> Callable[[Lifespan], str | None]:
        def send(lifespan: Lifespan) -> str | None:
            try:
                lifespan.send({"type": kind}, 0.0)
            except sansio.UnexpectedMessage:
                return _FORBIDDEN
            return None

        return send

    def shut_down(lifespan: Lifespan) -> None:
        lifespan.shut_down(0.0)

    def finish(lifespan: Lifespan) -> None:
        lifespan.finish(None, 0.0)

    events = {kind.removeprefix("lifespan."): answer(kind) for kind in answers}
    events |= {"shut_down()": shut_down, "finish()": finish}
    played = Played()
    for (state,), event, said, (reached,) in explore(Lifespan, events, lambda lifespan: (lifespan.phase,)):
        played.add(Step(state.name, event, said or reached.name, said is None))
    return played


# Reading.

_CONTENT: Final = (
    (b"Content-Length: 4", (b"ab", b"cd")),
    (b"Transfer-Encoding: chunked", (b"2\r\nab\r\n", b"0\r\n\r\n")),
)


_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class _Reader:
    """A connection, and what is left of the request that is on its way."""

    def __init__(self) -> None:
        self.connection = Connection(TransportInfo(), Settings(), 0.0)
        self.now = 0.0
        self.exchange: sansio.Exchange | None = None
        self.left: tuple[bytes, ...] = ()
        self.in_head = False
        self.chunked = False
        self.ended = False

    @property
    def http1(self) -> Http1:
        protocol = self.connection._protocol
        assert isinstance(protocol, Http1)  # noqa: S101 - it is what the connection begins with.
        return protocol

    @property
    def reading(self) -> Reading:
        return self.http1._reading

    def feed(self, data: bytes) -> None:
        if self.ended:
            raise Impossible
        self.connection.receive_data(data, self.now)
        self.settle()

    def settle(self) -> None:
        """Do what the connection says."""
        for exchange in self.connection.take_ready():
            self.exchange = None if exchange.ended else exchange
        self.connection.data_to_send()
        if self.exchange is not None and self.exchange.ended:
            self.exchange = None

    def need(self, *states: Reading) -> None:
        if self.reading not in states:
            raise Impossible

    def head(self, field: bytes = b"X-Content: none", rest: tuple[bytes, ...] = ()) -> None:
        self.need(Reading.HEAD)
        if self.in_head:
            raise Impossible
        self.left = rest
        self.chunked = b"chunked" in field
        self.feed(b"POST / HTTP/1.1\r\nHost: example.org\r\n" + field + b"\r\n\r\n")

    def begin_head(self) -> None:
        self.need(Reading.HEAD, Reading.PAUSED)
        if self.in_head:
            raise Impossible
        self.in_head = True
        self.feed(b"GET /")

    def end_head(self) -> None:
        self.need(Reading.HEAD)
        if not self.in_head:
            raise Impossible
        self.in_head = False
        self.feed(b" HTTP/1.1\r\nHost: example.org\r\n\r\n")

    def bad_head(self) -> None:
        self.need(Reading.HEAD)
        self.feed(b"\0\r\n\r\n")

    def more_content(self) -> None:
        self.need(Reading.CONTENT, Reading.DISCARDING)
        if len(self.left) < 2:
            raise Impossible
        data, *rest = self.left
        self.left = tuple(rest)
        self.feed(data)

    def last_content(self) -> None:
        self.need(Reading.CONTENT, Reading.DISCARDING)
        data, self.left = b"".join(self.left), ()
        self.feed(data)

    def bad_content(self) -> None:
        self.need(Reading.CONTENT)
        if not self.chunked:
            raise Impossible
        self.feed(b"x\r\n")

    def handshake(self) -> None:
        self.need(Reading.HEAD)
        if self.in_head:
            raise Impossible
        self.feed(_HANDSHAKE)

    def accept(self) -> None:
        if not isinstance(self.exchange, WebSocketExchange) or self.reading is Reading.UPGRADED:
            raise Impossible
        self.exchange.send({"type": "websocket.accept"}, self.now)
        self.settle()

    def close_frame(self) -> None:
        self.need(Reading.UPGRADED)
        self.feed(b"\x88\x80\0\0\0\0")

    def respond(self, *fields: tuple[bytes, bytes]) -> None:
        exchange = self.exchange
        if exchange is None or isinstance(exchange, WebSocketExchange):
            raise Impossible
        exchange.send({"type": _START, "status": 200, "headers": list(fields)}, self.now)
        exchange.send({"type": "http.response.body", "body": b"a"}, self.now)
        exchange.finish(None, self.now)
        self.settle()

    def end(self) -> None:
        if self.ended:
            raise Impossible
        self.ended = True
        self.connection.receive_eof(self.now)
        self.settle()

    def time_out(self) -> None:
        if self.connection.deadline == float("inf") and self.exchange is not None:
            self.exchange.receive(self.now)  # The application waits, and so does a deadline.
        if self.connection.deadline == float("inf"):
            raise Impossible
        self.now = self.connection.deadline
        self.connection.handle_timeout(self.now)
        self.settle()

    def lose(self) -> None:
        self.connection.connection_lost(self.now)
        self.settle()

    def shut_down(self) -> None:
        self.connection.shut_down(self.now)
        self.settle()

    def situation(self) -> tuple[Any, ...]:
        """Tell all that matters for what comes next."""
        return (
            self.reading,
            type(self.exchange),
            self.left,
            self.in_head,
            self.chunked,
            self.ended,
            self.http1._keep_alive,
            self.http1._draining,
        )


_READING_EVENTS: Final[Mapping[str, Callable[[_Reader], None]]] = {
    "head without content": lambda reader: reader.head(),
    "head with content of a known length": lambda reader: reader.head(*_CONTENT[0]),
    "head with content in chunks": lambda reader: reader.head(*_CONTENT[1]),
    "part of a head": lambda reader: reader.begin_head(),
    "rest of a head": lambda reader: reader.end_head(),
    "bad head": lambda reader: reader.bad_head(),
    "WebSocket handshake": lambda reader: reader.handshake(),
    "WebSocket accepted": lambda reader: reader.accept(),
    "close frame": lambda reader: reader.close_frame(),
    "content": lambda reader: reader.more_content(),
    "last content": lambda reader: reader.last_content(),
    "bad content": lambda reader: reader.bad_content(),
    "response complete": lambda reader: reader.respond(),
    "response with close complete": lambda reader: reader.respond((b"connection", b"close")),
    "peer's end": lambda reader: reader.end(),
    "time is up": lambda reader: reader.time_out(),
    "shut_down()": lambda reader: reader.shut_down(),
    "transport lost": lambda reader: reader.lose(),
}


def play_reading() -> Played:
    """Play what can happen to a connection of HTTP/1.1, as far as reading is concerned."""
    played = Played()
    for situation, event, _, reached in explore(_Reader, _READING_EVENTS, _Reader.situation):
        played.add(Step(situation[0].name, event, reached[0].name, is_state=True))
    return played


# Pictures: the states stand side by side, and each arrow has a line of its own.

_COLUMN: Final = 150
_MARGIN: Final = 24
_HEAD_HEIGHT: Final = 34
_LINE: Final = 15
_LETTER: Final = 6.4
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#222}.state{font-weight:bold;text-anchor:middle}"
    ".box{fill:#eef3fb;stroke:#456}.life{stroke:#bbc;stroke-dasharray:2 4}.arrow{stroke:#246;stroke-width:1.5}"
    ".tip{fill:#246}.paper{fill:#fff}"
)


def draw(states: Sequence[str], played: Played, title: str) -> str:
    """Return a picture of all changes of state."""
    centre = {state: _MARGIN + _COLUMN * index + _COLUMN // 2 for index, state in enumerate(states)}
    width = 2 * _MARGIN + _COLUMN * len(states)
    rows: list[str] = []
    y = _MARGIN + _HEAD_HEIGHT + 10
    for source, target, events in played.changes(states):
        label = ", ".join(events)
        left = min(centre[source], centre[target])
        lines = _fold(label, int((width - _MARGIN - left) / _LETTER))
        y += 8
        for line in lines:
            y += _LINE
            rows.append(f'<text x="{left + 6}" y="{y}">{escape(line)}</text>')
        y += 7
        rows.append(_arrow(centre[source], centre[target], y))
        y += 4
    height = y + _MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' role="img" aria-label="{escape(title)}">'
        ),
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for state in states:
        x = centre[state]
        parts += [
            f'<line class="life" x1="{x}" y1="{_MARGIN + _HEAD_HEIGHT}" x2="{x}" y2="{height - _MARGIN // 2}"/>',
            (
                f'<rect class="box" x="{x - _COLUMN // 2 + 6}" y="{_MARGIN}" width="{_COLUMN - 12}"'
                f' height="{_HEAD_HEIGHT}" rx="4"/>'
            ),
            f'<text class="state" x="{x}" y="{_MARGIN + 22}">{escape(state)}</text>',
        ]
    return "\n".join([*parts, *rows, "</svg>"]) + "\n"


def _fold(text: str, letters: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _arrow(start: int, end: int, y: int) -> str:
    back = -8 if end > start else 8
    tip = f"{end},{y} {end + back},{y - 4} {end + back},{y + 4}"
    return (
        f'<line class="arrow" x1="{start}" y1="{y}" x2="{end + back}" y2="{y}"/>'
        f'<circle class="tip" cx="{start}" cy="{y}" r="3"/><polygon class="tip" points="{tip}"/>'
    )


# The page of states.

_STATES_INTRODUCTION: Final = """\
# States

Three machines decide what may happen next: the response, the lifespan, and the reading of HTTP/1.
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

_TAKEN_FOR: Final = {
    Reading.HEAD: "a request's head",
    Reading.CONTENT: "a request's content, which the application is to have",
    Reading.PAUSED: "the next request, which has to wait: at most one read of it is kept",
    Reading.DISCARDING: "content that nobody wants, and that is read away",
    Reading.UPGRADED: "frames of a WebSocket",
    Reading.LINGERING: "nothing: our side has ended, and the peer's has not",
    Reading.CLOSED: "nothing: the connection is over",
}


def states_page(response: Played, lifespan: Played, reading: Played) -> str:
    """Return the page of the machines."""
    events = [*_MESSAGES, "flush()", "finish()", "client gone"]
    answers = [kind.removeprefix("lifespan.") for _, kind in _ANSWERS]
    parts = [
        NOTICE,
        "",
        _STATES_INTRODUCTION,
        _RESPONSE,
        *_meanings(ResponseState),
        "",
        *_matrix(events, [state.name for state in ResponseState], response),
        "",
        _RESPONSE_END,
        _LIFESPAN,
        *_meanings(LifespanState),
        "",
        *_matrix([*answers, "shut_down()", "finish()"], [state.name for state in LifespanState], lifespan),
        "",
        _READING,
        "| state | what the next octet is taken for |",
        "|---|---|",
        *[f"| {state.name} | {_TAKEN_FOR[state]} |" for state in Reading],
        "",
        *_matrix(list(_READING_EVENTS), [state.name for state in Reading], reading),
        "",
        _READING_END,
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _meanings(states: Iterable[Any]) -> list[str]:
    return ["| state | meaning |", "|---|---|", *[f"| {state.name} | {state.value} |" for state in states]]


_CODE: Final = re.compile(
    r"((?:startup|shutdown)\.\w+|\w+\(\)|\b(?:start|body|early_hint|trailers|more_\w+)\b)"
)


def _matrix(events: Sequence[str], states: Sequence[str], played: Played) -> list[str]:
    """Write a table with a row for each event, so that it grows downwards."""
    rows = [f"| | {' | '.join(states)} |", "|---" * (len(states) + 1) + "|"]
    for event in events:
        shown = _CODE.sub(r"`\1`", event)
        cells = [_cell(state, played.steps(state, event)) for state in states]
        rows.append(f"| {shown} | {' | '.join(cells)} |")
    return rows


def _cell(state: str, steps: Sequence[Step]) -> str:
    outcomes: dict[str, list[str]] = {}
    for step in steps:
        outcome = "stays" if step.is_state and step.outcome == state else step.outcome
        outcome = f"*{outcome}*" if not step.is_state and "`" not in outcome else outcome
        outcomes.setdefault(outcome, []).append(step.condition)
    if len(outcomes) <= 1:
        return next(iter(outcomes), "")
    # Without a condition comes first: then the condition says when it is otherwise.
    separator = ", or " if any(map(any, outcomes.values())) else " or "
    return separator.join(
        [f"{outcome} {min(conditions)}".strip() for outcome, conditions in outcomes.items()]
    )


def main() -> int:
    """Write what has changed."""
    for path, text in generate().items():
        file = DOCS / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"docs/{path} has changed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
