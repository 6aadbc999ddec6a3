"""Which of a client's offers of permessage-deflate is taken, and that client and server can live with it.

The client is websockets in the client role, which judges our answer by RFC 7692 §7.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension

from sansio.websocket_deflate import Deflater, Inflater, negotiate
from tests.sansio.websocket_deflated import NOISE, compress, cut, inflate, messages, read_offers, sizes


def answer_to(value: str) -> str | None:
    """Return what a client is answered that offers this."""
    agreed = negotiate(read_offers(value))
    return None if agreed is None else agreed.answer.decode()


class Answer(NamedTuple):
    """An answer, taken apart by websockets."""

    server_takeover: bool
    client_takeover: bool
    server_bits: int | None
    client_bits: int | None


def read_answer(answer: bytes) -> Answer:
    [(name, pairs)] = parse_extension(answer.decode())
    given = dict(pairs)
    assert name == "permessage-deflate"
    assert len(given) == len(pairs)
    server_bits = given.pop("server_max_window_bits", None)
    client_bits = given.pop("client_max_window_bits", None)
    result = Answer(
        given.pop("server_no_context_takeover", "") is not None,
        given.pop("client_no_context_takeover", "") is not None,
        None if server_bits is None else int(server_bits),
        None if client_bits is None else int(client_bits),
    )
    assert not given
    return result


# What is agreed on.

SERVER = "; server_max_window_bits="
CLIENT = "; client_max_window_bits="


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        pytest.param("", SERVER + "12", id="no parameter"),
        pytest.param(
            "; server_no_context_takeover", "; server_no_context_takeover" + SERVER + "12", id="server"
        ),
        pytest.param(
            "; client_no_context_takeover", "; client_no_context_takeover" + SERVER + "12", id="client"
        ),
        pytest.param(
            "; client_no_context_takeover; server_no_context_takeover",
            "; client_no_context_takeover; server_no_context_takeover" + SERVER + "12",
            id="neither keeps its context",
        ),
        *(pytest.param(f"{SERVER}{bits}", f"{SERVER}{bits}", id=f"server {bits}") for bits in range(9, 13)),
        *(pytest.param(f"{SERVER}{bits}", f"{SERVER}12", id=f"server {bits}") for bits in range(13, 16)),
        *(
            pytest.param(f"{CLIENT}{bits}", f"{CLIENT}{bits}{SERVER}12", id=f"client {bits}")
            for bits in range(8, 13)
        ),
        *(
            pytest.param(f"{CLIENT}{bits}", f"{CLIENT}12{SERVER}12", id=f"client {bits}")
            for bits in range(13, 16)
        ),
        pytest.param("; client_max_window_bits", f"{CLIENT}12{SERVER}12", id="client, any"),
        pytest.param('; client_max_window_bits="10"', f"{CLIENT}10{SERVER}12", id="client, quoted"),
        pytest.param('; server_max_window_bits="10"', f"{SERVER}10", id="server, quoted"),
        pytest.param(
            f"{SERVER}10; client_max_window_bits; client_no_context_takeover; server_no_context_takeover",
            f"; client_no_context_takeover; server_no_context_takeover{CLIENT}12{SERVER}10",
            id="all",
        ),
    ],
)
def test_an_offer_that_can_be_kept_is_taken(parameters: str, answer: str) -> None:
    """RFC 7692 §7.1: what the client demands is confirmed, and the answer is never more than the offer allows."""
    given = answer_to("permessage-deflate" + parameters)
    assert given is not None
    assert read_answer(given.encode()) == read_answer(b"permessage-deflate" + answer.encode())


UNACCEPTABLE = [
    *(
        pytest.param(f"; {side}_max_window_bits={value}", id=f"{side} {value}")
        for side in ("server", "client")
        for value in (
            "0",
            "1",
            "7",
            "16",
            "99",
            "1" * 400,
            "010",
            "09",
            "+10",
            "-10",
            "1_0",
            "10.",
            "abc",
            "0xa",
        )
    ),
    pytest.param("; server_max_window_bits", id="server's bits without a value"),
    pytest.param("; server_max_window_bits=8", id="server 8, which zlib cannot"),
    *(
        pytest.param(f"; {side}_no_context_takeover={value}", id=f"{side} takeover {value}")
        for side in ("server", "client")
        for value in ("1", "true", "10", '"0"')
    ),
    *(
        pytest.param(f"; {parameter}; {parameter}", id=f"{parameter} twice")
        for parameter in (
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits=10",
            "client_max_window_bits=10",
            "client_max_window_bits",
        )
    ),
    pytest.param("; client_max_window_bits=10; client_max_window_bits=11", id="client's bits, two values"),
    pytest.param("; client_max_window_bits; client_max_window_bits=11", id="client's bits with and without"),
    pytest.param("; server_max_window_bits=10; server_max_window_bits=11", id="server's bits, two values"),
    pytest.param("; foo", id="unknown"),
    pytest.param("; foo=bar", id="unknown with a value"),
    pytest.param("; client_max_window_bits; foo", id="unknown after a known one"),
    pytest.param("; max_window_bits=10", id="nobody's bits"),
    pytest.param("; server_max_window_bits=10; client_no_context_takeover=x", id="one good, one wrong"),
]


@pytest.mark.parametrize("parameters", UNACCEPTABLE)
def test_an_offer_with_anything_wrong_is_declined_and_the_next_is_looked_at(parameters: str) -> None:
    """RFC 7692 §7: "MUST decline"; §5: a fallback may follow in the same list."""
    wrong = "permessage-deflate" + parameters
    assert answer_to(wrong) is None
    assert answer_to(f"{wrong}, {wrong}") is None
    fallback = answer_to(f"{wrong}, permessage-deflate; client_no_context_takeover")
    assert fallback is not None
    assert read_answer(fallback.encode()) == Answer(
        server_takeover=True, client_takeover=False, server_bits=12, client_bits=None
    )


@pytest.mark.parametrize(
    ("offers", "same_as"),
    [
        pytest.param(f"{CLIENT}9, ", f"{CLIENT}9", id="limited, then not"),
        pytest.param(f", {CLIENT}9", "", id="not limited, then limited"),
        pytest.param(f"{SERVER}8, {SERVER}9, {SERVER}10", f"{SERVER}9", id="the second"),
        pytest.param("; x, ; server_no_context_takeover, ", "; server_no_context_takeover", id="demanding"),
    ],
)
def test_the_first_offer_that_can_be_kept_wins_and_nothing_of_others_stays(offers: str, same_as: str) -> None:
    """RFC 7692 §5: the offers are "listed in the order of preference"."""
    value = ", ".join("permessage-deflate" + offer for offer in offers.split(", "))
    assert answer_to(value) == answer_to("permessage-deflate" + same_as)
    agreed = negotiate(read_offers(value))
    assert agreed is not None
    message = NOISE[:3_000] * 2
    assert inflate(Inflater(agreed), [compress(message, agreed.client_bits)]) == message


@pytest.mark.parametrize(
    "value",
    ["", "x-webkit-deflate-frame", "permessage-bzip2", "deflate, x; client_max_window_bits", "permessage"],
)
def test_other_extensions_are_not_taken(value: str) -> None:
    """RFC 6455 §9.1: a server need not know any extension."""
    assert answer_to(value) is None


def test_offers_of_others_do_not_hide_a_good_one() -> None:
    assert answer_to("foo; bar=1, permessage-deflate, baz") == answer_to("permessage-deflate")


# Any offers.

Pairs = list[tuple[str, str | None]]

values = st.sampled_from([None, "8", "9", "10", "12", "13", "15", "7", "16", "010", "x"])
likely_values = st.sampled_from(["8", "9", "11", "12", "15"])
pairs = st.one_of(
    st.sampled_from([("server_no_context_takeover", None), ("client_no_context_takeover", None)]),
    st.tuples(st.just("server_max_window_bits"), likely_values),
    st.tuples(st.just("client_max_window_bits"), likely_values | st.none()),
)
wrong_pairs = st.tuples(
    st.sampled_from(
        [
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits",
            "client_max_window_bits",
            "foo",
        ]
    ),
    values,
)
offer_lists = st.lists(
    st.lists(pairs, max_size=4, unique_by=lambda pair: pair[0]) | st.lists(pairs | wrong_pairs, max_size=4),
    max_size=4,
)


def spell(offer: Pairs) -> str:
    return "permessage-deflate" + "".join(
        f"; {name}" if value is None else f"; {name}={value}" for name, value in offer
    )


def can_be_kept(offer: Pairs) -> bool:
    """RFC 7692 §7.1, and zlib's least window."""
    if len(dict(offer)) != len(offer):
        return False
    bits = [str(number) for number in range(9, 16)]
    allowed: dict[str, Sequence[str | None]] = {
        "server_no_context_takeover": [None],
        "client_no_context_takeover": [None],
        "server_max_window_bits": bits,
        "client_max_window_bits": [None, "8", *bits],
    }
    return all(value in allowed.get(name, ()) for name, value in offer)


def client_for(offer: Pairs, answer: bytes) -> PerMessageDeflate:
    """Return the client that made this offer and got this answer. Raises if the answer is not legal."""
    given = dict(offer)
    client_bits: int | Literal[True] | None = None
    if "client_max_window_bits" in given:
        client_bits = int(given["client_max_window_bits"] or 0) or True
    [(_, parameters)] = parse_extension(answer.decode())
    if client_bits == 8:  # zlib's 8 is 9 with distances that 8 can have, and websockets knows that.
        assert dict(parameters)["client_max_window_bits"] == "8"
        client_bits = 9
        parameters = [
            (name, "9" if name == "client_max_window_bits" else value) for name, value in parameters
        ]
    factory = ClientPerMessageDeflateFactory(
        "server_no_context_takeover" in given,
        "client_no_context_takeover" in given,
        int(given.get("server_max_window_bits") or 0) or None,
        client_bits,
    )
    return factory.process_response_params(parameters, [])


@settings(max_examples=80, deadline=None)
@given(offer_lists, messages, sizes)
@example([[("client_max_window_bits", "9")], []], [NOISE[:5_000] * 2] * 3, 7)
@example([[("server_max_window_bits", "9")]], [NOISE[:600] * 3] * 3, 1)
@example([[]], [b"", b"", b"\x00", b""], 1)
def test_a_client_that_follows_the_answer_can_talk_both_ways(
    offers: list[Pairs], contents: list[bytes], size: int
) -> None:
    """RFC 7692 §7.1: the answer is a legal one to the first offer that can be kept."""
    agreed = negotiate(read_offers(", ".join(map(spell, offers))))
    kept = next((offer for offer in offers if can_be_kept(offer)), None)
    if kept is None:
        assert agreed is None
        return
    assert agreed is not None
    client = client_for(kept, agreed.answer)
    assert client.remote_no_context_takeover is not agreed.server_takeover
    inflater, deflater = Inflater(agreed), Deflater(agreed)
    for content in contents:
        payload = bytes(client.encode(Frame(Opcode.BINARY, content)).data)
        assert inflate(inflater, cut(payload, size)) == content
        payload = deflater.deflate(content)
        assert bytes(client.decode(Frame(Opcode.BINARY, payload, rsv1=True)).data) == content
