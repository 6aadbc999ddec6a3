"""The documentation says what is so: what is made from the code is up to date, and what can be run, runs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest

import fuzz.__main__
import runtime
import sansio
from runtime import cli
from runtime.config import OPTIONS

from .attacks.catalogue import all_attacks
from .names import file_of_test

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs/examples"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
MADE = sorted(importlib.import_module("docs.generate").generate())
TIMEOUT = 15.0


def name_of(page: object) -> str:
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else str(page)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


SNIPPETS = [
    pytest.param(text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "python"))
]
COMMANDS = [
    pytest.param(shlex.split(line.partition("tricorn ")[2], comments=True), id=f"{name_of(page)}-{number}")
    for page in PAGES
    for language in ("sh", "ini")
    for text in blocks(page, language)
    for number, line in enumerate(text.splitlines())
    if re.search(r"(^|bin/)tricorn ", line)
]


# What is made from the code.


@pytest.mark.parametrize("path", MADE)
def test_what_is_made_from_the_code_is_up_to_date(path: str) -> None:
    """If this fails, ``just docs`` or ``python -m docs.generate`` makes it anew."""
    made = importlib.import_module("docs.generate").generate()[path]
    assert (ROOT / "docs" / path).read_text("utf-8") == made


def test_every_option_and_every_setting_of_the_core_has_its_place() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    assert all(f"### `{name}`\n" in page for name in OPTIONS)
    assert all(f"| `{name}` |" in page for name in sansio.Settings.__slots__)
    flags = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    assert all(alias in flags for option in OPTIONS.values() for alias in option.aliases)


# What is written by hand.


@pytest.mark.parametrize("text", SNIPPETS)
def test_a_snippet_is_python_and_uses_what_there_is(text: str) -> None:
    tree = ast.parse(text)
    compile(text, "snippet", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in {"runtime", "sansio"}:
                assert node.attr in sys.modules[node.value.id].__all__
        elif isinstance(node, ast.ImportFrom) and node.module in {"runtime", "sansio"}:
            assert {alias.name for alias in node.names} <= set(sys.modules[node.module].__all__)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("runtime."):
            names = {keyword.arg for keyword in node.keywords}
            assert names <= {*OPTIONS, "shutdown_trigger", "ssl_context", "task_status"}


def test_the_readmes_connection_answers(capsys: pytest.CaptureFixture[str]) -> None:
    [snippet] = [text for text in blocks(README, "python") if "Connection(" in text]
    exec(compile(snippet, "README.md", "exec"), {})  # noqa: S102 - it is ours.
    [first, second] = list(capsys.readouterr().out.splitlines())
    assert first == "/ {'type': 'http.request', 'body': b'', 'more_body': False}"
    assert "HTTP/1.1 204 No Content" in second


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_has_options_that_there_are(arguments: list[str]) -> None:
    if "--help" not in arguments:
        cli.parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_option_that_is_named_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options of other programs are named behind their program, and so do not begin with a hyphen."""
    if page.name == "cli.md":  # It lists the flags of other servers, too.
        return
    with pytest.raises(SystemExit):
        cli.parse(["--help"])
    with pytest.raises(SystemExit):
        fuzz.__main__.main(["--help"])
    known = set(re.findall(r"--[a-z][a-z0-9-]*", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z][a-z0-9-]*)", page.read_text("utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_file_that_is_linked_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_tests_that_hold_the_threats_exist() -> None:
    """Where several files have a test of a name, the page says whose it means."""
    page = (ROOT / "docs/explanation/threats.md").read_text("utf-8")
    named = re.findall(r"`((?:[\w/.]+::)?test_\w+)`", page)
    assert named
    for test in named:
        file_of_test(test)


def test_every_attack_stands_under_its_threat_and_no_other_does() -> None:
    page = (ROOT / "docs/explanation/threats.md").read_text("utf-8")
    sections = dict(re.findall(r"^###? (.+)\n((?:(?!##).*\n)*)", page, re.MULTILINE))
    listed = {
        (threat, name)
        for threat, text in sections.items()
        for line in re.findall(r"^- attacked by (.+)$", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", line)
    }
    assert listed == {(attack.threat, attack.name) for attack in all_attacks()}


@pytest.mark.parametrize("page", [README, ROOT / "docs/contributing.md"], ids=name_of)
def test_the_projects_verbs_are_all_listed(page: Path) -> None:
    justfile = (ROOT / "justfile").read_text("utf-8")
    verbs = set(re.findall(r"^([a-z]+)(?: [^:]*)?:$", justfile, re.MULTILINE)) - {"default"}
    listed = re.findall(r"^\| `just (\w+)", page.read_text("utf-8"), re.MULTILINE)
    assert verbs == set(listed)


# The README's commands, as .ci/run takes them: the first two lines of its first shell block.


def test_the_readme_begins_with_a_line_that_serves_and_one_that_tests() -> None:
    serve, check = blocks(README, "sh")[0].splitlines()
    *install, run = [shlex.split(command) for command in serve.split(" && ")]
    assert install == [["python3", "-m", "venv", ".venv"], [".venv/bin/pip", "install", "."]]
    assert run[0] == ".venv/bin/tricorn"
    # .ci/run adds a port at the end.
    target, config = cli.parse([*run[1:], "--port", "18000"])
    assert (target, config.port) == ("hello:app", 18_000)
    assert config.app_dir is not None
    assert ROOT / config.app_dir == EXAMPLES

    *install, run = [shlex.split(command) for command in check.split(" && ")]
    assert install == [["python3", "-m", "venv", ".venv"], [".venv/bin/pip", "install", "-e", ".[dev]"]]
    assert run == [".venv/bin/python", "-m", "pytest", "-n", "auto"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "dev" in project["optional-dependencies"]
    assert project["scripts"] == {"tricorn": "runtime.cli:command"}


# The examples.


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serve(app: Any, backend: str, check: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        with anyio.fail_after(TIMEOUT):
            async with runtime.Server(app, port=0, lifespan="on") as server:
                url = "http://{}:{}".format(*server.addresses[0])
                async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                    await check(client)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_tutorials_app_answers_streams_and_lives(backend: str) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        response = await client.get("/")
        assert (response.text, response.headers["content-length"]) == ("Hello, world!\n", "14")
        async with client.stream("GET", "/stream") as streamed:
            assert streamed.headers["transfer-encoding"] == "chunked"
            assert [line async for line in streamed.aiter_lines()] == [f"line {n}" for n in range(5)]
        assert re.fullmatch(r"\d+\.\d s\n", (await client.get("/uptime")).text)
        assert (await client.get("/nowhere")).status_code == 404

    serve(load("hello").app, backend, check)


def test_the_tutorials_app_for_trio_merges_what_its_tasks_produce() -> None:
    async def check(client: httpx.AsyncClient) -> None:
        lines = (await client.get("/")).text.splitlines()
        assert sorted(line.partition(",")[0] for line in lines) == [
            *(f"fast {number}" for number in range(3)),
            *(f"slow {number}" for number in range(3)),
        ]

    serve(load("trio_app").app, "trio", check)


@contextmanager
def example_server(name: str = "blocking_server") -> Iterator[str]:
    """Start an example of the guide to embedding, and return its address."""
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / f"{name}.py"), "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_server_of_the_guide_to_embedding_serves() -> None:
    with example_server() as url, httpx.Client(base_url=url, trust_env=False, timeout=TIMEOUT) as client:
        response = client.get("/you")
        assert (response.status_code, response.text) == (200, "Hello, /you\n")
        assert response.headers["server"] == "blocking"
        assert "date" in response.headers
        content = bytes(range(256)) * 4_000
        assert client.post("/", content=content).content == content
        assert client.post("/", content=iter([b"in ", b"chunks"])).text == "in chunks"
        waiting = client.post("/", content=b"asked for", headers={"expect": "100-continue"})
        assert waiting.text == "asked for"
        assert client.head("/").content == b""


def test_the_server_of_the_guide_to_embedding_takes_pipelined_requests() -> None:
    """More of them than its write buffer holds, so that the deadline is due when the bytes are taken."""
    with example_server() as url:
        host, _, port = url.removeprefix("http://").partition(":")
        request = b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % (b"x" * 4_000)
        received = anyio.run(talk, host, int(port), request * 60, b"Hello, /x", 60)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 60


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_the_multiplexing_server_of_the_guide_to_embedding_serves(http2: bool) -> None:
    async def main() -> None:
        content = bytes(range(256)) * 4_000
        with anyio.fail_after(TIMEOUT), example_server("multiplexing_server") as url:
            async with httpx.AsyncClient(
                base_url=url, trust_env=False, timeout=TIMEOUT, http1=not http2, http2=http2
            ) as client:
                version = "2" if http2 else "1.1"
                assert (await client.get("/you")).text == f"Hello, /you over HTTP/{version}\n"
                assert (await client.head("/")).content == b""

                async def echo() -> None:
                    response = await client.post("/", content=content, headers={"expect": "100-continue"})
                    assert response.content == content

                async with anyio.create_task_group() as group:
                    for _ in range(5):
                        group.start_soon(echo)

    anyio.run(main)


def test_an_upload_that_pauses_holds_up_nobody_on_the_multiplexing_server() -> None:
    async def main() -> None:
        begun, resume = anyio.Event(), anyio.Event()

        async def parts() -> AsyncIterator[bytes]:
            yield b"first, "
            begun.set()
            await resume.wait()
            yield b"second"

        with anyio.fail_after(TIMEOUT), example_server("multiplexing_server") as url:
            async with httpx.AsyncClient(base_url=url, trust_env=False, http1=False, http2=True) as client:
                await client.get("/")  # Then it knows how many streams there may be.

                async def upload() -> None:
                    assert (await client.post("/", content=parts())).text == "first, second"

                async with anyio.create_task_group() as group:
                    group.start_soon(upload)
                    await begun.wait()
                    assert (await client.get("/you")).status_code == 200
                    resume.set()

    anyio.run(main)


async def talk(host: str, port: int, data: bytes, wanted: bytes, times: int) -> bytes:
    received = b""
    with anyio.fail_after(TIMEOUT):
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(data)
            while received.count(wanted) < times:
                received += await stream.receive()
    return received
