"""A small recipe on real images, for tests that run the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tinyc

EMBEDDED = Path(tinyc.__file__).parent / "data" / "embedded" / "fashion-mnist.npz"

NET = """
import tf_keras
from tf_keras import layers


def net(input_shape, classes, width=8):
    images = tf_keras.Input(input_shape)
    x = layers.Conv2D(width, 3, 2, "same", use_bias=False, name="stem")(images)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.Conv2D(width, 3, padding="same", use_bias=False, name="body")(x)
    y = layers.BatchNormalization(name="body_bn")(y)
    x = layers.ReLU(name="out")(layers.Add(name="add")([x, y]))
    x = layers.Conv2D(2 * width, 1, activation="relu", name="neck")(layers.MaxPooling2D(name="shrink")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(images, layers.Dense(classes, name="logits")(x))
"""

RECIPE = """
name = "small"
description = "a small network, real images"
seed = 5

[source]
build = "net.py:net"
train = { epochs = 2, batch = 32, learning_rate = 5e-3, augment = ["flip"] }

[data]
path = "images.npz"
scale = 0.00392156862745098
validation = 50
calibration = 40

[targets]
params_reduction = ">= 50 %"
arena = "<= 64 KiB"
accuracy_drop = "<= 60 pp"

[[pass]]
use = "distill"
student = { build = "net.py:net", width = 6 }
epochs = 2
views = 2
batch = 32
learning_rate = 5e-3
augment = ["flip"]
expect = { accuracy_drop = "<= 60 pp" }

[[pass]]
use = "prune"
how = "channels"
fraction = 0.34
epochs = 1
batch = 32

[[pass]]
use = "quantize"
how = "qat"
epochs = 1
batch = 32

[[pass]]
use = "export"
formats = ["tflite", "c", "hex"]

[[pass]]
use = "verify"
"""


def write(folder: Path, recipe: str = RECIPE, train: int = 400, test: int = 200) -> Path:
    """Write net.py, images.npz and small.toml into a folder; give the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(NET)
    with np.load(EMBEDDED) as arrays:
        np.savez(
            folder / "images.npz",
            x_train=arrays["x_train"][:train], y_train=arrays["y_train"][:train],
            x_test=arrays["x_test"][:test], y_test=arrays["y_test"][:test],
        )  # fmt: skip
    path = folder / "small.toml"
    path.write_text(recipe)
    return path
