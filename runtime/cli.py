"""The command ``tricorn``: read the options, find the application, serve it.

Exit codes: 0 after a clean stop, 1 after a crash, 2 for a mistake in the options, 3 if the server cannot start.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Final, NoReturn

from . import logging
from .app import AppImportError, load_app
from .config import OPTIONS, Config
from .errors import CRASHED, STARTUP_FAILED, USAGE, LifespanFailed, StartupFailed, exit_code
from .listen import ListenError
from .options import ConfigError, Option
from .process import Watchdog, ignore_signals, open_standard_streams
from .serve import run

__all__ = ["command", "main", "parse"]

# Flags of uvicorn and hypercorn that mean nothing here, with what to do instead.
_SUPERVISOR: Final = "let a supervisor such as systemd see to it"
_UNSUPPORTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("--reload", "--reload-dir", "--reload-delay", "--reload-include", "--reload-exclude"), ""
    ),
    **dict.fromkeys(("--workers", "-w", "--timeout-worker-healthcheck"), "start several servers"),
    **dict.fromkeys(("--http2", "--no-http2"), "--http says which versions are spoken"),
    **dict.fromkeys(("--ws-max-queue",), "--limit-read-buffer says how much waits for the application"),
    **dict.fromkeys(("--quic-bind",), ""),
    "--ssl-version": "1.2 and 1.3 are spoken; runtime.run takes a context of your own",
    **dict.fromkeys(("--proxy-headers", "--forwarded-allow-ips", "--server-name", "--use-colors"), ""),
    **dict.fromkeys(
        ("--limit-max-requests-jitter", "--max-requests-jitter", "--statsd-host", "--statsd-prefix"), ""
    ),
    **dict.fromkeys(("-D", "--daemon", "-p", "--pid", "-m", "--umask", "-u", "--user"), _SUPERVISOR),
    **dict.fromkeys(("-g", "--group"), _SUPERVISOR),
    **dict.fromkeys(("-c", "--config"), "give each option as a flag"),
    "--log-config": "configure the logger tricorn in the application's module",
    **dict.fromkeys(("--log-file", "--error-logfile"), "redirect standard error"),
    "--access-logfile": "redirect standard output",
    "--debug": "use --log-level debug",
    "--env-file": "set the environment before the start",
    "--insecure-bind": "use --bind",
    "--interface": "wrap the application with an adapter to ASGI 3",
    "--reset-contextvars": "each request has a context of its own anyway",
}

# Those of them that are taken with such a value, because it asks for what is so anyway.
_TAKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "--workers": ("1",),
    "-w": ("1",),
    "--interface": ("auto", "asgi", "asgi3"),
    "--access-logfile": ("-",),
    "--error-logfile": ("-",),
    "--log-file": ("-",),
}


def command() -> NoReturn:
    """Be the process from its begin to its end. What still runs a while after the server does not keep it."""
    open_standard_streams()
    try:
        sys.exit(main())
    except BaseException as error:
        ignore_signals()
        Watchdog().watch(exit_code(error))
        raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process, and return its exit code.

    What the application or the server lets fly, flies: Python reports it and exits with 1.
    """
    try:
        target, config = parse(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        return _fail(_with_flag(error), USAGE)
    except SystemExit:  # --help or --version has been answered.
        return 0
    logging.configure(config.log_level, config.access_log, config.access_log_format)
    try:
        app = load_app(target, factory=config.factory, app_dir=config.app_dir or os.curdir)
        run(app, dataclasses.replace(config, factory=False))  # It was called.
    except (AppImportError, ListenError, StartupFailed) as error:
        if config.log_level == "debug" and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        return _fail(str(error), STARTUP_FAILED)
    except ConfigError as error:
        return _fail(_with_flag(error), USAGE)
    except LifespanFailed as error:
        return _fail(str(error), CRASHED)
    except KeyboardInterrupt:
        pass  # It is how a server is stopped.
    return 0


def parse(argv: Sequence[str]) -> tuple[str, Config]:
    """Return the application's name and the options that these arguments give.

    Raises `ConfigError` for a mistake, and SystemExit when it has answered ``--help`` or ``--version``.
    """
    parser = _Parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        raise ConfigError(parser.explain(rest[0]))
    given = vars(arguments)
    if given.pop("version", False):
        sys.stdout.write(
            f"tricorn {_version()} ({platform.python_implementation()} {platform.python_version()})\n"
        )
        raise SystemExit(0)
    given.pop("taken", None)
    target = given.pop("app")
    if target is None:
        raise ConfigError("no application is named: write tricorn main:app, or see tricorn --help")
    for name in ("host", "port", "uds", "fd"):
        if "bind" in given and name in given:
            raise ConfigError(
                f"--bind and --{name} both say where to listen: give one, or --bind several times"
            )
    return target, Config.from_mapping(given)


class _Parser(argparse.ArgumentParser):
    """Gathers the text of each option that is given. Its meaning is the business of `Config`."""

    def __init__(self) -> None:
        super().__init__(
            prog="tricorn",
            usage="%(prog)s [options] APP",
            description="Serve an ASGI application.",
            epilog="DURATION: seconds, 500ms, 30s, 5m, 1h30m, none. SIZE: bytes, 64KiB, 16MiB, 1kB, none.",
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        self.add_argument(
            "app", nargs="?", default=None, metavar="APP", help="module:attribute, as in main:app"
        )
        self.add_argument("--version", action="store_true", help="show the version and exit")
        self._flags = ["--help", "--version"]
        groups = {title: self.add_argument_group(title) for title in _titles()}
        for name, option in OPTIONS.items():
            flags = sorted(
                ["--" + name.replace("_", "-"), *option.aliases], key=lambda flag: flag.startswith("--")
            )
            self._flags += flags
            add = groups[option.group].add_argument
            if option.kind == "switch":
                self._flags += ["--no-" + flag.removeprefix("--") for flag in flags]
                add(*flags, dest=name, action=argparse.BooleanOptionalAction, help=_help(name, option))
            else:
                action = "append" if option.kind in {"bind", "field"} else "store"
                add(
                    *flags, dest=name, action=action, metavar=_metavar(name, option), help=_help(name, option)
                )
        for flag in _UNSUPPORTED:
            self.add_argument(flag, dest="taken", action=_Unsupported, nargs="?", help=argparse.SUPPRESS)
        for flag in ("--no-proxy-headers", "--no-use-colors", "--no-reset-contextvars"):
            self.add_argument(flag, dest="taken", action="store_true", help=argparse.SUPPRESS)
        self.add_argument(
            "--no-server-name", dest="server_header", action="store_false", help=argparse.SUPPRESS
        )

    def error(self, message: str) -> NoReturn:
        """Refuse arguments that do not have the form of any."""
        raise ConfigError(message.removeprefix("argument "))

    def explain(self, argument: str) -> str:
        """Say what is wrong with an argument that has no place."""
        if not argument.startswith("-"):
            return f"{argument!r} is one argument too many; a value with spaces goes in quotes"
        flag = argument.partition("=")[0]
        near = difflib.get_close_matches(flag, self._flags, n=1)
        return f"there is no option {flag}; " + (f"did you mean {near[0]}?" if near else "see tricorn --help")


class _Unsupported(argparse.Action):
    """Refuses a flag of another server, unless it asks for what is so anyway."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature.
        namespace: argparse.Namespace,  # noqa: ARG002
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Take the flag or raise `ConfigError`."""
        flag = option_string or self.option_strings[0]
        taken = _TAKEN.get(flag, ())
        if values in taken:
            return
        given = f"{flag} {values}" if taken and values is not None else flag
        advice = _UNSUPPORTED[flag]
        raise ConfigError(f"{given} is not supported" + (f"; {advice}" if advice else ""))


def _titles() -> list[str]:
    return list(dict.fromkeys(option.group for option in OPTIONS.values()))


def _metavar(name: str, option: Option) -> str:
    if option.choices:
        return "{" + ",".join(option.choices) + "}"
    by_kind = {"timeout": "DURATION", "size": "SIZE", "count": "N", "field": '"NAME: VALUE"'}
    return by_kind.get(option.kind, name.rpartition("_")[2].upper())


def _help(name: str, option: Option) -> str:
    default = Config.__dataclass_fields__[name].default
    notes = []
    if isinstance(default, bool):
        notes.append("default: yes" if default else "default: no")
    elif option.kind == "timeout":
        notes.append("default: none" if default is None else f"default: {default:g} seconds")
    elif default is not None and default not in ("", ()):
        notes.append(f"default: {default} {option.unit}".rstrip())
    elif name.startswith("limit_"):
        notes.append("default: none")
    if option.source:
        notes.append(option.source)
    return (option.help + (f" ({'; '.join(notes)})" if notes else "")).replace("%", "%%")


def _version() -> str:
    try:
        return metadata.version("tricorn")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _with_flag(error: ConfigError) -> str:
    return str(error) if error.name is None else f"--{error.name.replace('_', '-')} {error.problem}"


def _fail(problem: str, code: int) -> int:
    sys.stderr.write(f"tricorn: {problem}\n")
    return code
