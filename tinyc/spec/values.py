"""What the values of a recipe may be: text, numbers, switches, lists and tables, none beyond its limits."""

from __future__ import annotations

import math
import re
from datetime import date, time
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.spec.lines import Keys, bare

DOTTED = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{limits.NESTING},}}+")
BRACKET = re.compile(r"[\[{\]}]")
TOO_DEEP = f"nests tables or lists over {limits.NESTING} deep"


def require_shallow(text: str, where: str) -> None:
    """Refuse TOML text whose nesting would take the parser's time or stack.

    Raises:
        UserError: a dotted key has more parts than `limits.NESTING`, or that many brackets are open at once.
    """
    shown = bare(text)
    dotted = DOTTED.search(shown)
    if dotted:
        raise too_deep(f"{where}:{shown.count(chr(10), 0, dotted.start()) + 1}")
    depth = 0
    for bracket in BRACKET.finditer(shown):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > limits.NESTING:
            raise too_deep(f"{where}:{shown.count(chr(10), 0, bracket.start()) + 1}")


def too_deep(where: str) -> UserError:
    return UserError(where, TOO_DEEP, "write it flat; nothing in a recipe is deeper than a few tables")


def first_fault(table: Any) -> tuple[Keys, str, str] | None:
    """Find the first value that no recipe may hold: its keys, what is wrong with it, and what to write."""
    waiting: list[tuple[Keys, Any]] = [((), table)]
    while waiting:
        keys, value = waiting.pop()
        found = (TOO_DEEP, "write it flat") if len(keys) > limits.NESTING else fault_of(value)
        if found:
            return keys, *found
        items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
        waiting += [((*keys, key), item) for key, item in reversed(items)]
        for key in value if isinstance(value, dict) else ():
            if not_utf8(key):
                return (*keys, key), NOT_UTF8, "write it in UTF-8"
    return None


NOT_UTF8 = "holds bytes that are not UTF-8 text"


def fault_of(value: Any) -> tuple[str, str] | None:
    """Say what is wrong with one value, and what to write instead."""
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return "is an integer of over 64 bits", "write a smaller one"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a number that a recipe can hold", "write a finite one"
    if isinstance(value, date | time):
        return f"{value} is a date, and no key of a recipe takes one", "write it as text, in quotes"
    return (NOT_UTF8, "rename the file, or write it in UTF-8") if isinstance(value, str) and not_utf8(value) else None


def not_utf8(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text) if not text.isascii() else False
