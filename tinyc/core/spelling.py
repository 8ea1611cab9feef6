"""Names: which known one a given one may be a misspelling of, and how a long one is shortened."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

from tinyc.core import limits


def nearest(given: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Give up to `most` known words that a word is close to, the closest first; a text is close to none."""
    if len(given) > limits.WORD_CHARACTERS:
        return []
    words = (word for word in islice(known, limits.COLUMNS) if len(word) <= limits.WORD_CHARACTERS)
    return difflib.get_close_matches(given, words, n=most)


def short(text: str, room: int) -> str:
    """Cut a long name in the middle: both ends tell layers apart."""
    if len(text) <= room:
        return text
    half = (room - 1) // 2
    return text[: room - 1 - half] + "…" + text[-half:]
