"""Calls of TensorFlow functions made Keras layers, only if outputs stay the same; what has no form as a layer stays."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend
from tinyc.network.checks import id_tables
from tinyc.network.flatten import Copy, name_of, replay
from tinyc.network.rewriting import hard_swish
from tinyc.network.rewriting.calculating import CALCULATING
from tinyc.network.rewriting.function_layers import Say, function_of, is_function
from tinyc.network.rewriting.shaping import SHAPING
from tinyc.network.use import Use

MODULES = ("", "math", "nn", "linalg", "image", "__operators__", "compat.v1", "compat.v1.math", "compat.v1.nn")
FORMS = {**CALCULATING, **SHAPING}
EXAMPLES = 4
TOLERANCE = 1e-4
"""The largest difference of outputs that counts as rounding of float32, as a fraction of the largest output."""


def layered(model: Any, say: Say) -> Any:
    """Make layers of the functions that a flat network calls, as `functions.in_layers` promises."""
    examples = probe(model)
    before = run(model, examples)
    made, found = rewritten(model, ())
    difference = output_difference(before, run(made, examples))
    if not difference <= TOLERANCE:
        wrong = {
            name
            for name in {*found.done}
            if not output_difference(before, run(only(model, name), examples)) <= TOLERANCE
        }
        made, found = rewritten(model, wrong or {*found.done})
        difference = output_difference(before, run(made, examples))
    tell(made, found, difference, say)
    return made


def only(model: Any, name: str) -> Any:
    """Put the calls of one function, and of no other, into layers."""
    return rewritten(model, {*FORMS} - {name})[0]


def tell(model: Any, found: Layered, difference: float, say: Say) -> None:
    """Say what became layers, how much that changes, and what did not."""
    if found.done:
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(Counter(found.done).items()))
        say(f"functions of TensorFlow became layers ({kinds}); outputs differ by {difference:.1e} of the largest")
    left = [f"{layer.name} ({function_of(layer)})" for layer in model.layers if is_function(layer)]
    if left:
        say(f"functions without a form as a layer stay as they are: {', '.join(left)}")


@dataclass
class Layered(Copy):
    """Copies, except of calls of functions: those become layers, where FORMS has one and `left` does not name it.

    `done` lists the functions of the calls that did; `taken` are the names that helping layers must not take.
    """

    left: Collection[str] = ()
    taken: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def called(self, node: Any, prefix: str, arguments: Any, keywords: Any) -> Any:
        if not is_function(node.layer):
            return super().called(node, prefix, arguments, keywords)
        kind = kind_of(node.layer)
        made = self.layered(kind, node, arguments, keywords) if kind in FORMS and kind not in self.left else None
        if made is None:
            return super().called(node, prefix, arguments, keywords)
        self.done.append(kind)
        return made

    def layered(self, kind: str, node: Any, arguments: Any, keywords: Any) -> Any:
        """Call layers in a function's place; None where they cannot take its place."""
        bound = inspect.signature(node.layer.function).bind(*arguments, **keywords)
        bound.apply_defaults()
        tensors = backend.tensorflow().nest.flatten(node.outputs)
        name = self.free(node.layer.name) if node.layer.name in self.names else node.layer.name
        self.names.add(name)
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        use = Use(name, tuple(bound.arguments.values()), bound.arguments, shapes, tensors[0].dtype, self.free)
        return FORMS[kind](use) if use.computes_in_float else None

    def free(self, name: str) -> str:
        """Make a name that no layer has."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


def kind_of(layer: Any) -> str:
    """Return the key of FORMS for a function: "relu6" of nn.relu6; the whole name for other modules than arithmetic."""
    whole = str(layer.get_config()["function"])
    module, _, name = whole.rpartition(".")
    return name if module in MODULES else whole


def rewritten(model: Any, left: Collection[str]) -> tuple[Any, Layered]:
    """Replay a network with functions in layers; then with each hard swish as one."""
    copy = Layered("functions", left=left, taken={layer.name for layer in model.layers})
    made = replayed(model, copy)
    return replayed(made, hard_swish.Fused("functions", found=hard_swish.find(made))), copy


def replayed(model: Any, copy: Copy) -> Any:
    """Call copies of a network's layers, and give them its weights."""
    keras = backend.keras()
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name_of(tensor)) for tensor in model.inputs
    ]
    copy.names.update(map(name_of, inputs))
    outputs = replay(model, inputs, copy, prefix="", training=None)
    result = keras.Model(inputs, outputs, name=model.name)
    for old, new in copy.layers.values():
        new.set_weights(old.get_weights())
    return result


def probe(model: Any) -> list[NDArray[Any]]:
    """Random examples of each input: small and large numbers, or ids."""
    random = np.random.default_rng(0)
    found = []
    for tensor in model.inputs:
        shape = (EXAMPLES, *(side or 8 for side in tensor.shape[1:]))
        is_ids = tensor.dtype.is_integer or bool(id_tables(model))
        sizes = np.array([0.1, 1.0, 10.0, 100.0]).reshape(-1, *[1] * (len(shape) - 1))
        drawn = random.integers(0, 2, shape) if is_ids else random.standard_normal(shape) * sizes
        found.append(drawn.astype(tensor.dtype.as_numpy_dtype))
    return found


def run(model: Any, examples: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Run a network over examples of each input; return its outputs."""
    outputs = model(examples if len(examples) > 1 else examples[0], training=False)
    return [np.asarray(output, np.float64) for output in backend.tensorflow().nest.flatten(outputs)]


def output_difference(before: list[NDArray[Any]], after: list[NDArray[Any]]) -> float:
    """Return the largest difference as a fraction of its example's largest output; infinite if shapes or NaN differ."""
    if [each.shape for each in before] != [each.shape for each in after]:
        return float("inf")
    worst = 0.0
    for one, other in zip(before, after, strict=True):
        for was, now in zip(one, other, strict=True):
            if not np.array_equal(np.isfinite(was), np.isfinite(now)):
                return float("inf")
            known = np.isfinite(was)
            scale = max(float(np.abs(was[known]).max(initial=0.0)), 1e-6)
            worst = max(worst, float(np.abs(was[known] - now[known]).max(initial=0.0)) / scale)
    return worst
