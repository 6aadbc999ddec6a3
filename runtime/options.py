"""What an option of the server is: how its value is written as text, and which values make sense.

The table of all options is `runtime.config.Config`; the command line and the documentation are made from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = ["Bind", "ConfigError", "FdBind", "Option", "TcpBind", "UnixBind", "parse_bind"]

Kind: TypeAlias = Literal["text", "choice", "switch", "count", "size", "timeout", "bind", "field", "secret"]

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+|\d+(?:\.\d+)?")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]?)")
_SECONDS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_SIZE: Final = re.compile(r"(\d{1,18}) ?([a-z]*)", re.ASCII)
_BYTES: Final = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}

_PORT: Final = re.compile(r"\d{1,5}", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,18}", re.ASCII)

_SWITCH: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

# RFC 9110 §5.6.2 and §5.5.
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# Fields whose value only the server knows, message by message.
_FIELDS_OF_THE_SERVER: Final = frozenset(
    {b"connection", b"content-length", b"date", b"keep-alive", b"trailer", b"transfer-encoding", b"upgrade"}
)


class ConfigError(ValueError):
    """The user's mistake, told in one line that says what to do.

    `name` is the option at fault, if it is one, so that each front end can spell it its own way; `problem` is the
    line without it.
    """

    def __init__(self, problem: str, name: str | None = None) -> None:
        super().__init__(problem if name is None else f"{name} {problem}")
        self.problem = problem
        self.name = name


@dataclass(frozen=True, slots=True)
class TcpBind:
    """A host name or address and a port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixBind:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FdBind:
    """A listening socket that this process inherited."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Bind: TypeAlias = TcpBind | UnixBind | FdBind
"""Where to listen."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the server, apart from its name and its default."""

    group: str
    """The heading that it stands under in the help."""
    kind: Kind
    help: str
    _: KW_ONLY
    choices: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Other words for the choices, as other servers have them."""
    optional: bool = False
    """None is a value, written ``none``. It always is for a timeout."""
    minimum: int = 1
    maximum: int | None = None
    zero: bool = False
    """A timeout of 0 seconds means "at once". In other timeouts it is a mistake."""
    source: str = ""
    """The rule or the experience that the option comes from."""
    aliases: tuple[str, ...] = ()
    """Flags of the same meaning that users of other servers know."""

    @property
    def unit(self) -> str:
        """What a number of this option counts; empty if it has none."""
        return {"timeout": "seconds", "size": "bytes"}.get(self.kind, "")

    def accept(self, name: str, value: object) -> object:
        """Turn what the user gave, typed or as text, into the option's value.

        Raises `ConfigError`.
        """
        try:
            return self._accept(value)
        except ConfigError as error:
            raise ConfigError(error.problem, name) from None

    def _accept(self, value: object) -> object:
        if (self.optional or self.kind == "timeout") and (value is None or self._says_none(value)):
            return None
        match self.kind:
            case "switch":
                return self._switch(value)
            case "choice":
                return self._choice(value)
            case "count" | "size":
                return self._whole_number(value)
            case "timeout":
                return self._timeout(value)
            case "bind":
                return tuple(str(parse_bind(text)) for text in _texts(value))
            case "field":
                return _fields(value)
        if not isinstance(value, str):
            raise ConfigError("must be text" if self.kind == "secret" else f"must be text, got {value!r}")
        return value

    def _says_none(self, value: object) -> bool:
        return self.kind not in {"text", "secret"} and _lower(value) == "none"

    def _switch(self, value: object) -> bool:
        known = value if isinstance(value, bool) else _SWITCH.get(_lower(value))
        if known is None:
            raise ConfigError(f"must be true or false, got {value!r}")
        return known

    def _choice(self, value: object) -> str:
        text = str(value) if isinstance(value, int) else _lower(value)  # As are the constants of ssl.
        text = self.synonyms.get(text, text)
        if text not in self.choices:
            raise ConfigError(f"must be one of {', '.join(self.choices)}, got {value!r}")
        return text

    def _whole_number(self, value: object) -> int:
        number: object = value
        if isinstance(value, str):
            number = parse_size(value) if self.kind == "size" else _parse_count(value)
        if (
            not isinstance(number, int)
            or isinstance(number, bool)
            or number < self.minimum
            or (self.maximum is not None and number > self.maximum)
        ):
            most = (
                f"{self.minimum} to {self.maximum}" if self.maximum is not None else f"{self.minimum} or more"
            )
            or_none = ", or none" if self.optional else ""
            unit = " of bytes (as in 65536 or 64KiB)" if self.kind == "size" else ""
            raise ConfigError(f"must be a whole number{unit}, {most}{or_none}, got {value!r}")
        return number

    def _timeout(self, value: object) -> float:
        number = parse_duration(value) if isinstance(value, str) else value
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise ConfigError(
                f"must be a number of seconds (as in 30, 500ms or 1h30m), or none, got {value!r}"
            )
        if not math.isfinite(number) or number < 0 or (number == 0 and not self.zero):
            least = "0 (at once) or more" if self.zero else "more than 0"
            raise ConfigError(f"must be {least}; none means never; got {value!r}")
        return float(number)


def parse_duration(text: str) -> float | None:
    """Seconds, from ``2.5``, ``500ms``, ``30s``, ``5m`` or ``1h30m``; None if it is none of these."""
    if not _DURATION.fullmatch(text):
        return None
    return math.fsum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def parse_size(text: str) -> int | None:
    """Bytes, from ``65536``, ``64KiB``, ``16MiB`` or ``1kB``; None if it is none of these."""
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or found[2] not in _BYTES:
        return None
    return int(found[1]) * _BYTES[found[2]]


def _parse_count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def parse_bind(text: str) -> Bind:
    """Where to listen, from ``host:port``, ``[v6]:port``, ``unix:path`` or ``fd://N``. Without a port it is 8000.

    Raises `ConfigError`.
    """
    if text.startswith("unix:"):
        if len(text) == len("unix:"):
            raise ConfigError(f"{text!r} has no path: write unix:/run/app.sock")
        return UnixBind(text.removeprefix("unix:"))
    if text.startswith("fd://"):
        number = text.removeprefix("fd://")
        if not _COUNT.fullmatch(number):
            raise ConfigError(f"{text!r} has no number: write fd://3")
        return FdBind(int(number))
    if "/" in text:
        raise ConfigError(f"{text!r} is not an address: write host:port, [v6]:port, unix:path or fd://N")
    return _tcp_bind(text)


def _tcp_bind(text: str) -> TcpBind:
    host, bracket, port = text[1:].partition("]") if text.startswith("[") else ("", "", "")
    if not bracket:
        host = text.partition(":")[0]
        port = text[len(host) :]
        if ":" in port[1:]:
            raise ConfigError(f"{text!r} is ambiguous: an IPv6 address goes in brackets, as in [::1]:8000")
    if not host:
        raise ConfigError(
            f"{text!r} has no host: write 0.0.0.0{port} or [::]{port} to listen on every address"
        )
    if not port:
        return TcpBind(host, 8000)
    if not port.startswith(":") or not _PORT.fullmatch(port[1:]) or int(port[1:]) > 65535:
        raise ConfigError(f"{text!r} has no port from 0 to 65535: write host:port, as in 127.0.0.1:8000")
    return TcpBind(host, int(port[1:]))


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    """The texts of an option that may be given several times; one text alone will do."""
    texts: list[str] = []
    for text in [value] if isinstance(value, str) or not isinstance(value, Iterable) else value:
        if not isinstance(text, str):
            raise ConfigError(f"must be text, got {text!r}")
        texts.append(text)
    return texts


def _fields(value: object) -> tuple[tuple[bytes, bytes], ...]:
    if isinstance(value, Mapping):
        value = value.items()
    items = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
    return tuple([_field(item) for item in items])


def _field(item: object) -> tuple[bytes, bytes]:
    """One response field, from ``Name: value`` or a pair; the name in lower case, as ASGI has it."""
    pair = item.partition(":")[::2] if isinstance(item, str) else item
    match pair:
        case (str() | bytes() as name, str() | bytes() as value) if name:
            name, value = _octets(name).strip(b" \t").lower(), _octets(value).strip(b" \t")
        case _:
            raise ConfigError(f'must be written "Name: value", got {item!r}')
    if (isinstance(item, str) and ":" not in item) or not _TOKEN.fullmatch(name):
        raise ConfigError(f'must be written "Name: value", got {item!r}')
    if _CONTROL.search(value):
        raise ConfigError(f"must not have control characters in its value, got {item!r}")
    if name in _FIELDS_OF_THE_SERVER:
        raise ConfigError(f"must leave {name.decode()} to the server")
    return name, value


def _octets(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ConfigError(f"must be of ASCII or Latin-1 characters, got {text!r}") from None
