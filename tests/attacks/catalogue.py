"""All attacks: those of every module of this package that has some in `ATTACKS`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import tests.attacks
from tests.attacks.attack import Attack


def all_attacks() -> list[Attack]:
    """Every attack, by module. Raises `ValueError` when two have one name."""
    found: dict[str, Attack] = {}
    for module in pkgutil.iter_modules(tests.attacks.__path__):
        if module.name.startswith("__"):
            continue  # The command line would begin.
        name = f"{tests.attacks.__name__}.{module.name}"
        for attack in getattr(importlib.import_module(name), "ATTACKS", ()):
            if attack.name in found:
                raise ValueError(f"two attacks are called {attack.name}")
            found[attack.name] = attack
    return list(found.values())


def chosen(names: Sequence[str]) -> list[Attack]:
    """The attacks of these names, or all. Raises `LookupError` with a name that there is not."""
    attacks = all_attacks()
    unknown = [name for name in names if name not in {attack.name for attack in attacks}]
    if unknown:
        raise LookupError(unknown[0])
    return [attack for attack in attacks if not names or attack.name in names]
