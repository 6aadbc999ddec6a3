"""The public surface: exactly these names, and each of them explained."""

import importlib
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Final

import pytest

PUBLIC: Final = {
    "sansio": [
        "ClientDisconnected",
        "Connection",
        "DefaultFields",
        "Exchange",
        "ExchangeStatistics",
        "InvalidMessage",
        "Lifespan",
        "LifespanState",
        "Message",
        "PeerError",
        "Scope",
        "Settings",
        "TransportInfo",
        "UnexpectedMessage",
        "UsageError",
    ],
    "runtime": [
        "Config",
        "ConfigError",
        "LifespanFailed",
        "Server",
        "StartupFailed",
        "run",
        "serve",
    ],
}


METHODS: Final = (FunctionType, classmethod, staticmethod, property)


def explainable(package: str) -> Iterator[tuple[str, object]]:
    """Yield the public classes and functions of a package, and the public methods of these classes."""
    for name in PUBLIC[package]:
        thing = getattr(importlib.import_module(package), name)
        if isinstance(thing, (type, FunctionType)):
            yield name, thing
        if isinstance(thing, type):
            for attribute in dir(thing):
                value = inspect.getattr_static(thing, attribute)
                if isinstance(value, METHODS) and not attribute.startswith("_"):
                    yield f"{name}.{attribute}", value


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_exactly_these(package: str) -> None:
    names = importlib.import_module(package).__all__

    assert sorted(names) == PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_everything_public_has_a_docstring(package: str) -> None:
    bare = [name for name, thing in explainable(package) if not thing.__doc__]

    assert bare == []


@pytest.mark.parametrize("package", PUBLIC)
def test_no_docstring_is_one_that_was_made_by_a_machine(package: str) -> None:
    # A dataclass without a docstring is given its signature as one.
    made = [name for name, thing in explainable(package) if (thing.__doc__ or "").startswith(f"{name}(")]

    assert made == []
