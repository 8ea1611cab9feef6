"""A tiny transformer, sentences for it that say good or bad more often, and a context to train it in."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from support import contexts, datasets, shipped
from tinyc.data.task import Task
from tinyc.data.tokens import FIRST, LAST, PAD, UNKNOWN, Tokenizer, from_vocabulary
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.quantization.convert import to_int8_tflite

TOKENS = 12
OTHERS = ("the", "a", "it", "was", "film", "plot", "and", "very", "some", "story", "end", "with", "of")
WORDS = ("good", "fine", "bad", "dull", *OTHERS)
PIECES = (PAD, UNKNOWN, FIRST, LAST, *WORDS)
TASK = Task(("negative", "positive"), (TOKENS,), tokenizer=Tokenizer(from_vocabulary(PIECES, True, "the test"), TOKENS))


@functools.cache
def sentences(count: int, seed: int = 1) -> tuple[Any, Any]:
    """Sentences of 4 to 10 words, and whether they praise more often than they blame."""
    draw = np.random.default_rng(seed)
    x, y = list[Any](), list[Any]()
    while len(x) < count:
        words = draw.integers(0, len(WORDS), draw.integers(4, 11))
        praise = int((words < 2).sum()) - int(((words >= 2) & (words < 4)).sum())
        if praise:
            x.append(" ".join(WORDS[word] for word in words))
            y.append(int(praise > 0))
    return np.array(x, object), np.array(y, np.int64)


def ids(count: int, seed: int = 1) -> Any:
    """The same as the network sees them, (count, tokens) int32."""
    assert TASK.tokenizer
    return TASK.tokenizer.encode(sentences(count, seed)[0])


def network(seed: int = 1, spread: float = 0.2) -> Any:
    """One layer of two heads, width 16; every weight drawn, so that none folds away."""
    backend.seed_everything(seed)
    shape = {"vocabulary": len(PIECES), "width": 16, "depth": 1, "heads": 2, "inner": 32, "dropout": 0.0}
    model = shipped.bert().tiny_bert((TOKENS,), 2, **shape)
    draw = np.random.default_rng(seed)
    model.set_weights([w + spread * draw.standard_normal(w.shape) for w in model.get_weights()])
    return model


@functools.cache
def content(per_channel_dense: bool = False) -> bytes:
    return to_int8_tflite(network(), ids(60), per_channel_dense)


def context(folder: Path, source: Net, rehearse: Any = None) -> Context:
    data = datasets.training(TASK, sentences(640), slice(512), slice(512, 640), slice(64))
    return contexts.context(folder, data, source, rehearse)
