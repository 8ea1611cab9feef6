"""Which words are near each other by a source's own vectors, for the words of the training sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data import tokens
from tinyc.data.tokens import Language

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")  # letters, with what an apostrophe joins: don't is one word
NEAREST = 15
CHUNK = 512
"""Words compared at once: 512 against 20,000 others are 40 MB."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest words of each word; both sides as the vocabulary spells them.

    Attributes:
        rows: the row of `near` for a word as the sentences spell it; words without a vector are not in it.
        near: (words, count) places in `words`, the nearest first.
        words: every word that can stand for another.
    """

    rows: dict[str, int] = field(repr=False)
    near: NDArray[np.int32] = field(repr=False)
    words: tuple[str, ...] = field(repr=False)

    @property
    def count(self) -> int:
        return int(self.near.shape[1])

    def of(self, word: str, place: int) -> str | None:
        """Give a word's neighbour, 0 the nearest; None where the word has no vector."""
        row = self.rows.get(word)
        return None if row is None or not self.count else self.words[int(self.near[row, place])]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words of sentences, and what a source knows of them; `neighbours` are computed when first asked for."""

    language: Language
    texts: NDArray[Any] = field(repr=False)

    @cached_property
    def neighbours(self) -> Neighbours:
        """The 15 nearest by cosine among the words that are one piece of the vocabulary."""
        vectors = self.language.vectors() if self.language.vectors else np.empty((0, 1), np.float32)
        pieces = tokens.vocabulary(self.language.definition)[: len(vectors)]
        ids = [index for index, piece in enumerate(pieces) if len(piece) > 1 and WORD.fullmatch(piece)]
        words = tuple(pieces[index] for index in ids)
        place = {word: index for index, word in enumerate(words)}
        spelled = self.spellings()
        known = sorted({place[word] for word in spelled.values() if word in place})
        row = {words[index]: number for number, index in enumerate(known)}
        return Neighbours(
            {spelling: row[word] for spelling, word in spelled.items() if word in row},
            nearest(unit_length(vectors[ids]), np.array(known, np.int64)),
            words,
        )

    def spellings(self) -> dict[str, str]:
        """Return every word of the sentences, with what the tokenizer's normalization makes of it."""
        found = sorted({word for text in self.texts for word in WORD.findall(text)})
        normalizer = tokens.compiled(self.language.definition, None).normalizer
        return {word: normalizer.normalize_str(word) if normalizer else word for word in found}


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors, (words, width), to length one; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


def nearest(units: NDArray[np.float32], asked: NDArray[np.int64]) -> NDArray[np.int32]:
    """Find the nearest others of the asked rows by dot product, (asked, at most 15) places, the nearest first."""
    count = min(NEAREST, len(units) - 1)
    if count < 1 or not len(asked):
        return np.empty((len(asked), 0), np.int32)
    found = np.empty((len(asked), count), np.int32)
    for start in range(0, len(asked), CHUNK):
        rows = asked[start : start + CHUNK]
        closeness = units[rows] @ units.T
        closeness[np.arange(len(rows)), rows] = -np.inf
        best = np.sort(np.argpartition(closeness, -count, axis=1)[:, -count:], axis=1)
        order = np.argsort(-np.take_along_axis(closeness, best, 1), axis=1, kind="stable")
        found[start : start + CHUNK] = np.take_along_axis(best, order, 1)
    return found
