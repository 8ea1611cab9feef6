"""Distillation: a new network in place of the old, taught by the store, by teachers in the loop, or by labels alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import readings, shipped
from support.lessons import TASK, Notes, context, digest, lesson, network, notes

from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.spec.passes import PASSES, apply
from tinyc.spec.passes.distill import Distill
from tinyc.spec.training import FitOptions
from tinyc.training.source import train as train_source

NET = """
import tf_keras
from tf_keras import layers

def net(input_shape, classes, width=6):
    image = tf_keras.Input(input_shape)
    x = layers.Conv2D(width, 5, 4, activation="relu", name="low")(image)
    x = layers.Dropout(0.1)(layers.Flatten()(x))
    return tf_keras.Model(image, layers.Dense(classes, name="logits")(x))
"""


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    (tmp_path / "net.py").write_text(NET)
    return context(tmp_path)


def distill(**fields: Any) -> Distill:
    defaults = {"student": "net.py:net", "epochs": 2, "batch": 32, "views": 2, "augment": ("flip",)}
    return Distill.model_validate(defaults | fields)


def test_it_is_registered() -> None:
    assert PASSES["distill"] is Distill


def test_the_same_seed_gives_the_same_student_and_the_source_stays(lent: Context) -> None:
    before = digest(lent.source.model)
    first = apply(distill(), lent.source, lent)
    again = apply(distill(), lent.source, lent)
    assert digest(first.state.model) == digest(again.state.model)
    assert digest(lent.source.model) == before
    assert first.state.model.get_layer("low").filters == 6
    assert first.facts["store"]["views_reused"] == 0
    assert again.facts["store"]["views_reused"] == 2
    assert first.facts["loss"] == again.facts["loss"]


def test_a_student_comes_near_its_teacher(lent: Context) -> None:
    """After training it agrees with a wrong teacher more than with the labels."""
    lent = replace(lent, data=lesson(600, 0))
    x = inputs(lent.data.train.x, TASK)
    taught = apply(distill(epochs=12, alpha=1.0, learning_rate=1e-2, augment=()), lent.source, lent).state.model
    said, got = (model(x, training=False).numpy().argmax(-1) for model in (lent.source.model, taught))
    assert (said == got).mean() > 0.8
    assert (got == lent.data.train.y).mean() < 0.5


def test_alpha_zero_is_labels_alone_and_stores_nothing(lent: Context) -> None:
    facts = apply(distill(alpha=0), lent.source, lent).facts
    assert facts["objective"] == "labels"
    assert not (lent.cache / "soft-labels").exists()


def test_fresh_views_run_the_teacher_in_the_loop(lent: Context) -> None:
    facts = apply(distill(views="fresh"), lent.source, lent).facts
    assert facts["objective"] == "distillation"
    assert "store" not in facts
    assert not (lent.cache / "soft-labels").exists()


def test_a_saved_network_teaches_beside_the_source(lent: Context) -> None:
    network(seed=5).save(lent.find("other.h5"))
    facts = apply(distill(teachers=("source", "other.h5")), lent.source, lent).facts
    assert facts["teachers"] == ["source", "other.h5"]


def test_a_teacher_of_another_task_is_refused(lent: Context) -> None:
    keras = backend.keras()
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]).save(lent.find("other.h5"))
    with pytest.raises(UserError, match=r"other.h5.*maps \(5,\) to \(3,\)"):
        apply(distill(teachers=("other.h5",)), lent.source, lent)


def test_hints_bring_the_features_nearer_and_leave_no_projection(lent: Context) -> None:
    outcome = apply(distill(hints=[{"student": "low", "teacher": "first_relu"}], hint_epochs=6), lent.source, lent)
    hints = outcome.facts["hints"]
    assert hints["layers"] == [{"student": "low", "teacher": "first_relu"}]
    assert hints["loss"][-1] < 0.7 * hints["loss"][0]
    assert [layer.name for layer in outcome.state.model.layers if "projection" in layer.name] == []
    plain = apply(distill(), lent.source, lent)
    assert outcome.state.model.count_params() == plain.state.model.count_params()


def test_hints_of_other_sizes_are_resized(lent: Context) -> None:
    outcome = apply(distill(hints=[{"student": "low", "teacher": "second"}]), lent.source, lent)
    assert np.isfinite(outcome.facts["hints"]["loss"]).all()


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        ({"student": "lou", "teacher": "first"}, r"hints\[0\]\.student: 'lou' matches no layer"),
        ({"student": "low", "teacher": "fir*"}, r"hints\[0\]\.teacher: 'fir\*' matches 2 layers"),
        ({"student": "low", "teacher": "flat"}, r"low gives .* and flat gives"),
    ],
)
def test_bad_hints_are_refused_also_in_a_rehearsal(lent: Context, hint: dict[str, str], message: str) -> None:
    lent = replace(lent, rehearse="lower")
    with pytest.raises(UserError, match=message):
        apply(distill(hints=[hint]), lent.source, lent)


def test_a_rehearsal_gives_the_shape_and_trains_nothing(lent: Context) -> None:
    lent = replace(lent, rehearse="upper")
    outcome = apply(distill(student={"build": "net.py:net", "width": 4}), lent.source, lent)
    assert outcome.state.model.get_layer("low").filters == 4
    assert notes(lent).titles == []
    assert not lent.cache.exists()


def test_a_killed_distillation_goes_on_to_the_same_bytes(lent: Context, tmp_path: Path) -> None:
    expected = apply(distill(epochs=3), lent.source, replace(lent, cache=tmp_path / "other")).state.model

    class Killed(Notes):
        def advance(self, amount: int, note: str = "") -> None:
            super().advance(amount, note)
            if self.titles[-1] == "distill" and self.done > 450:
                raise KeyboardInterrupt

    lent = replace(lent, progress=Killed())
    with pytest.raises(KeyboardInterrupt):
        apply(distill(epochs=3), lent.source, lent)
    lent = replace(lent, progress=Notes())
    resumed = apply(distill(epochs=3), lent.source, lent).state.model
    assert notes(lent).titles == ["distill"]
    assert digest(resumed) == digest(expected)


def read(**fields: Any) -> Distill:
    shape = {"vocabulary": len(readings.trimmed().vocabulary), "width": 8, "depth": 1, "inner": 16, "heads": 2}
    keys = {"student": {"build": f"{shipped.BERT}:tiny_bert", **shape}, "epochs": 1, "batch": 25, "views": 1}
    return Distill.model_validate(keys | {"start": "source", "imitate": ["hidden"], "imitate_epochs": 1} | fields)


def test_a_transformer_takes_after_its_source_through_a_trimmed_vocabulary(tmp_path: Path) -> None:
    reader, source = readings.trimmed(), readings.encoder()
    given = readings.context(tmp_path, source, reader)
    before = digest(source)
    outcome = apply(read(), Net(given.source.model, readings.task(reader)), given)
    assert digest(source) == before
    assert outcome.facts["start"]["vocabulary"] == [len(readings.pieces()), len(reader.vocabulary)]
    assert outcome.facts["imitate"]["layers"] == [2]
    assert outcome.state.task.tokenizer == reader
    assert [layer.name for layer in outcome.state.model.layers if "projection" in layer.name] == []
    assert notes(given).titles == ["features", "imitate", "soft labels", "distill"]
    seen = inputs(given.data.validation.x, readings.task(reader))
    right = source(reader.to_source(seen)).numpy().argmax(-1) == given.data.validation.y
    assert outcome.facts["teacher_validation_accuracy"] == right.mean()


def test_a_rehearsed_transformer_is_neither_trained_nor_stored(tmp_path: Path) -> None:
    given = replace(readings.context(tmp_path, reader=readings.trimmed()), rehearse="lower")
    outcome = apply(read(), Net(given.source.model, readings.task(readings.trimmed())), given)
    assert outcome.state.model.get_layer("tokens").width == 8
    assert notes(given).titles == []
    assert not given.cache.exists()


@pytest.mark.parametrize("keys", [{"imitate": ["hidden"]}, {"start": "source"}], ids=str)
def test_only_transformers_take_after_their_source(lent: Context, keys: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"no Attention block|not text"):
        apply(distill(**keys), lent.source, lent)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0}, {"alpha": 1.1}, {"views": 0}, {"views": 65}, {"views": "stale"}, {"teachers": []},
        {"epochs": -1}, {"batch": 0}, {"learning_rate": 0}, {"augment": ["spin"]}, {"label_smoothing": 1},
        {"warmup": 0.6}, {"optimizer": "lion"}, {"surprise": 1}, {"student": "net.py"},
        {"imitate": ["hiden"]}, {"imitate": ["hidden", "hidden"]}, {"attention": "maps"}, {"layer_map": [0]},
        {"start": "teacher"}, {"store_limit": "2 miles"}, {"store_limit": "-1 GiB"}, {"imitate_epochs": 0},
        {"clean": True, "views": 1}, {"clean": True, "views": "fresh"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_out_of_range_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        distill(**fields)


def test_every_key_says_what_it_is_and_the_training_keys_are_all_there() -> None:
    keys = Distill.model_fields
    assert [name for name, field in keys.items() if not field.description] == ["use"]
    assert set(FitOptions.model_fields) - set(keys) == {"loss", "teach"}


def test_a_trained_teacher_helps_its_student(lent: Context) -> None:
    """The source learns, and its soft labels alone, without a single label, teach the student the task."""
    from tinyc.spec.source import TrainSpec

    lent = replace(lent, data=lesson(600, 100), source=Net(network(), TASK))
    train_source(lent.source, TrainSpec(epochs=8, batch=32, learning_rate=5e-3), lent, lent.cache, "key")
    facts = apply(distill(epochs=10, alpha=1.0, learning_rate=1e-2, augment=()), lent.source, lent).facts
    assert facts["teacher_validation_accuracy"] > 0.6
    assert facts["validation_accuracy"][-1] > 0.55
