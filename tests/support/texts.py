"""Sentences with a tokenizer and a small BERT over them, for tests of what text goes through."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from support import contexts, shipped
from tinyc.data.dataset import Split, TrainingData
from tinyc.data.task import Task
from tinyc.data.tokens import SPECIAL, Tokenizer, from_vocabulary
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net

WORDS = (
    "film", "the", "is", "this", "plot", "actors", "moving", "subway", "play", "##ing", "playing", "plays", "##way",
    "sub", "great", "dull", "unseen", "!",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = (*SPECIAL[:1], "[unused1]", *SPECIAL[1:], *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS))
SENTENCES = (
    "This film is great!", "The plot is dull.", "A moving film", "The actors playing this is great",
    "the subway is dull", "a great film, the plays", "this dull plot !", "The film is moving",
)  # fmt: skip


def tokenizer(length: int = 8) -> Tokenizer:
    return Tokenizer(from_vocabulary(PIECES, True, "vocab.txt"), length)


def task(length: int = 8) -> Task:
    return Task(("bad", "good"), (length,), tokenizer=tokenizer(length))


def data(length: int = 8) -> TrainingData:
    x = np.array(SENTENCES, object)
    y = np.array([1, 0, 1, 1, 0, 1, 0, 1])
    split = Split(x, y, np.arange(len(x)))
    unseen = Split(np.array(["The zest!", "a qualm is unseen"], object), np.array([1, 0]), np.array([20, 21]))
    return TrainingData(task(length), split, unseen, split, "digest-of-texts")


def network(**options: Any) -> Any:
    """A one-layer BERT with every weight drawn."""
    backend.seed_everything(5)
    small = {"vocabulary": len(PIECES), "width": 16, "depth": 1, "heads": 2, "inner": 32, **options}
    model = shipped.bert().tiny_bert((8,), 2, **small)
    draw = np.random.default_rng(5)
    model.set_weights([weight + 0.1 * draw.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def net(**options: Any) -> Net:
    return Net(network(**options), task())


@functools.cache
def teacher() -> Net:
    """The source of tests that have none of their own; no pass changes it."""
    return net()


def context(folder: Path, source: Net | None = None, rehearse: Any = None) -> Context:
    return contexts.context(folder, data(), source or teacher(), rehearse)
