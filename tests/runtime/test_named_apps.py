"""Which application a server runs: one that is given, one that is named, or one that a factory makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime import ConfigError, Server

from .client import ask, hello

ON_BACKENDS = pytest.mark.usefixtures("backend")

MODULE = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


def make():
    return app
"""


@ON_BACKENDS
@pytest.mark.parametrize(
    ("name", "factory"), [("named_app:app", False), ("named_app:make", True), ("named_app:make()", False)]
)
async def test_an_application_may_be_named(
    name: str, factory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_app.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    async with Server(name, port=0, lifespan="off", factory=factory) as server:
        assert (await ask(server)).status == 204


@ON_BACKENDS
async def test_a_factory_that_is_given_is_called() -> None:
    def make() -> object:
        return hello

    async with Server(make, port=0, lifespan="off", factory=True) as server:  # type: ignore[arg-type]  # A factory.
        assert (await ask(server)).status == 200


def test_what_is_no_application_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="callable"):
        Server(42)  # type: ignore[arg-type]  # That is what is tested.
