"""Keys of trainings in the cache."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from support import movies

from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer
from tinyc.spec.training import FitOptions
from tinyc.training.resume import training_key

WEIGHTS = [np.ones((3, 2), np.float32)]


def key(tokenizer: Tokenizer | None) -> str:
    task = Task(("a", "b"), (8,), tokenizer=tokenizer)
    context: Any = SimpleNamespace(data=SimpleNamespace(digest="data", task=task), seed=3)
    options = FitOptions.model_construct(epochs=1)
    return training_key(SimpleNamespace(get_weights=lambda: WEIGHTS), options, context, ["labels"])


def test_other_words_are_another_training() -> None:
    """Two trimmed vocabularies of one size give a fresh student the same weights and the same data."""
    definition = movies.definition()
    given = [None, Tokenizer(definition, 8), Tokenizer(definition, 9), Tokenizer(definition, 8, tuple(range(9)))]
    given.append(Tokenizer(definition.replace("dark", "dusk"), 8))
    assert len({key(each) for each in given}) == len(given)
    assert key(given[1]) == key(Tokenizer(definition, 8))
