"""The command: what its arguments mean, and how it ends."""

import contextlib
import dataclasses
import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cli import main, parse
from runtime.config import OPTIONS, Config
from runtime.options import ConfigError

ROOT = Path(__file__).parents[2]
BACKENDS = ("asyncio", "trio")

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["root_path"].encode() + b"hello"})

async def refusing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no\\n database\\x1b[1m"})

def make():
    return app
"""


def config(*arguments: str) -> Config:
    target, parsed = parse([*arguments, "main:app"])
    assert target == "main:app"
    return parsed


def changed(*arguments: str) -> dict[str, Any]:
    """Return the options that are not as they are by default."""
    given, default = config(*arguments), Config()
    return {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(Config)
        if getattr(given, field.name) != getattr(default, field.name)
    }


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command with a mistake in its arguments, and return the line that it tells."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"tricorn: .+\n", err)
    return err.removeprefix("tricorn: ").removesuffix("\n")


def test_without_options_all_is_as_by_default() -> None:
    assert changed() == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--host 0.0.0.0 --port 80", {"host": "0.0.0.0", "port": 80}),
        ("-b [::1]:80 --bind unix:a.sock", {"bind": ("[::1]:80", "unix:a.sock")}),
        ("--uds a.sock", {"uds": "a.sock"}),
        ("--fd=0", {"fd": 0}),
        ("-k trio", {"backend": "trio"}),
        ("--worker-class uvloop", {"loop": "uvloop"}),
        ("--backend uvloop", {"loop": "uvloop"}),
        ("--loop asyncio", {"loop": "asyncio"}),
        ("--keep-alive 5", {"timeout_keep_alive": 5.0}),
        ("--timeout-keep-alive 1h30m", {"timeout_keep_alive": 5400.0}),
        ("--graceful-timeout none", {"timeout_graceful_shutdown": None}),
        ("--timeout-read 500ms", {"timeout_request_body": 0.5}),
        ("--read-timeout 5m", {"timeout_request_body": 300.0}),
        ("--application-close-timeout 0", {"timeout_disconnect": 0.0}),
        ("--asgi-disconnect-grace-period 3", {"timeout_disconnect": 3.0}),
        ("--h11-max-incomplete-event-size 64KiB", {"limit_request_head": 65536}),
        ("--limit-request-body 16MiB", {"limit_request_body": 16 * 1024**2}),
        ("--max-requests 1000", {"limit_max_requests": 1000}),
        ("--access-logformat json", {"access_log_format": "json"}),
        ("--no-access-log --no-server-header --no-date-header", {
            "access_log": False,
            "server_header": False,
            "date_header": False,
        }),
        ("--no-server-name", {"server_header": False}),
        ("--no-access-log --access-log", {}),
        ("--header A:1 --header B:2", {"header": ((b"a", b"1"), (b"b", b"2"))}),
        ("--factory --app-dir src --root-path /api/", {"factory": True, "app_dir": "src", "root_path": "/api"}),
        ("--log-level trace", {"log_level": "debug"}),
        ("--http1-reader h11", {"http1_reader": "h11"}),
    ],
)  # fmt: skip
def test_a_flag_sets_its_option_and_no_other(arguments: str, expected: dict[str, object]) -> None:
    if "uvloop" in arguments:
        pytest.importorskip("uvloop")
    assert changed(*arguments.split()) == expected


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_has_a_flag(name: str) -> None:
    default = getattr(Config(), name)
    flag = "--" + name.replace("_", "-")
    match OPTIONS[name].kind:
        case "switch":
            assert changed("--no-" + flag[2:] if default else flag) == {name: not default}
        case "count" | "size":
            assert changed(flag, "12345") == {name: 12345}
        case "timeout":
            assert changed(flag, "12.5") == {name: 12.5}
        case "choice":
            for choice in {"asyncio", "auto", "fast", "info"} & set(OPTIONS[name].choices):
                assert getattr(config(flag, choice), name) == choice
        case "bind":
            assert changed(flag, "h:1") == {name: ("h:1",)}
        case "field":
            assert changed(flag, "a: b") == {name: ((b"a", b"b"),)}
        case "text" | "secret":
            certificate = {"ssl_certfile": "/x"} if name.startswith("ssl_") else {}
            if name == "ssl_ca_certs":
                certificate["ssl_cert_reqs"] = "required"
            given = {**certificate, name: "/x"}
            flags = [(f"--{other.replace('_', '-')}", value) for other, value in given.items()]
            assert changed(*itertools.chain(*flags)) == given


def test_the_application_may_stand_anywhere() -> None:
    assert parse(["--port", "1", "main:app", "--factory"])[0] == "main:app"
    assert parse(["main:make()"])[0] == "main:make()"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--port 70000", "--port must be a whole number, 0 to 65535, got '70000'"),
        (
            "--timeout-write soon",
            "--timeout-write must be a number of seconds (as in 30, 500ms or 1h30m), or none, got",
        ),
        ("--keep-alive 0", "--timeout-keep-alive must be more than 0; none means never; got '0'"),
        ("-k gevent", "--backend must be one of asyncio, trio, uvloop, got 'gevent'"),
        ("--bind ::1:80", "--bind '::1:80' is ambiguous: an IPv6 address goes in brackets, as in [::1]:8000"),
        ("--header X", "--header must be written \"Name: value\", got 'X'"),
        ("--root-path api", '--root-path must start with "/", as in "/api"'),
        ("--access-log-format %(x)s", "--access-log-format has no atom 'x': there are h, l, u, t, r"),
        (
            "--bind a:1 --port 80",
            "--bind and --port both say where to listen: give one, or --bind several times",
        ),
        (
            "--bind a:1 --uds x",
            "--bind and --uds both say where to listen: give one, or --bind several times",
        ),
        ("--uds x --fd 3", "uds and fd are two places to listen: give one, or use bind for both"),
        ("--hots 0.0.0.0", "there is no option --hots; did you mean --host?"),
        ("--no-acess-log", "there is no option --no-acess-log; did you mean --no-access-log?"),
        (
            "--timeout-keepalive=5",
            "there is no option --timeout-keepalive; did you mean --timeout-keep-alive?",
        ),
        ("--xyzzy", "there is no option --xyzzy; see tricorn --help"),
        ("--time 5", "there is no option --time; "),
        ("other:app", "'main:app' is one argument too many; a value with spaces goes in quotes"),
        ("--factory=yes", "--factory/--no-factory: ignored explicit argument 'yes'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    assert mistake(capsys, *arguments.split(), "main:app").startswith(told)


def test_a_missing_value_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert mistake(capsys, "main:app", "--port") == "--port: expected one argument"


def test_a_missing_application_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert mistake(capsys, "--port", "80") == (
        "no application is named: write tricorn main:app, or see tricorn --help"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--reload", "--reload is not supported"),
        ("--workers 4", "--workers 4 is not supported; start several servers"),
        ("-w4", "-w 4 is not supported; start several servers"),
        (
            "--interface wsgi",
            "--interface wsgi is not supported; wrap the application with an adapter to ASGI 3",
        ),
        ("--access-logfile a.log", "--access-logfile a.log is not supported; redirect standard output"),
        ("-c tricorn.toml", "-c is not supported; give each option as a flag"),
        ("--proxy-headers", "--proxy-headers is not supported"),
    ],
)
def test_a_flag_of_another_server_is_not_supported(
    capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    assert mistake(capsys, *arguments.split(), "main:app") == told
    assert mistake(capsys, "main:app", *arguments.split()) == told


@pytest.mark.parametrize(
    "arguments",
    [
        "--workers 1",
        "-w 1",
        "-w1",
        "--interface asgi3",
        "--access-logfile -",
        "--no-proxy-headers",
        "--no-use-colors",
    ],
)
def test_a_flag_that_asks_for_what_is_so_anyway_is_taken(arguments: str) -> None:
    assert changed(*arguments.split()) == {}


def test_help_lists_every_option_and_none_of_the_unsupported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    listed = set(re.findall(r"--[a-z0-9-]+", out))
    assert {"--" + name.replace("_", "-") for name in OPTIONS} <= listed
    assert not {"--reload", "--workers", "--ssl-version"} & listed
    assert err == ""


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"tricorn \S.* \(\w+ \d+\.\d+\.\d+\S*\)\n", out)
    assert err == ""


def test_parsing_raises_for_those_who_embed_it() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(["--port", "x", "main:app"])
    assert caught.value.name == "port"


# The command as a process.


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an application."""
    (tmp_path / "main.py").write_text(APP, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command to its end, and return exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "runtime", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


SOME_PORT = ("--port", "0")


class Running:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], first_lines: str, port: int) -> None:
        self.process = process
        self.first_lines = first_lines
        self.port = port

    def get(self, path: str) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(client):
            client.request("GET", path)
            response = client.getresponse()
            return response.status, response.read()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, self.first_lines + err


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Running]:
    """Start the command, and wait until it says on which port of 127.0.0.1 it listens; its last bind, if it has any."""
    with subprocess.Popen(
        [sys.executable, "-m", "runtime", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = ""
            assert process.stderr is not None
            for line in process.stderr:
                lines += line
                if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    yield Running(process, lines, int(found[1]))
                    return
            pytest.fail(f"it ended:\n{lines}")
        finally:
            process.kill()


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals are something else there")


@needs_signals
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_stop(folder: Path, backend: str, number: signal.Signals) -> None:
    with serving(folder, *SOME_PORT, "main:app", "-k", backend, "--root-path", "/api") as server:
        assert server.get("/x?y") == (200, b"/apihello")
        code, out, err = server.end(number)
    assert code == 0
    assert re.fullmatch(r'.* INFO 127\.0\.0\.1:\d+ - "GET /x\?y HTTP/1\.1" 200 9B \d+\.\dms\n', out)
    assert "Traceback" not in err


@needs_signals
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_factory_is_served(folder: Path, backend: str) -> None:
    with serving(folder, *SOME_PORT, "main:make", "--factory", "-k", backend, "--no-access-log") as server:
        assert server.get("/") == (200, b"hello")
        assert server.end(signal.SIGTERM)[:2] == (0, "")


@needs_signals
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_bind_is_served(folder: Path, backend: str) -> None:
    path = folder / "app.sock"
    binds = ("--bind", f"unix:{path}", "--bind", "127.0.0.1:0")
    with serving(folder, *binds, "main:app", "-k", backend) as server:
        assert server.get("/") == (200, b"hello")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert server.end(signal.SIGTERM)[0] == 0
    assert not path.exists()


@needs_signals
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_request_is_told_on_standard_error(folder: Path, backend: str) -> None:
    with serving(folder, *SOME_PORT, "main:app", "-k", backend) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
        code, out, err = server.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert re.search(r" INFO 127\.0\.0\.1:\d+ refused with 400: \S", err)


@needs_signals
def test_an_access_log_in_json_is_nothing_but_json(folder: Path) -> None:
    with serving(folder, *SOME_PORT, "main:app", "--access-log-format", "json") as server:
        server.get("/")
        out = server.end(signal.SIGTERM)[1]
    assert re.fullmatch(r"\{.*\}\n", out)


def test_an_application_that_cannot_be_imported_is_exit_code_3(folder: Path) -> None:
    assert run(folder, "mian:app") == (3, "", "tricorn: there is no module 'mian': did you mean 'main'?\n")
    assert run(folder, "main:ap") == (3, "", "tricorn: 'main' has no attribute 'ap'; did you mean 'app'?\n")


def test_a_target_without_an_attribute_is_exit_code_2(folder: Path) -> None:
    code, _, err = run(folder, "main")
    assert (code, err) == (
        2,
        "tricorn: 'main' does not say which attribute is the application: write main:app\n",
    )


def test_a_traceback_is_printed_only_for_debugging(folder: Path) -> None:
    (folder / "bad.py").write_text(
        "def boom():\n    raise RuntimeError('no luck')\nboom()\n", encoding="utf-8"
    )
    told = "tricorn: cannot import 'bad': RuntimeError: no luck (bad.py:2)\n"
    assert run(folder, "bad:app") == (3, "", told)
    code, _, err = run(folder, "bad:app", "--log-level", "debug")
    assert code == 3
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("RuntimeError: no luck\n" + told)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_in_use_is_exit_code_3(folder: Path, backend: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run(folder, "main:app", "--port", str(port), "-k", backend)
    assert (code, out) == (3, "")
    assert err == (
        f"tricorn: 127.0.0.1:{port} is already in use; choose another --port or stop the process that listens there\n"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_startup_is_exit_code_3(folder: Path, backend: str) -> None:
    code, out, err = run(folder, "main:refusing", "--port", "0", "-k", backend)
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("tricorn: ")
    assert err.splitlines()[-1].endswith("start-up failed: no database\\x1b[1m")


def test_an_application_folder_can_be_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "main.py").rename(tmp_path / "elsewhere" / "other.py")
    assert run(folder, "--app-dir", "elsewhere", "other:ap")[2].endswith("did you mean 'app'?\n")
    assert run(folder, "--app-dir", "missing", "other:app") == (
        2,
        "",
        "tricorn: --app-dir must be a folder, got 'missing'\n",
    )
