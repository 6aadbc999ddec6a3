"""The examples of RFC 7541, appendix C: fields and dynamic table, block after block."""

from __future__ import annotations

from typing import Final

import pytest

from sansio.asgi import Field
from sansio.field_blocks import FieldDecoder

from .field_block_octets import table_of

GET: Final = (b":method", b"GET")
WWW: Final = (b":authority", b"www.example.com")
CUSTOM: Final = (b"custom-key", b"custom-value")
NO_CACHE: Final = (b"cache-control", b"no-cache")
PRIVATE: Final = (b"cache-control", b"private")
DATE: Final = (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT")
LATER: Final = (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT")
LOCATION: Final = (b"location", b"https://www.example.com")
ENCODING: Final = (b"content-encoding", b"gzip")
COOKIE: Final = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")
HTTP: Final = (b":scheme", b"http")
REQUESTS: Final = [
    ([GET, HTTP, (b":path", b"/"), WWW], [WWW]),
    ([GET, HTTP, (b":path", b"/"), WWW, NO_CACHE], [NO_CACHE, WWW]),
    (
        [GET, (b":scheme", b"https"), (b":path", b"/index.html"), WWW, CUSTOM],
        [CUSTOM, NO_CACHE, WWW],
    ),
]
RESPONSES: Final = [
    ([(b":status", b"302"), PRIVATE, DATE, LOCATION], [LOCATION, DATE, PRIVATE, (b":status", b"302")]),
    ([(b":status", b"307"), PRIVATE, DATE, LOCATION], [(b":status", b"307"), LOCATION, DATE, PRIVATE]),
    ([(b":status", b"200"), PRIVATE, LATER, LOCATION, ENCODING, COOKIE], [COOKIE, ENCODING, LATER]),
]


@pytest.mark.parametrize(
    ("block", "fields", "table"),
    [
        (
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            [(b"custom-key", b"custom-header")],
            [(b"custom-key", b"custom-header")],
        ),
        ("040c2f73616d706c652f70617468", [(b":path", b"/sample/path")], []),
        ("100870617373776f726406736563726574", [(b"password", b"secret")], []),
        ("82", [GET], []),
    ],
    ids=["with indexing", "without indexing", "never indexed", "indexed"],
)
def test_each_representation_is_read(block: str, fields: list[Field], table: list[Field]) -> None:
    """RFC 7541 appendix C.2."""
    reader = FieldDecoder(65_536, 1_000)

    assert reader.decode(bytes.fromhex(block)) == fields
    assert reader.problem is None
    assert table_of(reader) == table


@pytest.mark.parametrize(
    ("blocks", "max_table_size", "expected"),
    [
        (
            [
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ],
            4_096,
            REQUESTS,
        ),
        (
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
            4_096,
            REQUESTS,
        ),
        (
            [
                (
                    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
                    "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"
                ),
                "4803333037c1c0bf",
                (
                    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153"
                    "444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
                ),
            ],
            256,
            RESPONSES,
        ),
        (
            [
                (
                    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8"
                    "e9ae82ae43d3"
                ),
                "4883640effc1c0bf",
                (
                    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b"
                    "3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
                ),
            ],
            256,
            RESPONSES,
        ),
    ],
    ids=["requests", "requests in Huffman code", "responses", "responses in Huffman code"],
)
def test_the_table_is_kept_from_block_to_block(
    blocks: list[str], max_table_size: int, expected: list[tuple[list[Field], list[Field]]]
) -> None:
    """RFC 7541 appendix C.3 to C.6: in the last two, 256 octets make entries leave the table."""
    reader = FieldDecoder(65_536, 1_000, max_table_size)

    for block, (fields, table) in zip(blocks, expected, strict=True):
        assert reader.decode(bytes.fromhex(block)) == fields
        assert table_of(reader) == table
