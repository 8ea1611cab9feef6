"""The ledger: figures against hand counts, intervals against published values, and states against each other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import datasets
from support.optional import none_missing, not_none

from tinyc import measure
from tinyc.core.errors import UserError
from tinyc.data.dataset import Dataset
from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.network.state import Flat, Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.spec.data_keys import MetricName
from tinyc.spec.metrics import bounded
from tinyc.tasks.classification.metrics import probabilities, recalls, scorer
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool

TASK = datasets.CLOTHES
EXAMPLES = 200


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return datasets.undivided(TASK, *datasets.clothes(EXAMPLES, "test"))


@pytest.fixture(scope="module")
def net(dataset: Dataset) -> Net:
    keras = backend.keras()
    keras.utils.set_random_seed(1)
    images = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(6, 5, 3, name="first", use_bias=False)(images)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="bn")(x))
    model = keras.Model(images, keras.layers.Dense(10, name="logits")(keras.layers.Flatten()(x)), name="small")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(dataset.test.x / 255.0, dataset.test.y, epochs=8, batch_size=20, verbose=0)
    return Net(model, TASK)


@pytest.fixture(scope="module")
def flat(net: Net, dataset: Dataset) -> Flat:
    return Flat(to_int8_tflite(net.model, dataset.test.x[:50].astype(np.float32) / 255), TASK, tables={"labels": 90})


CONV, BN, DENSE = 6 * 25, 4 * 6, 8 * 8 * 6 * 10 + 10


def test_a_network_is_weighed_as_its_float_file(net: Net, dataset: Dataset) -> None:
    measured = measure.measure_net(net, dataset)
    content, found = to_float_tflite(net.model), measured.ledger
    assert found.params == CONV + BN + DENSE == net.model.count_params()
    assert found.nonzero_params == found.params
    assert found.macs == 8 * 8 * 6 * 25 + 3840
    assert found.file_bytes == len(content) == sum(none_missing(found.weight_bytes, found.metadata_bytes))
    assert found.gzip_bytes == len(gzip.compress(content, 6))
    assert found.flash_bytes is None
    assert found.arena_bytes is None
    right = net.model.predict(dataset.test.x / np.float32(255), verbose=0).argmax(axis=1) == dataset.test.y
    assert found.accuracy == pytest.approx(right.mean())
    assert np.array_equal(measured.correct, right)
    assert (found.runtime, found.metric, found.examples) == ("keras", "accuracy", EXAMPLES)
    weighed = measure.weigh_net(net)
    assert weighed.uncounted == ()
    assert weighed.figures == {"params": found.params, "macs": found.macs, "file": found.file_bytes,
                       "flash": None, "arena": None}  # fmt: skip


def test_a_network_with_an_operator_that_nobody_counted_has_no_macs(net: Net) -> None:
    keras, tf = backend.keras(), backend.tensorflow()
    given = keras.Input((8, 8))
    spectrum = keras.layers.Lambda(lambda x: tf.abs(tf.signal.rfft2d(x)))(given)
    scores = keras.layers.Dense(3)(keras.layers.Flatten()(spectrum))
    weighed = measure.weigh_net(Net(keras.Model(given, scores), net.task))
    assert (weighed.figures["macs"], weighed.uncounted) == (None, ("RFFT2D",))


def test_what_tfmot_adds_is_not_counted(net: Net, dataset: Dataset) -> None:
    tfmot = backend.tfmot()
    pruned = tfmot.sparsity.keras.prune_low_magnitude(net.clone().model)
    aware = tfmot.quantization.keras.quantize_model(net.clone().model)
    for model in (pruned, aware):
        assert measure.weighing.count(model)[0] == net.model.count_params()


def test_zeros_are_still_parameters(net: Net) -> None:
    cut = net.clone()
    kernel = cut.model.get_layer("logits").kernel
    kernel.assign(np.where(np.arange(10) < 5, 0, kernel.numpy()))
    params, nonzero = measure.weighing.count(cut.model)
    assert params == net.model.count_params()
    assert nonzero == params - 3840 // 2


@pytest.mark.parametrize("runtime", ["tflm", "fast", "reference"])
def test_an_artifact_is_measured_on_itself(flat: Flat, net: Net, dataset: Dataset, pool: Pool, runtime: Any) -> None:
    found = measure.measure_flat(flat, dataset, pool, runtime).ledger
    assert found.params == CONV + 6 + DENSE  # BatchNorm has become a bias
    assert found.file_bytes == len(flat.content)
    assert found.flash_bytes == -(-len(flat.content) // 16) * 16 + 90
    assert found.accuracy == pytest.approx(measure.measure_net(net, dataset).ledger.accuracy, abs=0.03)
    low, accuracy, high = none_missing(found.accuracy_low, found.accuracy, found.accuracy_high)
    assert low < accuracy < high
    assert (found.arena_bytes is not None) == (runtime == "tflm")
    assert found.runtime == ("tflm" if runtime == "tflm" else "tflite-runtime")
    assert measure.Ledger.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_without_tflm_the_fast_kernels_measure_and_say_so(
    flat: Flat, dataset: Dataset, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runtimes.PACKAGES, "tflm", ("no_such_package",))
    found = measure.measure_flat(flat, dataset, pool, "tflm").ledger
    assert found.runtime == "tflite-runtime"
    assert found.arena_bytes is None
    assert found.accuracy is not None
    facts = measure.compare_runtimes(flat, dataset, pool)
    assert facts["agreed"] is False
    assert "unmeasured" in not_none(facts["why"])
    assert facts["runtimes"]["tflm"] is None


def test_measuring_twice_gives_the_same(flat: Flat, net: Net, dataset: Dataset, pool: Pool) -> None:
    for metric in ("accuracy", "f1", "auc"):
        asked = replace(dataset, task=replace(TASK, metric=metric))
        one, two = (measure.measure_flat(flat, asked, pool, "fast") for _ in range(2))
        assert one.ledger == two.ledger
        assert one.ledger.metric == metric
        assert measure.measure_net(net, asked).ledger == measure.measure_net(net, asked).ledger


def test_networks_with_other_classes_or_nan_are_refused(net: Net, dataset: Dataset) -> None:
    with pytest.raises(UserError, match="gives 10 scores for 9 classes"):
        measure.measure_net(net, replace(dataset, task=replace(TASK, classes=TASK.classes[:9])))
    broken = net.clone()
    broken.model.get_layer("logits").bias.assign(np.full(10, np.nan))
    with pytest.raises(UserError, match="NaN"):
        measure.measure_net(broken, dataset)


def test_runtimes_are_compared(flat: Flat, dataset: Dataset, pool: Pool) -> None:
    facts = measure.compare_runtimes(flat, dataset, pool)
    json.dumps(facts)
    assert facts["agreed"] is True
    assert facts["why"] is None
    assert facts["examples"] == EXAMPLES
    exact, close = facts["differences"]
    assert (exact["left"], exact["right"], exact["examples"], exact["max_steps"]) == ("tflm", "reference", 0, 0)
    assert not_none(close["max_steps"]) <= 1
    assert facts["ops"] == {"CONV_2D": 1, "RESHAPE": 1, "FULLY_CONNECTED": 1}
    tflm, reference = (not_none(facts["runtimes"][runtime]) for runtime in ("tflm", "reference"))
    assert tflm["accuracy"] == reference["accuracy"]
    assert facts["arena_bytes"] == measure.measure_flat(flat, dataset, pool, "tflm").ledger.arena_bytes


def test_a_disagreement_names_the_operator(flat: Flat, dataset: Dataset, pool: Pool) -> None:
    class Wrong:
        """A pool whose TFLM flips the lowest bit of everything."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Any:
            run = pool.run(content, inputs, runtime, *rest)
            return replace(run, raw=run.raw ^ 1) if runtime == "tflm" else run

    wrong: Any = Wrong()
    facts = measure.compare_runtimes(flat, dataset, wrong)
    assert facts["agreed"] is False
    assert "200 examples differ, by up to 1 steps, first after op 0 CONV_2D (layer first)" in not_none(facts["why"])
    assert not_none(facts["differences"][0]["first_op"])["layer"] == "first"


@pytest.mark.parametrize(("flipped", "steps", "agreed"), [(2, 1, True), (3, 1, False), (1, 2, False)])
def test_rare_rounding_in_a_known_operator_is_noted_and_let_pass(
    flat: Flat, dataset: Dataset, pool: Pool, flipped: int, steps: int, agreed: bool
) -> None:
    class Rounding:
        """A pool whose TFLM is off by some steps in some of the 200 examples, and in every probed tensor."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Any:
            run = pool.run(content, inputs, runtime, *rest)
            if runtime != "tflm":
                return run
            raw = run.raw.astype(np.int16)
            raw[:flipped] += np.where(raw[:flipped] > 0, -steps, steps)
            return replace(run, raw=raw.astype(np.int8))

    rounding: Any = Rounding()
    facts = measure.compare_runtimes(flat, dataset, rounding)
    assert facts["agreed"] is agreed
    assert f"{flipped} examples differ, by up to {steps} steps, first after op 0 CONV_2D" in facts["notes"][0]


LABELS = np.array([0, 0, 0, 1, 1, 2])
SCORES = np.log(np.array([[8, 1, 1], [6, 3, 1], [2, 7, 1], [1, 8, 1], [3, 6, 1], [2, 5, 3]]) / 10)
ONES = np.ones(6)


def test_metrics_by_hand() -> None:
    assert scorer("accuracy", LABELS, SCORES)(ONES) == pytest.approx(4 / 6)
    # class 0: 2 found of 3, 2 given: 0.8; class 1: 2 of 2, 4 given: 2/3; class 2: none: 0.
    assert scorer("f1", LABELS, SCORES)(ONES) == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    # class 0: of 9 pairs one is lost (0.2 below 0.3) and one tied (0.2); class 1: of 8, one lost; class 2: all won.
    assert scorer("auc", LABELS, SCORES)(ONES) == pytest.approx((7.5 / 9 + 7 / 8 + 1) / 3)
    # An example drawn twice weighs as two.
    twice = np.r_[np.arange(6), 5]
    weights = np.bincount(twice, minlength=6)
    for metric in ("accuracy", "f1", "auc"):
        drawn = scorer(metric, LABELS[twice], SCORES[twice])(np.ones(7))
        assert scorer(metric, LABELS, SCORES)(weights) == pytest.approx(drawn)


def test_probabilities_stay_and_logits_become_them() -> None:
    assert np.allclose(probabilities(SCORES), np.exp(SCORES))
    assert np.allclose(probabilities(np.exp(SCORES)), np.exp(SCORES))


def test_probabilities_of_many_classes_stay_in_steps_of_1_256() -> None:
    """Of 200 classes most round to nothing, and the sum is far from 1."""
    draw = np.random.default_rng(0).normal(size=(50, 200))
    odds = np.exp(draw) / np.exp(draw).sum(axis=1, keepdims=True)
    rounded = np.round(odds * 256) / 256
    assert np.abs(rounded.sum(axis=1) - 1).max() > 0.05
    assert np.array_equal(probabilities(rounded), rounded)
    assert not np.array_equal(probabilities(np.abs(draw)), np.abs(draw))


def measurement(
    scores: Any, labels: Any = LABELS, metric: MetricName = "accuracy", **figures: Any
) -> measure.Measurement:
    sizes: dict[str, Any] = dict.fromkeys(
        ("params", "nonzero_params", "macs", "weight_bytes", "metadata_bytes", "file_bytes", "gzip_bytes",
         "flash_bytes", "arena_bytes"),
    )  # fmt: skip
    rate = scorer(metric, labels, scores)(np.ones(len(labels)))
    bare = measure.Ledger(**(sizes | figures), accuracy=rate, accuracy_low=0.1, accuracy_high=0.9, per_class={},
                         metric=metric, examples=len(labels), runtime="keras")  # fmt: skip
    return measure.Measurement(bare, np.asarray(scores, np.float32), np.asarray(labels))


def test_confusion_and_recall() -> None:
    found = measurement(SCORES)
    assert found.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]
    assert recalls(found.confusion).tolist() == pytest.approx([2 / 3, 1, 0])
    assert np.isnan(recalls(np.array([[1, 0], [0, 0]]))[1])


def test_reductions_and_sizes() -> None:
    source = measurement(SCORES, params=1000, macs=50, file_bytes=4000)
    after = measurement(SCORES, params=4, macs=25, file_bytes=400, flash_bytes=416)
    expected = {"params": 4, "params_reduction": 0.996, "macs": 25, "macs_reduction": 0.5, "file": 400,
                "file_reduction": 0.9, "flash": 416, "arena": None}  # fmt: skip
    for metric, value in expected.items():
        assert measure.measured(metric, after, source).value == (None if value is None else pytest.approx(value))
    assert measure.measured("params_reduction", measurement(SCORES), source).value is None


@pytest.mark.parametrize("metric", bounded())
def test_every_metric_can_be_asked(metric: str) -> None:
    measure.measured(metric, measurement(SCORES), measurement(SCORES))


def test_a_drop_is_paired_and_positive_when_worse() -> None:
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 900)
    good = np.eye(3)[labels] + random.normal(0, 0.45, (900, 3))
    worse = good.copy()
    lost = np.flatnonzero((labels == 1) & (good.argmax(axis=1) == 1))[:60]
    worse[lost] = [9, 0, 0]
    metrics: tuple[MetricName, ...] = ("accuracy", "f1", "auc")
    for metric in metrics:
        before, after = measurement(good, labels, metric), measurement(worse, labels, metric)
        drop = measure.measured("accuracy_drop", after, before)
        then, now = none_missing(before.ledger.accuracy, after.ledger.accuracy)
        assert drop.value == pytest.approx(then - now)
        low, value, high = none_missing(drop.low, drop.value, drop.high)
        assert 0 < low < value < high
        # Pairing pays: the two intervals alone are much wider.
        assert high - low < 0.06
        gain = measure.measured("accuracy_drop", before, after)
        assert gain.value == -value
        assert (gain.low, gain.high) == pytest.approx((-high, -low), abs=0.01)
    worst = measure.measured("worst_class_drop", measurement(worse, labels), measurement(good, labels))
    assert worst.value == pytest.approx(60 / (labels == 1).sum())
    low, value, high = none_missing(worst.low, worst.value, worst.high)
    assert low < value < high


def test_other_examples_are_not_compared() -> None:
    other = measurement(SCORES, LABELS[::-1])
    assert measure.measured("accuracy_drop", measurement(SCORES), other).value is None
    assert measure.measured("worst_class_drop", measurement(SCORES), other).value is None
