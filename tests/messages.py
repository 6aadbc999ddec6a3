"""The messages of an application's response, short to write, and any value may be wrong."""

from __future__ import annotations

from typing import Any

from sansio import Message

__all__ = ["body", "early_hint", "start", "trailers"]


def start(status: Any = 200, headers: Any = (), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(content: Any = b"", *, more: Any = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def trailers(headers: Any = (), *, more: Any = False) -> Message:
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}


def early_hint(*links: Any) -> Message:
    return {"type": "http.response.early_hint", "links": links}
