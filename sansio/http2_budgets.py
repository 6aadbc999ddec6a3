"""Budgets: how often a peer may do what costs us more than it, and brings nothing forward.

Source: RFC 9113 §10.5.
"""

from __future__ import annotations

from typing import Final

from .http2_frames import PRIORITY_UPDATE, WINDOW_UPDATE
from .settings import Settings

__all__ = ["Budgets", "TokenBucket"]

_UNKNOWN: Final = PRIORITY_UPDATE + 1


class TokenBucket:
    """Allows so many at one time, and so many more with each second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: int, rate: int, now: float) -> None:
        self._burst = float(burst)
        self._rate = rate
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token; False if there is none."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        allowed = tokens >= 1.0
        self._tokens = tokens - 1.0 if allowed else tokens
        return allowed

    def give(self, count: int) -> None:
        """Put tokens back for something that was brought forward."""
        self._tokens = min(self._burst, self._tokens + count)


class Budgets:
    """All budgets of one HTTP/2 connection."""

    __slots__ = ("_burst", "_kinds", "_rate", "_resets", "_started", "crumbs", "updates")

    def __init__(self, settings: Settings, now: float) -> None:
        self._burst = settings.http2_control_burst
        self._rate = settings.http2_control_rate
        self._started = now
        self._kinds: dict[int, TokenBucket] = {}
        self._resets = TokenBucket(settings.http2_reset_burst, settings.http2_reset_rate, now)
        self.crumbs = TokenBucket(self._burst, self._rate, now)
        """Frames with hardly anything in them that the peer may make us send."""
        self.updates = self._kinds[WINDOW_UPDATE] = TokenBucket(self._burst, self._rate, now)
        """WINDOW_UPDATE frames. What we send excuses some."""

    def take_frame(self, kind: int, now: float) -> bool:
        """Count a frame that brings nothing forward; False: it is one too many. Unknown types share a budget."""
        kind = min(kind, _UNKNOWN)
        bucket = self._kinds.get(kind)
        if bucket is None:
            bucket = self._kinds[kind] = TokenBucket(self._burst, self._rate, self._started)
        return bucket.take(now)

    def take_reset(self, now: float) -> bool:
        """Count a stream that ended with RST_STREAM, whoever made it; False: it is one too many."""
        return self._resets.take(now)
