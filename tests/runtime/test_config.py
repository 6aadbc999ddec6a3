"""Options: defaults, texts, and what is refused."""

import dataclasses
import math
import sys
from typing import Any

import pytest

import sansio
from runtime.config import OPTIONS, Config
from runtime.options import ConfigError, FdBind, TcpBind, UnixBind, parse_bind


def test_every_option_is_described_once() -> None:
    assert list(OPTIONS) == [field.name for field in dataclasses.fields(Config)]


def test_no_two_options_share_a_flag() -> None:
    flags = [
        flag for name, option in OPTIONS.items() for flag in ("--" + name.replace("_", "-"), *option.aliases)
    ]
    assert len(flags) == len(set(flags))


def test_defaults_of_the_core_are_the_defaults_of_the_server() -> None:
    core, ours = sansio.Settings(), Config().settings()
    for field in dataclasses.fields(sansio.Settings):
        if field.name != "default_fields":
            assert getattr(ours, field.name) == getattr(core, field.name), field.name


def test_every_setting_of_the_core_is_an_option() -> None:
    settings = {field.name for field in dataclasses.fields(sansio.Settings)} - {"default_fields"}
    assert settings <= set(OPTIONS)


def test_values_reach_the_core() -> None:
    config = Config(
        limit_request_head=1000,
        limit_request_body=5,
        limit_requests_per_connection=7,
        timeout_write=1.5,
        timeout_keep_alive=None,
        root_path="/api",
        http1_reader="h11",
    )
    settings = config.settings()
    assert settings.limit_request_head == 1000
    assert settings.limit_request_body == 5
    assert settings.limit_requests_per_connection == 7
    assert settings.timeout_write == 1.5
    assert settings.timeout_keep_alive == math.inf
    assert settings.root_path == "/api"
    assert settings.http1_reader == "h11"


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.kind == "timeout"])
def test_no_timeout_means_never(name: str) -> None:
    assert getattr(Config.from_mapping({name: None}), name) is None
    assert getattr(Config.from_mapping({name: "none"}), name) is None
    assert getattr(Config.from_mapping({name: None}).settings(), name, math.inf) == math.inf


@pytest.mark.parametrize("name", ["timeout_disconnect", "timeout_graceful_shutdown", "timeout_linger"])
def test_a_timeout_of_zero_is_at_once_where_that_makes_sense(name: str) -> None:
    assert getattr(Config.from_mapping({name: 0}), name) == 0.0


@pytest.mark.parametrize(
    "name",
    [name for name, option in OPTIONS.items() if option.kind == "timeout" and not option.zero],
)
def test_other_timeouts_of_zero_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be more than 0; none means never; got 0$"):
        Config.from_mapping({name: 0})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("2.5", 2.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1m0.5s", 60.5),
        ("1d", 86400.0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert Config.from_mapping({"timeout_write": text}).timeout_write == seconds


@pytest.mark.parametrize("text", ["", "s", "30 s", "30x", "1h30", "-1", "1e3", "inf", "nan", "never", "30s!"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="^timeout_write must be a number of seconds"):
        Config.from_mapping({"timeout_write": text})


@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_a_timeout_is_a_finite_number(value: float) -> None:
    with pytest.raises(ConfigError, match="^timeout_write must be more than 0"):
        Config(timeout_write=value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("16MiB", 16 * 1024**2),
        ("1GiB", 1024**3),
        ("1kB", 1000),
        ("2 MB", 2_000_000),
        ("12B", 12),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert Config.from_mapping({"limit_request_body": text}).limit_request_body == size


@pytest.mark.parametrize("text", ["", "KiB", "64k", "1.5MiB", "-1", "0x10", "9" * 40, "٣"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(
        ConfigError, match="^limit_request_body must be a whole number of bytes .* or none, got"
    ):
        Config.from_mapping({"limit_request_body": text})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("port", 70000, "must be a whole number, 0 to 65535, got 70000"),
        ("backlog", 2**31, "must be a whole number, 1 to 2147483647, got 2147483648"),
        ("gc_threshold", 2**31, "must be a whole number, 0 to 2147483647, got 2147483648"),
        ("port", "http", "must be a whole number, 0 to 65535, got 'http'"),
        ("port", True, "must be a whole number, 0 to 65535, got True"),
        ("fd", -1, "must be a whole number, 0 or more, or none, got -1"),
        (
            "limit_request_head",
            None,
            "must be a whole number of bytes (as in 65536 or 64KiB), 1 or more, got None",
        ),
        ("limit_concurrency", 0, "must be a whole number, 1 or more, or none, got 0"),
        ("limit_max_requests", 1.0, "must be a whole number, 1 or more, or none, got 1.0"),
        ("lifespan", "maybe", "must be one of auto, on, off, got 'maybe'"),
        ("lifespan", None, "must be one of auto, on, off, got None"),
        ("factory", "perhaps", "must be true or false, got 'perhaps'"),
        ("factory", None, "must be true or false, got None"),
        ("host", 1, "must be text, got 1"),
        ("host", "", "must not be empty; 0.0.0.0 or :: listens on every address"),
        ("uds", b"/run/app", "must be text, got b'/run/app'"),
        ("timeout_write", True, "must be a number of seconds (as in 30, 500ms or 1h30m), or none, got True"),
        ("bind", [1], "must be text, got 1"),
        ("bind", None, "must be text, got None"),
        ("root_path", "api", 'must start with "/", as in "/api"'),
        ("access_log_format", "%(zz)s", "has no atom 'zz'"),
    ],
)
def test_a_mistake_is_told_with_the_options_name(name: str, value: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping({name: value})
    assert str(caught.value).startswith(f"{name} {problem}")
    assert caught.value.name == name
    assert "\n" not in str(caught.value)


def test_zero_is_a_limit_for_what_is_read_away() -> None:
    assert Config(limit_discard=0).settings().limit_discard == 0


def test_switches_and_choices_are_read_from_text() -> None:
    config = Config.from_mapping(
        {"factory": "Yes", "date_header": "off", "lifespan": "ON", "log_level": "DEBUG"}
    )
    assert (config.factory, config.date_header, config.lifespan, config.log_level) == (
        True,
        False,
        "on",
        "debug",
    )


def test_trace_is_debug() -> None:
    assert Config(log_level="trace").log_level == "debug"


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(
        ConfigError, match=r"^there is no option 'timeout_keepalive'; did you mean 'timeout_keep_alive'\?$"
    ):
        Config.from_mapping({"timeout_keepalive": 5})


def test_an_unknown_name_like_no_other_gets_none() -> None:
    with pytest.raises(ConfigError, match=r"^there is no option 'xyzzy'$"):
        Config.from_mapping({"xyzzy": 5})


def test_a_config_is_accepted_again() -> None:
    config = Config(
        bind=("localhost", "unix:x.sock"),
        header=((b"a", b"b"),),
        backend="trio",
        log_level="trace",
        root_path="/a/",
        access_log_format="json",
    )
    values: dict[str, Any] = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    assert Config.from_mapping(values) == config
    assert dataclasses.replace(config, port=1).bind == config.bind


@pytest.mark.parametrize(("given", "kept"), [("/", ""), ("/api/", "/api"), ("/a/b//", "/a/b"), ("", "")])
def test_a_root_path_loses_its_last_slash(given: str, kept: str) -> None:
    assert Config(root_path=given).root_path == kept


def test_uvloop_as_backend_means_asyncio_on_uvloop() -> None:
    pytest.importorskip("uvloop")
    config = Config(backend="uvloop")
    assert (config.backend, config.loop) == ("asyncio", "uvloop")


def test_a_loop_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(
        ConfigError, match=r"^loop 'uvloop' is not installed: pip install 'tricorn\[speed\]'$"
    ):
        Config(loop="uvloop")
    assert Config(loop="auto").loop == "auto"


def test_uvloop_contradicts_another_loop() -> None:
    with pytest.raises(ConfigError, match="^loop 'asyncio' contradicts backend 'uvloop'$"):
        Config(backend="uvloop", loop="asyncio")


def test_trio_has_no_other_loop() -> None:
    with pytest.raises(ConfigError, match="^loop is for backend 'asyncio'"):
        Config(backend="trio", loop="uvloop")


def test_a_path_and_a_descriptor_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="^uds and fd are two places to listen"):
        Config(uds="app.sock", fd=3)


@pytest.mark.parametrize(
    "given",
    [
        "X-Frame-Options: DENY",
        ["X-Frame-Options:DENY"],
        ["x-frame-options:\t DENY "],
        [("X-Frame-Options", "DENY")],
        ((b"x-frame-options", b"DENY"),),
        {"X-Frame-Options": "DENY"},
    ],
)
def test_a_field_is_read_in_each_of_its_forms(given: object) -> None:
    assert Config.from_mapping({"header": given}).header == ((b"x-frame-options", b"DENY"),)


def test_fields_keep_their_order_and_repetitions() -> None:
    config = Config.from_mapping({"header": ["B: 1", "A: http://x:1/", "B: "]})
    assert config.header == ((b"b", b"1"), (b"a", b"http://x:1/"), (b"b", b""))


@pytest.mark.parametrize(
    "given", ["", "X", ": v", "X Y: v", "Ü: v", 3, [("a",)], ("a", "b"), b"a: b", [("a", 1)], [None]]
)
def test_what_is_no_field_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match='^header must be written "Name: value", got'):
        Config.from_mapping({"header": given})


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "a\x7fb"])
def test_a_field_value_has_no_control_characters(value: str) -> None:
    with pytest.raises(ConfigError, match="^header must not have control characters") as caught:
        Config.from_mapping({"header": [("x", value)]})
    assert "\n" not in str(caught.value)


def test_a_field_value_is_latin_1() -> None:
    assert Config.from_mapping({"header": "X: é"}).header == ((b"x", b"\xe9"),)
    with pytest.raises(ConfigError, match="^header must be of ASCII or Latin-1 characters"):
        Config.from_mapping({"header": "X: €"})


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Date"])
def test_fields_that_only_the_server_knows_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^header must leave {name.lower()} to the server$"):
        Config.from_mapping({"header": f"{name}: 1"})


def test_the_server_names_itself() -> None:
    assert Config().settings().default_fields.server_line == b"server: tricorn\r\n"


def test_the_server_need_not_name_itself() -> None:
    assert Config(server_header=False).settings().default_fields.server_line == b""


def test_the_users_server_field_takes_the_place_of_ours() -> None:
    config = Config.from_mapping({"header": ["Server: mine", "X-A: 1"]})
    fields = config.settings().default_fields
    assert fields.server_line == b"server: mine\r\n"
    assert fields.fields == ((b"x-a", b"1"),)


def test_each_settings_has_its_own_date() -> None:
    config = Config()
    assert config.settings().default_fields is not config.settings().default_fields


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:80", TcpBind("127.0.0.1", 80)),
        ("localhost", TcpBind("localhost", 8000)),
        ("localhost:0", TcpBind("localhost", 0)),
        ("[::1]:80", TcpBind("::1", 80)),
        ("[::]", TcpBind("::", 8000)),
        ("unix:/run/app.sock", UnixBind("/run/app.sock")),
        ("unix:app:1.sock", UnixBind("app:1.sock")),
        ("fd://3", FdBind(3)),
    ],
)
def test_a_bind_is_read_and_written_the_same(text: str, bind: object) -> None:
    assert parse_bind(text) == bind
    assert parse_bind(str(bind)) == bind


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("::1:8000", "in brackets"),
        ("::", "in brackets"),
        (":8000", "write 0.0.0.0:8000 or"),
        ("", "write 0.0.0.0 or"),
        ("[]:80", "has no host"),
        ("[::1", "in brackets"),
        ("[::1]80", "has no port"),
        ("host:", "has no port"),
        ("host:http", "has no port"),
        ("host:65536", "has no port"),
        ("host:-1", "has no port"),
        ("http://host:80", "is not an address"),
        ("/run/app.sock", "is not an address"),
        ("unix:", "has no path"),
        ("fd://", "has no number"),
        ("fd://x", "has no number"),
    ],
)
def test_what_is_no_bind_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=f"^bind .*{advice}"):
        Config(bind=(text,))


def test_one_bind_needs_no_list() -> None:
    assert Config.from_mapping({"bind": "localhost:80"}).bind == ("localhost:80",)
    assert Config.from_mapping({"bind": ["localhost:80", "fd://3"]}).bind == ("localhost:80", "fd://3")
