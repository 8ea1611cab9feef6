"""Clients train under int8 rounding within the server's ranges, which stay exactly as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.federation import compiled_job, travelling_weights
from tinyc.federation.client import local_training
from tinyc.network import backend
from tinyc.quantization import fixed_ranges, qat


def aware(model=None, **keys):
    model = model or clients.network()
    calibration = inputs(clients.data(60).train.x, clients.TASK)
    ranges, _ = fixed_ranges.measured(model, calibration, False)
    return replace(clients.job(model, fake_quantize=True, **keys), ranges=ranges)


def test_ranges_have_names_that_do_not_change_with_the_process():
    first, second = aware().ranges, aware().ranges
    assert first == second
    assert {"input/0", "first_relu/output", "second/post_activation"} <= set(first)


def test_the_same_round_has_the_same_bytes():
    job, start = aware(), clients.start(clients.network())
    first = local_training.train(job, start, 1, "a", clients.data(40)).arrays
    compiled_job.forget()
    again = local_training.train(job, start, 1, "a", clients.data(40)).arrays
    assert all((first[name] == again[name]).all() for name in first)


def test_training_moves_weights_and_no_range():
    model = clients.network()
    job = aware(model, local_epochs=3)
    start = clients.start(model)
    trained = local_training.train(job, start, 1, "a", clients.data(64))
    assert set(trained.arrays) == set(start)
    assert any((trained.arrays[name] != start[name]).any() for name in start)
    inside = compiled_job.compiled(job)
    after = fixed_ranges.read_ranges(inside.model)
    norm = travelling_weights.values(travelling_weights.batchnorm_variables(inside.model))
    assert {name: np.array(pair, np.float32).tolist() for name, pair in job.ranges.items()} == {
        name: list(pair) for name, pair in after.items()
    }
    assert np.allclose(sorted(norm["norm/moving_mean"]), sorted(model.get_layer("norm").get_weights()[2]))


def test_without_fixing_the_ranges_would_move():
    model = clients.network()
    x = inputs(clients.data(60).train.x, clients.TASK)
    free = qat.quantization_aware(model, x).model
    before = fixed_ranges.read_ranges(free)
    free(x, training=True)
    assert fixed_ranges.read_ranges(free) != before


def test_rounding_is_in_the_training():
    model, data = clients.network(), clients.data(64)
    start = clients.start(model)
    rounded = local_training.train(aware(model), start, 1, "a", data)
    plain = local_training.train(clients.job(model), start, 1, "a", data)
    assert any((rounded.arrays[name] != plain.arrays[name]).any() for name in start)


def test_frozen_layers_stay_frozen_in_wrappers():
    model = clients.network()
    job = aware(model, trainable=("logits",))
    local_training.train(job, clients.start(model, trainable=("logits",)), 1, "a", clients.data(64))
    inside = compiled_job.compiled(job)
    held = inside.model.get_layer("quant_second")._weight_vars[0]
    assert (held[0].numpy() == model.get_layer("second").get_weights()[0]).all()


def test_ranges_of_another_network():
    job = replace(aware(), ranges={"elsewhere/output": (0.0, 1.0)})
    with pytest.raises(UserError, match="do not fit the network"):
        local_training.train(job, clients.start(clients.network()), 1, "a", clients.data(40))


def test_transformers_train_within_fixed_ranges_too():
    from tinyc.network.blocks import LayerNorm

    keras = backend.keras()
    backend.seed_everything(2)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Reshape((8, 8))(image)
    x = LayerNorm(name="norm")(keras.layers.Dense(6, name="wide")(x))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(x)))
    job = aware(model)
    start = clients.start(model)
    assert "norm/gamma" in start
    trained = local_training.train(job, start, 1, "a", clients.data(64))
    assert (trained.arrays["wide/kernel"] != start["wide/kernel"]).any()
    inside = compiled_job.compiled(job)
    after = fixed_ranges.read_ranges(inside.model)
    assert {name: np.array(pair, np.float32).tolist() for name, pair in job.ranges.items()} == {
        n: list(p) for n, p in after.items()
    }
