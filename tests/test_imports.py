"""The import law: who may import whom, and what the core may never import."""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]

# A module imports only from rows above its own.
ROWS: Final = (
    {"asgi", "errors"},
    {"settings", "deadlines", "fields"},
    {"scope", "forwarded", "proxy_protocol"},
    {"websocket_handshake"},
    {"websocket_deflate"},
    {"websocket_frames"},
    {"exchange", "websocket_messages"},
    {"outbox"},
    {"http", "lifespan", "websocket_pings"},
    {"websocket"},
    {"http1_content", "http1_gate", "http1_writer", "http2_frames", "field_blocks"},
    {"http1_fast", "http1_h11", "http1_responses"},
    {"http2_budgets", "http2_head", "http2_reader", "http2_receiving", "http2_settings", "http2_writer"},
    {"http2_sending"},
    {"http2_streams"},
    {"http2_connection", "http2_websocket"},
    {"http2_carrier"},
    {"http1", "http2", "http3"},
    {"connection"},
    {"__init__"},
)
ROW_OF: Final = {module: number for number, modules in enumerate(ROWS) for module in modules}

# No I/O, no clock, no randomness, no tasks, no environment, no log.
FORBIDDEN: Final = {
    "anyio",
    "asyncio",
    "datetime",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "ssl",
    "threading",
    "time",
    "trio",
}
LIBRARIES: Final = {"h11", "h2", "hpack", "hyperframe", "websockets", "wsproto"}


def modules_of(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    return [".".join(file.relative_to(ROOT / package).with_suffix("").parts) for file in files]


def tree_of(package: str, module: str) -> ast.Module:
    file = ROOT.joinpath(package, *module.split(".")).with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported_names(tree: ast.AST, package: str) -> Iterator[tuple[str, str | None]]:
    """Yield the module and the name in it of each import, wherever it stands; relative ones made absolute.

    Both packages are flat, so one dot is enough.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"line {node.lineno}: an import from outside of {package}"
            parts = [package] * node.level + [node.module] * (node.module is not None)
            for alias in node.names:
                yield ".".join(filter(None, parts)), alias.name


def neighbours(module: str) -> set[str]:
    """Return the modules of sansio that a module of sansio imports."""
    found: set[str] = set()
    for source, name in imported_names(tree_of("sansio", module), "sansio"):
        if source == "sansio":
            # A module, or a name that only __init__ has.
            found.add(name if name is not None and name in modules_of("sansio") else "__init__")
        elif source.startswith("sansio."):
            found.add(source.removeprefix("sansio."))
    return found


def violations_of_surface(tree: ast.AST, public: set[str]) -> list[str]:
    """Return what a module of runtime uses of sansio beside its public names."""
    wrong = []
    for source, name in imported_names(tree, "runtime"):
        if source.startswith("sansio.") or (source == "sansio" and name not in {None, *public}):
            wrong.append(f"imports {name} from {source}" if name else f"imports {source}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong += [
                f"renames {alias.name}" for alias in node.names if alias.name == "sansio" and alias.asname
            ]
        elif (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sansio"
        ):
            if node.attr not in public:
                wrong.append(f"uses sansio.{node.attr}")
    return wrong


@pytest.mark.parametrize("module", modules_of("sansio"))
def test_every_module_of_sansio_has_a_row(module: str) -> None:
    assert module in ROW_OF, f"sansio.{module} has no row: give it one in ROWS, in {Path(__file__).name}"


@pytest.mark.parametrize("module", modules_of("sansio"))
def test_a_module_of_sansio_imports_only_from_rows_above_its_own(module: str) -> None:
    own = ROW_OF.get(module, 0)
    too_low = {name for name in neighbours(module) if ROW_OF.get(name, len(ROWS)) >= own}

    assert not too_low, f"sansio.{module} is in row {own}, and {sorted(too_low)} not above it"


@pytest.mark.parametrize("module", modules_of("sansio"))
def test_sansio_imports_nothing_that_could_do_io_or_tell_the_time(module: str) -> None:
    sources = {source.partition(".")[0] for source, _ in imported_names(tree_of("sansio", module), "sansio")}

    assert sources & FORBIDDEN == set()


@pytest.mark.parametrize("module", modules_of("sansio"))
def test_sansio_imports_only_itself_the_standard_library_and_the_protocol_libraries(module: str) -> None:
    sources = {source.partition(".")[0] for source, _ in imported_names(tree_of("sansio", module), "sansio")}

    assert sources - {"sansio"} - LIBRARIES - sys.stdlib_module_names == set()


@pytest.mark.parametrize("module", modules_of("runtime"))
def test_runtime_uses_only_public_names_of_sansio(module: str) -> None:
    public = set(importlib.import_module("sansio").__all__)

    assert violations_of_surface(tree_of("runtime", module), public) == []


@pytest.mark.parametrize(
    ("source", "violations"),
    [
        ("from sansio import Connection\nimport sansio\nsansio.Settings()", []),
        ("def late():\n    from sansio.http1 import Http1", ["imports Http1 from sansio.http1"]),
        ("import sansio.http1", ["imports sansio.http1"]),
        ("from sansio import http1", ["imports http1 from sansio"]),
        ("import sansio\nsansio.http1.Http1", ["uses sansio.http1"]),
        ("import sansio as core", ["renames sansio"]),
    ],
)
def test_the_law_sees_every_way_to_reach_behind_the_public_names(source: str, violations: list[str]) -> None:
    assert violations_of_surface(ast.parse(source), {"Connection", "Settings"}) == violations
