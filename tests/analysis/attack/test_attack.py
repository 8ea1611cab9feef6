"""The whole attack on artifacts whose memory is known, with people who differ from each other."""

from __future__ import annotations

from pathlib import Path

from support import people

from tinyc.analysis.attack.attack import Request, Target, attack
from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.shadows import Place, ShadowTraining
from tinyc.core.progress import Silent
from tinyc.network.state import Flat, Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.tflite.run.pool import Pool
from tinyc.training.fit import fit


def test_people_who_differ_are_not_taken_for_people_who_are_remembered(tmp_path: Path) -> None:
    """A linear network remembers nobody; the loss tells sides apart all the same, and the shadows see through it."""
    dataset = people.dataset()
    model = people.network()
    options = FitOptions(epochs=6, batch=16, learning_rate=0.1)
    fit(model, options, labels(1), Place(1, dataset.for_training(), Silent()), "target")
    flat = Flat(to_int8_tflite(model, dataset.train.x[:64]), dataset.task)
    training = ShadowTraining(Net(model, dataset.task), options, 4, tmp_path)
    target = Target("people", "02-quantize", flat, dataset, Promise(2.0, 1e-5, ("1 distill",), ("the source",)))
    with Pool(1) as pool:
        found = attack(target, Request(240, 3, "tflm", training), pool, Silent())
    loss, likely = found.attacks
    assert (loss.name, likely.name) == ("loss", "lira")
    assert (loss.auc.low or 0) > 0.6
    assert likely.auc.low is not None
    assert likely.auc.low < 0.5 < (likely.auc.high or 0)
    assert found.verdict.startswith("Undecided: the interval of the loss threshold lies above 0.5, that of LiRA")
    said = " ".join(found.notes)
    assert "share no subject (12 and 12)" in said
    assert "its scales on training examples; the source learnt from the same examples without noise" in said
    assert "whole subjects" in said
    assert (found.unit, found.cluster, found.runtime) == ("subject", "recording", "tflm")
