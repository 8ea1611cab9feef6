"""Each reason why a network guesses holds on its condition and is silent on the nearest thing that is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import example

from tinyc.analysis.advice.guess import Guess
from tinyc.analysis.advice.guessing import chance, is_guessing, only_answer, order
from tinyc.analysis.advice.inputs import Raw, Scaled, Seen, scalings
from tinyc.analysis.advice.missed import Ran
from tinyc.analysis.advice.reasons import explain_guess
from tinyc.analysis.advice.symptoms import Share, Statistics, Symptoms
from tinyc.measure import Ledger

LABELS = np.tile(np.arange(4), 50)
SPREAD, TINY, WIDE = Seen("conv", 0.0, 1.0), Seen("conv", 0.0, 0.004), Seen("conv", 0.0, 255.0)
TRAIN: dict[str, Any] = {"epochs": 6, "batch": 30, "learning_rate": 0.01, "optimizer": "adam"}
AT_CHANCE, GOOD = Share(50, 200), Share(190, 200)


def ledger(accuracy: float, half: float = 0.06, examples: int = 200, metric: str = "accuracy") -> Ledger:
    low, high = accuracy - half, accuracy + half
    return replace(
        example.SOURCE, accuracy=accuracy, accuracy_low=low, accuracy_high=high, examples=examples, metric=metric
    )


def guess(**changed: Any) -> Guess:
    usual: dict[str, Any] = {
        "state": "source", "ledger": ledger(0.25), "labels": LABELS, "classes": ("ant", "bee", "cat", "dog"),
        "predicted": np.random.default_rng(0).permutation(LABELS),
        "uses": ("prune", "quantize"), "keys": "source.train", "options": TRAIN,
        "training": {"objective": "labels", "loss": [1.4, 0.1]}, "seconds": 12.0, "examples": 194, "quantize": 2,
    }  # fmt: skip
    return Guess(**{**usual, **changed})


def writes(found: Guess) -> list[str]:
    return [each.write for each in explain_guess(found, lambda _: True).advice]


def symptoms(**changed: Any) -> Symptoms:
    return Symptoms(**{"train": AT_CHANCE, "validation": Share(5, 20), "seen": SPREAD, **changed})


def test_nothing_is_said_without_a_reason() -> None:
    assert writes(guess(symptoms=symptoms())) == []
    assert writes(guess()) == []


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ((AT_CHANCE, TINY), 190, ["scale = 1 in [data]"]),
        ((AT_CHANCE, TINY), 60, []),  # no scale is right either
        ((GOOD, TINY), 200, []),  # right as it is
    ],
)
def test_the_scale_of_weights(now: tuple[Share, Seen], before: int, expected: list[str]) -> None:
    found = symptoms(train=now[0], seen=now[1], scalings=(Scaled(1.0, 0.0, SPREAD, before),), validation=None)
    assert writes(guess(symptoms=found, scale=1 / 255, keys="", options={}, training={})) == expected


def test_the_scale_of_a_training_is_the_datas_for_the_source_and_a_layer_for_a_student() -> None:
    found = symptoms(seen=WIDE, scalings=(Scaled(1.0, 0.0, WIDE), Scaled(1 / 255, 0.0, SPREAD)))
    assert writes(guess(symptoms=found)) == ["scale = 0.00392157 in [data]"]
    (student,) = writes(guess(symptoms=found, use="distill", state="1 distill", keys="pass.1"))
    assert student == "Rescaling(0.00392157, 0) as the first layer of the student's network"
    assert writes(guess(symptoms=replace(found, seen=Seen("conv", 0.0, 99.0)))) == []
    assert writes(guess(symptoms=replace(found, train=GOOD, validation=None))) == []


def test_scales_that_may_be_meant() -> None:
    assert list(scalings(Raw(0, 255, is_bytes=True))) == [(1.0, 0.0), (1 / 255, 0.0), (2 / 255, -1.0), ("fit", "fit")]
    assert list(scalings(Raw(-3, 3, is_bytes=False))) == [(1.0, 0.0), ("fit", "fit")]
    assert list(scalings(Raw(5, 5, is_bytes=False))) == [(1.0, 0.0)]


def test_a_scale_that_is_fitted_takes_the_offset_with_it() -> None:
    found = symptoms(seen=WIDE, scalings=(Scaled("fit", "fit", SPREAD),))
    assert writes(guess(symptoms=found)) == ['scale = "fit" in [data]']
    assert writes(guess(symptoms=found, offset=5.0)) == ['scale = "fit" in [data], no offset in [data]']
    assert writes(guess(symptoms=found, use="distill")) == []


def test_class_order_is_found_where_there_is_one() -> None:
    moved = np.array([1, 2, 3, 0])
    (write,) = writes(guess(predicted=moved[LABELS]))
    assert write.endswith("0 'dog', 1 'ant', 2 'bee', 3 'cat'")
    random = np.random.default_rng(3).integers(0, 4, 200)
    assert order(LABELS, random, 4) is None
    assert order(LABELS, LABELS, 4) is None
    few = np.arange(10)
    assert order(few, np.random.default_rng(0).permutation(10), 10) is None  # a single example of each is no proof


def statistics(again: int, now: int = 5, momentum: float = 0.99) -> Symptoms:
    return symptoms(statistics=Statistics(2, momentum, 194, Share(now, 20), Share(again, 20)))


def test_lagging_statistics_have_three_remedies_and_a_near_miss() -> None:
    found = writes(guess(symptoms=statistics(19)))
    assert found == [
        "momentum = 0.9 in each BatchNormalization of the network",
        "epochs = 65 in [source] train",
        "reestimate = true in pass 2 (quantize)",
    ]
    assert writes(guess(symptoms=statistics(6))) == []
    assert writes(guess(symptoms=statistics(19, now=19))) == []
    assert writes(guess(symptoms=statistics(19, momentum=0.9)))[0].startswith("epochs")
    assert writes(guess(symptoms=statistics(19), reestimates=True))[-1] == ""


def test_labels_that_do_not_belong_to_the_examples() -> None:
    assert writes(guess(symptoms=symptoms(train=GOOD, validation=GOOD))) == [
        "look at some test examples beside their labels"
    ]
    assert writes(guess(symptoms=symptoms(train=GOOD, validation=AT_CHANCE))) == [
        "look at some training examples beside their labels"
    ]
    close = guess(symptoms=symptoms(train=GOOD, validation=Share(10, 20)), ledger=ledger(0.3, 0.1))
    assert "look at" not in " ".join(writes(close))


def test_what_is_read_off_the_losses_waits_for_what_is_seen_on_the_network() -> None:
    stuck = {"objective": "labels", "loss": [1.5, 1.386]}
    high = guess(training=stuck, options={**TRAIN, "learning_rate": 1.0})
    assert writes(high) == ["learning_rate = 0.001 in [source] train"]
    assert writes(replace(high, symptoms=statistics(19)))[0].startswith("momentum")
    assert writes(guess(training=stuck)) == ["epochs = 24 in [source] train"]
    assert writes(guess(training={"objective": "labels", "loss": [1.4, 0.4]})) == []


def test_a_deep_cut_may_be_made_smaller() -> None:
    before, after = replace(example.SOURCE, params=1000), replace(example.SOURCE, params=200, accuracy=0.25)
    cut = Ran(1, "prune", {"how": "channels", "fraction": 0.75}, before, after, 2.0)
    found = guess(training={}, keys="", options={}, use="prune", state="1 prune", ran=cut)
    assert writes(found) == ["fraction = 0.375 in pass 1 (prune)"]
    shallow = replace(cut, after=replace(after, params=900))
    assert writes(replace(found, ran=shallow)) == []


def test_few_test_examples() -> None:
    labels = np.tile(np.arange(2), 10)
    few = guess(ledger=ledger(0.65, 0.2, 20), labels=labels, predicted=labels[::-1], classes=("a", "b"))
    assert writes(few) == ["give more test examples"]
    assert writes(replace(few, ledger=ledger(0.5, 0.2, 20))) == []


def test_chance_by_metric() -> None:
    skewed = np.array([0] * 70 + [1] * 20 + [2] * 10)
    assert chance("accuracy", skewed, 3) == 0.7
    assert chance("f1", skewed, 4) == pytest.approx(1 / 3)
    assert chance("auc", skewed, 3) == 0.5
    assert is_guessing(ledger(0.75), skewed, 3)
    assert not is_guessing(ledger(0.77), skewed, 3)
    assert is_guessing(ledger(0.5, metric="auc"), skewed, 3)
    assert not is_guessing(replace(ledger(0.5), accuracy=None), skewed, 3)
    assert is_guessing(replace(ledger(0.7), accuracy_low=None), skewed, 3)
    assert only_answer(np.array([1] * 96 + [0] * 4)) == 1
    assert only_answer(np.array([1] * 94 + [0] * 6)) is None


def test_changes_that_a_recipe_refuses_are_not_told() -> None:
    found = explain_guess(guess(symptoms=statistics(19)), lambda changes: not changes)
    assert [each.write for each in found.advice] == ["momentum = 0.9 in each BatchNormalization of the network"]


def test_what_is_stored_is_read_back() -> None:
    import json

    full = replace(statistics(19), scalings=(Scaled(1.0, 0.0, SPREAD, 3),))
    assert Symptoms.from_json(json.loads(json.dumps(full.to_json()))) == full
    assert Symptoms.from_json(symptoms(seen=None, validation=None).to_json()) == symptoms(seen=None, validation=None)
