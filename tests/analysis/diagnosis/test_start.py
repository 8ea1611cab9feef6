"""What a training under int8 rounding begins with: the figures are those of direct runs, and a bad start is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, broken
from support.lessons import Notes
from support.optional import none_missing

from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.quantization import fixed_ranges, qat
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.start import Start, start
from tinyc.spec.passes import apply
from tinyc.spec.passes.quantize import Quantize
from tinyc.tflite.run.pool import Pool


@pytest.fixture(scope="module")
def net() -> Net:
    """A network that knows its classes, so that there is something to lose."""
    keras, made = backend.keras(), broken.net()
    split = artifacts.data().train
    made.model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.model.fit(inputs(split.x, made.task), split.y, 20, 15, verbose=0)
    return made


def test_both_accuracies_are_those_of_direct_runs(net: Net, pool: Pool, tmp_path: Path) -> None:
    context = artifacts.context(tmp_path)
    samples, split = inputs(context.data.calibration.x, net.task), context.data.validation
    wrapped = qat.quantization_aware(net.model, samples).model
    found = start(wrapped, net.model, samples, True, net.task, context)
    x = inputs(split.x, net.task)
    first = np.asarray(wrapped(x, training=False)).argmax(-1) == split.y
    second = pool.run(to_int8_tflite(net.model, samples, True), x, "reference").outputs.argmax(-1).ravel() == split.y
    assert (found.examples, found.split) == (len(split), "validation")
    assert found.wrapped == pytest.approx(first.mean(), abs=1e-6)
    assert found.post_training == pytest.approx(second.mean(), abs=1.01 / len(split))
    change, low, high = none_missing(*found.change)
    assert change == pytest.approx(found.wrapped - (found.post_training or 0), abs=1e-6)
    assert low <= change <= high
    assert not found.is_far


def test_far_is_where_the_whole_interval_lies_beyond_two_points() -> None:
    assert Start(0.5, 0.6, (-0.1, -0.17, -0.03), 512, "validation").is_far
    assert not Start(0.5, 0.6, (-0.1, -0.19, -0.01), 512, "validation").is_far
    assert not Start(0.5, None, (None, None, None), 512, "validation").is_far


@pytest.mark.parametrize("narrow", [False, True])
def test_the_run_says_that_it_begins_far_below(
    net: Net, narrow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = qat.start_ranges

    def narrowed(wrapped: Any, model: Any, samples: Any) -> None:
        begin(wrapped, model, samples)
        fixed_ranges.set_ranges(
            wrapped, {name: (0.0, high / 1e4) for name, (_, high) in fixed_ranges.read_ranges(wrapped).items()}
        )

    if narrow:
        monkeypatch.setattr(qat, "start_ranges", narrowed)
    heard = Notes()
    context = replace(artifacts.context(tmp_path), progress=heard)
    outcome = apply(Quantize(use="quantize", how="qat", epochs=1, batch=50), net, context)
    facts = outcome.facts
    assert facts["parity"]["largest"] < 1e-6
    assert facts["parity"]["mended"] == []
    assert facts["start"]["examples"] == 60
    said = [line for line in heard.said if "right after wrapping, before any training" in line]
    assert len(said) == narrow
    assert [note for note in facts.get("notes", []) if "right after wrapping" in note] == [
        line.removeprefix("quantize: ") for line in said
    ]
    if narrow:
        assert facts["start"]["change_high"] < -0.02
        assert 'how = "ptq"' in said[0]


def test_a_rehearsal_proves_and_judges_nothing(tmp_path: Path) -> None:
    context = artifacts.context(tmp_path, rehearse="upper")
    facts = apply(Quantize(use="quantize", how="qat"), artifacts.net(), context).facts
    assert facts["parity"]["layers"] > 20
    assert "start" not in facts
