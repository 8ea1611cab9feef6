"""A job survives its bytes, and nothing in them is run."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import UserError
from tinyc.data.task import Stream, Task
from tinyc.data.tokens import Tokenizer
from tinyc.federation.job import Job, network_of, read_network
from tinyc.network import backend


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
    model = read_network(clients.job()).model
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
    content = clients.job().to_bytes().replace(b'"version": 2', b'"version": 9')
    with pytest.raises(UserError, match="version 9"):
        Job.from_bytes(content)


def spoilt(place: str, value: str) -> bytes:
    """A job with a value of its header replaced by other JSON."""
    content = clients.job(privacy={"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3}).to_bytes()
    end = 8 + int.from_bytes(content[:8], "big")
    table = json.loads(content[8:end])
    *above, last = place.split(".")
    inner = functools.reduce(lambda found, key: found[key], above, table)
    inner[last] = "REPLACED"
    header = json.dumps(table).replace('"REPLACED"', value).encode()
    return len(header).to_bytes(8, "big") + header + content[end:]


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("task.classes", '"abc"'),
        ("task.classes", "[1, 2, 3]"),
        ("task.classes", "[]"),
        ("task.input_shape", "[8.5, 8, 1]"),
        ("task.input_shape", "[-8, 8, 1]"),
        ("task.input_shape", "[1e99]"),
        ("task.metric", '"speed"'),
        ("task.scale", "NaN"),
        ("task.scale", "Infinity"),
        ("task.scale", "1e999"),
        ("task.offset", '"0"'),
        ("task.tokenizer", '["{}", 1000000000000, null]'),
        ("task.tokenizer", "[1]"),
        ("task.front", '"{}"'),
        ("task.front", json.dumps(DEEP)),
        ("task.stream", '{"sensor_bytes": 1.0, "decisions": 1.0, "more": 1}'),
        ("task.more", "1"),
        ("task", "[]"),
        ("task", DEEP),
        ("seed", "1e3"),
        ("seed", "9" * 5000),
        ("noise", "NaN"),
        ("noise", "-1.0"),
        ("ranges", '{"a": [0.0]}'),
        ("ranges", '{"a": [0.0, "1"]}'),
        ("data", '"{"'),
        ("data", '"[]"'),
        ("data", json.dumps(DEEP)),
        ("options.rounds", "1e99"),
        ("options.learning_rate", "NaN"),
        ("options.privacy.noise", "Infinity"),
        ("options.more", "1"),
        ("per_channel", '"yes"'),
        ("version", "[]"),
        ("architecture", '"{"'),
        ("architecture", '"[]"'),
        ("architecture", "{}"),
        ("architecture", json.dumps(DEEP)),
    ],
)
def test_a_header_with_another_value_is_refused_in_a_line(place, value):
    with pytest.raises(UserError) as caught:
        Job.from_bytes(spoilt(place, value))
    assert "federated job: " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert len(str(caught.value)) < 400


def test_a_network_for_another_task_is_refused():
    for task in (Task(("a", "b"), (8, 8, 1)), Task(("a", "b", "c"), (9, 8, 1))):
        with pytest.raises(UserError, match=r"federated job: the network (takes|gives)"):
            read_network(replace(clients.job(), task=task))


def test_code_does_not_travel():
    keras: Any = backend.keras()

    class Own(keras.layers.Layer):
        pass

    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(Own(name="own")(image)))
    with pytest.raises(UserError, match="'own' is a Own of your own code"):
        network_of(model)
    lambdas = keras.Model(image, keras.layers.Dense(2)(keras.layers.Lambda(lambda x: x * 2)(image)))
    job = replace(clients.job(), network=network_of(lambdas), task=Task(("a", "b"), (4,)))
    with pytest.raises(UserError, match="Lambda"):
        read_network(job)


def test_blocks_of_transformers_travel():
    from tinyc.network.blocks import LayerNorm

    keras = backend.keras()
    tokens = keras.Input((4, 8))
    model = keras.Model(tokens, keras.layers.Dense(2)(keras.layers.Flatten()(LayerNorm(name="norm")(tokens))))
    task = Task(("a", "b"), (4, 8))
    again = read_network(replace(clients.job(), network=network_of(model), task=task)).model
    x = np.random.default_rng(0).random((3, 4, 8)).astype(np.float32)
    assert (again(x).numpy() == model(x).numpy()).all()
