"""What the first layers with weights see: scaling within the network counts, in every form; ids are no values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.flatten import flat
from tinyc.network.rewriting.functions import in_layers
from tinyc.network.state import Net
from tinyc.run.first_layer import looker

X = np.linspace(0, 255, 4 * 8 * 8 * 3).reshape(4, 8, 8, 3).astype(np.float32)
Front = Callable[[Any, Any], Any]


def nested(keras: Any, x: Any) -> Any:
    given = keras.Input((8, 8, 3))
    return keras.Model(given, keras.layers.Rescaling(1 / 255)(given))(x)


def adapted(keras: Any, x: Any) -> Any:
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(X)
    return layer(x)


FRONTS: dict[str, tuple[Front, bool]] = {
    "nothing": (lambda keras, x: x, False),
    "Flatten": (lambda keras, x: keras.layers.ZeroPadding2D(1)(x), False),
    "times one": (lambda keras, x: x * 1.0, False),
    "Rescaling": (lambda keras, x: keras.layers.Rescaling(1 / 127.5, -1)(x), True),
    "nested Rescaling": (nested, True),
    "operators": (lambda keras, x: x / 127.5 - 1.0, True),
    "Normalization": (adapted, True),
    "preprocess_input": (lambda keras, x: keras.applications.mobilenet_v2.preprocess_input(x), True),
    "LayerNormalization": (lambda keras, x: keras.layers.LayerNormalization()(x), True),
}


@pytest.mark.parametrize("front", FRONTS)
def test_what_stands_before_the_first_kernel_counts(front: str) -> None:
    keras, (made, suits) = backend.keras(), FRONTS[front]
    given = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(made(keras, given))
    model = keras.Model(given, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    look = looker(Net(in_layers(flat(model, "it"), lambda _: None), Task(("a", "b"), (8, 8, 3))))
    assert look is not None
    seen = look(X)
    assert (seen.layer, seen.suits) == ("conv", suits)


def test_batch_normalization_follows_its_batches_and_a_frozen_one_does_not() -> None:
    keras = backend.keras()
    for frozen in (False, True):
        given = keras.Input((8, 8, 3))
        norm = keras.layers.BatchNormalization(trainable=not frozen)
        model = keras.Model(given, keras.layers.Dense(2, name="end")(keras.layers.Flatten()(norm(given))))
        look = looker(Net(model, Task(("a", "b"), (8, 8, 3))))
        assert (look is None) is not frozen


def test_ids_are_no_values() -> None:
    keras = backend.keras()
    given = keras.Input((8,))
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(256, 4)(given))
    assert looker(Net(keras.Model(given, keras.layers.Dense(2)(x)), Task(("a", "b"), (8,)))) is None
