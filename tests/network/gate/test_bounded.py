"""What a saved network asks of this machine is refused by name before it is made: weights, values, products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import saved_tables as tables
from support.saved_tables import layer, network

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.network import backend, sources
from tinyc.network.gate import bounded

HELD = {
    "dense": layer("Dense", {"units": 1 << 24}),
    "table": layer("Embedding", {"input_dim": 1 << 24, "output_dim": 1 << 24}),
    "kernel": layer("Conv2D", {"filters": 1 << 24, "kernel_size": 3}),
    "behind": layer("UpSampling2D", {"size": [5000, 5000]}),
}


@pytest.mark.parametrize("name", HELD)
def test_weights_that_the_file_does_not_hold_are_not_made(name: str, tmp_path: Path) -> None:
    path = tables.write_h5(tmp_path / "a.h5", network(HELD[name]))
    with pytest.raises(
        UserError, match=r"its layers ask for the weight '.*' of shape .*the whole file holds 51 numbers"
    ):
        sources.read_network(path, "here")


def made(*layers: Any, shape: tuple[int, ...]) -> Any:
    keras = backend.keras()
    return keras.Sequential([keras.Input(shape), *layers])


def test_layers_that_give_or_multiply_too_much_are_refused() -> None:
    layers = backend.keras().layers
    bounded.refuse_large(made(layers.UpSampling2D(8), layers.AveragePooling2D(64), shape=(1024, 1024, 1)), "here")
    with pytest.raises(UserError, match=r"'up' gives \(None, 16384, 16384, 1\), that is 268,435,456 numbers"):
        bounded.refuse_large(made(layers.UpSampling2D(16, name="up"), shape=(1024, 1024, 1)), "here")
    kernel = layers.Conv2D(1, 700, padding="same", use_bias=False, name="kernel")
    with pytest.raises(UserError, match=rf"'kernel' computes {2000 * 2000 * 700 * 700:,} products for one example"):
        bounded.refuse_large(made(kernel, shape=(2000, 2000, 1)), "here")


def test_a_pool_s_products_are_its_outputs_times_its_window() -> None:
    pool = backend.keras().layers.AveragePooling2D(4000, 1, name="pool")
    expected = 4001 * 4001 * 4000 * 4000
    assert expected > limits.LAYER_PRODUCTS
    with pytest.raises(UserError, match=f"'pool' computes {expected:,} products"):
        bounded.refuse_large(made(pool, shape=(8000, 8000, 1)), "here")


def test_what_is_quoted_of_keras_is_one_short_line() -> None:
    where = 'Exception encountered when calling layer "x" (type Dense).'
    assert bounded.reason(ValueError(f"{where}\n\nsides differ\nmore")) == "sides differ"
    assert len(bounded.reason(ValueError("x" * 100_000))) < 400


def test_a_network_that_gives_a_table_is_refused(tmp_path: Path) -> None:
    keras = backend.keras()
    image = keras.Input((4, 4, 1))
    keras.Model(image, {"score": keras.layers.Dense(3)(keras.layers.Flatten()(image))}).save(tmp_path / "a.h5")
    with pytest.raises(UserError, match="the network gives its output within a dict"):
        sources.read_network(tmp_path / "a.h5", "here")
