"""Windows of a made-up sensor, a small network for them, and a context, for tests of signals."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from support import contexts, datasets
from tinyc.data.dataset import TrainingData
from tinyc.data.task import Stream, Task
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net

TIME, CHANNELS, RATE = 48, 4, 50.0
CLASSES = ("slow", "fast", "still")
SCALE, OFFSET = 0.5, 0.25
TASK = Task(CLASSES, (TIME, 1, CHANNELS), scale=SCALE, offset=OFFSET, stream=Stream(CHANNELS * RATE * 2, 1.0, RATE))


@functools.cache
def windows(count: int = 400, seed: int = 0) -> tuple[Any, Any]:
    """Two sines on four channels of different size and mean, with noise and clicks; (count, TIME, 1, CHANNELS)."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 3, count)
    t = np.arange(TIME) / RATE
    waves = np.array([1.5, 6.0, 0.0])[y][:, None] * t * 2 * np.pi + draw.uniform(0, 6, count)[:, None]
    hidden = np.stack([np.sin(waves), np.cos(waves)], -1)
    mixing = np.array([[1, 2, 0.2, 0], [0.5, -1, 0.1, 3]])
    x = hidden @ mixing + np.array([0, 5, -1, 2]) + 0.2 * draw.normal(size=(count, TIME, CHANNELS))
    x += (draw.random(x.shape) < 0.01) * 8
    return x[:, :, None].astype(np.float32), y.astype(np.int64)


def data(task: Task = TASK) -> TrainingData:
    return datasets.training(task, windows(), slice(240), slice(240, 320), slice(60), "waves")


def network(width: int = 8, shape: tuple[int, ...] = TASK.input_shape) -> Any:
    """A residual network of convolutions along time."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(5)
    given = keras.Input(shape, name="window")
    x = layers.Conv2D(width, (5, 1), (2, 1), "same", use_bias=False, name="stem")(given)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(momentum=0.8, name="stem_bn")(x))
    y = layers.Conv2D(width, (3, 1), padding="same", activation="relu", name="body")(x)
    x = layers.Conv2D(2 * width, 1, activation="relu", name="neck")(layers.Add(name="add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(given, layers.Dense(len(CLASSES), name="logits")(x), name="waves")


STUDENT = """
import tf_keras
from tf_keras import layers


def net(input_shape, classes, width=6):
    given = tf_keras.Input(input_shape)
    x = layers.Conv2D(width, (5, 1), (2, 1), "same", use_bias=False, name="stem")(given)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(momentum=0.8, name="stem_bn")(x))
    x = layers.Conv2D(2 * width, (3, 1), activation="relu", name="neck")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(given, layers.Dense(classes, name="logits")(x))
"""


def student(folder: Path, **options: Any) -> dict[str, Any]:
    """The recipe key of a student that takes windows of any channels."""
    path = folder / "student.py"
    path.write_text(STUDENT)
    return {"build": f"{path}:net", **options}


def net() -> Net:
    return Net(network(), TASK)


@functools.cache
def teacher() -> Net:
    """The source of tests that have none of their own; no pass changes it."""
    return net()


def context(folder: Path, source: Net | None = None, task: Task = TASK, rehearse: Any = None) -> Context:
    return contexts.context(folder, data(task), source or teacher(), rehearse)
