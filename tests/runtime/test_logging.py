"""Where the loggers write."""

import io
import logging
from collections.abc import Iterator

import pytest

from runtime.logging import configure

NAMES = ("tricorn", "tricorn.access", "tricorn.error")


@pytest.fixture(autouse=True)
def clean_loggers() -> Iterator[None]:
    """Give the process its loggers back as they were."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


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
