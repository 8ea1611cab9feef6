"""Real sentences, a small vocabulary of their words with vectors, and files of them, for tests of text."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import tinyc
from tinyc.data import tokens
from tinyc.data.tokens import Language

EMBEDDED = Path(tinyc.__file__).parent / "data" / "embedded" / "movie-sentiment.tsv"
WIDTH = 12


@functools.cache
def rows(count: int = 200) -> tuple[tuple[str, str, str], ...]:
    """(split, label, text) of the embedded dataset, from all over it, so that both labels are there."""
    lines = EMBEDDED.read_text(encoding="utf-8").splitlines()[1:]
    lines = lines[:: max(1, len(lines) // count)][:count]
    return tuple((part, label, text) for part, label, text in (line.split("\t") for line in lines))


def sentences(count: int = 200) -> list[str]:
    return [text for _, _, text in rows(count)]


@functools.cache
def pieces(count: int = 400) -> tuple[str, ...]:
    """A BERT vocabulary: letters, marks and the most frequent words of the sentences."""
    words = Counter(word for text in sentences(600) for word in re.findall(r"[a-z]+", text.lower()))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    frequent = [word for word, _ in words.most_common(count) if len(word) > 1]
    return (*tokens.SPECIAL, *".,'!?-()", *letters, *(f"##{letter}" for letter in letters), *frequent)


def definition() -> str:
    return tokens.from_vocabulary(pieces(), True, "vocab.txt")


def vectors() -> np.ndarray[Any, Any]:
    return np.random.default_rng(4).normal(size=(len(pieces()), WIDTH)).astype(np.float32)


def language() -> Language:
    return Language(definition(), vectors)


def write_vocabulary(folder: Path) -> str:
    (folder / "vocab.txt").write_text("\n".join(pieces()) + "\n", encoding="utf-8")
    return "vocab.txt"


def write_jsonl(path: Path, count: int = 200) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for _, label, text in rows(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
