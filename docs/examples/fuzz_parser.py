"""Fuzz an HTTP/1 parser of your own: h11 and llhttp read the same octets, and what all take must be the same requests.

``PYTHONPATH=. python docs/examples/fuzz_parser.py [SECONDS]``, from the top of tricorn's source tree.
"""

import re
import sys
from collections.abc import Iterator

from fuzz.against_http1 import Message, Refused, differential, http1_streams, is_no_smuggling, mutate_http1
from fuzz.campaign import Campaign
from fuzz.targets import Target


def parse(stream: bytes) -> Iterator[Message]:
    """Your parser in place of this one, which has a mistake: requests can be smuggled past it."""
    while stream := re.sub(rb"^(\r\n)+", b"", stream):
        head, empty_line, rest = stream.partition(b"\r\n\r\n")
        if re.search(rb"(?<!\r)\n|\r(?!\n|$)|\n[ \t]", head):
            raise Refused("a line that does not end with CRLF, or is folded")
        if not empty_line:
            return  # More has to come.
        first, *lines = head.split(b"\r\n")
        line = re.fullmatch(rb"([!-~]+) ([!-~]+) HTTP/(1\.[01])", first)
        found = [re.fullmatch(rb"([!#-'*+.0-9A-Z^-z|~-]+):[ \t]*(.*?)[ \t]*", other) for other in lines]
        fields = tuple((field[1].lower(), field[2]) for field in found if field is not None)
        framing = [field for field in fields if field[0] in {b"content-length", b"transfer-encoding"}]
        if line is None or None in found or len(framing) > 1 or line[1] == b"CONNECT":
            raise Refused("a head that is none, that has two framings, or that asks for a tunnel")

        coding = dict(framing).get(b"transfer-encoding", b"").rpartition(b",")[2]
        length = dict(framing).get(b"content-length", b"0")
        if coding.strip() == b"chunked":  # The mistake: the names of codings are case-insensitive.
            content = read_chunks(rest)
        elif re.fullmatch(rb"[0-9]{1,18}", length):
            size = int(length)
            content = (rest[:size], rest[size:]) if len(rest) >= size else None
        else:
            raise Refused("a length that is none")
        if content is None:
            yield Message(line[1], line[2], line[3], fields, complete=False)
            return
        options = b",".join(value for name, value in fields if name == b"connection").lower().split(b",")
        closes = line[3] == b"1.0" or b"close" in [option.strip() for option in options]
        yield Message(line[1], line[2], line[3], fields, content[0], closes=closes)
        stream = content[1]


def read_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the content and what is behind it, or None if more has to come."""
    content = b""
    last = False
    while b"\n" in data:
        line, _, data = data.partition(b"\n")
        if last and line == b"\r":
            return content, data
        size = re.fullmatch(rb"([0-9A-Fa-f]+)(;[^\r]*)?\r", line)
        if not line.endswith(b"\r") or (size is None and not last):
            raise Refused("a line that does not end with CRLF, or a chunk without a size")
        if size is None or last:
            continue  # A trailer.
        length = int(size[1], 16)
        last = length == 0
        if not last:
            content += data[:length]
            if not b"\r\n".startswith(data[length : length + 2]):
                raise Refused("a chunk of another size")
            data = data[length + 2 :]
    return None


check = differential(parse, known=is_no_smuggling)

if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    target = Target(check, http1_streams, mutate_http1, "a parser of one's own")
    sys.exit(Campaign("parser", seconds).attack(target, plain=True))
