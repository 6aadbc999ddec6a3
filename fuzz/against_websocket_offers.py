"""What a client offers, and what it is answered, in the eyes of websockets and wsproto.

websockets reads the offers as a server, and the answer as a client that made one of them. Where it and we may differ,
and who is right, stands in a table, with an example in each row.

Source: RFC 6455 §9.1; RFC 7692 §5, §7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import parse_extension
from websockets.typing import ExtensionParameter

__all__ = ["OFFER_DIFFERENCES", "Answer", "OfferDifference", "check_offer"]

_NAME: Final = "permessage-deflate"
_Parameters = Sequence[ExtensionParameter]


class Answer(NamedTuple):
    """What became of an offer."""

    malformed: bool
    agreed: bool


class OfferDifference(NamedTuple):
    """A difference, and an offer that makes it."""

    right: str
    knows: Callable[[bytes, Answer, Answer], bool]
    example: bytes


OFFER_DIFFERENCES: Final[dict[str, OfferDifference]] = {
    "Nothing but empty members": OfferDifference(
        "we: empty members of a list are to be ignored (RFC 9110 §5.6.1)",
        lambda offer, ours, theirs: (
            not offer.strip(b", \t") and ours == Answer(malformed=False, agreed=False)
        ),
        b", ,",
    ),
    "More offers than anybody has": OfferDifference(
        "both: limits are everybody's own (RFC 6455 §10.4); ours is 32 extensions",
        lambda offer, ours, theirs: offer.count(b",") >= 32 and ours.malformed,
        b", ".join([b"permessage-deflate"] * 33),
    ),
}


def check_offer(offer: bytes, status: int, answer: bytes | None) -> list[str]:
    """Hold an answer against the opinion of others, and return the rows that know of a difference.

    `answer` is the value of Sec-WebSocket-Extensions; None: there is none.
    """
    ours = Answer(malformed=status != 101, agreed=answer is not None)
    offers = _parse(offer)
    theirs = Answer(malformed=offers is None, agreed=any(map(_is_acceptable, offers or ())))
    rows = [name for name, row in OFFER_DIFFERENCES.items() if row.knows(offer, ours, theirs)]
    assert rows or ours == theirs, f"{offer!r} is answered {answer!r}, {ours}, and websockets says {theirs}"
    if answer is not None and offers is not None:
        clients = [client for each in offers if (client := _client_of(each)) is not None]
        parameters = _read_answer(answer)
        fits = [client for client in clients if _takes(client, parameters)]
        odd = any(
            ("client_max_window_bits", "8") in each for each in offers
        )  # No client of websockets' can say so.
        assert fits or odd, f"no client that offers {offer!r} can take {answer!r}"
    return rows if ours != theirs else []


def _parse(offer: bytes) -> list[_Parameters] | None:
    """Return the parameters of each offer of compression, or None for what is malformed."""
    try:
        found = parse_extension(offer.decode("latin-1")) if offer else []
    except InvalidHeader:
        return None
    return [parameters for name, parameters in found if name == _NAME]


def _is_acceptable(parameters: _Parameters) -> bool:
    try:
        ServerPerMessageDeflateFactory().process_request_params(parameters, [])
    except NegotiationError:
        return False
    return True


def _client_of(parameters: _Parameters) -> ClientPerMessageDeflateFactory | None:
    """Return a client that makes this offer."""
    given = dict(parameters)
    client, server = given.get("client_max_window_bits", ""), given.get("server_max_window_bits")
    try:
        return ClientPerMessageDeflateFactory(
            "server_no_context_takeover" in given,
            "client_no_context_takeover" in given,
            None if server is None else int(server),
            True if client is None else int(client) if client else None,
        )
    except ValueError:
        return None


def _read_answer(answer: bytes) -> _Parameters:
    ((name, parameters),) = parse_extension(answer.decode())
    assert name == _NAME, f"an extension that nobody offers: {answer!r}"
    return parameters


def _takes(client: ClientPerMessageDeflateFactory, parameters: _Parameters) -> bool:
    try:
        client.process_response_params(parameters, [])
    except NegotiationError:
        return False
    return True
