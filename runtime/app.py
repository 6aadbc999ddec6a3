"""Find the application that the user names."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from .driver import ASGIApp
from .errors import one_line
from .options import ConfigError

__all__ = ["AppImportError", "load_app"]

_EXPECTED: Final = "write module:attribute, as in main:app"


class AppImportError(ConfigError):
    """The application cannot be had. What was raised on the way, if anything, is the `__cause__`."""


def load_app(target: str, *, factory: bool = False, app_dir: str | None = None) -> ASGIApp:
    """Import the application that a target such as ``pkg.module:attr`` or ``pkg.module:make_app()`` names.

    A factory is called without arguments. `app_dir` becomes the first folder to import from, and stays so. Nothing
    of the target is evaluated.

    Raises `ConfigError` for a target that is badly written, and `AppImportError` for one that leads nowhere.
    """
    module_name, path = _split(target)
    if path.endswith("()"):
        factory = True
        path = path.removesuffix("()")
    if app_dir is not None:
        try:
            folder = Path(app_dir).resolve()
        except OSError as error:
            raise ConfigError(f"cannot be found: {error.strerror}", "app_dir") from error
        if not folder.is_dir():
            raise ConfigError(f"must be a folder, got {app_dir!r}", "app_dir")
        if sys.path[:1] != [str(folder)]:
            sys.path.insert(0, str(folder))
    found = _attribute(_module(module_name), path)
    return _made(found, target) if factory else _checked(found, target, made=False)


def _split(target: str) -> tuple[str, str]:
    module_name, colon, path = target.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        module_name = module_name.removeprefix("./").removesuffix(".py").strip("/").replace("/", ".")
        raise ConfigError(f"{target!r} is a file, not a module: write {module_name}:{path or 'app'}")
    if not all(module_name.split(".")):
        raise ConfigError(f"{target!r} does not name a module: {_EXPECTED}")
    if not colon:
        raise ConfigError(f"{target!r} does not say which attribute is the application: write {target}:app")
    if not all(name.isidentifier() for name in path.removesuffix("()").split(".")):
        raise ConfigError(f"{target!r} does not name an attribute of {module_name}: {_EXPECTED}")
    return module_name, path


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # Whatever the user's code raises while it is imported.
        where = _where(error)
        if isinstance(error, ModuleNotFoundError) and not where:
            raise AppImportError(_not_found(name, error)) from error
        problem = _one_line(error)
        if isinstance(error, ModuleNotFoundError) and error.name:
            problem = f"it needs the module {error.name!r}, which is not installed"
        raise AppImportError(f"cannot import {name!r}: {problem}{where}") from error


def _not_found(name: str, error: ModuleNotFoundError) -> str:
    missing = error.name or name
    parent, _, last = missing.rpartition(".")
    if not parent:
        near = difflib.get_close_matches(last, [module.name for module in pkgutil.iter_modules()], n=1)
        advice = f"did you mean {near[0]!r}?" if near else "look at its spelling and at --app-dir"
        return f"there is no module {missing!r}: {advice}"
    folders = getattr(sys.modules.get(parent), "__path__", None)
    if folders is None:
        return f"there is no module {missing!r}: {parent!r} is a module, not a package"
    near = difflib.get_close_matches(last, [module.name for module in pkgutil.iter_modules(folders)], n=1)
    return f"there is no module {missing!r}" + (f": did you mean {f'{parent}.{near[0]}'!r}?" if near else "")


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    name = module.__name__
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            near = difflib.get_close_matches(part, dir(found), n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise AppImportError(f"{name!r} has no attribute {part!r}{advice}") from error
        except Exception as error:  # Whatever the user's code raises.
            problem = f"{_one_line(error)}{_where(error)}"
            raise AppImportError(f"{name!r} gives no attribute {part!r}: it raised {problem}") from error
        name = f"{name}.{part}"
    return found


def _made(factory: object, target: str) -> ASGIApp:
    if not callable(factory):
        raise AppImportError(f"{target!r} is not a factory: it is {_kind(factory)}, which cannot be called")
    try:
        made = factory()
    except Exception as error:  # Whatever the user's code raises.
        raise AppImportError(f"the factory {target!r} raised {_one_line(error)}{_where(error)}") from error
    if inspect.iscoroutine(made):
        made.close()
        raise AppImportError(
            f"the factory {target!r} is an async function, which cannot be called here: make it a plain one"
        )
    return _checked(made, target, made=True)


def _checked(app: object, target: str, *, made: bool) -> ASGIApp:
    """Refuse what cannot be an application; what cannot be known is given the benefit of the doubt."""
    subject = f"what the factory {target!r} returned" if made else repr(target)
    if not callable(app):
        raise AppImportError(f"{subject} is not an application: it is {_kind(app)}, which cannot be called")
    if not _takes(app, 3):
        if not made and _takes(app, 0):
            raise AppImportError(f"{subject} looks like a factory: use --factory")
        kind = "a WSGI application" if _takes(app, 2) else "an ASGI 2 application" if _takes(app, 1) else ""
        advice = (
            f"it looks like {kind}, so wrap it with an adapter"
            if kind
            else "it is called with other arguments"
        )
        raise AppImportError(f"{subject} cannot be called with scope, receive and send: {advice}")
    return cast("ASGIApp", app)


def _takes(function: object, count: int) -> bool:
    """Tell whether it may be called with so many arguments."""
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]  # It raises for what is not callable.
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__!r}"


def _one_line(error: BaseException) -> str:
    try:
        text = one_line(str(error))
    except Exception:  # noqa: BLE001 - the user's code makes this text, too.
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException) -> str:
    """Return file and line of an error in the user's code, or nothing if it was not reached."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f" ({_short(error.filename)}:{error.lineno})"
    ours = {__file__, importlib.__file__}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in ours and not frame.filename.startswith("<frozen importlib")
    ]
    return f" ({_short(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""


def _short(filename: str) -> str:
    try:
        relative = os.path.relpath(filename)
    except OSError:  # There is no folder to be in any more.
        return filename
    return filename if relative.startswith("..") else relative
