"""DP-SGD: what one example can do is bounded, and what is added is the noise that is accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.lessons import TASK, Notes, context, digest, lesson, notes

from tinyc.compression.clustering.keep import keep_structure
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.spec.passes import apply
from tinyc.spec.passes.distill import Distill
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import Objective, labels
from tinyc.training.private import steps
from tinyc.training.private.gradients import clipped_sums, physical_batch
from tinyc.training.private.steps import Examples, Mechanism, PrivateTraining, begin
from tinyc.training.private.training import fit_private

COUNT = 60


def data() -> tuple[Any, Any]:
    draw = np.random.default_rng(2)
    y = draw.integers(0, 3, COUNT)
    patterns = np.random.default_rng(0).normal(size=(3, 12, 1, 2))
    return (patterns[y] + 0.3 * draw.normal(size=(COUNT, 12, 1, 2))).astype(np.float32), y.astype(np.int64)


def network(norm: bool = False) -> Any:
    """A convolution, a depthwise one, a shortcut and a head: what the small networks here are made of."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(1)
    signal = keras.Input((12, 1, 2))
    x = layers.Conv2D(4, (3, 1), 2, "same", name="first")(signal)
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    x = layers.ReLU(name="relu")(x)
    y = layers.Conv2D(4, 1, name="point")(layers.DepthwiseConv2D((3, 1), padding="same", name="depth")(x))
    x = layers.Add(name="add")([x, y])
    x = layers.Dropout(0.3, name="drop")(layers.Flatten(name="flat")(x))
    return keras.Model(signal, layers.Dense(3, name="logits")(x))


def training(model: Any, clip: float = 0.5, noise: float = 1.0, rate: float = 0.25, seed: int = 3) -> PrivateTraining:
    x, y = data()
    examples = Examples(COUNT, lambda rows, _: (x[rows], y[rows].astype("int32"), ()))
    options = FitOptions(optimizer="sgd", learning_rate=0.1)
    return begin(model, Mechanism(clip, noise, rate), examples, options, labels(seed), seed)


def fit(model: Any, **keys: Any) -> dict[str, Any]:
    x, y = data()
    settings = {"clip": 0.5, "noise": 0.5, "rate": 0.25, "steps": 4, "seed": 3} | keys
    return fit_private(model, settings.pop("x", x), settings.pop("y", y), **settings)


def by_hand(model: Any, rows: Any, clip: float) -> list[Any]:
    """Gradients one after another, each cut to the norm `clip`, added up."""
    tf, (x, y) = backend.tensorflow(), data()
    total = [np.zeros(tuple(each.shape)) for each in model.trainable_variables]
    for row in rows:
        with tf.GradientTape() as tape:
            loss = labels(0).loss(model(x[row : row + 1], training=False), y[row : row + 1], ())
        found = [each.numpy() for each in tape.gradient(loss, model.trainable_variables)]
        norm = np.sqrt(sum((each**2).sum() for each in found))
        total = [one + each * min(1.0, clip / norm) for one, each in zip(total, found, strict=True)]
    return total


def size(arrays: Any) -> float:
    return float(np.sqrt(sum((np.asarray(each, np.float64) ** 2).sum() for each in arrays)))


@pytest.mark.parametrize("clip", [0.3, 100.0])
def test_each_gradient_is_cut_by_itself_and_all_are_added(clip: float) -> None:
    """Seven drawn of a physical batch of four: the second batch is padded, and nothing is dropped."""
    model = network()
    small = replace(training(model, clip), physical=4)
    rows = np.arange(7)
    found, loss = steps.clipped(small, rows, 0)
    for one, other in zip(found, by_hand(model, rows, clip), strict=True):
        assert np.allclose(one, other, atol=2e-5)
    assert loss > 0


def test_one_example_moves_the_sum_by_no_more_than_the_clip() -> None:
    model = network()
    ready = training(model, clip=0.2)
    whole, _ = steps.clipped(ready, np.arange(20), 0)
    moved = []
    for row in range(6):
        without, _ = steps.clipped(ready, np.delete(np.arange(20), row), 0)
        moved.append(size([one - other for one, other in zip(whole, without, strict=True)]))
    assert max(moved) <= 0.2 * (1 + 1e-4)
    assert max(moved) > 0.2 * (1 - 1e-3)  # it is the clip that bounds it


def test_a_gradient_that_is_no_number_adds_nothing() -> None:
    tf, model = backend.tensorflow(), network()
    x, y = (each[:4] for each in data())

    def loss(logits: Any, truth: Any, targets: Any) -> Any:
        return labels(0).loss(logits, truth, ()) + tf.sqrt(tf.reduce_sum(targets[0]) * tf.reduce_sum(logits) ** 2)

    sums = clipped_sums(model, model.trainable_variables, Objective("broken", lambda epoch: (0, epoch), loss))
    broken, mask = np.array([0.0, -1.0, 0.0, 0.0], np.float32), np.array([1, 1, 1, 0], np.float32)
    found, _ = sums(x, y.astype("int32"), (broken,), mask, np.float32(0.2))
    assert np.isfinite(size(found))
    assert size(found) <= 3 * 0.2


def test_the_noise_is_what_is_accounted_for() -> None:
    """Two trainings that differ in the noise alone differ by deviation noise x clip / expected in each weight."""
    plain, noisy = network(), network()
    fit(plain, noise=0.0, steps=1, learning_rate=0.1)
    fit(noisy, noise=2.0, steps=1, learning_rate=0.1)
    apart = [one - other for one, other in zip(noisy.get_weights(), plain.get_weights(), strict=True)]
    # Nesterov's first step is 1.9 times the gradient.
    found = np.concatenate([each.ravel() for each in apart]) * (0.25 * COUNT) / (0.1 * 1.9)
    assert found.std() == pytest.approx(2.0 * 0.5, rel=0.15)
    assert abs(found.mean()) < 0.25


def test_the_noise_has_the_right_deviation_and_is_new_in_each_step() -> None:
    wide = backend.keras().Sequential([backend.keras().layers.Dense(300, input_shape=(100,))])
    ready = PrivateTraining(
        wide, wide.trainable_variables, None, Mechanism(0.5, 3.0, 0.1), Examples(10, lambda *_: (0, 0, ())),
        print, print, 1, 7,
    )  # fmt: skip
    first, second = (steps.noises(ready, step)[0].ravel() for step in (0, 1))
    assert first.std() == pytest.approx(1.5, rel=0.02)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_a_step_that_draws_nobody_adds_its_noise_all_the_same() -> None:
    model = network()
    before = model.get_weights()
    facts = fit(model, rate=1e-9, steps=2)
    assert facts["examples"] == 0
    assert size(one - other for one, other in zip(model.get_weights(), before, strict=True)) > 1


def test_examples_are_drawn_each_by_itself() -> None:
    ready = training(network())
    drawn = [steps.drawn(ready, step) for step in range(400)]
    sizes = np.array([len(rows) for rows in drawn])
    often = np.bincount(np.concatenate(drawn), minlength=COUNT) / 400
    assert sizes.mean() == pytest.approx(15, rel=0.05)
    assert sizes.var() == pytest.approx(COUNT * 0.25 * 0.75, rel=0.25)
    assert often.min() > 0.15
    assert often.max() < 0.35


def test_the_same_seed_gives_the_same_bytes_whatever_was_trained_before() -> None:
    model, again = network(), network()
    start = model.get_weights()
    fit(model, optimizer="adam", learning_rate=0.01)
    first = digest(model)
    model.set_weights(start)
    fit(model, optimizer="adam", learning_rate=0.01)
    fit(again, optimizer="adam", learning_rate=0.01)
    assert digest(model) == first == digest(again)
    again.set_weights(start)
    fit(again, optimizer="adam", learning_rate=0.01, seed=4)
    assert digest(again) != first


def test_it_learns() -> None:
    model, (x, y) = network(), data()
    facts = fit(model, clip=1.0, noise=0.5, steps=60, learning_rate=0.05)
    assert (model(x, training=False).numpy().argmax(-1) == y).mean() > 0.9
    assert facts["loss"][-1] < facts["loss"][0]
    assert facts["switched_off"] == ["drop"]
    assert facts["steps"] == 60


def test_batch_normalization_is_refused_and_frozen_it_keeps_its_statistics() -> None:
    model = network(norm=True)
    with pytest.raises(UserError, match="'norm' normalizes by its batch") as caught:
        fit(model, batchnorm="train")
    assert 'batchnorm = "frozen"' in caught.value.remedy
    gamma, beta, *statistics = model.get_layer("norm").get_weights()
    fit(model)
    after = model.get_layer("norm").get_weights()
    assert all((one == other).all() for one, other in zip(after[2:], statistics, strict=True))
    assert (after[0] != gamma).all()
    assert (after[1] != beta).all()


def test_only_the_given_variables_move() -> None:
    model = network()
    before = {each.name: each.numpy() for each in model.weights}
    fit(model, variables=model.get_layer("logits").trainable_variables)
    moved = {each.name.split("/")[0] for each in model.weights if (each.numpy() != before[each.name]).any()}
    assert moved == {"logits"}


def test_zeros_come_back_after_the_noise() -> None:
    model = network()
    point = model.get_layer("point")
    kernel, bias = point.get_weights()
    kernel[..., :2] = 0
    point.set_weights([kernel, bias])
    fit(model, callbacks=keep_structure(model))
    after = point.get_weights()[0]
    assert (after[..., :2] == 0).all()
    assert (after[..., 2:] != kernel[..., 2:]).all()


def test_ranges_of_quantizers_stay_as_they_came() -> None:
    from tinyc.quantization.qat import quantization_aware

    wrapped = quantization_aware(network(), data()[0]).model
    trained = {id(each) for each in wrapped.trainable_variables}
    before = [each.numpy() for each in wrapped.weights if id(each) not in trained]
    kernels = [each.numpy() for each in wrapped.trainable_variables]
    fit(wrapped)
    after = [each.numpy() for each in wrapped.weights if id(each) not in trained]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert all((one != each.numpy()).any() for one, each in zip(kernels, wrapped.trainable_variables, strict=True))


def test_weight_decay_and_regularizers_come_behind_the_noise() -> None:
    """They know of no example, so that they are neither clipped nor hidden: 0.5 w^2 alone gives the gradient w."""
    keras = backend.keras()
    for regularizer, decay in ((keras.regularizers.L2(0.5), 0.0), (None, 1.0)):
        layer = keras.layers.Dense(3, kernel_regularizer=regularizer, input_shape=(4,))
        model = keras.Sequential([layer])
        before = layer.kernel.numpy()
        x, y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)
        fit(model, x=x, y=y, noise=0.0, steps=1, weight_decay=decay, learning_rate=0.1)
        assert np.allclose(layer.kernel.numpy(), before * (1 - 0.19), atol=1e-6)


def test_a_loss_that_is_no_number_stops() -> None:
    x, _ = data()
    x[:] = np.nan
    with pytest.raises(UserError, match="the loss is nan"):
        fit(network(), x=x)


def test_a_large_network_goes_through_in_smaller_batches() -> None:
    class Large:
        shape = backend.tensorflow().TensorShape([4_000_000])

    assert physical_batch([Large()], 100) == 16
    assert physical_batch(network().trainable_variables, 9) == 16


NET = """
import tf_keras
from tf_keras import layers

def net(input_shape, classes, norm=False):
    image = tf_keras.Input(input_shape)
    x = layers.Conv2D(4, 7, 7, use_bias=False, name="low")(image)
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    return tf_keras.Model(image, layers.Dense(classes, name="logits")(layers.Flatten()(layers.ReLU()(x))))
"""


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    (tmp_path / "net.py").write_text(NET)
    return context(tmp_path, lesson(120, 30))


def distill(**fields: Any) -> Distill:
    privacy = {"level": "example", "clip": 1.0, "noise": 1.0, "delta": 1e-3} | fields.pop("privacy", {})
    defaults = {"student": "net.py:net", "epochs": 2, "batch": 30, "views": 2, "augment": ("flip",)}
    return Distill.model_validate(defaults | {"privacy": privacy} | fields)


def test_a_student_is_trained_with_noise_and_the_facts_say_what_that_promises(lent: Context) -> None:
    facts = apply(distill(), lent.source, lent).facts
    told = facts["privacy"]
    assert facts["objective"] == "distillation"
    assert told["steps"] == 8
    assert told["sampling_probability"] == 0.25
    assert told["noise"] == 1.0
    assert len(facts["loss"]) == len(told["epsilon_by_epoch"]) == 2
    assert told["epsilon_by_epoch"][0] < told["epsilon_by_epoch"][1] == pytest.approx(told["epsilon"], abs=1e-6)
    assert told["stopped"] is None
    assert any("not the teacher" in each for each in told["conditions"])


def test_noise_is_chosen_for_epsilon_and_a_budget_stops(lent: Context) -> None:
    chosen = apply(distill(privacy={"noise": None, "epsilon": 8.0}, alpha=0), lent.source, lent).facts["privacy"]
    assert 7.9 < chosen["epsilon"] <= 8.0
    assert chosen["stopped"] is None
    given = apply(distill(privacy={"noise": 1.0, "epsilon": 3.0}, alpha=0, epochs=6), lent.source, lent).facts
    assert given["privacy"]["epsilon"] <= 3.0
    assert given["privacy"]["steps"] < 24
    assert f"after {given['privacy']['steps']} of 24 steps" in given["privacy"]["stopped"]
    assert any("distill: stops after" in each for each in notes(lent).said)


def test_a_private_training_that_was_killed_ends_with_the_same_bytes(lent: Context) -> None:
    whole = apply(distill(epochs=3), lent.source, lent)
    lent = replace(lent, progress=Notes(fail_at=240))
    with pytest.raises(KeyboardInterrupt):
        apply(distill(epochs=3), lent.source, lent)
    lent = replace(lent, progress=Notes())
    resumed = apply(distill(epochs=3), lent.source, lent)
    assert digest(resumed.state.model) == digest(whole.state.model)
    assert resumed.facts["loss"] == whole.facts["loss"]
    assert resumed.facts["examples"] == whole.facts["examples"]


def test_a_student_with_batch_normalization_needs_it_frozen(lent: Context) -> None:
    student = {"build": "net.py:net", "norm": True}
    for rehearse in (None, "lower"):
        lent = replace(lent, rehearse=rehearse)
        with pytest.raises(UserError, match="normalizes by its batch"):
            apply(distill(student=student, alpha=0), lent.source, lent)
    lent = replace(lent, rehearse=None)
    model = apply(distill(student=student, alpha=0, batchnorm="frozen"), lent.source, lent).state.model
    _, _, mean, variance = model.get_layer("norm").get_weights()
    assert (mean == 0).all()
    assert (variance == 1).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"privacy": {"level": "client"}}, "write level = 'example'"),
        ({"hints": ({"student": "a", "teacher": "b"},)}, "`hints` trains on the same examples without noise"),
        ({"imitate": ("hidden",)}, "`imitate` trains on the same examples without noise"),
        ({"augment": ("mix",)}, "takes words from all training sentences"),
    ],
)
def test_what_would_void_the_promise_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        distill(**fields)


def test_frozen_batch_normalization_goes_with_privacy_alone() -> None:
    with pytest.raises(ValidationError, match="goes with `privacy`"):
        Distill.model_validate({"student": "net.py:net", "batchnorm": "frozen"})


def test_a_rehearsal_trains_nothing(lent: Context) -> None:
    lent = replace(lent, rehearse="lower")
    outcome = apply(distill(), lent.source, lent)
    assert outcome.state.task == TASK
    assert outcome.facts["epochs"] == 0
