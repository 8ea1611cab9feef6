"""What a client trains in a round: the house's own batches, within the structure and the statistics that came."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clients, contexts

from tinyc.compression.clustering.tables import distinct
from tinyc.core.errors import UserError
from tinyc.data.dataset import TrainingData
from tinyc.federation import compiled_job, travelling_weights
from tinyc.federation.client import local_training
from tinyc.federation.job import read_network
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.spec.federation import learning_rate
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.training.fit import fit
from tinyc.training.step import compile_step


def distance(one: Any, other: Any) -> float:
    return float(np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one)))


def equal(one: Any, other: Any) -> bool:
    return list(one) == list(other) and all((one[name] == other[name]).all() for name in one)


def rounds(job: Any, parts: list[TrainingData], count: int, arrays: Any) -> Any:
    """Some rounds of plain averaging."""
    for number in range(1, count + 1):
        arrays = clients.average(
            [local_training.train(job, arrays, number, f"c{i}", part) for i, part in enumerate(parts)]
        )
    return arrays


def test_one_client_with_all_examples_is_central_training():
    model, data = clients.network(dropout=0.2), clients.data(100)
    keys = {"optimizer": "adam", "learning_rate": 0.01, "local_epochs": 2, "weight_decay": 0.01, "augment": ("flip",)}
    job = clients.job(model, **keys)
    trained = local_training.train(job, clients.start(model, **keys), 1, "one", data)

    central = read_network(job).model
    travelling_weights.limit(central, (), "frozen")
    seed = local_training.client_seed(job.seed, 1, "one")
    options = FitOptions(epochs=2, batch=16, schedule="constant", **{k: v for k, v in keys.items() if k in FitOptions.model_fields})  # noqa: E501  # fmt: skip
    context = contexts.context(Path(), replace(data, task=job.task), Net(None, job.task), seed=seed)
    facts = fit(central, options, labels(seed), context, "central")
    assert equal(trained.arrays, travelling_weights.values(travelling_weights.travelling(central, (), "frozen")))
    assert trained.examples == 100
    assert trained.metrics["loss"] == pytest.approx(facts["loss"][-1], abs=1e-6)


def test_the_same_round_has_the_same_bytes_whoever_trained_between():
    job, data = clients.job(optimizer="adam"), clients.data(48)
    start = clients.start(clients.network())
    first = local_training.train(job, start, 1, "a", clients.part(data, slice(0, 20)))
    other = local_training.train(job, first.arrays, 2, "b", clients.part(data, slice(20, 48)))
    compiled_job.forget()
    assert equal(first.arrays, local_training.train(job, start, 1, "a", clients.part(data, slice(0, 20))).arrays)
    assert not equal(first.arrays, other.arrays)
    assert not equal(first.arrays, local_training.train(job, start, 2, "a", clients.part(data, slice(0, 20))).arrays)


def test_a_step_is_compiled_once_for_all_clients_and_rounds(monkeypatch):
    made: list[Any] = []
    monkeypatch.setattr(compiled_job, "compile_step", lambda *given: made.append(compile_step(*given)) or made[-1])
    job, data = clients.job(), clients.data(96)
    compiled_job.forget()
    rounds(
        job,
        [clients.part(data, slice(start, start + 32)) for start in (0, 32, 64)],
        3,
        clients.start(clients.network()),
    )
    assert len(made) == 1
    assert made[0].experimental_get_tracing_count() == 1


def test_fewer_examples_than_a_batch_train_too():
    job, start = clients.job(batch=64), clients.start(clients.network())
    trained = local_training.train(job, start, 1, "small", clients.data(5))
    assert trained.examples == 5
    assert distance(trained.arrays, start) > 0


def test_batchnorm_stays_as_it_came():
    model = clients.network()
    job = clients.job(model)
    local_training.train(job, clients.start(model), 1, "a", clients.data(64))
    inside = compiled_job.compiled(job)
    norm = inside.model.get_layer("norm").get_weights()
    assert all((a == b).all() for a, b in zip(norm, model.get_layer("norm").get_weights(), strict=True))


def test_fedprox_pulls_towards_what_came():
    data, start = clients.data(64), clients.start(clients.network())

    def goes(**keys: Any) -> float:
        return distance(local_training.train(clients.job(local_epochs=3, **keys), start, 1, "a", data).arrays, start)

    went = {mu: goes(strategy="fedprox", proximal=mu) for mu in (0.0, 0.1, 5.0)}
    plain = goes()
    assert went[0.0] == plain > went[0.1] > 2 * went[5.0] > 0


def test_the_learning_rate_follows_the_rounds():
    options = clients.options(schedule="cosine", rounds=10, learning_rate=0.4)
    rates = [learning_rate(options, number) for number in range(1, 11)]
    assert rates[0] == 0.4
    assert rates[5] == pytest.approx(0.2)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.02
    assert learning_rate(clients.options(), 4) == 0.05


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox"])
def test_zeros_and_tables_survive_training_and_averaging(strategy):
    model, data = clients.structured(), clients.data(120)
    job, start = clients.job(model, strategy=strategy, optimizer="adam", learning_rate=0.01), clients.start(model)
    parts = [clients.part(data, slice(first, first + size)) for first, size in ((0, 61), (61, 37), (98, 22))]
    arrays = rounds(job, parts, 2, start)
    assert distance(arrays, start) > 0
    assert ((arrays["second/kernel"] == 0) == (start["second/kernel"] == 0)).all()
    assert int(distinct(arrays["logits/kernel"], ()).max()) <= 8
    assert equal(compiled_job.with_structure(job, arrays), arrays)


def test_what_noise_took_out_is_put_back():
    model = clients.structured()
    job, start = clients.job(model), clients.start(model)
    draw = np.random.default_rng(0)
    noisy = {name: (array + draw.normal(0, 0.01, array.shape)).astype(np.float32) for name, array in start.items()}
    mended = compiled_job.with_structure(job, noisy)
    assert ((mended["second/kernel"] == 0) == (start["second/kernel"] == 0)).all()
    assert int(distinct(mended["logits/kernel"], ()).max()) <= 8
    assert (mended["first/kernel"] == noisy["first/kernel"]).all()
    assert distance(mended, start) < distance(noisy, start)


def test_selected_layers_alone_are_trained():
    model = clients.network()
    keys = {"trainable": ("logits",)}
    trained = local_training.train(clients.job(model, **keys), clients.start(model, **keys), 1, "a", clients.data(64))
    assert sorted(trained.arrays) == ["logits/bias", "logits/kernel"]


def test_local_batchnorm_stays_with_its_client():
    model, data = clients.network(), clients.data(80)
    job, start = clients.job(model, batchnorm="local"), clients.start(model, batchnorm="local")
    one = local_training.train(job, start, 1, "a", clients.part(data, slice(0, 40)))
    assert sorted(one.kept) == ["norm/beta", "norm/gamma", "norm/moving_mean", "norm/moving_variance"]
    assert not set(one.kept) & set(one.arrays)
    assert one.examples == 36
    assert one.metrics["evaluated"] == 4
    other = local_training.train(job, start, 1, "b", clients.part(data, slice(40, 80)))
    assert not equal(one.kept, other.kept)
    forgot = local_training.train(job, one.arrays, 2, "a", clients.part(data, slice(0, 40)))
    knows = local_training.train(job, one.arrays, 2, "a", clients.part(data, slice(0, 40)), one.kept)
    assert not equal(forgot.arrays, knows.arrays)
    assert 0 <= knows.metrics["accuracy"] <= 1


BAD = [
    (lambda d: replace(d, train=clients.part(d, slice(0, 0)).train), "has no training examples"),
    (lambda d: replace(d, train=replace(d.train, x=d.train.x[:, :7])), r"its examples are \(7, 8, 1\)"),
    (lambda d: replace(d, train=replace(d.train, y=d.train.y + 2)), "labels from 2 to 4"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_examples_that_do_not_fit(change, message):
    with pytest.raises(UserError, match=message):
        local_training.train(clients.job(), clients.start(clients.network()), 1, "a", change(clients.data(40)))


def test_a_loss_that_is_no_number_names_the_round():
    keras, data = backend.keras(), clients.data(64)
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(image)))
    data = replace(data, train=replace(data.train, x=data.train.x * np.float32(np.nan)))
    with pytest.raises(UserError, match=r"federate, round 3.*the loss is nan"):
        local_training.train(clients.job(model), clients.start(model), 3, "a", data)
