"""What `quantize` does to a network's weights before it is converted, each step with what it changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Unpack

from numpy.typing import NDArray

from tinyc.core import progress
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.selectors import select
from tinyc.quantization import batch_statistics, equalization, precision
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.effect import Gauge
from tinyc.spec.passes.quantize import Equalized, Judged, QuantizeFacts, Reestimated
from tinyc.tflite.write.strip import strip
from tinyc.training.probe import Probe, Score

SIZED = 4
"""Samples that a conversion takes of which only the size is read; the last of all may be the padded one."""


@dataclass(frozen=True)
class Ready:
    """A network on its way to the converter.

    Attributes:
        halved: the layers whose weights shall have four bits.
        facts, notes: what was done so far.
    """

    model: Any
    halved: tuple[str, ...] = ()
    facts: QuantizeFacts = field(default_factory=QuantizeFacts)
    notes: tuple[str, ...] = ()

    def told(self, model: Any, **facts: Unpack[QuantizeFacts]) -> Ready:
        return replace(self, model=model, facts={**self.facts, **facts})


@dataclass(frozen=True)
class ByteTarget:
    """What precision = "auto" aims at: the bytes, whether int4 is a way, and which layers it leaves."""

    flash_bytes: int
    int4: bool
    per_channel_dense: bool
    leave: tuple[str, ...]


def excluded_layers(model: Any, exclude: tuple[str, ...]) -> tuple[str, ...]:
    """Return the layers that `exclude` names; none where it is empty."""
    return tuple(layer.name for layer in select(model, exclude, "quantize: exclude")) if exclude else ()


def reestimated(ready: Ready, task: Task, context: Context) -> Ready:
    """Take the statistics of batch normalization anew; a rehearsal leaves them, since they shape nothing."""
    if context.rehearse is not None:
        return ready
    model, seen = batch_statistics.reestimate(ready.model, context.data, task, context.seed)
    if not seen:
        note = "reestimate: the network has no batch normalization, so that nothing was measured again"
        return replace(ready, notes=(*ready.notes, note))
    probes = [Probe(each, context.data, task, context.seed) for each in (ready.model, model)]
    before, after = (score(probe.score()) for probe in probes)
    told: Reestimated = {"training_examples": seen, "before": before, "after": after, "split": probes[0].split}
    return ready.told(model, reestimate=told)


def score(found: Score) -> Judged:
    return {"accuracy": round(found.accuracy, 6), "loss": round(found.loss, 6), "examples": found.examples}


def equalized(ready: Ready, samples: NDArray[Any], per_channel_dense: bool, task: Task, context: Context) -> Ready:
    """Equalize channels, and measure int8 files of before and after, ranges by extremes."""
    found = equalization.equalize(ready.model, samples)
    told: Equalized = {
        "pairs": [list(pair) for pair in found.pairs],
        "largest_factor": round(found.largest, 4),
        "difference": found.difference,
    }
    if not found.pairs:
        note = "equalize: no two layers are joined by a ReLU or nothing alone, so that nothing was changed"
        return replace(ready, notes=(*ready.notes, note))
    if context.rehearse is None:
        gauge = Gauge(ready.model, context.data, task, context.seed)
        before, after = (to_int8_tflite(each, samples, per_channel_dense) for each in (ready.model, found.model))
        told["effect"] = gauge.compare(before, after)
    return ready.told(found.model, equalize=told)


def by_layer(ready: Ready, target: ByteTarget, samples: NDArray[Any], task: Task, context: Context) -> Ready:
    """Choose each kernel's bits for a flash target; shared values are set, four bits are left to the conversion."""
    model = backend.keras().models.clone_model(ready.model)
    model.set_weights(ready.model.get_weights())
    stripped = len(strip(to_int8_tflite(model, samples[-SIZED:], target.per_channel_dense)))
    asked = precision.Search(model, context.seed, target.int4, target.per_channel_dense, target.leave)
    tries = sum(len(asked.ways(kernel)) - 1 for kernel in asked.kernels())
    with progress.task(context.progress, "quantize: bits by layer", tries) as shown:
        chosen = precision.search(
            asked, context.data, task, target.flash_bytes, stripped, context.rehearse, shown.advance
        )
    for name, weights in asked.changed(chosen.of("table")).items():
        model.get_layer(name).set_weights(weights)
    halved = tuple(way.kernel.layer for way in chosen.of("int4"))
    notes = (*ready.notes, *precision.notes(chosen, target.flash_bytes))
    told = ready.told(model, precision=precision.facts(chosen, target.flash_bytes))
    return replace(told, halved=halved, notes=notes)
