"""The head of an HTTP/2 request: from decoded fields to what it means, or what is wrong with it.

What a field alone may not be was seen when it was decoded. Here it is about all of them together: which
pseudo-header fields there are, what belongs to the connection and so not into a request, and what frames content.

Source: RFC 9113 §8.2, §8.3, §8.5; RFC 8441 §4; RFC 9218 §4.
"""

from __future__ import annotations

import re
from typing import Final

from .asgi import Field
from .errors import PeerError
from .fields import TARGET_CHARACTERS, is_host, is_token, parse_content_length
from .scope import RequestHead, parse_target

__all__ = ["DEFAULT_URGENCY", "find_urgency", "is_trailer_section", "parse_urgency", "read_head"]

DEFAULT_URGENCY: Final = 3

_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})

# "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields. [...] Any message
# containing connection-specific header fields MUST be treated as malformed". RFC 9113 §8.2.2
_CONNECTION_FIELDS: Final = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
_MEANINGFUL: Final = _PSEUDO | _CONNECTION_FIELDS | {b"te", b"host", b"content-length", b"cookie", b"expect"}

_USUAL: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
_COMMON_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_SCHEMES: Final = frozenset({b"http", b"https"})

_MAX_METHOD_SIZE: Final = 32

# Authorities that were looked at before: bounded in entries and in bytes.
_hosts: Final[set[bytes]] = set()
_HOSTS_ENTRIES: Final = 256
_HOSTS_SIZE: Final = 128

# The member "u" of a dictionary of structured fields (RFC 8941); of several with one name the last counts.
_URGENCY: Final = re.compile(rb"(?:^|,)[ \t]*u=([^,;]*)")
_URGENCIES: Final = frozenset({b"%d" % urgency for urgency in range(8)})


def _malformed(reason: str) -> PeerError:
    """Malformed: the stream is reset (RFC 9113 §8.1.1)."""
    return PeerError(None, reason)


def read_head(fields: list[Field], *, ended: bool, extended: bool) -> RequestHead | PeerError:
    """Read what a head means, or what is wrong with it. Without a status the request is malformed.

    `ended`: no content follows. `extended`: extended CONNECT was offered (RFC 8441 §3).
    """
    pseudo = dict(fields[:4])
    start = 4
    if pseudo.keys() != _USUAL or (len(fields) > 4 and fields[4][0] in _PSEUDO):
        pseudo = {}
        start = 0
        for name, value in fields:
            if name not in _PSEUDO:
                break
            pseudo[name] = value
            start += 1
        if len(pseudo) != start:
            return _malformed("pseudo-header field that is given twice")
    problem = _judge_pseudo(pseudo, extended=extended)
    if problem is not None:
        return problem
    authority = pseudo.get(b":authority")
    kept: list[Field] = [] if authority is None else [(b"host", authority)]
    head = RequestHead(pseudo[b":method"].decode("ascii"), pseudo[b":path"], "2", kept, None)
    meaningful: list[Field] | None = None
    for field in fields[start:]:
        if field[0] in _MEANINGFUL:
            meaningful = _sort(fields[start:], kept, keep_hosts=authority is None)
            break
    else:
        kept += fields[start:]
    if authority is None or meaningful:
        problem = _interpret(head, authority, meaningful or [], ended=ended)
        if problem is not None:
            return problem
    elif ended:
        head.content_length = 0
    if b":protocol" in pseudo:
        head.websocket = True
    return head


def _sort(fields: list[Field], kept: list[Field], *, keep_hosts: bool) -> list[Field]:
    """Add the fields that the application sees to `kept`, and return those that mean something to the server."""
    meaningful: list[Field] = []
    crumbs: list[bytes] = []
    crumbs_at = 0
    for field in fields:
        name = field[0]
        if name in _MEANINGFUL:
            if name == b"cookie":
                crumbs.append(field[1])
                if len(crumbs) > 1:
                    continue
                crumbs_at = len(kept)
            else:
                meaningful.append(field)
                if name == b"host" and not keep_hosts:
                    continue
        kept.append(field)
    if len(crumbs) > 1:
        # "these MUST be concatenated into a single octet string using the two-octet delimiter". RFC 9113 §8.2.3
        kept[crumbs_at] = (b"cookie", b"; ".join(crumbs))
    return meaningful


def _interpret(
    head: RequestHead, authority: bytes | None, meaningful: list[Field], *, ended: bool
) -> PeerError | None:
    """Read the fields that mean something to the server."""
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in meaningful:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"te":
            # "it MUST NOT contain any value other than 'trailers'". RFC 9113 §8.2.2
            if value.lower() != b"trailers":
                return _malformed("TE field other than trailers")
            head.accepts_trailers = True
        elif name == b"expect":
            if value.lower() != b"100-continue":
                return PeerError(417, "unknown expectation")
            head.expects_continue = not ended
        else:
            return _malformed("field of the connection, or pseudo-header field out of its place")
    return _judge_hosts(hosts, authority) or _judge_length(head, lengths, ended=ended)


def _judge_hosts(hosts: list[bytes], authority: bytes | None) -> PeerError | None:
    """RFC 9113 §8.3.1: http and https demand an authority, and ":authority" stands for Host."""
    if authority is not None:
        if len(hosts) > 1 or any(host.lower() != authority.lower() for host in hosts):
            return _malformed("Host field other than the authority, or more than one")
    elif len(hosts) != 1:
        return _malformed("not exactly one authority")
    elif not is_host(hosts[0]):
        return PeerError(400, "Host field that is no host")
    return None


def _judge_length(head: RequestHead, lengths: list[bytes], *, ended: bool) -> PeerError | None:
    """RFC 9113 §8.1.1: one length at most, and one that is met."""
    if len(lengths) > 1:
        return _malformed("more than one Content-Length field")
    length = parse_content_length(lengths[0]) if lengths else None
    if lengths and length is None:
        return _malformed("Content-Length that is no length")
    if ended and length:
        return _malformed("no content where Content-Length promises some")
    head.content_length = 0 if ended else length
    return None


def _judge_pseudo(pseudo: dict[bytes, bytes], *, extended: bool) -> PeerError | None:
    """RFC 9113 §8.3.1: method, scheme and path exactly once; an authority without user information."""
    method = pseudo.get(b":method")
    authority = pseudo.get(b":authority")
    path = pseudo.get(b":path", b"")
    if (
        method in _COMMON_METHODS
        and authority in _hosts
        and pseudo.get(b":scheme") in _SCHEMES
        and path.startswith(b"/")
        and not path.translate(None, TARGET_CHARACTERS)
        and b":protocol" not in pseudo
    ):
        return None  # As nearly all are, and as below.
    if method is None or not is_token(method):
        return _malformed("no method, or one that is not a token")
    if authority is not None:
        if not is_host(authority):
            return _malformed("authority that is no host")
        if len(authority) <= _HOSTS_SIZE:
            if len(_hosts) >= _HOSTS_ENTRIES:
                _hosts.clear()
            _hosts.add(authority)
    protocol = pseudo.get(b":protocol")
    if method == b"CONNECT":
        if protocol is None:
            if authority is None or b":scheme" in pseudo or b":path" in pseudo:
                return _malformed("CONNECT with a scheme or a path, or without an authority")  # RFC 9113 §8.5
            # It asks an origin to be a proxy (RFC 9110 §9.3.6).
            return PeerError(501, "method that is not served")
        if not extended or authority is None:
            return _malformed("extended CONNECT that was not offered, or without an authority")
        if protocol != b"websocket":
            return PeerError(501, "protocol that is not served")
    elif protocol is not None:
        return _malformed("protocol without CONNECT")
    elif method == b"TRACE" or len(method) > _MAX_METHOD_SIZE or method != method.upper():
        return PeerError(501, "method that is not served")
    if pseudo.get(b":scheme") not in _SCHEMES:
        return _malformed("no scheme, or one that is not http or https")
    if not path.startswith((b"/", b"*")) or parse_target(method, path) is None:
        return _malformed("no path, or one in no form that this method allows")
    return None


def is_trailer_section(fields: list[Field]) -> bool:
    """Tell whether fields may stand behind the content: no pseudo-header field, nothing that is the connection's.

    Source: RFC 9113 §8.1, §8.2.2.
    """
    return not any(
        name in _PSEUDO or name in _CONNECTION_FIELDS or (name == b"te" and value.lower() != b"trailers")
        for name, value in fields
    )


def parse_urgency(value: bytes) -> int:
    """Return the urgency of a priority field's value, 0 to 7; what cannot be read is ignored (RFC 9218 §4)."""
    found = _URGENCY.findall(value)
    last = found[-1].rstrip(b" \t") if found else b""
    return int(last) if last in _URGENCIES else DEFAULT_URGENCY


def find_urgency(fields: list[Field]) -> int:
    """Return the urgency that a request asks for."""
    for name, _ in fields:
        if name == b"priority":
            return parse_urgency(b",".join([value for name, value in fields if name == b"priority"]))
    return DEFAULT_URGENCY
