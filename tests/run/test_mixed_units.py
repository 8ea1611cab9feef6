"""Rows whose columns have other units: the int8 artifact knows each column, however the network scales them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import stripes

from tinyc.network import backend

pytestmark = pytest.mark.slow
QUANTIZE = '[[pass]]\nuse = "quantize"\n'
QAT = QUANTIZE + 'how = "qat"\nepochs = 1\nteach = { views = 1 }\n'


def rows(count: int = 600) -> tuple[Any, Any]:
    """(count, 3) rows of a temperature, a pressure and an acceleration; the class is told by the first and the last."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, count)
    columns = (
        y + random.normal(0, 0.3, count),
        1000 + 300 * random.normal(size=count),
        (y == 1) * 0.01 + random.normal(0, 0.003, count),
    )
    return np.stack(columns, 1).astype(np.float32), y


def write(folder: Path, layer: str, passes: str) -> Path:
    """Train a small network that scales its columns by itself, and write a recipe for it."""
    keras = backend.keras()
    keras.utils.set_random_seed(1)
    x, y = rows()
    given = keras.Input((3,))
    scaled = getattr(keras.layers, layer)(axis=-1)
    if layer == "Normalization":
        scaled.adapt(x)
    else:
        scaled.momentum = 0.5
    hidden = keras.layers.Dense(16, "relu")(scaled(given))
    model = keras.Model(given, keras.layers.Dense(3)(hidden))
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x[:400], y[:400], epochs=15, batch_size=32, verbose=0)
    arrays = {"x_train": x[:400], "y_train": y[:400], "x_test": x[400:], "y_test": y[400:]}
    recipe = stripes.write(folder, 'file = "net.keras"', f"{passes}[targets]\naccuracy_drop = '<= 2 pp'\n", **arrays)
    model.save(folder / "net.keras")
    return recipe


@pytest.mark.parametrize(
    ("layer", "passes"),
    [
        ("Normalization", QUANTIZE),
        ("Normalization", QAT),
        pytest.param("BatchNormalization", QUANTIZE, marks=pytest.mark.long),
    ],
)
def test_int8_keeps_the_accuracy(tmp_path: Path, layer: str, passes: str) -> None:
    recipe = write(tmp_path, layer, passes + '[[pass]]\nuse = "export"\n')
    found = stripes.run(recipe, tmp_path / "runs")
    assert found["source"]["accuracy"] > 0.95
    assert found["met"]
    assert len(found["steps"][0]["facts"]["scaled_before"]) == 1
    header = (tmp_path / "runs/0/stripes/model_data.h").read_text()
    assert "MODEL_PREPROCESS_CHANNELS 3" in header


NET = """
import tf_keras


def net(input_shape, classes):
    given = tf_keras.Input(input_shape)
    hidden = tf_keras.layers.Dense(24, "relu")(given)
    return tf_keras.Model(given, tf_keras.layers.Dense(classes)(hidden))
"""
TRAINED = 'build = "net.py:net"\ntrain = { epochs = 30, batch = 32, learning_rate = 0.01 }'


def test_a_network_without_is_told_to_fit_the_scale_and_keeps_its_accuracy_then(tmp_path: Path) -> None:
    """Columns 120 times apart train in float, and the int8 input keeps a few values of the small ones."""
    x, y = rows()
    x = (x - [0, 1000, 0]) * [1, 0.4, 100]
    arrays = {"x_train": x[:400], "y_train": y[:400], "x_test": x[400:], "y_test": y[400:]}
    recipe = stripes.write(tmp_path, TRAINED, f"{QUANTIZE}[targets]\naccuracy_drop = '<= 2 pp'\n", **arrays)
    (tmp_path / "net.py").write_text(NET)
    found = stripes.run(recipe, tmp_path / "runs")
    assert found["source"]["accuracy"] - found["final"]["accuracy"] > 0.05
    facts = found["steps"][0]["facts"]
    assert "column 2 keeps" in " ".join(facts["notes"])
    assert facts["diagnosis"]["causes"][0]["cause"] == "columns apart"
    assert facts["diagnosis"]["causes"][0]["add"].startswith('[data] scale = "fit"')
    assert found["next_steps"][0]["advice"][0]["write"] == facts["diagnosis"]["causes"][0]["add"]
    followed = stripes.run(recipe, tmp_path / "runs", "data.scale=fit")
    assert followed["met"]
    assert "column" not in " ".join(followed["steps"][0]["facts"].get("notes", ()))
