"""Text from outside as it may be shown: on one line, without control characters."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> str:
    """Keep user text on one line and free of control characters (a terminal would obey them)."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))
