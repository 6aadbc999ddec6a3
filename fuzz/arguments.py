"""What command lines have in common."""

from __future__ import annotations

import argparse
import math

__all__ = ["positive"]


def positive(text: str) -> float:
    """Read a number that is more than nothing, and finite."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number
