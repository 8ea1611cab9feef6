"""A job survives its bytes, and nothing in them is run."""

from __future__ import annotations

from dataclasses import replace

import clients
import numpy as np
import pytest

from tinyc import backend
from tinyc.errors import UserError
from tinyc.federation.job import Job, network_bytes, network_of
from tinyc.state import Stream, Task
from tinyc.tokens import Tokenizer


def test_round_trip():
    privacy = {"level": "example", "clip": 1.0, "epsilon": 8, "delta": 1e-3}
    job = replace(
        clients.job(privacy=privacy, trainable=("logits",)),
        task=Task(("a", "b", "c"), (8, 8, 1), "f1", 0.5, -1.0, Tokenizer("{}", 8, (3, 1)), stream=Stream(600.0, 0.8)),
        data='{"path": "x.npz"}',
        ranges={"first/output": (-1.5, 2.25)},
        noise=1.25,
        per_channel=True,
    )
    again = Job.from_bytes(job.to_bytes())
    assert again == job
    assert again.sha256 == job.sha256
    assert again.to_bytes() == job.to_bytes()
    model = network_of(clients.job()).model
    assert all((a == b).all() for a, b in zip(model.get_weights(), clients.network().get_weights(), strict=True))


def test_the_same_network_has_the_same_bytes():
    assert clients.job().sha256 == clients.job().sha256
    other = clients.network()
    other.set_weights([weight + 1 for weight in other.get_weights()])
    assert clients.job(other).sha256 != clients.job().sha256


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, (4).to_bytes(8, "big") + b"[{}]"])
def test_what_is_no_job(content):
    with pytest.raises(UserError, match="cannot be read"):
        Job.from_bytes(content)


def test_another_version_says_so():
    content = clients.job().to_bytes().replace(b'"version": 1', b'"version": 9')
    with pytest.raises(UserError, match="version 9"):
        Job.from_bytes(content)


def test_code_does_not_travel():
    keras = backend.keras()

    class Own(keras.layers.Layer):
        pass

    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(Own(name="own")(image)))
    with pytest.raises(UserError, match="'own' is a Own of your own code"):
        network_bytes(model)
    lambdas = keras.Model(image, keras.layers.Dense(2)(keras.layers.Lambda(lambda x: x * 2)(image)))
    job = replace(clients.job(), network=network_bytes(lambdas))
    with pytest.raises(UserError, match="Lambda"):
        network_of(job)


def test_blocks_of_transformers_travel():
    from tinyc.blocks import LayerNorm

    keras = backend.keras()
    tokens = keras.Input((4, 8))
    model = keras.Model(tokens, keras.layers.Dense(2)(keras.layers.Flatten()(LayerNorm(name="norm")(tokens))))
    again = network_of(replace(clients.job(), network=network_bytes(model))).model
    x = np.random.default_rng(0).random((3, 4, 8)).astype(np.float32)
    assert (again(x).numpy() == model(x).numpy()).all()
