"""The operations behind `augment.view` on sentences: each maps (sentences, ids, seed, view) to new sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.recordings import counter
from tinyc.data.text.lexicon import WORD, Lexicon, Neighbours
from tinyc.spec.augmentations import without_vectors

Ids = NDArray[np.int64]
REPLACED, CHOSEN, DROPPED, MIXED = 21, 22, 23, 24  # streams, apart from those of images and splits
REPLACED_FRACTION = 0.4
DROPPED_FRACTION = 0.1
LEAST, MOST = 0.3, 0.7


def reworded(
    x: NDArray[Any], ids: Ids, seed: int, view: int, ops: Sequence[str], lexicon: Lexicon | None
) -> NDArray[Any]:
    """Apply "words", "drop" and "mix" in the order of `ops`; gives new sentences, (examples,) objects of type str.

    Raises:
        UserError: "words" or "mix" is asked for without a lexicon.
    """
    texts = x.tolist()
    for name in ops:
        if name == "drop":
            texts = drop(texts, ids, seed, view)
        elif lexicon is None:
            raise without_vectors("augment", name)
        elif name == "mix":
            texts = mix(texts, ids, seed, view, lexicon.texts)
        else:
            texts = replace_words(texts, ids, seed, view, lexicon.neighbours)
    return np.array(texts, object)


def replace_words(texts: Sequence[str], ids: Ids, seed: int, view: int, near: Neighbours) -> list[str]:
    """Replace each word with a probability of 0.4 by one of its nearest, as TinyBERT does (Jiao et al. 2020, 3.4).

    TinyBERT asks BERT's masked head or GloVe for the nearest; here it is the source's own table of vectors, so that a
    view costs no run of a network. Words without a vector stay, and so does punctuation.
    """
    most = max((sum(1 for _ in WORD.finditer(text)) for text in texts), default=0)
    asked = counter.unit(counter.sequence(counter.keys(seed, ids, view, REPLACED), most)) < REPLACED_FRACTION
    picked = counter.below(counter.sequence(counter.keys(seed, ids, view, CHOSEN), most), near.count)
    return [replaced(text, row, places, near) for text, row, places in zip(texts, asked, picked, strict=True)]


def replaced(text: str, asked: NDArray[np.bool_], picked: NDArray[np.int64], near: Neighbours) -> str:
    """Replace the asked words of one sentence; a leading capital is kept."""
    parts, end = [], 0
    for index, found in enumerate(WORD.finditer(text)):
        other = near.of(found[0], int(picked[index])) if asked[index] else None
        if other is not None:
            parts += [text[end : found.start()], other[0].upper() + other[1:] if found[0][0].isupper() else other]
            end = found.end()
    return "".join((*parts, text[end:]))


def drop(texts: Sequence[str], ids: Ids, seed: int, view: int) -> list[str]:
    """Drop each word with a probability of 0.1, never all of a sentence (Wei and Zou, EDA, 2019, arXiv:1901.11196)."""
    most = max((sum(1 for _ in WORD.finditer(text)) for text in texts), default=0)
    draws = counter.unit(counter.sequence(counter.keys(seed, ids, view, DROPPED), most))
    return [dropped(text, row) for text, row in zip(texts, draws, strict=True)]


def dropped(text: str, draws: NDArray[np.float32]) -> str:
    """Take the drawn words out of one sentence, and the double spaces that this leaves."""
    words = list(WORD.finditer(text))
    gone = draws[: len(words)] < DROPPED_FRACTION
    if not gone.any():
        return text
    if gone.all():
        gone[int(draws[: len(words)].argmax())] = False
    parts, end = [], 0
    for found, is_gone in zip(words, gone, strict=True):
        if is_gone:
            parts.append(text[end : found.start()])
            end = found.end()
    return " ".join("".join((*parts, text[end:])).split())


def mix(texts: Sequence[str], ids: Ids, seed: int, view: int, others: NDArray[Any]) -> list[str]:
    """Follow a stretch of 30 to 70 % of each sentence's words by such a stretch of another training sentence.

    Meant for soft labels: the teacher says what the new sentence means, and its own label stays that of the first.
    """
    draws = counter.unit(counter.sequence(counter.keys(seed, ids, view, MIXED), 5))
    partners = np.minimum((draws[:, 4] * len(others)).astype(np.int64), len(others) - 1)
    return [
        " ".join((*stretch(text, *row[:2]), *stretch(others[partner], *row[2:4])))
        for text, row, partner in zip(texts, draws.tolist(), partners.tolist(), strict=True)
    ]


def stretch(text: str, share: float, place: float) -> list[str]:
    """Take a run of words out of a sentence, as long and as far in as two draws from [0, 1) say."""
    words = text.split()
    count = max(1, round(len(words) * (LEAST + (MOST - LEAST) * share)))
    first = int(place * (len(words) - count + 1))
    return words[first : first + count]
