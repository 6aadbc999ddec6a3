"""The octets of fields, written out of the RFC, and not out of the module. RFC 9110 §5.5, §5.6.2."""

from __future__ import annotations

from hypothesis import strategies as st

TCHAR = set(
    b"!#$%&'*+-.^_`|~" + bytes(range(0x30, 0x3A)) + bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
)
FIELD_CONTENT = {0x09, 0x20, *range(0x21, 0x7F), *range(0x80, 0x100)}

tokens = st.text(sorted(map(chr, TCHAR)), min_size=1, max_size=12).map(str.encode)
contents = st.lists(st.sampled_from(sorted(FIELD_CONTENT)), max_size=12).map(bytes)
special_names = st.sampled_from(
    [
        b"Connection",
        b"CONTENT-LENGTH",
        b"content-length",
        b"Date",
        b"server",
        b"Transfer-Encoding",
        b"set-cookie",
    ]
)
names = tokens | special_names
values = contents | st.sampled_from([b"5", b" 5 ", b"close", b"keep-alive, Close", b"chunked"])
wild_names = names | st.binary(max_size=4)
wild_values = values | st.binary(max_size=6)
