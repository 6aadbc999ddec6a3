"""HTTP/2: applications that break the rules, on streams beside others that must not notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.attacks.attack import Attack, MiB, Victim, demand
from tests.attacks.hostile_messages import BAD_FIELDS, HOP_BY_HOP, INJECTIONS, WRONG
from tests.attacks.http2_peer import attacker, check_served, named

__all__ = ["ATTACKS"]

_TRAILERS: Final = [(b"te", b"trailers")]
_OF_THE_CONNECTION: Final = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
    b"te",
}


def header_injection(victim: Victim) -> None:
    """A field block has no line ends, but whoever writes HTTP/1 from it has (RFC 9113 §8.2.1)."""
    with attacker(victim) as peer:
        for way in INJECTIONS:
            for name in BAD_FIELDS:
                with named(f"{way}/{name}"):
                    view = peer.fetch(f"/crlf/{way}/{name}".encode(), _TRAILERS)
                    told = repr((view.interim, view.fields, view.trailers))
                    demand("njected" not in told, "writes the field")
        check_served(victim, peer)


def hop_by_hop(victim: Victim) -> None:
    """Fields of a connection have no place in HTTP/2 (RFC 9113 §8.2.2); the rest of the response has."""
    with attacker(victim) as peer:
        for name in HOP_BY_HOP:
            with named(name):
                view = peer.fetch(f"/hop-by-hop/{name}".encode())
                demand(view.status == 200, f"answered {view.status}, RST_STREAM {view.reset}")
                sent = {field for field, _ in view.fields} & _OF_THE_CONNECTION
                demand(not sent, f"writes {sorted(sent)}")
                demand((b"x-kept", b"yes") in view.fields, "leaves out a field that is none of them")
                demand(view.content == b"whole", "leaves out content")
            with named(f"{name} in trailers"):
                view = peer.fetch(f"/hop-by-hop-trailers/{name}".encode(), _TRAILERS)
                sent = {field for field, _ in view.trailers or ()} & _OF_THE_CONNECTION
                demand(not sent, f"writes {sorted(sent)}")
        check_served(victim, peer)


def wrong_messages(victim: Victim) -> None:
    """The client gets a 500, or can see that something is missing, on this stream and on no other."""
    with attacker(victim) as peer:
        slow = peer.open(b"/drip")
        for name in WRONG:
            with named(name):
                view = peer.fetch(f"/wrong/{name}".encode())
                broken = view.reset is not None or view.status == 500
                demand(broken, f"answered {view.status} as if nothing were wrong")
        demand(peer.response(slow).content == b"0123456789", "disturbs another stream")
        check_served(victim, peer)


def raises(victim: Victim) -> None:
    """A response that was begun and not finished is reset (RFC 9113 §8.1.1)."""
    with attacker(victim) as peer:
        demand(peer.fetch(b"/raise-before").status == 500, "no 500 for an application that raises")
        view = peer.fetch(b"/raise-after-start")
        demand(view.status == 500 or view.reset, "a response that was only begun looks complete")
        for path in (b"/raise-in-chunks", b"/raise-in-length"):
            view = peer.fetch(path)
            demand(view.reset and not view.ended, f"half a response looks complete, of {path.decode()}")
        for path in (b"/raise-after-the-end", b"/complete-twice"):
            view = peer.fetch(path)
            demand(
                view.status == 200 and view.content == b"whole", f"cuts off what is whole: {path.decode()}"
            )
        check_served(victim, peer)


def changes(victim: Victim) -> None:
    """Buffers that are used again, and scopes that are changed while other streams are at work."""
    wanted = b"".join(b"%c" % (97 + number % 26) * 65_536 for number in range(100))
    with attacker(victim) as peer:
        before = peer.fetch(b"/scope").content
        for kind in ("octets", "buffer", "view"):
            view = peer.fetch(f"/change-later/{kind}".encode())
            refused = kind != "octets" and view.status == 500
            demand(refused or view.content == wanted, f"writes other content than was sent as {kind}")
            peer.fetch(b"/change-scope")
            demand(peer.fetch(b"/scope").content == before, "another stream sees what was changed")


def _attack(name: str, carry_out: Callable[[Victim], None], threat: str, memory: int = 4 * MiB) -> Attack:
    return Attack(name, threat, carry_out, protocol="h2c", memory=memory, tracebacks=True)


ATTACKS: Final = [
    _attack("header-injection-on-streams", header_injection, "Fields that are none"),
    _attack("hop-by-hop-fields", hop_by_hop, "Fields that are none"),
    _attack("app-wrong-messages-on-streams", wrong_messages, "Messages that are none"),
    _attack("app-raises-on-streams", raises, "Exceptions"),
    _attack("app-changes-objects-on-streams", changes, "Objects that change later", 16 * MiB),
]
