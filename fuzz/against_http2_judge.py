"""Two servers of HTTP/2, ours and h2, that are given the same frames.

After each frame both have a verdict: it was taken, its stream was ended, or the connection was. Where the verdicts
differ, one of the rows of `fuzz.against_http2_differences` has to know of it. At the end, both must have seen the
same requests.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace

import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from tests import peers
from tests.peers import (
    DATA,
    END_STREAM,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PREFACE,
    PRIORITISED,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    Frame,
)
from tests.sansio.http2_client import Call, Http2Pair

from .against_http2_differences import CONNECTION, DIFFERENCES, LIMITS, STREAM, TAKEN, Step

__all__ = ["Trial"]


def is_late(seen: Frame, step: Step) -> bool:
    """An answer of ours, in place of an application, that waited for the window that this step opens."""
    ends = seen.kind == DATA or (seen.kind == RST_STREAM and seen.number == Code.NO_ERROR)
    return ends and step.answers and step.stream == 0 and step.kind in {SETTINGS, WINDOW_UPDATE}


@dataclass
class Told:
    """What came of one request."""

    fields: list[tuple[bytes, bytes]]
    content: bytes = b""
    ended: bool = False
    gone: bool = False


@dataclass
class Trial:
    """Both servers, and what the judge has to know of their streams."""

    cut: int = 0
    window: int = LIMITS.http2_initial_window_size
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = replace(LIMITS, http2_initial_window_size=self.window)
        self.pair = Http2Pair(limits, hello=None)
        self.pair.observer.exact = False
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.h2.local_settings.max_concurrent_streams = LIMITS.http2_max_concurrent_streams
        self.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = self.window
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        whole = LIMITS.http2_max_concurrent_streams * self.window - 65_535
        if whole > 0:
            self.h2.increment_flow_control_window(whole)
        self.h2.data_to_send()
        self.ours: dict[int, Call] = {}
        self.theirs: dict[int, Told] = {}
        self.states: dict[int, str] = {}
        self.missing: dict[int, int] = {}
        self.highest = 0
        self.over = False
        self._answering: dict[int, int] = {}
        self._credit: list[Frame] = []
        self._ahead = 0
        self._decoder = hpack.Decoder()
        self.pair.send(PREFACE)
        self.h2.receive_data(PREFACE)

    def give(self, octets: bytes) -> None:
        """Give one frame, or one field block, to both, and hold their verdicts against each other."""
        step = self._read(octets)
        self.steps.append(step)
        self._give_ours(step)
        self._give_theirs(step)
        if step.ours != step.theirs or step.status is not None:
            reasons = [name for name, row in DIFFERENCES.items() if row.knows(step)]
            assert reasons, (
                f"type {step.kind}, stream {step.state}, ours {step.ours} {step.status!r}, h2 {step.theirs}: {step}"
            )
        self.over = CONNECTION in {step.ours, step.theirs} or step.kind == peers.GOAWAY
        if not self.over:
            self._follow(step)
            self._pass_credit()

    def _read(self, octets: bytes) -> Step:
        kind, flags = octets[3], octets[4]
        stream = int.from_bytes(octets[5:9], "big") & MAX_WINDOW
        size = int.from_bytes(octets[:3], "big")
        payload = octets[9 : 9 + size]
        fields = []
        if kind == HEADERS:
            place, block_ = 0, b""
            while place < len(octets):
                size = int.from_bytes(octets[place : place + 3], "big")
                piece, bits = octets[place + 9 : place + 9 + size], octets[place + 4]
                if place == 0 and bits & PADDED and piece:
                    piece = piece[1 : len(piece) - piece[0]]
                block_ += piece[5:] if place == 0 and bits & PRIORITISED else piece
                place += 9 + size
            try:
                fields = [(bytes(n), bytes(v)) for n, v in self._decoder.decode(block_, raw=True)]
            except hpack.HPACKError:
                fields = []
        state = self.states.get(stream) or ("skipped" if stream <= self.highest else "idle")
        missing = self.missing.get(stream, 0)
        working = sum(not call.finished for call in self.pair.calls)
        number, over = len(self.steps), not {"reset", "ended"}.isdisjoint(self.states.values())
        answers = any(step.status is not None for step in self.steps)
        return Step(
            octets, number, kind, flags, stream, payload, fields, state, missing, working, over, answers
        )

    def _give_ours(self, step: Step) -> None:
        before = len(self.pair.calls)
        size = self.cut or len(step.octets)
        for start in range(0, len(step.octets), size):
            self.pair.send(step.octets[start : start + size])
        step.ours = TAKEN
        for seen in self.pair.take_frames():
            if seen.kind == WINDOW_UPDATE:
                self._credit.append(seen)
            elif seen.stream and not is_late(seen, step):
                assert seen.stream == step.stream, f"{seen} because of {step}"
                if seen.kind == RST_STREAM and seen.number != Code.NO_ERROR:
                    step.ours, step.code = STREAM, seen.number
                elif seen.kind == HEADERS:
                    step.status = seen.fields[0][1]
        if self.pair.error is not None:
            step.ours, step.code = CONNECTION, self.pair.error
        for call in self.pair.calls[before:]:
            assert step.stream not in self.ours, "two requests on one stream"
            self.ours[step.stream] = call

    def _give_theirs(self, step: Step) -> None:
        step.theirs = TAKEN
        try:
            events = self.h2.receive_data(step.octets)
        except ProtocolError:
            step.theirs = CONNECTION
            return
        answers = self.h2.data_to_send()
        while answers:
            size = int.from_bytes(answers[:3], "big")
            if answers[3] == RST_STREAM:
                step.theirs = STREAM
            elif answers[3] == WINDOW_UPDATE:
                self._ahead += int.from_bytes(answers[9:13], "big")
            answers = answers[9 + size :]
        for event in events:
            self.note(step.stream, event)

    def note(self, stream: int, event: Event) -> None:
        """Keep what h2 says of a stream."""
        if isinstance(event, RequestReceived):
            self.theirs[stream] = Told([(bytes(n), bytes(v)) for n, v in event.headers])
        elif isinstance(event, DataReceived):
            self.theirs[stream].content += event.data
        elif isinstance(event, StreamEnded):
            self.theirs[stream].ended = True
        elif isinstance(event, StreamReset) and stream in self.theirs:
            self.theirs[stream].gone = True

    def _pass_credit(self) -> None:
        """Let h2 give the same credit. For what comes behind a stream's end it has given some by itself."""
        for seen in self._credit:
            spare = min(seen.number, self._ahead) if seen.stream == 0 else 0
            self._ahead -= spare
            if seen.number > spare:
                with contextlib.suppress(StreamClosedError):
                    self.h2.increment_flow_control_window(seen.number - spare, seen.stream or None)
        self._credit.clear()
        self.h2.data_to_send()

    def _follow(self, step: Step) -> None:
        """Keep the states of streams, and both servers in the same one."""
        stream = step.stream
        ended = step.kind in {DATA, HEADERS} and bool(step.flags & END_STREAM)
        if step.kind == HEADERS and step.state == "idle":
            self.highest = max(self.highest, stream)
            self.states[stream] = "half-closed" if ended else "open"
            length = step.value(b"content-length")
            if length is not None and length.isdigit() and not ended:
                self.missing[stream] = int(length)
        elif step.state == "open" and ended:
            self.states[stream] = "half-closed"
        if step.kind == DATA and step.state == "open" and stream in self.missing:
            padding = step.payload[0] + 1 if step.flags & PADDED else 0
            self.missing[stream] -= len(step.payload) - padding
        if step.ours == STREAM or (step.kind == RST_STREAM and stream in self.states):
            if step.ours == STREAM and step.theirs == TAKEN:
                self.h2.reset_stream(stream)
            if self.states.get(stream) != "ended":
                self.states[stream] = "reset"
        elif step.status is not None:
            self.h2.send_headers(stream, [(":status", step.status.decode())])
            self.ours.pop(stream, None)
            self._answering[stream] = 0
        self._settle()

    def _settle(self) -> None:
        """Let h2 send what we have sent in place of applications."""
        for stream, told in list(self._answering.items()):
            view = self.pair.observer.streams[stream]
            gone = self.states[stream] == "reset"
            if not gone and (view.ended or len(view.octets) > told):
                self.h2.send_data(stream, bytes(view.octets[told:]), end_stream=view.ended)
                self._answering[stream] = len(view.octets)
            if view.ended and not gone:
                self._end(stream)
            if view.ended or gone:
                del self._answering[stream]
                self.theirs.pop(stream, None)
        self.h2.data_to_send()

    def answer(self, number: int) -> None:
        """Let an application answer one of the requests that are open, without content."""
        waiting = [
            n for n, call in self.ours.items() if not call.exchange.ended and call.scope["type"] == "http"
        ]
        if not waiting:
            return
        stream = waiting[number % len(waiting)]
        call = self.ours[stream]
        call.stream = stream
        content, complete = call.take()
        self.compare(stream, content, complete=complete)
        call.respond()
        self._credit += [seen for seen in self.pair.take_frames() if seen.kind == WINDOW_UPDATE]
        self._pass_credit()
        self._close(stream)

    def _close(self, stream: int) -> None:
        self.h2.send_headers(stream, [(":status", "200")], end_stream=True)
        self._end(stream)
        self.h2.data_to_send()
        self.ours.pop(stream, None)
        self.theirs.pop(stream, None)

    def _end(self, stream: int) -> None:
        if self.states[stream] == "open":
            self.h2.reset_stream(stream, ErrorCodes.NO_ERROR)
            self.states[stream] = "reset"
        else:
            self.states[stream] = "ended"

    def compare(self, stream: int, content: bytes, *, complete: bool) -> None:
        """Both know the same of a request."""
        told, scope = self.theirs[stream], self.ours[stream].scope
        known = dict(told.fields)
        # What is promised to be nothing is complete with that, for an application (RFC 9113 §8.1.1).
        ended = told.ended or (not told.content and known.get(b"content-length", b"1").strip(b"0") == b"")
        assert (content, complete) == (told.content, ended), (
            f"different content: stream {stream}, {content!r}, {complete}, {told}"
        )
        target = scope["raw_path"] + (b"?" + scope["query_string"] if b"?" in known[b":path"] else b"")
        assert (scope["method"].encode(), target) == (known[b":method"], known[b":path"]), (
            "different requests"
        )
        shown = sorted(each for each in scope["headers"] if each[0] != b"host")
        assert shown == sorted(each for each in told.fields if each[0] != b"host" and each[0][:1] != b":"), (
            "different fields"
        )
        assert (b"host", known.get(b":authority", known.get(b"host"))) in scope["headers"], "different hosts"

    def end(self) -> None:
        """Both have seen the same requests, and the same of each."""
        last = self.steps[-1] if self.steps else None
        if last is not None and last.ours == CONNECTION:
            assert all(call.exchange.ended for call in self.ours.values()), (
                "a request survives its connection"
            )
            return
        for stream, call in self.ours.items():
            if stream not in self.theirs:
                unknown = not self.over or stream != self.steps[-1].stream
                assert not unknown, f"a request that h2 does not know: {stream}"
                continue
            told = self.theirs[stream]
            if (
                self.states.get(stream) == "reset"
                or told.gone
                or (last and self.over and stream == last.stream)
            ):
                assert self.over or call.exchange.disconnected, f"nobody was told of the end: {stream}"
            elif call.scope["type"] == "http":
                content, complete = call.take()
                if last is None or not self.over:
                    self.compare(stream, content, complete=complete)
