"""What travels: trainable float weights of the selected layers, and nothing that is no mean."""

from __future__ import annotations

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import UserError
from tinyc.federation import travelling_weights
from tinyc.network import backend
from tinyc.quantization import fixed_ranges

ALL = ["first/kernel", "second/kernel", "second/bias", "logits/kernel", "logits/bias"]


@pytest.mark.parametrize("batchnorm", ["frozen", "local"])
def test_all_but_batchnorm(batchnorm):
    assert list(travelling_weights.travelling(clients.network(), (), batchnorm)) == ALL


def test_selectors_limit_what_travels_and_what_trains():
    model = clients.network()
    assert list(travelling_weights.travelling(model, ["logits", "norm"], "frozen")) == ["logits/kernel", "logits/bias"]
    travelling_weights.limit(model, ["logits", "norm"], "frozen")
    assert len(model.trainable_variables) == 2
    travelling_weights.limit(model := clients.network(), ["logits", "norm"], "local")
    assert [each.name.split("/")[0] for each in model.trainable_variables] == ["norm", "norm", "logits", "logits"]


def test_a_wrapped_network_has_the_same_names():
    model = clients.network()
    travelling_weights.limit(model, (), "frozen")
    ranges, _ = fixed_ranges.measured(model, np.zeros((4, 8, 8, 1), np.float32), False)
    wrapped = fixed_ranges.wrapped(model, ranges, False)
    assert sorted(travelling_weights.travelling(wrapped, (), "frozen")) == sorted(ALL)
    assert len(wrapped.trainable_variables) == len(ALL)


def test_layers_that_preprocess_made_stay():
    keras = backend.keras()
    image = keras.Input((4,))
    x = keras.layers.Dense(3, name="tinyc_front_scale")(image)
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    assert list(travelling_weights.travelling(model, (), "frozen")) == ["logits/kernel", "logits/bias"]
    with pytest.raises(UserError, match="leaves nothing to train"):
        travelling_weights.travelling(model, ["tinyc_front_*"], "frozen")


def test_a_selector_that_matches_nothing():
    with pytest.raises(UserError, match="'secnd' matches no layer") as caught:
        travelling_weights.travelling(clients.network(), ["secnd"], "frozen")
    assert "second" in caught.value.remedy


def test_scalars_are_arrays_and_names_are_unique():
    keras = backend.keras()
    image = keras.Input((4, 3))
    x = keras.layers.MultiHeadAttention(2, 2, name="attention")(image, image)
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    found = travelling_weights.travelling(model, (), "frozen")
    assert len(found) == len(model.trainable_variables)
    scalar = backend.tensorflow().Variable(2.0)
    assert travelling_weights.values({"scale": scalar})["scale"].shape == ()


BAD = [
    ({"first/kernel": None}, "does not fit the network: 'first/kernel'"),
    ({"new": np.zeros(2)}, "does not fit the network: 'new'"),
    ({"logits/bias": np.zeros(4)}, r"came as \(4,\), and the network has \(3,\)"),
    ({"logits/bias": np.array([0, np.nan, 0])}, "no numbers"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_arrays_that_do_not_fit(change, message):
    variables = travelling_weights.travelling(clients.network(), (), "frozen")
    before = travelling_weights.values(variables)
    arrays = {name: array for name, array in (before | change).items() if array is not None}
    with pytest.raises(UserError, match=message):
        travelling_weights.assign(variables, arrays)
    after = travelling_weights.values(variables)
    assert all((before[name] == after[name]).all() for name in before)
