"""What h2 sends as a legal client reaches the applications unchanged, and what they answer reaches h2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Message
from tests.messages import body, early_hint, start, trailers
from tests.sansio.http2_client import Call, Http2Pair

names = st.sampled_from([b"x-a", b"x-b", b"accept", b"user-agent", b"authorization", b"content-type"])
values = st.sampled_from([b"", b"a", b"text/html; q=0.5", b"\xff\xfe", b"long " * 60 + b"end", b"1", b"2"])
fields_ = st.lists(st.tuples(names, values), max_size=6)
parts_ = st.lists(st.sampled_from([b"a", b"bcd" * 50, bytes(3_000), bytes(20_000)]), max_size=4)


@dataclass
class Plan:
    """What one stream is to carry."""

    fields: list[tuple[bytes, bytes]]
    parts: list[bytes]
    trailers: list[tuple[bytes, bytes]]
    status: int
    response_fields: list[tuple[bytes, bytes]]
    response_parts: list[bytes]
    response_trailers: list[tuple[bytes, bytes]]
    hints: int

    stream: int = 0
    call: Call | None = None
    taken: bytes = b""
    ended: bool = False
    to_upload: list[Any] = field(default_factory=list)
    to_answer: list[Message] = field(default_factory=list)

    def prepare(self) -> None:
        self.to_upload = [*self.parts, None]
        self.to_answer = [early_hint(b"</%d>" % number) for number in range(self.hints)]
        self.to_answer.append(start(self.status, self.response_fields, trailers=bool(self.response_trailers)))
        self.to_answer += [body(part, more=True) for part in self.response_parts]
        self.to_answer.append(body())
        if self.response_trailers:
            self.to_answer.append(trailers(self.response_trailers))


plans_ = st.lists(
    st.builds(
        Plan,
        fields=fields_,
        parts=parts_,
        trailers=st.one_of(st.just([]), st.just([(b"x-trailer", b"1")])),
        status=st.sampled_from([200, 201, 404, 500]),
        response_fields=fields_,
        response_parts=parts_,
        response_trailers=st.one_of(st.just([]), st.just([(b"x-checksum", b"abc"), (b"x-more", b"")])),
        hints=st.integers(0, 2),
    ),
    min_size=1,
    max_size=5,
)


class RoundTrip:
    """Streams of one connection, each a step at a time."""

    def __init__(self, plans: list[Plan]) -> None:
        self.pair = Http2Pair(legal=True)
        self.plans = plans
        self.seen: dict[int, list[Any]] = {}
        for plan in plans:
            plan.prepare()

    def step(self, plan: Plan, *, upload: bool) -> None:
        if plan.call is None:
            self.open(plan)
        elif upload and plan.to_upload:
            self.upload(plan)
        elif plan.to_answer:
            message = plan.to_answer.pop(0)
            plan.call.send(message)
            if not plan.to_answer and plan.ended:
                plan.call.finish()
        self.read(plan)

    def open(self, plan: Plan) -> None:
        pair = self.pair
        plan.stream = pair.client.get_next_available_stream_id()
        self.seen[plan.stream] = []
        pseudo = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
        pair.client.send_headers(plan.stream, [*pseudo, (b"te", b"trailers"), *plan.fields])
        pair.push()
        plan.call = pair.calls[-1]
        assert plan.call.scope["headers"] == [(b"host", b"a"), (b"te", b"trailers"), *plan.fields]

    def upload(self, plan: Plan) -> None:
        client = self.pair.client
        part = plan.to_upload[0]
        if part is None:
            if plan.trailers:
                client.send_headers(plan.stream, plan.trailers, end_stream=True)
            else:
                client.end_stream(plan.stream)
        else:
            size = min(client.local_flow_control_window(plan.stream), 16_384, len(part))
            client.send_data(plan.stream, part[:size])
            if size < len(part):
                plan.to_upload.insert(1, part[size:])
        plan.to_upload.pop(0)
        self.pair.push()

    def read(self, plan: Plan) -> None:
        """Let the application take what is there, and the client what has come."""
        pair = self.pair
        assert plan.call is not None
        while not plan.ended and (message := plan.call.receive()) is not None:
            assert message["type"] == "http.request"
            plan.taken += message["body"]
            plan.ended = not message["more_body"]
        events, pair.events = pair.events, []
        for event in events:
            assert not isinstance(event, (ConnectionTerminated, StreamReset)), event
            stream: Any = getattr(event, "stream_id", None)
            if stream:
                self.seen[stream].append(event)
            if isinstance(event, DataReceived):
                pair.client.acknowledge_received_data(event.flow_controlled_length, stream)
                pair.push()

    def check(self, plan: Plan) -> None:
        events = self.seen[plan.stream]
        assert plan.taken == b"".join(plan.parts)
        assert plan.ended
        hints = [event for event in events if isinstance(event, InformationalResponseReceived)]
        assert len(hints) == plan.hints
        (response,) = [event for event in events if isinstance(event, ResponseReceived)]
        got = [tuple(item) for item in response.headers if item[0] != b"content-length"]  # It may be added.
        assert got == [(b":status", b"%d" % plan.status), *plan.response_fields]
        content = b"".join(event.data for event in events if isinstance(event, DataReceived))
        assert content == b"".join(plan.response_parts)
        ends = [event for event in events if isinstance(event, TrailersReceived)]
        assert [list(event.headers) for event in ends] == (
            [plan.response_trailers] * bool(plan.response_trailers)
        )
        assert sum(isinstance(event, StreamEnded) for event in events) == 1


@hypothesis_settings(max_examples=40, deadline=None)
@given(plans=plans_, steps=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30))
def test_requests_and_responses_arrive_as_they_were_sent(
    plans: list[Plan], steps: list[tuple[int, bool]]
) -> None:
    trip = RoundTrip(plans)
    for number, upload in steps:
        plan = plans[number % len(plans)]
        # Content is not what makes a response early: the request ends before the response does.
        trip.step(plan, upload=upload or len(plan.to_answer) <= 1)
    for plan in plans:
        while plan.to_upload or plan.to_answer:
            trip.step(plan, upload=True)
        for other in plans:
            if other.call is not None:
                trip.read(other)
    for plan in plans:
        trip.check(plan)
    assert trip.pair.error is None
