"""Makes the pages of the documentation that only repeat what the code says: settings, flags, states.

``python -m docs.generate`` writes them, and says which of them have changed. They are kept in the repository, so
that they can be read without building anything; the tests refuse one that is out of date.

The states are not drawn by hand. Each machine is made, put into each state that it can reach, and given everything
that can happen to it there; what it then does is what the diagrams and the tables show. This is in `docs/states`.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

import fuzz.connection
import fuzz.http2
import fuzz.lifespan
import fuzz.machine
import fuzz.websocket
from docs.states.page import make_states
from runtime import cli, errors, options
from runtime.config import OPTIONS, Config
from runtime.options import Option
from sansio import Settings

DOCS: Final = Path(__file__).parent
NOTICE: Final = "% Made by docs/generate.py: change that, or the code that it reads, and run it again."


def generate() -> dict[str, str]:
    """Return the text of each page and each picture, by its path within the documentation."""
    return {
        "reference/settings.md": settings_page(),
        "reference/cli.md": cli_page(),
        "reference/laws.md": laws_page(),
        **make_states(NOTICE),
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
        (errors.CRASHED, "a crash, or a lifespan that failed after its start-up"),
        (errors.USAGE, "a mistake in the options"),
        (
            errors.STARTUP_FAILED,
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


# Laws.

_LAWS_INTRODUCTION: Final = """\
# Laws

What holds of a connection, whatever its peer, its applications, its embedder and its clock do.
Each law is a function in `fuzz`, and is held in [campaigns](../howto/fuzz.md) and, with fewer examples, by the tests.
`connection` is a connection of any protocol; the others know more of theirs, and hold more.
`lifespan` has none: it is what happens before the first and after the last.
"""
_LAWFUL: Final = {
    "connection": fuzz.connection,
    "http1": fuzz.machine,
    "websocket": fuzz.websocket,
    "http2": fuzz.http2,
    "lifespan": fuzz.lifespan,
}


def laws_page() -> str:
    parts = [NOTICE, "", _LAWS_INTRODUCTION]
    for title, whole in (("After each thing that happens", False), ("When the story is over", True)):
        held: dict[Callable[..., None], list[str]] = {}
        for target, module in _LAWFUL.items():
            for law in module.AT_THE_END if whole else module.AFTER_EACH:
                held.setdefault(law, []).append(f"`{target}`")
        parts += [f"## {title}", "", "| law | what it says | held by |", "|---|---|---|"]
        parts += [
            f"| {law.__name__.replace('_', ' ')} | {_row(law.__doc__ or '')} | {', '.join(targets)} |"
            for law, targets in held.items()
        ]
        parts.append("")
    return "\n".join(parts)


def _row(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


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
