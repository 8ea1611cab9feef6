"""The soft-label store: right, reused, resumed view by view, and made again where it is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lessons import TASK, Notes, context, lesson, network, notes

from tinyc.core.errors import MachineError
from tinyc.data.augment import view
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context
from tinyc.spec.training import FitOptions
from tinyc.training.batches import Feed, batches
from tinyc.training.distillation import objective, panel_of
from tinyc.training.store import soft_labels, store_key
from tinyc.training.teachers import Panel, Teacher

AUGMENT = ("crop", "flip")


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    return context(tmp_path)


def teachers(*seeds: int) -> Panel:
    return Panel(tuple(Teacher(str(seed), f"key-{seed}", network(seed=seed)) for seed in seeds), TASK)


def test_a_stored_label_belongs_to_the_very_image_of_the_batch(lent: Context) -> None:
    """The teacher, run on the images that the student gets, says what the batch carries."""
    (teacher,) = teachers(1).teachers

    class Teaching:
        temperature, alpha, views, clean, teachers = 4.0, 0.9, 2, False, ("source",)

    lent = replace(lent, source=lent.source.with_model(teacher.model))
    options = FitOptions(epochs=3, batch=32, augment=AUGMENT)
    goal, facts = objective(Teaching(), panel_of(Teaching(), lent), options, lent)
    assert facts["store"]["views"] == 2
    feed = Feed.of(lent.data, goal, options, lent.seed)
    seen = []
    for epoch in range(3):
        images, _, (soft,) = next(batches(feed, epoch))
        said = teacher.model(images, training=False).numpy()
        assert np.allclose(soft, said - said.max(-1, keepdims=True), atol=2e-2)
        seen.append(soft)
    assert not np.allclose(np.sort(seen[0], axis=None), np.sort(seen[1], axis=None))


def test_a_second_run_reads_what_the_first_stored(lent: Context) -> None:
    first = soft_labels(teachers(1), AUGMENT, 2, lent)
    again = soft_labels(teachers(1), AUGMENT, 3, lent)
    assert (first.built, again.built) == (2, 1)
    assert first.key == again.key
    assert all((a == b).all() for a, b in zip(first.logits, again.logits, strict=False))
    assert again.facts(lent.data)["views_reused"] == 2


def test_the_first_view_may_be_the_examples_as_they_are(lent: Context) -> None:
    (teacher,) = teachers(1).teachers
    augmented = soft_labels(teachers(1), AUGMENT, 2, lent)
    mixed = soft_labels(teachers(1), AUGMENT, 2, lent, clean=True)
    assert (mixed.key, mixed.built) == (augmented.key, 1)
    assert [mixed.view(epoch)[1] for epoch in range(3)] == [-1, 0, -1]
    assert (mixed.logits[1] == augmented.logits[0]).all()
    said = teacher.model(inputs(lent.data.train.x, TASK), training=False).numpy()
    assert np.allclose(mixed.logits[0], said - said.max(-1, keepdims=True), atol=2e-2)


@pytest.mark.parametrize("clean", [False, True])
def test_without_augmentation_the_teachers_see_each_example_once(lent: Context, clean: bool) -> None:
    """All views are the same images: one evaluation serves every epoch, with and without a clean view."""
    asked = Panel(teachers(1).teachers, TASK)
    evaluated: list[int] = []
    predict = asked.predict

    def counted(images: Any) -> Any:
        evaluated.append(len(images))
        return predict(images)

    asked.__dict__["predict"] = counted
    store = soft_labels(asked, (), 4, lent, clean)
    assert sum(evaluated) == len(lent.data.train)
    assert (store.facts(lent.data)["views"], store.built) == (1, 1)
    other = soft_labels(asked, (), 3, lent, not clean)
    assert sum(evaluated) == len(lent.data.train)
    said = asked.teachers[0].model(inputs(lent.data.train.x, TASK), training=False).numpy()
    for epoch in range(5):
        (soft,) = other.targets(None, np.arange(len(lent.data.train)), epoch)
        assert np.allclose(soft, said - said.max(-1, keepdims=True), atol=2e-2)


def test_another_tokenizer_is_another_store(lent: Context) -> None:
    from dataclasses import replace

    from support import readings

    def key(reader: Any) -> str:
        return store_key(teachers(1), (), 1, replace(lent.data, task=readings.task(reader)))

    whole, other = readings.tokenizer(), readings.trimmed()
    assert len({key(whole), key(other), key(replace(whole, length=9)), key(replace(other, origin=None))}) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda lent: (teachers(2), AUGMENT, lent),
        lambda lent: (teachers(1, 2), AUGMENT, lent),
        lambda lent: (teachers(1), ("flip",), lent),
        lambda lent: (teachers(1), AUGMENT, replace(lent, data=lesson(190))),
        lambda lent: (teachers(1), AUGMENT, replace(lent, source_key="other")),
    ],
    ids=["teacher", "teachers", "augment", "data", "source"],
)
def test_what_a_label_depends_on_is_in_the_key(lent: Context, change: Any) -> None:
    key = soft_labels(teachers(1), AUGMENT, 1, lent).key
    several, augment, changed = change(lent)
    assert soft_labels(several, augment, 1, changed).key != key


def test_the_step_seed_is_not_in_the_key_so_that_steps_share_the_store(lent: Context) -> None:
    key = soft_labels(teachers(1), AUGMENT, 1, lent).key
    lent = replace(lent, seed=77)
    assert soft_labels(teachers(1), AUGMENT, 1, lent).key == key


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_view_is_made_again_and_said(lent: Context, damage: str) -> None:
    whole = soft_labels(teachers(1), AUGMENT, 2, lent)
    path = lent.cache / "soft-labels" / whole.key / "view-01.npz"
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    damaged = {"cut": content[:700], "flipped": content, "empty": b"", "other": b"PK\x03\x04 nothing"}[damage]
    path.write_bytes(bytes(damaged))
    again = soft_labels(teachers(1), AUGMENT, 2, lent)
    assert again.built == 1
    assert (again.logits[1] == whole.logits[1]).all()
    assert any("view-01.npz" in text and "computed again" in text for text in notes(lent).said)


def test_a_killed_build_goes_on_at_the_next_view(lent: Context) -> None:
    lent = replace(lent, progress=Notes(fail_at=2 * 200))
    with pytest.raises(KeyboardInterrupt):
        soft_labels(teachers(1), AUGMENT, 3, lent)
    lent = replace(lent, progress=Notes())
    assert soft_labels(teachers(1), AUGMENT, 3, lent).built == 2


def test_several_teachers_are_averaged_in_their_logits(lent: Context) -> None:
    images = inputs(view(lent.data.train.x, lent.data.train.ids, 0, 0, ()), lent.data.task)
    mean = np.mean([teacher.model(images, training=False).numpy() for teacher in teachers(1, 2).teachers], axis=0)
    stored = soft_labels(teachers(1, 2), (), 1, lent).logits[0]
    assert np.allclose(stored, mean - mean.max(-1, keepdims=True), atol=2e-2)


def test_the_disk_is_said_and_checked_before(lent: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(MachineError, match=r"needs .* of disk, and 100 B are free"):
        soft_labels(teachers(1), AUGMENT, 2, lent)
    assert any("soft labels of 2 views" in text for text in notes(lent).said)


def test_alpha_zero_stores_nothing(lent: Context) -> None:
    class Teaching:
        temperature, alpha, views, clean, teachers = 4.0, 0.0, 2, False, ("source",)

    goal, facts = objective(Teaching(), panel_of(Teaching(), lent), FitOptions(), lent)
    assert (goal.name, facts) == ("labels", {})
    assert not lent.cache.exists()
