"""Lines of the access log."""

import json
import logging
import os
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.access_log import AccessLog, compile_format
from runtime.options import ConfigError
from sansio import ExchangeStatistics, PeerError

PLAIN = ExchangeStatistics(
    kind="http",
    client=("127.0.0.1", 54321),
    scheme="http",
    method="GET",
    target=b"/path?q=1&r=?",
    http_version="1.1",
    status=200,
    bytes_in=7,
    bytes_out=1234,
    opened=100.0,
    ended=102.5012,
    complete=True,
    fields=[
        (b"host", b"example.com"),
        (b"referer", b"http://example.org/"),
        (b"user-agent", b"curl/8"),
        (b"accept", b"a"),
        (b"accept", b"b"),
    ],
    response_fields=[(b"content-type", b"text/plain")],
)
ABORTED = PLAIN._replace(status=None, bytes_out=0, complete=False)


def line(line_format: str | None, statistics: ExchangeStatistics = PLAIN) -> str:
    return compile_format(line_format)(statistics)


def test_the_standard_line_has_bytes_and_milliseconds() -> None:
    quick = PLAIN._replace(ended=100.00124)
    assert line(None, quick) == '127.0.0.1:54321 - "GET /path?q=1&r=? HTTP/1.1" 200 1234B 1.2ms'


def test_the_standard_line_tells_an_aborted_exchange() -> None:
    assert line(None, ABORTED) == '127.0.0.1:54321 - "GET /path?q=1&r=? HTTP/1.1" - 0B 2501.2ms aborted'
    cut = PLAIN._replace(complete=False)
    assert line(None, cut).endswith(" 200 1234B 2501.2ms aborted")


def test_an_ipv6_client_stands_in_brackets() -> None:
    assert line(None, PLAIN._replace(client=("::1", 5))).startswith('[::1]:5 - "')


def test_a_client_without_an_address_is_a_dash() -> None:
    unix = PLAIN._replace(client=None)
    assert line(None, unix).startswith('- - "')
    assert line("%(h)s", unix) == "-"


@pytest.mark.parametrize(
    ("atom", "text"),
    [
        ("h", "127.0.0.1"),
        ("l", "-"),
        ("u", "-"),
        ("r", "GET /path?q=1&r=? HTTP/1.1"),
        ("s", "200"),
        ("m", "GET"),
        ("U", "/path"),
        ("q", "q=1&r=?"),
        ("H", "HTTP/1.1"),
        ("B", "1234"),
        ("b", "1234"),
        ("f", "http://example.org/"),
        ("a", "curl/8"),
        ("T", "2"),
        ("D", "2501200"),
        ("M", "2501"),
        ("L", "2.501200"),
        ("{Accept}i", "a, b"),
        ("{missing}i", "-"),
        ("{Content-Type}o", "text/plain"),
        ("{accept}o", "-"),
    ],
)
def test_each_atom_of_gunicorns_is_known(atom: str, text: str) -> None:
    assert line(f"<%({atom})s>") == f"<{text}>"


def test_the_process_is_known() -> None:
    assert line("%(p)s") == f"<{os.getpid()}>"


def test_what_is_missing_is_a_dash() -> None:
    assert line("%(s)s %(b)s %(B)s", ABORTED) == "- - 0"
    assert line("%(f)s %(a)s", PLAIN._replace(fields=[])) == "- -"


def test_the_time_is_the_common_log_formats() -> None:
    assert re.fullmatch(r"\[\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}\]", line("%(t)s"))


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (b"Basic YWxpY2U6c2VjcmV0", "alice"),
        (b"basic  YWxpY2U6c2VjcmV0", "alice"),
        (b"Basic YSJiOnA=", r"a\x22b"),
        (b"Basic YWxpY2U=", "-"),
        (b"Basic OnNlY3JldA==", "-"),
        (b"Basic !!", "-"),
        (b"Basic \xff", "-"),
        (b"Basic", "-"),
        (b"Bearer YWxpY2U6c2VjcmV0", "-"),
    ],
)
def test_the_user_is_that_of_basic_credentials(value: bytes, user: str) -> None:
    """RFC 7617 §2. The password is never written."""
    assert line("%(u)s", PLAIN._replace(fields=[(b"Authorization", value)])) == user


def test_text_between_atoms_stays() -> None:
    assert line("100%% {} %(m)s\\n%(s)s é") == "100% {} GET\\n200 é"


@pytest.mark.parametrize("line_format", ["%(zz)s", "%()s", "%({x}e)s", "%({}i)s", "%(H)s %(st)s"])
def test_an_unknown_atom_is_refused(line_format: str) -> None:
    with pytest.raises(ConfigError, match="^access_log_format has no atom"):
        AccessLog(line_format)


@pytest.mark.parametrize("line_format", ["100%", "%s", "%(h)d", "%(h", "%-5(h)s"])
def test_a_percent_sign_that_begins_no_atom_is_refused(line_format: str) -> None:
    with pytest.raises(ConfigError, match="^access_log_format has a % at"):
        AccessLog(line_format)


def test_json_is_one_object_on_one_line() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    text = line("json")
    assert "\n" not in text
    told = json.loads(text)
    assert before <= datetime.fromisoformat(told.pop("time")) <= datetime.now(UTC)
    assert told == {
        "client": "127.0.0.1:54321",
        "method": "GET",
        "target": "/path?q=1&r=?",
        "http_version": "1.1",
        "status": 200,
        "bytes_in": 7,
        "bytes_out": 1234,
        "duration_ms": 2501.2,
        "complete": True,
    }


def test_json_says_null_where_there_is_nothing() -> None:
    told = json.loads(line("json", ABORTED._replace(client=None)))
    assert (told["client"], told["status"], told["complete"]) == (None, None, False)


FORGED = b'/\r\n127.0.0.1 - "GET /admin\\\x1b[2J\x00\x7f\xff'
ESCAPED = r"/\x0d\x0a127.0.0.1 - \x22GET /admin\x5c\x1b[2J\x00\x7f\xff"


@pytest.mark.parametrize("line_format", [None, "%(r)s", "%(U)s", "%(a)s", "%({X-Y}o)s"])
def test_what_came_from_a_peer_is_escaped(line_format: str | None) -> None:
    fields = [(b"user-agent", FORGED), (b"x-y", FORGED)]
    assert ESCAPED in line(line_format, PLAIN._replace(target=FORGED, fields=fields, response_fields=fields))


def test_json_is_escaped_alike() -> None:
    assert json.loads(line("json", PLAIN._replace(target=FORGED)))["target"] == ESCAPED


ALL_ATOMS = " ".join(f"%({atom})s" for atom in [*"hlutrsmUqHBbfaTDMLp", "{authorization}i", "{x}o"])


@given(
    octets=st.binary(),
    text=st.text(st.characters(codec=None)),
    line_format=st.sampled_from([None, "json", ALL_ATOMS]),
)
def test_no_bytes_break_a_line(octets: bytes, text: str, line_format: str | None) -> None:
    fields = [
        (b"authorization", b"basic " + octets),
        (b"user-agent", octets),
        (octets, octets),
        (b"x", octets),
    ]
    hostile = PLAIN._replace(
        client=(text, 1),
        method=text,
        target=octets,
        http_version=text,
        fields=fields,
        response_fields=fields,
    )
    written = line(line_format, hostile)
    assert written.isascii()
    assert written.isprintable()


def test_lines_go_to_the_access_logger(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tricorn"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("tricorn.access"), "propagate", True)
    with caplog.at_level(logging.INFO, "tricorn.access"):
        AccessLog("%(m)s 100%%").log(PLAIN)
    assert caplog.record_tuples == [("tricorn.access", logging.INFO, "GET 100%")]


@pytest.mark.parametrize(
    ("client", "error", "text"),
    [
        (
            ("127.0.0.1", 54321),
            PeerError(400, "bare LF in the request head"),
            "127.0.0.1:54321 refused with 400: bare LF in the request head",
        ),
        (("::1", 5), PeerError(None, "silence"), "[::1]:5 closed: silence"),
        (None, PeerError(408, "slow 100%s"), "- refused with 408: slow 100%s"),
    ],
)
def test_a_refused_peer_is_told(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    client: tuple[str, int] | None,
    error: PeerError,
    text: str,
) -> None:
    monkeypatch.setattr(logging.getLogger("tricorn"), "propagate", True)
    with caplog.at_level(logging.INFO, "tricorn.error"):
        AccessLog().refused(client, error)
    assert caplog.record_tuples == [("tricorn.error", logging.INFO, text)]


def test_nothing_is_written_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tricorn"):
        AccessLog().log(PLAIN)
        AccessLog().refused(None, PeerError(400, "no"))
    assert caplog.record_tuples == []


ACCEPTED = PLAIN._replace(
    kind="websocket", scheme="ws", status=101, bytes_in=0, bytes_out=0, ended=100.001, complete=False
)
CLOSED = ACCEPTED._replace(
    close_code=1001, messages_in=3, messages_out=2, bytes_in=30, bytes_out=20, ended=101.5, complete=True
)
DENIED = ACCEPTED._replace(status=403, bytes_out=10)


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        (ACCEPTED, "101 accepted"),
        (CLOSED, "101 closed with 1001, 3 messages of 30B in, 2 of 20B out, 1500.0ms"),
        (DENIED, "403 10B 1.0ms"),
    ],
    ids=["accepted", "closed", "refused"],
)
def test_a_websocket_has_lines_of_its_own(statistics: ExchangeStatistics, expected: str) -> None:
    assert line(None, statistics) == f'127.0.0.1:54321 - "WebSocket /path?q=1&r=? HTTP/1.1" {expected}'


@pytest.mark.parametrize(
    ("statistics", "event", "code"),
    [(ACCEPTED, "accepted", None), (CLOSED, "closed", 1001), (DENIED, "refused", None)],
    ids=["accepted", "closed", "refused"],
)
def test_json_says_what_became_of_a_websocket(
    statistics: ExchangeStatistics, event: str, code: int | None
) -> None:
    values = json.loads(line("json", statistics))

    assert (values["websocket"], values["close_code"]) == (event, code)
    assert (values["messages_in"], values["messages_out"]) == (
        statistics.messages_in,
        statistics.messages_out,
    )


@pytest.mark.parametrize(("line_format", "lines"), [(None, 2), ("json", 2), ("%(s)s", 1)])
def test_only_a_format_that_can_tell_has_a_line_for_acceptance(
    line_format: str | None, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = AccessLog(line_format)
    with caplog.at_level(logging.INFO, "tricorn.access"):
        log.log(ACCEPTED)
        log.log(CLOSED)

    assert len(caplog.records) == lines
