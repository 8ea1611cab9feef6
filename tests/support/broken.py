"""A small healthy network on real images, and ways to break it, or its calibration, on purpose."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from support import artifacts
from tinyc.data.dataset import TrainingData
from tinyc.network import backend
from tinyc.network.state import Flat, Net
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.write.pack import pack

OPTIONS: dict[str, Any] = {
    "how": "ptq", "calibrate": "minmax", "percentile": 99.99, "calibration": 500, "per_channel_dense": None,
    "exclude": (), "bias_correction": False, "equalize": False, "activations": "int8", "weights": "int8",
}  # fmt: skip


@functools.cache
def trained() -> Any:
    """Two convolutions and two dense layers, trained for some seconds, without a channel that is dead."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(2)
    images = keras.Input((14, 14, 1))
    x = layers.ReLU(name="first_relu")(layers.Conv2D(8, 3, padding="same", name="first")(images))
    x = layers.ReLU(name="second_relu")(layers.Conv2D(12, 3, 2, padding="same", name="second")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.LeakyReLU(0.3, name="bent")(layers.Dense(16, name="hidden")(x))
    model = keras.Model(images, layers.Dense(10, name="logits")(x), name="small")
    data = artifacts.data()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.train.x.astype(np.float32) / 255, data.train.y, 20, 4, verbose=0)
    return model


def net(**changed: Any) -> Net:
    """The network, with some layers' [kernel, bias] changed by functions of the kernel."""
    healthy = Net(trained(), artifacts.TASK).clone()
    for name, change in changed.items():
        layer = healthy.model.get_layer(name)
        layer.set_weights(change(*layer.get_weights()))
    return healthy


def louder(channel: int, times: float) -> Any:
    """Make one output channel of a kernel larger, its bias with it."""

    def change(kernel: Any, bias: Any) -> list[Any]:
        kernel[..., channel] *= times
        bias[channel] *= times
        return [kernel, bias]

    return change


def silent(channel: int) -> Any:
    """Make one output channel zero."""
    return louder(channel, 0.0)


def wild(kernel: Any, bias: Any) -> list[Any]:
    """Spread the rows of a dense layer over four orders of magnitude."""
    factors = np.logspace(-2, 2, len(bias), dtype=np.float32)
    return [kernel * factors, bias * factors]


def calibrated(data: TrainingData, **changes: Any) -> TrainingData:
    return replace(data, calibration=replace(data.calibration, **changes))


def of_one_class(data: TrainingData, label: int) -> TrainingData:
    """Draw the calibration examples from one class alone."""
    rows = np.flatnonzero(data.train.y == label)[:15]
    split = data.train
    return replace(data, calibration=replace(split, x=split.x[rows], y=split.y[rows], ids=split.ids[rows]))


def narrowed(flat: Flat, layer: str, times: float) -> Flat:
    """Shrink the range of one layer's output, as a bad choice of it would."""
    model = artifacts.opened(flat.content)
    op = next(op for op in describe(flat.content).ops if op.layer == layer)
    quantization = model.subgraphs[0].tensors[op.outputs[0]].quantization
    quantization.scale = np.array(quantization.scale, np.float32) * np.float32(times)
    return replace(flat, content=pack(model))
