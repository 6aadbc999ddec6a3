"""Field blocks: reading a peer's strictly and within bounds, and writing our own without a table (HPACK).

A block is read octet by octet here; what is asked of hpack is only a Huffman string that was not seen lately. Each
literal is checked once: a table's entry remembers its size and what is wrong with it, so that an indexed field costs
no more than a look into the table.

Work and memory are bounded by the block's own size, however large the fields are that it refers to: a field is kept
by reference, and beyond the limits it is not kept at all.

Source: RFC 7541; RFC 9113 §4.3 and §8.2.1.
"""

from __future__ import annotations

from typing import Final

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman

from .asgi import Field
from .fields import TOKEN_CHARACTERS, VALUE_CHARACTERS

__all__ = ["STATUS", "FieldBlockError", "FieldDecoder", "decode_field", "encode_field"]

# Appendix A of RFC 7541: its indices begin with 1.
_STATIC_FIELDS: Final[tuple[Field, ...]] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)

# "Indices strictly greater than the length of the static table refer to elements in the dynamic table". The newest
# has the lowest of them. RFC 7541 §2.3.3
_FIRST_DYNAMIC: Final = 62
_ENTRY_OVERHEAD: Final = 32
_DEFAULT_TABLE_SIZE: Final = 4_096

# Octets translated to 1 where they must not be: looking for a 1 is twice as fast as deleting what may be.
_NAME_TABLE: Final = bytes(octet not in TOKEN_CHARACTERS.lower() for octet in range(256))
_VALUE_TABLE: Final = bytes(octet not in VALUE_CHARACTERS for octet in range(256))
_REQUEST_FIELDS: Final = frozenset({b":authority", b":method", b":path", b":protocol", b":scheme"})

# A guess at a short secret must not be answered by the time that its decoding takes, nor by the size of what is sent:
# such values stay out of our cache and out of the tables of everyone on the way. RFC 7541 §7.1.
_SECRET_FIELDS: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})

# The cache of decoded Huffman strings, for all connections: half a MiB at the most. What is in it depends on nothing
# but its key, so that no peer can put anything there that is wrong for another.
_CACHE_ENTRIES: Final = 1_024
_CACHE_STRING_SIZE: Final = 128
_huffman_strings: Final[dict[bytes, bytes]] = {}


class FieldBlockError(Exception):
    """The block cannot be decoded: the connection's state is lost (COMPRESSION_ERROR, RFC 9113 §4.3)."""


class FieldDecoder:
    """Reads the field blocks of one connection's peer, in the order in which they come.

    Three limits, in octets but for the second: of a block's fields with 32 more for each (RFC 9113 §6.5.2), of their
    number, and of the dynamic table, our SETTINGS_HEADER_TABLE_SIZE. The table begins with 4,096 octets, or with the
    limit if that is less (RFC 9113 §6.5.2).
    """

    __slots__ = (
        "_capacity",
        "_entries",
        "_max_fields",
        "_max_list_size",
        "_max_table_size",
        "_size",
        "problem",
        "too_large",
    )

    def __init__(
        self, max_list_size: int, max_fields: int, max_table_size: int = _DEFAULT_TABLE_SIZE
    ) -> None:
        self._max_list_size: int = max_list_size
        self._max_fields: int = max_fields
        self._max_table_size: int = max_table_size
        self._capacity: int = min(max_table_size, _DEFAULT_TABLE_SIZE)
        self._size: int = 0
        # The static table and behind it the dynamic one, the newest first: places are indices.
        self._entries: list[_Entry] = _STATIC_TABLE.copy()
        self.problem: str | None = None
        """What is wrong with the last block's first malformed field (RFC 9113 §8.2.1). It is its stream's error."""
        self.too_large: bool = False
        """The last block's fields are beyond a limit: those in excess were decoded, but not kept."""

    def decode(self, block: bytes) -> list[Field]:
        """Read one complete field block: its fields in order, pseudo-header fields among them.

        Whether they are a request is not asked here, only whether each is a field: see `problem` and `too_large`.

        Raises `FieldBlockError`. Then the table is not the peer's any more, and nothing more can be decoded.
        """
        self.problem = None
        self.too_large = False
        fields: list[Field] = []
        problem: str | None = None
        entries = self._entries
        room = self._max_list_size
        size = len(block)
        position = 0
        # "This dynamic table size update MUST occur at the beginning of the first header block". RFC 7541 §4.2
        while position < size and block[position] & 0xE0 == 0x20:
            position = self._update_size(block, position)
        try:
            while position < size:
                octet = block[position]
                position += 1
                if octet > 0x80:
                    index = octet - 0x80
                    if index == 0x7F:
                        index, position = _read_integer(block, position, index)
                    entry = entries[index]
                elif octet == 0x80:
                    raise FieldBlockError("index zero")
                elif octet >= 0x40:
                    entry, position = self._read_literal(block, position, octet - 0x40, 0x3F, secret=False)
                    self._add(entry)
                elif octet >= 0x20:
                    raise FieldBlockError("table size update behind a field")
                else:
                    secret = octet >= 0x10
                    entry, position = self._read_literal(block, position, octet & 0x0F, 0x0F, secret=secret)
                room -= entry.size
                if room >= 0:
                    fields.append(entry.field)
                if entry.problem is not None and problem is None:
                    problem = entry.problem
        except IndexError:  # Nothing else is looked up before its place is known to be there.
            raise FieldBlockError("index beyond the tables") from None
        if len(fields) > self._max_fields:
            del fields[self._max_fields :]
            self.too_large = True
        if room < 0:
            self.too_large = True
        self.problem = problem
        return fields

    def _update_size(self, block: bytes, position: int) -> int:
        """Read a size update, which may be followed by others (RFC 7541 §4.2, §6.3)."""
        size = block[position] & 0x1F
        position += 1
        if size == 0x1F:
            size, position = _read_integer(block, position, size)
        if size > self._max_table_size:
            raise FieldBlockError("table size update beyond the limit")
        self._capacity = size
        while self._size > size:
            self._size -= self._entries.pop().size
        return position

    def _read_literal(
        self, block: bytes, position: int, index: int, prefix: int, *, secret: bool
    ) -> tuple[_Entry, int]:
        """Read a literal after its first octet, of which the index of its name is given (RFC 7541 §6.2)."""
        if index:
            if index == prefix:
                index, position = _read_integer(block, position, index)
            named = self._entries[index]
            name = named.field[0]
            name_problem = named.name_problem
        else:
            name, position = _read_string(block, position, secret=False)
            name_problem = _problem_of_name(name)
        value, position = _read_string(block, position, secret=secret or name in _SECRET_FIELDS)
        return _Entry(name, value, name_problem), position

    def _add(self, entry: _Entry) -> None:
        """Put an entry into the dynamic table; one that is too large empties it (RFC 7541 §4.4)."""
        entries = self._entries
        size = self._size + entry.size
        while size > self._capacity and len(entries) > _FIRST_DYNAMIC:
            size -= entries.pop().size
        if size > self._capacity:
            self._size = 0
        else:
            self._size = size
            entries.insert(_FIRST_DYNAMIC, entry)


class _Entry:
    """A field with all that is to be known about it, in a table or on its way there."""

    __slots__ = ("field", "name_problem", "problem", "size")

    def __init__(self, name: bytes, value: bytes, name_problem: str | None) -> None:
        self.field: Field = (name, value)
        self.size: int = len(name) + len(value) + _ENTRY_OVERHEAD
        self.name_problem: str | None = name_problem
        self.problem: str | None = name_problem
        # "A field value MUST NOT start or end with an ASCII whitespace character". RFC 9113 §8.2.1
        if 1 in value.translate(_VALUE_TABLE):
            self.problem = name_problem or "control character in a field value"
        elif value != value.strip(b" \t"):
            self.problem = name_problem or "field value that starts or ends with whitespace"


def _problem_of_name(name: bytes) -> str | None:
    """Tell what is wrong with a field name in a request (RFC 9113 §8.2.1, §8.3.1; RFC 8441 §4)."""
    if name in _REQUEST_FIELDS or (name and 1 not in name.translate(_NAME_TABLE)):
        return None
    if name.startswith(b":"):
        return "pseudo-header field that no request has"
    return "field name that is not a token in lower case"


def _read_integer(block: bytes, position: int, value: int) -> tuple[int, int]:
    """Read the rest of an integer that did not fit into its prefix: five octets at the most (RFC 7541 §5.1)."""
    for shift in (0, 7, 14, 21, 28):
        if position == len(block):
            raise FieldBlockError("field block cut short")
        octet = block[position]
        position += 1
        value += (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
    raise FieldBlockError("integer of too many octets")


def _read_string(block: bytes, position: int, *, secret: bool) -> tuple[bytes, int]:
    """Read a string (RFC 7541 §5.2). A secret does not stay in the cache."""
    if position == len(block):
        raise FieldBlockError("field block cut short")
    octet = block[position]
    start = position + 1
    length = octet & 0x7F
    if length == 0x7F:
        length, start = _read_integer(block, start, length)
    end = start + length
    if end > len(block):
        raise FieldBlockError("field block cut short")
    octets = block[start:end]
    if octet < 0x80:
        return octets, end
    string = _huffman_strings.get(octets)
    if string is None:
        try:
            string = decode_huffman(octets)
        except HPACKDecodingError:
            raise FieldBlockError("string that is not in the Huffman code") from None
        if not secret and length <= _CACHE_STRING_SIZE:
            if len(_huffman_strings) >= _CACHE_ENTRIES:
                _huffman_strings.clear()
            _huffman_strings[octets] = string
    return string, end


def encode_field(name: bytes, value: bytes) -> bytes:
    """Encode a field so that it changes no table, and that one with a secret enters none on the way either.

    Source: RFC 7541 §6.2.2, §6.2.3 and §7.1.3.
    """
    kind = 0x10 if name in _SECRET_FIELDS else 0x00
    index = _STATIC_NAMES.get(name)
    if index is None:
        return b"".join((bytes((kind,)), _encode_string(name), _encode_string(value)))
    return _encode_integer(kind, 0x0F, index) + _encode_string(value)


def decode_field(line: bytes) -> Field:
    """Turn what `encode_field` made back into name and value."""
    [field] = FieldDecoder(len(line) + _DEFAULT_TABLE_SIZE, 1).decode(line)
    return field


def _encode_string(value: bytes) -> bytes:
    return _encode_integer(0x00, 0x7F, len(value)) + value


def _encode_integer(kind: int, prefix: int, value: int) -> bytes:
    """Encode an integer behind the bits that stand before it in its first octet (RFC 7541 §5.1)."""
    if value < prefix:
        return bytes((kind | value,))
    octets = [kind | prefix]
    value -= prefix
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


# No index is zero: the first place is never looked at.
_STATIC_TABLE: Final = [
    _Entry(name, value, _problem_of_name(name)) for name, value in ((b"", b""), *_STATIC_FIELDS)
]
_STATIC_NAMES: Final = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC_FIELDS, 1)))}

STATUS: Final[dict[int, bytes]] = {
    **{status: encode_field(b":status", b"%d" % status) for status in range(100, 600)},
    **{
        int(value): bytes((0x80 | index,))
        for index, (name, value) in enumerate(_STATIC_FIELDS, 1)
        if name == b":status"
    },
}
"""The pseudo-header field of a response for each status code, encoded."""
