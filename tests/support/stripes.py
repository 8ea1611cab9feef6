"""Stripes of two directions and two widths, which a small network learns in seconds, and recipes on them."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NET = """
import tf_keras
from tf_keras import layers


def net(input_shape, classes, width=8, rescale=True, norm=False, momentum=0.99):
    images = tf_keras.Input(input_shape)
    x = layers.Rescaling(1 / 255, name="to_one")(images) if rescale else images
    for number in (1, 2):
        x = layers.Conv2D(number * width, 3, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"norm{number}")(x) if norm else x
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(images, layers.Dense(classes, name="logits")(x))
"""


def images(count: int = 360, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(count, 16, 16, 3) images, and which of four stripes each shows."""
    random = np.random.default_rng(seed)
    labels, grid = random.integers(0, 4, count), np.arange(16)
    x = random.normal(0, 0.35, (count, 16, 16, 3))
    for place, label in enumerate(labels):
        wave = np.sin(2 * np.pi * (1 + label % 2 * 1.5) / 8 * (grid + random.integers(0, 16)))
        x[place] += 0.5 * (wave[:, None, None] if label < 2 else wave[None, :, None])
    return np.clip((x + 1.5) * 85, 0, 255).astype(np.uint8), labels


def write(
    folder: Path, source: str, passes: str = '[[pass]]\nuse = "quantize"\n', more: str = "", **arrays: Any
) -> Path:
    """Write net.py, data.npz and recipe.toml; `arrays` take the place of x_train and the like."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = images()
    data = {"x_train": x[:216], "y_train": y[:216], "x_test": x[216:], "y_test": y[216:], **arrays}
    np.savez(folder / "data.npz", **data)
    (folder / "net.py").write_text(NET)
    text = f'name = "stripes"\nseed = 1\n\n[source]\n{source}\n\n[data]\npath = "data.npz"\n{more}\n{passes}'
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def trained(
    folder: Path, epochs: int = 30, order: tuple[int, ...] = (0, 1, 2, 3), count: int = 216, batch: int = 30,
    **options: Any,
) -> str:  # fmt: skip
    """Train the network of NET and save it as net.keras; label i is trained as order[i]. Give the [source] line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.keras").write_bytes(trained_file(epochs, order, count, batch, tuple(options.items())))
    return 'file = "net.keras"'


@functools.cache
def trained_file(
    epochs: int, order: tuple[int, ...], count: int, batch: int, options: tuple[tuple[str, Any], ...]
) -> bytes:
    import tf_keras

    names: dict[str, Any] = {}
    exec(NET, names)
    tf_keras.utils.set_random_seed(1)
    x, y = images() if count == 216 else images(count, seed=5)
    model = names["net"]((16, 16, 3), 4, **dict(options))
    model.compile(tf_keras.optimizers.Adam(0.01), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x[:count], np.array(order)[y[:count]], epochs=epochs, batch_size=batch, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "net.keras")
        return (Path(folder) / "net.keras").read_bytes()


def run(recipe: Path, out: Path, *sets: str) -> dict[str, Any]:
    """Compress into a new folder below `out`; give report.json as a table."""
    from tinyc import cli

    chosen = [word for each in sets for word in ("--set", each)]
    folder = out / str(len([*out.glob("*")]))
    assert cli.invoke(["compress", str(recipe), "--out", str(folder), *chosen]) in (0, 1)
    found: dict[str, Any] = json.loads((folder / "stripes" / "report.json").read_text())
    return found
