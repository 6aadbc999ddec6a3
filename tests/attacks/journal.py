"""What the application writes down of each call. Servers import it with the application, and nothing more."""

from __future__ import annotations

from typing import TypedDict


class Call(TypedDict):
    """One call of the application, as /journal tells it. Texts are cut off after 200 characters."""

    kind: str
    """http or websocket."""
    method: str
    path: str
    target: str
    """`raw_path`, before anything was decoded."""
    client: str
    scheme: str
    octets: int
    """Content that it has received, or the payloads of the messages."""
    messages: int
    """How many messages it has received."""
    whole: bool
    """The body came to its end."""
    end: str
    """Empty while it is at work; then `returned`, `disconnected`, `cancelled`, or `raised` and what."""
