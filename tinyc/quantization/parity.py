"""Whether a wrapped network computes what came in: rounding left out, layer by layer, before anything is trained.

A copy is made of a layer's configuration and its weights. What a layer holds beside both is lost in silence: statistics
that a `Normalization` made constants of, or an attribute that was set by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import flat, walk
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.quantization.wrappers import inside, unrounded
from tinyc.spec.passes.quantize import ParityFacts

EXAMPLES, MOST_BYTES = 32, 256 << 20
"""How many examples are run, and what all outputs of one network may take for them."""
TOLERANCE = 1e-4
"""The largest difference that counts as float rounding, as a fraction of the range of a layer's output.

The same kernels run in a copy: of ResNet-50, ResNet-8, MobileNet and a small BERT no output differed in one bit.
"""
FLOAT_BYTES = 4
FLOATS = frozenset({"float16", "bfloat16", "float64"})
PTQ = 'write `how = "ptq"`'
Point = tuple[str, int, int]
"""A layer's name, which of its calls, and which output of that."""


@dataclass(frozen=True)
class Parity:
    """A wrapped network that computes what the one before did.

    Attributes:
        examples: how many were run; `layers` how many layers were compared.
        largest: the largest difference at the end, as a fraction of the range of the layer's output; `layer` where.
        mended: what differed before the layers' weights were given to them once more, by the layer that began it.
    """

    examples: int
    layers: int
    largest: float
    layer: str
    mended: Mapping[str, float]

    def to_json(self) -> ParityFacts:
        mended = [{"layer": name, "difference": float(f"{size:.3g}")} for name, size in self.mended.items()]
        largest = float(f"{self.largest:.3g}")
        return {
            "examples": self.examples, "layers": self.layers, "largest": largest, "at": self.layer,
            "tolerance": TOLERANCE, "mended": mended,
        }  # fmt: skip


def prove(model: Any, wrapped: Any, samples: NDArray[Any]) -> Parity:
    """Compare each layer of a network with its counterpart in a wrapped copy, in float; mend the copy where that helps.

    Layers that have no counterpart are judged by what reads them, and by the network's outputs.

    Args:
        samples: (examples, *input_shape) as the network sees them; a few of them are run, or drawn ones of none.

    Raises:
        UserError: a layer computes something else in the copy; names it.
    """
    x = few(model, samples if len(samples) else drawn(model))
    found = differences(model, wrapped, x)
    began = roots(model, found)
    if began:
        restore(model, wrapped)
        found = differences(model, wrapped, x)
    if still := roots(model, found):
        raise refused(model, next(iter(still.items())), x)
    (name, _, _), largest = max(found.items(), key=lambda each: each[1])
    layers = {layer for layer, _, _ in found if layer}
    return Parity(len(x), len(layers), largest, name or last(model), began)


def few(model: Any, samples: NDArray[Any]) -> NDArray[Any]:
    """Take a few samples evenly, as many as memory allows."""
    sizes = [np.prod([side or 1 for side in tensor.shape[1:]]) for tensor in points(model).values()]
    count = min(EXAMPLES, len(samples), max(1, int(MOST_BYTES // max(1, FLOAT_BYTES * sum(sizes)))))
    return np.asarray(samples[np.linspace(0, len(samples) - 1, count).astype(int)])


def drawn(model: Any) -> NDArray[Any]:
    """Draw examples for one who has none: ids that every table has, or normal numbers."""
    random, given = np.random.default_rng(0), model.inputs[0]
    shape = (EXAMPLES, *given.shape[1:])
    return np.asarray(
        random.integers(0, 2, shape) if given.dtype.is_integer else random.standard_normal(shape, np.float32)
    )


def points(model: Any) -> dict[Point, Any]:
    """Give the tensors at which two networks can be compared; those of the last are also named "", by their place."""
    calls: dict[str, int] = {}
    found: dict[Point, Any] = {}
    for node in walk(model):
        if node.is_input or type(node.layer).__name__ == "QuantizeLayer":
            continue
        name = inside(node.layer).name
        call = calls[name] = calls.get(name, -1) + 1
        found |= {(name, call, place): tensor for place, tensor in enumerate(flat(node.outputs))}
    return found | {("", 0, place): tensor for place, tensor in enumerate(flat(model.outputs))}


def differences(model: Any, wrapped: Any, x: NDArray[Any]) -> dict[Point, float]:
    """Measure how far outputs are apart at each common point, as a fraction of their range in the first network."""
    wanted, given = points(model), points(wrapped)
    common = [point for point in wanted if point in given]
    one = outputs(model, [wanted[point] for point in common], x)
    with unrounded(wrapped):
        other = outputs(wrapped, [given[point] for point in common], x)
    return {point: relative_difference(a, b) for point, a, b in zip(common, one, other, strict=True)}


def outputs(model: Any, tensors: Sequence[Any], x: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Compute tensors of a network for some examples, eagerly."""
    probe = backend.keras().Model(model.inputs, list(tensors))
    return [np.asarray(each, np.float64) for each in flat(probe(x, training=False))]


def relative_difference(wanted: NDArray[np.float64], given: NDArray[np.float64]) -> float:
    """Return the largest difference as a fraction of the range; infinite where only one of the two is a number."""
    if wanted.shape != given.shape:
        return float("inf")
    known = np.isfinite(wanted)
    if not np.array_equal(known, np.isfinite(given)):
        return float("inf")
    if not known.any():
        return 0.0
    difference = float(np.abs(given[known] - wanted[known]).max())
    span = float(np.ptp(wanted[known])) or float(np.abs(wanted[known]).max()) or 1.0
    return difference / span


def roots(model: Any, found: Mapping[Point, float]) -> dict[str, float]:
    """Give the layers that differ though nothing that they read does, in the order of computation."""
    wrong = {point for point, size in found.items() if not size <= TOLERANCE}
    named = {id(tensor): point for point, tensor in points(model).items() if point[0]}
    began: dict[str, float] = {}
    for node in walk(model):
        own = [point for tensor in flat(node.outputs) if (point := named.get(id(tensor))) in wrong and point]
        reads = [] if node.is_input else node.keras_inputs
        if own and not any(named.get(id(tensor)) in wrong for tensor in reads):
            began.setdefault(node.layer.name, max(found[point] for point in own))
    if wrong and not began:
        began[last(model)] = max(found[point] for point in wrong)
    return began


def last(model: Any) -> str:
    """Name the layer that gives a network's output."""
    return str(model.outputs[0].node.layer.name)


def restore(model: Any, wrapped: Any) -> None:
    """Give each layer of a wrapped copy its weights again, and let it make anew what it makes of them."""
    twins = {inside(layer).name: layer for layer in wrapped.layers}
    for layer in model.layers:
        twin = twins.get(layer.name)
        if twin is None or type(inside(twin)) is not type(layer):
            continue
        if hasattr(twin, "_weight_vars"):
            given = dict(by_leaf(layer.weights))
            for leaf, variable in by_leaf([*twin.layer.weights, *(each for each, _, _ in twin._weight_vars)]):
                if leaf in given and given[leaf].shape == variable.shape:
                    variable.assign(given[leaf])
            twin.layer.finalize_state()
        else:
            # Keras has the layer finalize its state after that; an assignment to its variables alone does not.
            inside(twin).set_weights(layer.get_weights())


def by_leaf(variables: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Name variables by the end of their names: a wrapper keeps the kernel, and the layer inside the rest."""
    return ((each.name.rpartition("/")[2], each) for each in variables)


def refused(model: Any, first: tuple[str, float], x: NDArray[Any]) -> UserError:
    """Say which layer could not be mended, and why that may be."""
    name, size = first
    layer = model.get_layer(name)
    tensors = list(points(model).values())
    again = zip(outputs(model, tensors, x), outputs(model, tensors, x), strict=True)
    where = f"{model.name}, layer {name}"
    if any(relative_difference(one, other) > TOLERANCE for one, other in again):
        problem = f"this {type(layer).__name__}, or a layer before it, gives other values each time that it is run"
        return UserError(where, problem, "take out what is random at inference")
    amount = f"by {size:.2g} times its range" if np.isfinite(size) else "to what is not a number"
    problem = (
        f"its output changes {amount} when the network is wrapped for training under int8 rounding: this "
        f"{type(layer).__name__} holds something that is neither in its weights nor in its get_config()"
    )
    return UserError(where, problem, f"return it from get_config(), or hold it in a weight (add_weight); or {PTQ}")
