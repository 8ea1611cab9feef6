"""Layers without weights to train, such as a `Normalization`: whether the artifact computes them, and where.

Wrappers leave alone what they have no form for, and a converter folds a scale into the kernel next to it, so that the
artifact may have no operator for a layer. What it holds before and after the layer tells whether it is computed: the
float layers make the one of the other, with the layer or without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.diagnosis.figures import decibels, power
from tinyc.analysis.diagnosis.layers import Layer, channels
from tinyc.analysis.diagnosis.spans import SAME, Array, Call, Span, Spans, computed, gap, spans
from tinyc.tflite.read.quantization import dequantize, quantize

State = Literal["compared", "folded", "lost", "changed", "unclear"]
EXAMPLES = 16
CLEARLY_DB, POOR_DB, COARSE_DB = 6.0, 15.0, 20.0
STEPS = 2
"""How many steps of its input, and of its output, an operator's own rounding may be apart from exact numbers."""


@dataclass(frozen=True)
class Untrained:
    """One layer that has no weights to train.

    Attributes:
        state: "compared" where a row holds its output, "folded" into the operator of that row, "lost" where the
            artifact computes what the network without it does, "changed" where it computes something else, or
            "unclear" where what training or rounding changed besides is too much to tell.
        row: the layer of the row that holds its output, or the next one that the output goes into.
        whole_db, without_db: signal to noise of that row, against the float layers over the artifact's own tensor
            before it, with this layer and without it; None of what cannot be left out, or has no signal.
    """

    layer: str
    state: State
    row: str
    whole_db: float | None
    without_db: float | None

    @property
    def is_wrong(self) -> bool:
        """Say whether the artifact does not compute this layer."""
        return self.state in ("lost", "changed")

    @property
    def evidence(self) -> str:
        """The figures, for people."""
        kept = "has no signal" if self.whole_db is None else f"keeps {self.whole_db:.0f} dB of signal to noise with it"
        if self.without_db is None:
            return f"{self.row} {kept}"
        return f"{self.row} {kept}, {self.without_db:.0f} dB without it"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def untrained(model: Any, layers: Sequence[Layer], x: NDArray[Any], trained: bool) -> tuple[Untrained, ...]:
    """Judge each layer that reads one tensor, has no weights to train, and does something at inference.

    Layers between two tensors that the artifact does not hold are not judged.

    Args:
        model: the float network.
        layers: the rows that were compared over the examples `x`, (examples, *input_shape).
        trained: whether the artifact's weights were trained on after the float network.
    """
    if not getattr(model, "_is_graph_network", False) or len(model.inputs) != 1:
        return ()
    few = [replace(row, raw=row.raw[:EXAMPLES], wanted=row.wanted[:EXAMPLES]) for row in layers]
    scene = spans(model, few, x[:EXAMPLES])
    found = [judged(call, scene, trained) for call in scene.calls if is_judged(call, scene)]
    return tuple(each for each in found if each is not None)


def is_judged(call: Call, scene: Spans) -> bool:
    if len(call.inputs) != 1 or call.layer.trainable_weights:
        return False
    return gap(scene.values[id(call.inputs[0])], scene.values[id(call.output)]) > SAME


def judged(call: Call, scene: Spans, trained: bool) -> Untrained | None:
    span = scene.span(call)
    if span is None:
        return None
    try:
        whole, without = with_and_without(call, span)
        worse = state(call, span, (whole, without), trained)
    except ValueError:  # Keras: the end follows from more than was walked through.
        return None
    return None if whole is None else Untrained(call.layer.name, worse, span.end[1].name, whole, without)


def state(call: Call, span: Span, found: tuple[float | None, float | None], trained: bool) -> State:
    """Say what became of a layer."""
    whole, without = (-np.inf if each is None else each for each in found)
    if without > whole + CLEARLY_DB and without >= (CLEARLY_DB if trained else POOR_DB):
        return "lost"
    if whole < POOR_DB and is_told(call, span, trained) and is_off(call, span):
        return "changed"
    if span.end[0] is call.output:
        return "compared"
    is_better = whole >= POOR_DB or (trained and whole > without + CLEARLY_DB)
    return "folded" if is_better else "unclear"


def is_told(call: Call, span: Span, trained: bool) -> bool:
    """Say whether nothing but this layer can be why a stretch computes something else."""
    if not span.has_weights:
        return True
    kernel = span.end[1].weights
    if trained or not call.layer.weights or kernel is None:
        return False
    return (decibels(power(kernel.wanted), power(kernel.rounded - kernel.wanted)) or 0) >= COARSE_DB


def with_and_without(call: Call, span: Span) -> tuple[float | None, float | None]:
    """Hold the end of a stretch against the float layers', with one layer and without it; signal to noise in dB."""
    (start, first), (end, last) = span.start, span.end
    given = following([start], [first.values], call.inputs[0])
    whole = ratio(onward(call.inputs[0], given, span), last)
    if given[0].size != np.prod(call.output.shape[1:]):
        return whole, None
    return whole, ratio(given if end is call.output else onward(call.output, given, span), last)


def onward(tensor: Any, held: NDArray[Any], span: Span) -> Array:
    """Compute a stretch's end from a tensor within it."""
    beside = {id(each): (each, row.values) for each, row in span.beside}
    starts, given = [tensor, *(each for each, _ in beside.values())], [held, *(values for _, values in beside.values())]
    return following(starts, given, span.end[0])


def following(starts: Sequence[Any], given: Sequence[NDArray[Any]], end: Any) -> Array:
    if starts[0] is end:
        return np.asarray(given[0], np.float32).reshape(-1, *end.shape[1:])
    return computed(starts, [end], given)[0]


def is_off(call: Call, span: Span) -> bool:
    """Say whether no channel is what the float layers make of the artifact's tensor, by more than steps explain."""
    (start, first), (_, last) = span.start, span.end
    exact = onward(start, first.values, span)
    step = max(first.tensor.scales, default=0.0)
    moved = [np.abs(onward(start, first.values + sign * STEPS * step, span) - exact) for sign in (1, -1)]
    allowed = np.maximum(*moved) + STEPS * max(last.tensor.scales, default=0.0)
    right, made = through_int8(exact, last), last.values.reshape(exact.shape)
    ratios = [decibels(power(a), power(b - a)) for a, b in zip(channels(right).T, channels(made).T, strict=True)]
    known = [each for each in ratios if each is not None]
    return bool(known) and max(known) < POOR_DB and bool((np.abs(made - right) > allowed).mean() > 0.5)


def ratio(wanted: Array, row: Layer) -> float | None:
    """Signal to noise in dB of a row against values as its tensor would hold them."""
    right = through_int8(wanted, row)
    return decibels(power(right), power(row.values.reshape(right.shape) - right))


def through_int8(values: Array, row: Layer) -> Array:
    return dequantize(quantize(values, row.tensor), row.tensor) if row.tensor.scales else values
