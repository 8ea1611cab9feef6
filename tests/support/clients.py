"""A tiny network, a few examples and a job, for tests of what clients do."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from tinyc.data.dataset import Split, TrainingData
from tinyc.data.task import Task
from tinyc.federation import travelling_weights
from tinyc.federation.job import Job, network_of
from tinyc.network import backend
from tinyc.spec.federation import FederationOptions

TASK = Task(("a", "b", "c"), (8, 8, 1), scale=1 / 16, offset=-0.5)


@functools.cache
def examples(count: int) -> Split:
    """Three kinds of small noisy pictures; every "subject" sees its own kinds more often."""
    draw = np.random.default_rng(1)
    y = draw.integers(0, 3, count)
    patterns = np.random.default_rng(0).random((3, 8, 8, 1)) * 16
    x = np.clip(patterns[y] + draw.normal(0, 3, (count, 8, 8, 1)), 0, 16).astype(np.uint8)
    subject = np.array([f"{(label + kind) % 5 + 1}" for label, kind in zip(y, draw.integers(0, 3, count), strict=True)])
    return Split(x, y.astype(np.int64), np.arange(count), {"subject": subject})


def data(count: int = 120, validation: int = 0) -> TrainingData:
    train = examples(count)
    held = examples(600)
    rows = slice(600 - validation, 600)
    own = Split(held.x[rows], held.y[rows], held.ids[rows], {"subject": held.groups["subject"][rows]})
    first = Split(train.x[:40], train.y[:40], train.ids[:40])
    return TrainingData(TASK, train, own, first, f"digest-{count}")


def network(dropout: float = 0.0) -> Any:
    """Two convolutions, batch normalization with statistics of its own, and a head of logits."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(1)
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(6, 3, 2, name="first", use_bias=False)(image)
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(24, 3, activation="relu", name="second")(x)
    x = layers.Dropout(dropout, name="drop")(layers.Flatten(name="flat")(x))
    model = keras.Model(image, layers.Dense(3, name="logits")(x), name="tiny")
    draw = np.random.default_rng(3)
    norm = model.get_layer("norm")
    norm.set_weights([each + 0.3 * draw.random(each.shape) for each in norm.get_weights()])
    return model


def structured() -> Any:
    """Half of `second` is zero, `logits` has eight values, and `first` is as it was."""
    model = network()
    second, logits = model.get_layer("second"), model.get_layer("logits")
    kernel, bias = second.get_weights()
    second.set_weights([kernel * (np.abs(kernel) > np.median(np.abs(kernel))), bias])
    kernel, bias = logits.get_weights()
    levels = np.quantile(kernel, np.linspace(0, 1, 8)).astype(np.float32)
    logits.set_weights([levels[np.abs(kernel[..., None] - levels).argmin(-1)], bias])
    return model


def options(**keys: Any) -> FederationOptions:
    return FederationOptions.model_validate({"clients": 3, "batch": 16, "learning_rate": 0.05, "rounds": 4, **keys})


def job(model: Any = None, **keys: Any) -> Job:
    return Job(options(**keys), 11, network_of(model or network()), TASK)


def start(model: Any, **keys: Any) -> dict[str, Any]:
    """The arrays of the first round."""
    chosen = options(**keys)
    return travelling_weights.values(travelling_weights.travelling(model, chosen.trainable, chosen.batchnorm))


def part(whole: TrainingData, rows: slice) -> TrainingData:
    own = whole.train
    return replace(whole, train=Split(own.x[rows], own.y[rows], own.ids[rows]))


def average(parts: list[Any]) -> dict[str, Any]:
    """Weigh by examples, as FedAvg does."""
    total = sum(each.examples for each in parts)
    return {
        name: np.sum(
            [each.arrays[name] * np.float32(each.examples / total) for each in parts], axis=0, dtype=np.float32
        )
        for name in parts[0].arrays
    }
