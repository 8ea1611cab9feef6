"""JSON from a file of unknown origin, read so that no second reader can read it differently."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from tinyc.core import limits

LARGEST = 1 << 63


def parse(text: str | bytes) -> Any:
    """Read JSON in UTF-8 with unique keys, whole numbers of 64 bits, and no NaN.

    Raises:
        ValueError: it is not such JSON, or is nested too deeply.
    """
    if len(text) > limits.JSON_BYTES:
        raise ValueError(f"its configuration has {len(text):,} bytes; at most {limits.JSON_BYTES:,} are read")
    try:
        text = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise ValueError(f"its configuration is not UTF-8: {error.reason} at byte {error.start:,}") from error
    try:
        return json.loads(text, object_pairs_hook=unique_keys, parse_int=whole, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError("its configuration is nested too deeply") from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its configuration gives {twice[:40]!r} twice")
    return made


def whole(digits: str) -> int:
    if len(digits) > len(str(-LARGEST)) or not -LARGEST <= int(digits) < LARGEST:
        raise ValueError(f"its configuration holds the number {digits[:24]}..., which has more than 64 bits")
    return int(digits)


def refuse_constant(word: str) -> float:
    return not_a_number() if word == "NaN" else float(word)


def not_a_number() -> NoReturn:
    raise ValueError("its configuration holds a NaN")
