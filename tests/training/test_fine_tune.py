"""Fine-tuning takes up the latest distillation, and goes on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.lessons import Notes, context, digest, network

from tinyc.network.contract import Context
from tinyc.spec.passes.distill import Distill
from tinyc.spec.training import FitOptions
from tinyc.training.fine_tuning import fine_tune

OPTIONS = FitOptions(epochs=2, batch=32)


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    return context(tmp_path)


def distilled(**fields: object) -> Distill:
    return Distill.model_validate({"student": "net.py:net", **fields})


def test_labels_alone_where_nothing_was_distilled(lent: Context) -> None:
    assert fine_tune(network(), OPTIONS, lent, "tune")["objective"] == "labels"


def test_the_latest_distillation_goes_on(lent: Context) -> None:
    lent = replace(lent, earlier=(distilled(views=1, alpha=0), distilled(views=2)))
    facts = fine_tune(network(seed=4), OPTIONS.model_copy(update={"augment": ("flip",)}), lent, "tune")
    assert facts["objective"] == "distillation"
    assert facts["store"]["views"] == 2


@pytest.mark.parametrize(("alpha", "loss"), [(0.0, "auto"), (0.9, "labels")])
def test_labels_on_request(lent: Context, alpha: float, loss: str) -> None:
    lent = replace(lent, earlier=(distilled(alpha=alpha),))
    facts = fine_tune(network(), OPTIONS.model_copy(update={"loss": loss}), lent, "tune")
    assert facts["objective"] == "labels"
    assert not (lent.cache / "soft-labels").exists()


def test_a_killed_tuning_goes_on_to_the_same_bytes_and_leaves_no_checkpoint(lent: Context, tmp_path: Path) -> None:
    undisturbed, resumed = network(), network()
    other = replace(lent, cache=tmp_path / "other")
    expected = fine_tune(undisturbed, OPTIONS, other, "tune")
    lent = replace(lent, progress=Notes(fail_at=300))
    with pytest.raises(KeyboardInterrupt):
        fine_tune(network(), OPTIONS, lent, "tune")
    assert list((lent.cache / "trainings").glob("*/epoch-*.npz"))
    lent = replace(lent, progress=Notes())
    assert fine_tune(resumed, OPTIONS, lent, "tune") == expected
    assert digest(resumed) == digest(undisturbed)
    assert not list((lent.cache / "trainings").iterdir())


def test_a_rehearsal_does_nothing(lent: Context) -> None:
    lent = replace(lent, rehearse="lower", earlier=(distilled(),))
    assert fine_tune(network(), OPTIONS, lent, "tune")["epochs"] == 0
    assert not lent.cache.exists()
