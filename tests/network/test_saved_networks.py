"""Saved networks are read for what they are; nothing in them is run, nothing is mis-read."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.network import backend, keras3, sources

IMAGES = np.random.default_rng(0).standard_normal((4, 8, 8, 1)).astype(np.float32)
KERAS_3 = """
import keras, numpy as np, sys
L = keras.layers
keras.utils.set_random_seed(1)
image = keras.Input((8, 8, 1))
x = L.Conv2D(4, 3, padding="same", use_bias=False, name="stem", kernel_regularizer="l2")(image)
x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(x))
inner = keras.Sequential([keras.Input((8, 8, 4)), L.DepthwiseConv2D(3, padding="same", name="deep"), L.LeakyReLU(0.1)])
y = inner(x)
x = L.Concatenate(name="both")([L.Add(name="sum")([x, y]), y])
x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))
model = keras.Model(image, L.Dense(3, activation="softmax", name="head")(x))
for layer in model.layers:
    layer.set_weights([w + 0.1 * np.random.default_rng(i).random(w.shape) for i, w in enumerate(layer.get_weights())])
model.save("three.keras"); model.save("three.h5")
np.save("logits.npy", np.log(np.asarray(model(np.load("images.npy"), training=False))))
pooled = keras.ops.mean(image + 1.0, axis=(1, 2))
keras.Model(image, L.Dense(3)(pooled)).save("operations.keras")
keras.Model(image, L.Dense(3)(L.Flatten()(L.Lambda(lambda t: t * 2, name="twice")(image)))).save("lambda3.keras")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of both Kerases."""
    folder = tmp_path_factory.mktemp("networks")
    np.save(folder / "images.npy", IMAGES)
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", KERAS_3], cwd=folder, env=environment, check=True, capture_output=True)
    model = network()
    for name in ("two.h5", "two.keras", "two_saved"):
        model.save(folder / name)
    (folder / "misnamed.keras").write_bytes((folder / "two.h5").read_bytes())
    model.save_weights(folder / "weights.h5")
    with_lambda().save(folder / "lambda.h5")
    with_lambda().save(folder / "lambda.keras")
    with_lambda().save(folder / "lambda_saved")
    backend.tensorflow().saved_model.save(backend.tensorflow().Module(), str(folder / "graph_saved"))
    (folder / "cut.keras").write_bytes((folder / "two.keras").read_bytes()[:2000])
    (folder / "cut.h5").write_bytes((folder / "two.h5").read_bytes()[:5000])
    content = bytearray((folder / "two.keras").read_bytes())
    content[200] ^= 0xFF
    (folder / "flipped.keras").write_bytes(bytes(content))
    (folder / "network.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "noise.keras").write_bytes(b"no network at all")
    (folder / "empty.h5").write_bytes(b"")
    (folder / "empty_folder").mkdir()
    return folder


def network() -> Any:
    keras = backend.keras()
    backend.seed_everything(3)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, name="stem")(image)
    return keras.Model(image, keras.layers.Dense(3, name="head")(keras.layers.Flatten()(x)))


def with_lambda() -> Any:
    keras = backend.keras()
    image = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(lambda t: t * 2, name="twice")(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("name", ["two.h5", "two.keras", "two_saved", "misnamed.keras"])
def test_what_keras_2_saved(folder: Path, name: str) -> None:
    model = sources.read_network(folder / name, "source.file")
    assert np.allclose(model(IMAGES, training=False), network()(IMAGES, training=False), atol=1e-6)
    assert [layer.name for layer in model.layers][1] == "stem"


@pytest.mark.parametrize("name", ["three.keras", "three.h5"])
def test_what_keras_3_saved_is_converted(folder: Path, name: str) -> None:
    """The same logits up to a constant a row, which the softmax hides; flat, with its names."""
    model = sources.read_network(folder / name, "source.file")
    difference = model(IMAGES, training=False).numpy() - np.load(folder / "logits.npy")
    assert np.allclose(difference, difference.mean(-1, keepdims=True), atol=1e-4)
    names = [layer.name for layer in model.layers]
    assert {"stem", "norm", "relu", "deep", "sum", "both", "head"} <= set(names)
    assert model.get_layer("stem").kernel_regularizer is not None
    assert isinstance(model.get_layer("stem"), backend.keras().layers.Conv2D)


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("operations.keras", "is a Add of keras.src.ops.numpy, which Keras 2 does not have", "save it with tf_keras"),
        ("lambda3.keras", "'twice' is a Lambda, which carries code", "Keras layers"),
        ("lambda.h5", "'twice' is a Lambda, which carries code", "Keras layers"),
        ("lambda.keras", "'twice' is a Lambda, which carries code", "Keras layers"),
        ("lambda_saved", "is a Lambda, which carries code", "Keras layers"),
        ("graph_saved", "a graph without Keras layers", "save the network from Keras"),
        ("weights.h5", "weights without a network", "as `weights`"),
        ("cut.keras", "not a whole .keras file", "save the network again"),
        ("cut.h5", "is damaged", "save the network again"),
        ("flipped.keras", "damaged|not a whole", "save the network again"),
        ("network.pkl", "a .pkl file can run code", "save the network as .keras"),
        ("noise.keras", "neither HDF5, nor a .keras file, nor a SavedModel", "save the network again"),
        ("empty.h5", "neither HDF5, nor a .keras file, nor a SavedModel", "save the network again"),
        ("empty_folder", "a folder without saved_model.pb", "SavedModel folder"),
        ("absent.keras", "there is no such file", "check the path"),
    ],
)
def test_what_is_refused(folder: Path, name: str, message: str, remedy: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        sources.read_network(folder / name, "source.file")
    assert name in caught.value.where
    assert remedy in caught.value.remedy


def test_a_network_for_another_task_is_refused(folder: Path) -> None:
    from tinyc.data.task import Task

    model = sources.read_network(folder / "two.h5", "source.file")
    assert sources.fit_to_task(model, Task(("a", "b", "c"), (8, 8, 1)), "source.file") is model
    with pytest.raises(UserError, match=r"takes \(8, 8, 1\), and an example is \(28, 28, 1\)"):
        sources.fit_to_task(model, Task(("a", "b", "c"), (28, 28, 1)), "source.file")


def test_a_conversion_whose_outputs_differ_is_refused() -> None:
    """Nothing is mis-read: what Keras 2 computes must be what Keras 3 computed."""
    stored = {"probe_input": IMAGES, "probe_output": network()(IMAGES, training=False).numpy()}
    keras3.compare(network(), stored, "net.keras")
    stored["probe_output"] = stored["probe_output"] + 0.01
    with pytest.raises(UserError, match=r"differ by 0\.01 from Keras 3"):
        keras3.compare(network(), stored, "net.keras")


READ_BLOCKS = """
import sys
from pathlib import Path
from tinyc.network import sources
for name in sys.argv[1:]:
    print(sources.read_network(Path(name), "source").output_shape)
"""


def test_networks_of_our_blocks_are_read_where_nothing_has_used_them_yet(tmp_path: Path) -> None:
    from tinyc.network import blocks

    ids = backend.keras().Input((6,), dtype="int32")
    pooled = blocks.TokenPool("mean")([blocks.TokenEmbedding(9, 4)(ids), blocks.PaddingMask()(ids)])
    model = backend.keras().Model(ids, backend.keras().layers.Dense(2)(pooled))
    names = [str(tmp_path / name) for name in ("net.h5", "net.keras")]
    for name in names:
        model.save(name)
    done = subprocess.run([sys.executable, "-c", READ_BLOCKS, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["(None, 2)"] * 2
