"""Where the loggers write."""

import io
import logging
from collections.abc import Iterator

import pytest

from runtime.logging import configure, logger

NAMES = ("tricorn", "tricorn.access", "tricorn.error")


@pytest.fixture(autouse=True)
def clean_loggers() -> Iterator[None]:
    """Give the process its loggers back as they were."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(each.handlers[:], each.level, each.propagate) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [], True
        each.setLevel(logging.NOTSET)
    yield
    for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


def write() -> None:
    for name in NAMES:
        logging.getLogger(name).info("from %s", name)


def test_errors_go_to_stderr_and_accesses_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", True)
    write()
    out, err = capsys.readouterr()
    assert [line.split(" INFO ")[1] for line in out.splitlines()] == ["from tricorn.access"]
    assert [line.split(" INFO ")[1] for line in err.splitlines()] == ["from tricorn", "from tricorn.error"]


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", True)
    configure("info", True)
    write()
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), len(err.splitlines())) == (1, 2)


def test_the_last_configuration_counts(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", True)
    configure("error", False)
    write()
    assert capsys.readouterr() == ("", "")
    configure("debug", True)
    logging.getLogger("tricorn.error").debug("detail")
    assert capsys.readouterr().err.endswith(" DEBUG detail\n")


def test_a_format_of_the_users_own_goes_out_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", True, "json")
    write()
    assert capsys.readouterr().out == "from tricorn.access\n"


def test_without_an_access_log_nothing_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", False)
    write()
    out, err = capsys.readouterr()
    assert out == ""
    assert "tricorn.access" not in err


def test_the_users_own_handlers_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    logger = logging.getLogger("tricorn")
    logger.addHandler(logging.StreamHandler(stream))
    logger.setLevel(logging.INFO)
    configure("error", False)
    write()
    assert stream.getvalue().splitlines() == ["from tricorn", "from tricorn.access", "from tricorn.error"]
    assert capsys.readouterr() == ("", "")


def test_the_users_own_access_log_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    access = logging.getLogger("tricorn.access")
    access.addHandler(logging.StreamHandler(stream))
    access.propagate = False
    configure("info", True)
    write()
    assert stream.getvalue() == "from tricorn.access\n"
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 2)


def test_the_root_logger_is_not_told_a_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        configure("info", True)
        write()
    finally:
        logging.getLogger().removeHandler(handler)
    assert stream.getvalue() == ""
    assert len(capsys.readouterr().err.splitlines()) == 2


class Full(io.StringIO):
    """A stream into which nothing goes."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_takes_nothing_is_told_of_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Full())
    configure("info", True)
    for _ in range(3):
        logging.getLogger("tricorn.access").info("a line")
    assert capsys.readouterr().err == "tricorn: cannot write to sys.stdout: [Errno 32] Broken pipe\n"


@pytest.mark.parametrize("gone", [True, False])
def test_a_stream_that_is_closed_is_written_to_no_more(
    gone: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", True)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdout", None if gone else closed)
    logging.getLogger("tricorn.access").info("a line")
    assert capsys.readouterr().err == ""


class Plain:
    """A stream that can do no more than it has to."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""


def test_a_stream_that_only_writes_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Plain()
    monkeypatch.setattr("sys.stdout", stream)
    configure("info", True)
    logging.getLogger("tricorn.access").info("a line")
    assert stream.text.endswith("a line\n")


class Broken(logging.Handler):
    """A handler of the user's that raises, always or where there is a traceback."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._always = always

    def emit(self, record: logging.LogRecord) -> None:
        if self._always or record.exc_info:
            raise RecursionError
        self.lines.append(f"{record.filename} {record.getMessage()}")


@pytest.mark.parametrize("always", [True, False])
def test_a_handler_that_raises_ends_nothing(always: bool) -> None:
    handler = Broken(always=always)
    logging.getLogger("tricorn").addHandler(handler)
    logger.error("%s is wrong", "something", exc_info=ValueError())
    logger.error("all is well")
    assert handler.lines == (
        []
        if always
        else [
            "test_logging.py something is wrong (no traceback: RecursionError)",
            "test_logging.py all is well",
        ]
    )
