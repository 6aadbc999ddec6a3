"""Finding the application."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.app import AppImportError, load_app
from runtime.options import ConfigError

APP = "async def app(scope, receive, send): ...\n"

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of the user's into an empty folder, which is the current one; forget it all afterwards."""
    modules, path = set(sys.modules), sys.path[:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_module(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    yield write_module
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def problem(target: str, **options: Any) -> str:
    with pytest.raises(AppImportError) as caught:
        load_app(target, app_dir=".", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def called(app: Any) -> object:
    """Call an application that answers at once."""

    async def call() -> object:
        return await app({}, None, None)

    return asyncio.run(call())


def test_a_function_is_an_application(write: Write) -> None:
    write("user_app.py", "async def app(scope, receive, send): return 'called'\n")
    assert called(load_app("user_app:app", app_dir=".")) == "called"


def test_an_attribute_may_lie_deep(write: Write) -> None:
    write("user_pkg/__init__.py", "")
    write(
        "user_pkg/mod.py",
        "class Holder:\n    class inner:\n        @staticmethod\n        async def app(s, r, w): return 'deep'\n",
    )
    assert called(load_app("user_pkg.mod:Holder.inner.app", app_dir=".")) == "deep"


def test_an_object_and_a_class_of_three_arguments_may_be_applications(write: Write) -> None:
    write(
        "user_app.py",
        "class One:\n    async def __call__(self, scope, receive, send): return 'one'\n"
        "class Two:\n    def __init__(self, scope, receive, send): ...\n"
        "    def __await__(self):\n        yield from ()\n        return 'two'\n"
        "def any(*args): ...\n"
        "one = One()\n",
    )
    assert called(load_app("user_app:one", app_dir=".")) == "one"
    assert called(load_app("user_app:Two", app_dir=".")) == "two"
    assert callable(load_app("user_app:any", app_dir="."))


def test_a_factory_is_called(write: Write) -> None:
    write(
        "user_app.py",
        APP + "def make(): return app\nclass Made:\n    async def __call__(self, s, r, w): return 3\n",
    )
    app = load_app("user_app:app", app_dir=".")
    assert load_app("user_app:make", factory=True) is app
    assert load_app("user_app:make()") is app
    assert load_app("user_app:make()", factory=True) is app
    assert called(load_app("user_app:Made()")) == 3


def test_the_folder_stays_first_among_those_to_import_from(write: Write, tmp_path: Path) -> None:
    write("inside/user_app.py", APP)
    load_app("user_app:app", app_dir="inside")
    load_app("user_app:app", app_dir="inside")
    assert sys.path[0] == str(tmp_path / "inside")
    assert sys.path.count(str(tmp_path / "inside")) == 1


def test_a_folder_that_does_not_exist_is_told(write: Write) -> None:
    with pytest.raises(ConfigError, match="^app_dir must be a folder, got 'missing'$"):
        load_app("user_app:app", app_dir="missing")


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("user_app", "write user_app:app"),
        ("user_app.py:app", "write user_app:app"),
        ("./pkg/user_app.py", "write pkg.user_app:app"),
        ("pkg/user_app:main", "write pkg.user_app:main"),
        ("", "write module:attribute, as in main:app"),
        (":app", "write module:attribute, as in main:app"),
        ("pkg..mod:app", "write module:attribute, as in main:app"),
        (".mod:app", "write module:attribute, as in main:app"),
        ("user_app:", "write module:attribute, as in main:app"),
        ("user_app:app[0]", "write module:attribute, as in main:app"),
        ("user_app:make(1)", "write module:attribute, as in main:app"),
        ("user_app:a..b", "write module:attribute, as in main:app"),
        ("user_app:()", "write module:attribute, as in main:app"),
    ],
)
def test_a_badly_written_target_is_a_mistake_in_usage(target: str, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_app(target)
    assert not isinstance(caught.value, AppImportError)
    assert str(caught.value).endswith(advice)
    assert "\n" not in str(caught.value)


def test_a_missing_module_gets_a_suggestion(write: Write) -> None:
    write("user_app.py", APP)
    assert problem("user_ap:app") == "there is no module 'user_ap': did you mean 'user_app'?"


def test_a_missing_module_like_no_other(write: Write) -> None:
    assert (
        problem("xyzzyplugh:app") == "there is no module 'xyzzyplugh': look at its spelling and at --app-dir"
    )


def test_a_missing_module_of_a_package(write: Write) -> None:
    write("user_pkg/__init__.py", "")
    write("user_pkg/server.py", APP)
    assert (
        problem("user_pkg.sever:app")
        == "there is no module 'user_pkg.sever': did you mean 'user_pkg.server'?"
    )
    assert problem("user_pkg.xyzzy:app") == "there is no module 'user_pkg.xyzzy'"


def test_a_module_is_not_a_package(write: Write) -> None:
    write("user_app.py", APP)
    assert (
        problem("user_app.sub:app")
        == "there is no module 'user_app.sub': 'user_app' is a module, not a package"
    )


def test_a_missing_dependency_is_not_a_missing_application(write: Write) -> None:
    write("user_app.py", "\nimport xyzzyplugh\n" + APP)
    assert problem("user_app:app") == (
        "cannot import 'user_app': it needs the module 'xyzzyplugh', which is not installed (user_app.py:2)"
    )


def test_a_missing_dependency_of_a_dependency_is_told_where_it_is(write: Write) -> None:
    write("user_app.py", "import user_helper\n" + APP)
    write("user_helper.py", "\n\nimport user_app.xyzzy\n")
    assert problem("user_app:app").endswith("'user_app.xyzzy', which is not installed (user_helper.py:3)")


def test_an_exception_of_the_module_is_told_with_its_line(write: Write) -> None:
    write("user_app.py", "\n\nraise RuntimeError('no\\nluck')\n")
    assert problem("user_app:app") == "cannot import 'user_app': RuntimeError: no luck (user_app.py:3)"


def test_an_exception_without_text_is_told_by_its_name(write: Write) -> None:
    write("user_app.py", "assert False\n")
    assert problem("user_app:app") == "cannot import 'user_app': AssertionError (user_app.py:1)"


def test_a_name_that_cannot_be_imported_is_told(write: Write) -> None:
    write("user_app.py", "from json import xyzzy\n")
    assert problem("user_app:app").startswith(
        "cannot import 'user_app': ImportError: cannot import name 'xyzzy'"
    )
    assert problem("user_app:app").endswith("(user_app.py:1)")


def test_a_syntax_error_is_told_with_its_line(write: Write) -> None:
    write("user_app.py", "x = 1\ndef app(:\n")
    assert problem("user_app:app").startswith("cannot import 'user_app': SyntaxError: ")
    assert problem("user_app:app").endswith("(user_app.py:2)")


def test_what_was_raised_can_be_had(write: Write) -> None:
    write("user_app.py", "raise RuntimeError('no')\n")
    with pytest.raises(AppImportError) as caught:
        load_app("user_app:app", app_dir=".")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_missing_attribute_gets_a_suggestion(write: Write) -> None:
    write("user_app.py", APP + "class Holder: thing = app\n")
    assert problem("user_app:ap") == "'user_app' has no attribute 'ap'; did you mean 'app'?"
    assert (
        problem("user_app:Holder.thong")
        == "'user_app.Holder' has no attribute 'thong'; did you mean 'thing'?"
    )
    assert problem("user_app:xyzzy") == "'user_app' has no attribute 'xyzzy'"


def test_an_attribute_that_raises_is_told_with_its_line(write: Write) -> None:
    write("user_app.py", "def __getattr__(name):\n    raise RuntimeError('not\\nyet')\n")
    told = "'user_app' gives no attribute 'app': it raised RuntimeError: not yet (user_app.py:2)"
    assert problem("user_app:app") == told


def test_an_exception_that_has_no_text_to_give_is_told_by_its_name(write: Write) -> None:
    write(
        "user_app.py",
        "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute\n",
    )
    assert problem("user_app:app") == "cannot import 'user_app': Mute (user_app.py:3)"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that somebody is in stays there")
def test_a_current_folder_that_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    write("user_app.py", "raise ValueError\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="app_dir cannot be found"):
        load_app("user_app:app", app_dir=".")
    with pytest.raises(AppImportError, match=r"ValueError \(.*user_app.py:1\)"):
        load_app("user_app:app", app_dir=str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_an_application_has_to_be_callable(write: Write) -> None:
    write("user_app.py", "app = None\nother = {}\n")
    assert (
        problem("user_app:app") == "'user_app:app' is not an application: it is None, which cannot be called"
    )
    assert problem("user_app:other").endswith("it is of type 'dict', which cannot be called")


def test_a_factory_without_the_flag_is_recognised(write: Write) -> None:
    write(
        "user_app.py",
        APP + "def make(debug=False): return app\nclass App:\n    async def __call__(self, s, r, w): ...\n",
    )
    assert problem("user_app:make") == "'user_app:make' looks like a factory: use --factory"
    assert problem("user_app:App") == "'user_app:App' looks like a factory: use --factory"


def test_applications_of_other_interfaces_are_recognised(write: Write) -> None:
    write(
        "user_app.py",
        "def wsgi(environ, start_response): ...\ndef asgi2(scope): ...\ndef four(a, b, c, d): ...\n",
    )
    assert "it looks like a WSGI application" in problem("user_app:wsgi")
    assert "it looks like an ASGI 2 application" in problem("user_app:asgi2")
    assert "cannot be called with scope, receive and send" in problem("user_app:four")


def test_a_callable_that_does_not_tell_its_arguments_is_believed(write: Write) -> None:
    write(
        "user_app.py",
        "class App:\n    __signature__ = 'secret'\n    def __call__(self, *a): ...\napp = App()\n",
    )
    assert callable(load_app("user_app:app", app_dir="."))


def test_a_factory_that_raises_is_told_with_its_line(write: Write) -> None:
    write("user_app.py", "def make():\n    return {}['x']\n")
    assert problem("user_app:make()") == "the factory 'user_app:make()' raised KeyError: 'x' (user_app.py:2)"


def test_a_factory_that_needs_arguments_is_told(write: Write) -> None:
    write("user_app.py", "def make(x): ...\n")
    assert problem("user_app:make", factory=True).startswith("the factory 'user_app:make' raised TypeError: ")


def test_a_factory_has_to_be_callable(write: Write) -> None:
    write("user_app.py", "make = 3\n")
    assert (
        problem("user_app:make()")
        == "'user_app:make()' is not a factory: it is of type 'int', which cannot be called"
    )


def test_a_factory_has_to_return_an_application(write: Write) -> None:
    write("user_app.py", "def make(): ...\nasync def later(): ...\n")
    assert problem("user_app:make()") == (
        "what the factory 'user_app:make()' returned is not an application: it is None, which cannot be called"
    )
    assert "'user_app:later()' is an async function" in problem("user_app:later()")


def test_leaving_is_the_modules_own_decision(write: Write) -> None:
    write("user_app.py", "import sys\nsys.exit(7)\n")
    with pytest.raises(SystemExit) as caught:
        load_app("user_app:app", app_dir=".")
    assert caught.value.code == 7
