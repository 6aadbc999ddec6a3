"""Readers of HTTP/1 to hold against each other: ours, h11 and llhttp. Each reads by itself, as a server would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import h11
import httptools

from sansio import Connection, Exchange, Settings, TransportInfo

from .http1_reading import Message, Refused
from .wire import Field, ResponseReader

__all__ = ["SETTINGS", "read_by_h11", "read_by_llhttp", "read_by_us"]

# An upgrade is ignored, and nothing but the stream itself ends a connection.
SETTINGS: Final = Settings(ws=False, limit_request_fields=10_000)  # Limits are not the question here.
_NO_LIMIT: Final = 2**40


def _pieces(stream: bytes, cut: int) -> Iterator[bytes]:
    step = cut or max(1, len(stream))
    return (stream[start : start + step] for start in range(0, len(stream), step))


# Ours.


@dataclass(slots=True)
class _Service:
    """A server whose application reads everything and then answers."""

    connection: Connection
    reader: ResponseReader = field(default_factory=lambda: ResponseReader(lambda _: "GET"))
    messages: list[Message] = field(default_factory=list)

    def run(self) -> None:
        connection = self.connection
        while connection.has_ready or connection.wants_write:
            for exchange in connection.take_ready():
                self._step(exchange)
            wire = connection.data_to_send()
            if wire:
                self.reader.receive_data(wire)
            connection.handle_timeout(0.0)  # There was no time to tell `data_to_send`.

    def _step(self, exchange: Exchange) -> None:
        if exchange.tag is None:
            exchange.tag = len(self.messages)
            self.messages.append(_message_of(exchange))
        assert isinstance(exchange.tag, int)
        while not exchange.ended and (event := exchange.receive(0.0)) is not None:
            if event["type"] == "http.disconnect":
                break
            message = self.messages[exchange.tag]
            message = replace(
                message, content=message.content + event["body"], complete=not event["more_body"]
            )
            self.messages[exchange.tag] = message
            if message.complete:
                # No response here has content, so that the reader of responses need not know the method.
                exchange.send({"type": "http.response.start", "status": 204}, 0.0)
                exchange.send({"type": "http.response.body"}, 0.0)
                exchange.finish(None, 0.0)


def _message_of(exchange: Exchange) -> Message:
    scope = exchange.scope
    target: bytes = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return Message(
        scope["method"].encode(),
        target,
        scope["http_version"].encode(),
        tuple(scope["headers"]),
        complete=False,
    )


def read_by_us(stream: bytes, settings: Settings = SETTINGS, cut: int = 0) -> Iterator[Message]:
    """Read as the machine does, `cut` octets at a time, or all at once."""
    service = _Service(Connection(TransportInfo(), settings, 0.0))
    for piece in _pieces(stream, cut):
        service.connection.receive_data(piece, 0.0)
        service.run()
    for message, response in zip(service.messages, service.reader.responses, strict=False):
        yield replace(message, closes=response.closes) if message.complete else message
    yield from service.messages[len(service.reader.responses) :]
    error = service.connection.error
    if error is not None:
        raise Refused(f"{error.status} {error.reason}")


# h11.


def read_by_h11(stream: bytes, cut: int = 0) -> Iterator[Message]:
    """Read with h11's server alone, which answers each request with a 404."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_LIMIT)
    message: Message | None = None
    try:
        for piece in _pieces(stream, cut):
            connection.receive_data(piece)
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    fields = tuple((bytes(name), bytes(value)) for name, value in event.headers)
                    message = Message(event.method, event.target, event.http_version, fields, complete=False)
                elif isinstance(event, h11.Data):
                    assert message is not None
                    message = replace(message, content=message.content + event.data)
                elif isinstance(event, h11.EndOfMessage):
                    assert message is not None
                    connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                    connection.send(h11.EndOfMessage())
                    closes = connection.our_state is h11.MUST_CLOSE
                    yield replace(message, complete=True, closes=closes)
                    message = None
                    if closes:
                        return
                    connection.start_next_cycle()
                else:
                    break
    except h11.RemoteProtocolError as error:
        if message is not None:
            yield message
        raise Refused(str(error)) from error
    if message is not None:
        yield message


# llhttp.


class _Callbacks:
    """What llhttp finds."""

    def __init__(self, messages: list[Message]) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self._messages = messages
        self._url = b""
        self._fields: list[Field] = []
        self._in_head = True

    def on_message_begin(self) -> None:
        self._url = b""
        self._fields = []
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # What follows it is a trailer.
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self._messages.append(Message(method, self._url, version, tuple(self._fields), complete=False))

    def on_body(self, content: bytes) -> None:
        self._messages[-1] = replace(self._messages[-1], content=self._messages[-1].content + content)

    def on_message_complete(self) -> None:
        closes = not self.parser.should_keep_alive()
        self._messages[-1] = replace(self._messages[-1], complete=True, closes=closes)


def read_by_llhttp(stream: bytes, cut: int = 0) -> Iterator[Message]:
    """Read with llhttp as httptools gives it away, for a server that ignores upgrades."""
    messages: list[Message] = []
    parser = _Callbacks(messages).parser
    refused = ""
    for piece in _pieces(stream, cut):
        rest = piece
        while rest:
            try:
                parser.feed_data(rest)
                rest = b""
            except httptools.HttpParserUpgrade as upgrade:
                # "A server MAY ignore a received Upgrade header field". RFC 9110 §7.8
                rest = rest[upgrade.args[0] :]
                parser = _Callbacks(messages).parser
                if any(name.lower() == b"transfer-encoding" for name, _ in messages[-1].fields):
                    # What follows are chunks and no request.
                    messages[-1] = replace(messages[-1], closes=True)
                    break
            except httptools.HttpParserError as error:
                refused = str(error)
                rest = b""
        if refused or (messages and messages[-1].closes):
            break
    yield from messages
    if refused and not (messages and messages[-1].closes):
        raise Refused(refused)
