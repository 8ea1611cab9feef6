"""A network that was trained in mixed precision computes in float32 afterwards, with the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tinyc.network import backend
from tinyc.network.flatten import flat
from tinyc.network.float_tflite import to_float_tflite


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    keras = backend.keras()
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_it_is_read_in_float32(policy: str, tmp_path: Any) -> None:
    keras = backend.keras()
    given = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(given))
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(given, keras.layers.Dense(3, dtype="float32")(keras.layers.Flatten()(x)))
    model.save(tmp_path / "net.keras")
    keras.mixed_precision.set_global_policy("float32")
    read = flat(keras.models.load_model(tmp_path / "net.keras"), "net.keras")
    assert {layer.compute_dtype for layer in read.layers} == {"float32"}
    images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 1)).astype(np.float32)
    assert np.allclose(read(images), model(images), atol=0.05)
    assert all((one == other).all() for one, other in zip(model.get_weights(), read.get_weights(), strict=True))
    assert to_float_tflite(read)
