"""Diagnose one artifact: run it and its float network over a few examples, and rank what stands out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.diagnosis.calibrating import Calibrated
from tinyc.analysis.diagnosis.causes import Chart, columns_apart, ranked
from tinyc.analysis.diagnosis.figures import figures
from tinyc.analysis.diagnosis.findings import Cause, noise
from tinyc.analysis.diagnosis.layers import Examples, read_layers
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.analysis.diagnosis.remedies import lines
from tinyc.analysis.diagnosis.untrained import Untrained, untrained
from tinyc.data.dataset import Split, TrainingData
from tinyc.data.inputs import inputs
from tinyc.network.float_tflite import to_float_tflite
from tinyc.network.state import Flat, Net
from tinyc.quantization.calibration import with_padding
from tinyc.quantization.input_scaling import pulled_out
from tinyc.quantization.rewrite import legal
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool

EXAMPLES, FEWEST = 64, 8
# What the examples of one file may cost: multiply-accumulates, and bytes of tensors kept.
MOST_MACS, MOST_BYTES = 1e10, 256 << 20
FLOAT_BYTES = 4


def diagnose(net: Net, flat: Flat, data: TrainingData, pool: Pool, options: Mapping[str, Any]) -> Diagnosis:
    """Compare an int8 artifact with the float network that it was made of.

    Args:
        net: the network before `quantize`; it is not changed.
        flat: what `quantize` gave, with its tensors' names.
        data: examples; validation judges, or training where there is none.
        options: the keys of `quantize` as the recipe has them; remedies are written in keys that stand here.

    Raises:
        UserError, MachineError: a network cannot be converted or run here.
    """
    if flat.task.columns != net.task.columns and (pulled := pulled_out(net)):
        net = pulled.net
    split = "validation" if len(data.validation) else "train"
    count = affordable(flat.content)
    judged = spread(getattr(data, split), count)
    taken = int(options.get("calibration", len(data.calibration)))
    drawn = np.arange(min(taken, len(data.calibration)))
    calibration = with_padding(inputs(data.calibration.x[spaced(drawn, count)], net.task))
    content = to_float_tflite(legal(net.model)[0])
    examples = Examples(inputs(judged, net.task), calibration)
    layers, alone = read_layers(flat.content, content, examples, pool, "the artifact")
    trained = options.get("how") == "qat"
    fixed = () if options.get("equalize") else untrained(net.model, layers, examples.judged, trained)
    if options.get("equalize"):
        layers = tuple(layer.balanced() for layer in layers)
    measured = tuple(figures(layer, trained) for layer in layers)
    names = net.task.classes
    present = np.unique(getattr(data, split).y)
    counts = np.bincount(data.calibration.y[drawn], minlength=len(names))
    calibrated = Calibrated(
        dict(zip(names, counts.tolist(), strict=True)),
        tuple(names[i] for i in present if i < len(names)),
        set_aside=len(data.calibration), asked=taken, train=len(data.train),
        trained=tuple(names[i] for i in np.unique(data.train.y) if i < len(names)),
    )  # fmt: skip
    apart = columns_apart(examples.judged, describe(flat.content))
    causes = (*wrong(fixed, options), *apart, *ranked(Chart(measured, calibrated, options)))
    return Diagnosis(split, len(judged), causes, measured, calibrated, remarks(trained, options), alone, fixed)


def remarks(trained: bool, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what limits the comparison."""
    notes = []
    if trained:
        notes.append("the weights were trained further under int8 rounding: what that changed counts as noise here")
    if options.get("equalize"):
        notes.append("channels were equalized: outputs are compared after scaling each back, weights are not compared")
    return tuple(notes)


def wrong(found: Iterable[Untrained], options: Mapping[str, Any]) -> Iterator[Cause]:
    """Give a cause for each layer that the artifact does not compute; what follows them is noise of their making."""
    for each in found:
        if each.is_wrong:
            lost = each.state == "lost"
            kind, remedy = "lost computation" if lost else "changed computation", lines([("how", "ptq")], options)
            yield Cause(kind, each.layer, each.evidence, remedy, noise(each.whole_db))


def affordable(content: bytes) -> int:
    """Return how many examples a quick diagnosis can pay for."""
    described = describe(content)
    kept = FLOAT_BYTES * sum(tensor.elements for tensor in described.tensors if not tensor.stored_bytes)
    if described.macs is None:  # what has no count may take long
        return FEWEST
    count = min(EXAMPLES, MOST_MACS / max(1, described.macs), MOST_BYTES / max(1, kept))
    return max(FEWEST, int(count))


def spread(split: Split, count: int) -> NDArray[Any]:
    """Take examples evenly from a split."""
    found: NDArray[Any] = split.x[spaced(np.arange(len(split)), count)]
    return found


def spaced(places: NDArray[Any], count: int) -> NDArray[Any]:
    """Return at most `count` of these places, evenly apart."""
    if len(places) <= count:
        return places
    found: NDArray[Any] = places[np.linspace(0, len(places) - 1, count).astype(int)]
    return found
