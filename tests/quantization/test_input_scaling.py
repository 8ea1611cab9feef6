"""A network's own scaling of columns in other units goes before the int8 input, and the network stays the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import chains

from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.arithmetic import WithConstant
from tinyc.network.state import Net
from tinyc.quantization.input_scaling import pulled_out

MEAN, STD = np.array([1.0, 1000.0, 0.01]), np.array([0.9, 300.0, 0.003])
X = np.random.default_rng(0).normal(MEAN, STD, (200, 3)).astype(np.float32)
Layers = Callable[[Any], list[Any]]


def normalization(keras: Any, axis: int = -1) -> Any:
    layer = keras.layers.Normalization(axis=axis, name="adapted")
    layer.adapt(X)
    return layer


def batch_normalization(keras: Any) -> Any:
    layer = keras.layers.BatchNormalization(name="trained")
    layer.build((None, 3))
    layer.set_weights([np.array([1.0, 2.0, 0.5]), np.array([0.1, 0.0, -1.0]), MEAN, STD**2])
    return layer


def rescaling(keras: Any) -> Any:
    return keras.layers.Rescaling(list(1 / STD), list(-MEAN / STD), name="rescaled")


PULLED: dict[str, Layers] = {
    "Normalization": lambda keras: [normalization(keras)],
    "Normalization of axis 1": lambda keras: [normalization(keras, 1)],
    "BatchNormalization": lambda keras: [batch_normalization(keras)],
    "Rescaling by column": lambda keras: [rescaling(keras)],
    "two in a row": lambda keras: [keras.layers.Rescaling(2.0, 1.0), rescaling(keras)],
    "arithmetic": lambda _: [WithConstant("subtract", MEAN.tolist()), WithConstant("divide", STD.tolist())],
    "arithmetic, the constant first": lambda _: [
        WithConstant("subtract", MEAN.tolist(), first=True), WithConstant("multiply", (1 / STD).tolist(), first=True)
    ],
}  # fmt: skip
LEFT: dict[str, Layers] = {
    "nothing": lambda _: [],
    "one scale for all": lambda keras: [keras.layers.Rescaling(1 / 255)],
    "columns of like units": lambda keras: [keras.layers.Rescaling([1.0, 0.1, 0.5])],
    "by example": lambda keras: [keras.layers.LayerNormalization()],
    "one over the input": lambda _: [WithConstant("divide", [1.0, 100.0, 0.01], first=True)],
    "a column that it takes out": lambda keras: [keras.layers.Rescaling([1.0, 0.001, 0.0])],
}


def network(layers: list[Any], keras: Any) -> Net:
    model = chains.chain((3,), *layers, keras.layers.Dense(8, "relu"), keras.layers.Dense(2))
    return Net(model, Task(("a", "b"), (3,)))


def outputs(net: Net, raw: Any) -> Any:
    return np.asarray(net.model(inputs(raw, net.task), training=False))


@pytest.mark.parametrize("name", PULLED)
def test_what_is_pulled_out_computes_the_same(name: str) -> None:
    keras = backend.keras()
    layers = PULLED[name](keras)
    net = network(layers, keras)
    # Beside an offset of 3 float32 has few digits left for the third column, in both.
    for task, close in ((net.task, 2e-5), (replace(net.task, scale=0.5, offset=3.0), 1e-3)):
        given = replace(net, task=task)
        pulled = pulled_out(given)
        assert pulled is not None
        assert pulled.layers == tuple(layer.name for layer in layers)
        assert len(pulled.net.model.layers) == len(net.model.layers) - len(layers)
        assert pulled.net.task.source_scaling == (task.scale, task.offset)
        raw = ((X - task.offset) / task.scale).astype(np.float32)
        assert np.allclose(outputs(pulled.net, raw), outputs(given, raw), atol=close)
        assert 2e3 < pulled.ratio < 2e5


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_scaling_by_column_stays(name: str) -> None:
    keras = backend.keras()
    assert pulled_out(network(LEFT[name](keras), keras)) is None


def test_scaling_that_another_layer_reads_past_stays() -> None:
    keras = backend.keras()
    given = keras.Input((3,))
    x = keras.layers.Concatenate()([normalization(keras)(given), given])
    net = Net(keras.Model(given, keras.layers.Dense(2)(x)), Task(("a", "b"), (3,)))
    assert pulled_out(net) is None


def test_an_inverted_one_is_undone_and_one_of_another_axis_stays() -> None:
    keras = backend.keras()
    inverted = keras.layers.Normalization(axis=-1, mean=MEAN, variance=STD**2, invert=True)
    net = network([inverted], keras)
    pulled = pulled_out(net)
    assert pulled is not None
    small = (X - MEAN) / STD
    assert np.allclose(outputs(pulled.net, small), outputs(net, small), rtol=1e-4, atol=1e-4)
    given = keras.Input((3, 4))
    steps = keras.layers.Normalization(axis=1, mean=MEAN, variance=STD**2)
    x = keras.layers.Dense(2)(keras.layers.Flatten()(steps(given)))
    assert pulled_out(Net(keras.Model(given, x), Task(("a", "b"), (3, 4)))) is None
