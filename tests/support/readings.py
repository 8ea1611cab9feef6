"""Some real sentences, a vocabulary of their words, small transformers and a context, for tests of text."""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from support import contexts, datasets, shipped
from support.lessons import Notes
from support.small import EMBEDDED
from tinyc.data import tokens
from tinyc.data.dataset import TrainingData
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net

LENGTH = 12
MOVIES = EMBEDDED.with_name("movie-sentiment.tsv")


@functools.cache
def rows() -> list[list[str]]:
    """The first (split, label, text) of the embedded movie reviews."""
    return [line.split("\t") for line in MOVIES.read_text(encoding="utf-8").splitlines()[1:121]]


@functools.cache
def pieces() -> tuple[str, ...]:
    words = Counter(re.findall(r"[a-z]+", " ".join(text for _, _, text in rows()).lower()))
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    kept = [word for word, _ in words.most_common(200) if word not in letters]
    return (*tokens.SPECIAL, *letters, *(f"##{letter}" for letter in letters), *kept)


def tokenizer() -> tokens.Tokenizer:
    return tokens.Tokenizer(tokens.from_vocabulary(pieces(), True, "test"), LENGTH)


def trimmed() -> tokens.Tokenizer:
    """Without every third word, its ids in another order than the source's."""
    whole = pieces()
    kept = [*whole[:5], *reversed(whole[5:57]), *(piece for index, piece in enumerate(whole[57:]) if index % 3)]
    origin = tuple(whole.index(piece) for piece in kept)
    return tokens.Tokenizer(tokens.from_vocabulary(kept, True, "test"), LENGTH, origin)


def task(reader: tokens.Tokenizer | None = None) -> Task:
    return Task(("negative", "positive"), (LENGTH,), tokenizer=reader or tokenizer())


def readings(reader: tokens.Tokenizer | None = None) -> TrainingData:
    x = np.array([text for _, _, text in rows()], object)
    y = np.array([label == "positive" for _, label, _ in rows()], np.int64)
    cut = len(x) - 20
    return datasets.training(task(reader), (x, y), slice(cut), slice(cut, None), slice(10), "readings")


def encoder(seed: int = 1, vocabulary: int | None = None, spread: float = 1.0, **options: Any) -> Any:
    """A BERT whose weights are drawn wide enough that its layers do something."""
    backend.seed_everything(seed)
    keys = {
        "width": 16,
        "depth": 2,
        "heads": 2,
        "inner": 32,
        "dropout": 0.0,
        "activation": "relu",
        "epsilon": 1e-5,
    } | options
    model = shipped.bert().bert((LENGTH,), 2, vocabulary or len(pieces()), **keys)
    draw = np.random.default_rng(seed)
    model.set_weights([w + spread * draw.normal(0, 0.2, w.shape).astype("float32") for w in model.get_weights()])
    return model


def context(folder: Path, source: Any = None, reader: tokens.Tokenizer | None = None) -> Context:
    made = contexts.context(folder, readings(reader), Net(source or encoder(), task()))
    return replace(made, progress=Notes())
