"""Replay a network with every layer of one kind in another form, and measure what that changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend
from tinyc.network.checks import has_graph
from tinyc.network.flatten import Copy, name_of, replay
from tinyc.spec.facts import Rewritten

SAMPLES = 64
"""Most examples on which a difference is measured."""


@dataclass(frozen=True)
class Form:
    """A kind of layer and the form it is given.

    Attributes:
        what, into: in words.
        fits: says whether a layer is of this kind.
        replaced: gives what is called in the layer's place, from the layer and the new network's inputs.
        takes: dtype that an input of the network gets where it feeds layers of this kind alone; None leaves it.
    """

    what: str
    into: str
    fits: Callable[[Any], bool]
    replaced: Callable[[Any, Sequence[Any]], Callable[..., Any]]
    takes: str | None = None


@dataclass
class Rewriting(Copy):
    """Copies, except of the layers that a form fits: those are replaced."""

    form: Form | None = None
    inputs: Sequence[Any] = ()
    done: list[str] = field(default_factory=list)

    def make(self, layer: Any, prefix: str) -> Any:
        if self.form is None or not self.form.fits(layer):
            return super().make(layer, prefix)
        self.names.add(layer.name)
        self.done.append(layer.name)
        return self.form.replaced(layer, self.inputs)


def rewrite(
    model: Any, forms: Sequence[Form], samples: NDArray[Any] | None, where: str
) -> tuple[Any, tuple[Rewritten, ...]]:
    """Give a network in which every layer that a form fits has that form; `model` itself where there is none.

    Args:
        samples: inputs of the network, (examples, *input_shape), of which the first SAMPLES are run before and after.
        where: what rewrites, for messages.

    Raises:
        UserError: a layer has a setting that the form lacks.
    """
    done: list[Rewritten] = []
    for form in forms:
        if not has_graph(model) or not any(form.fits(layer) for layer in model.layers):
            continue
        after, names = replaced(model, form, where)
        difference = None if samples is None or not len(samples) else output_difference(model, after, samples[:SAMPLES])
        done += [{"layer": name, "what": form.what, "into": form.into, "difference": difference} for name in names]
        model = after
    return model, tuple(done)


def replaced(model: Any, form: Form, where: str) -> tuple[Any, list[str]]:
    """Give the network with one form applied, and the names of the layers that it took."""
    keras = backend.keras()
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=dtype(model, tensor, form), name=name_of(tensor))
        for tensor in model.inputs
    ]
    copy = Rewriting(where, form=form, inputs=inputs)
    copy.names.update(name_of(tensor) for tensor in inputs)
    outputs = replay(model, inputs, copy, prefix="", training=None)
    result = keras.Model(inputs, outputs, name=model.name)
    for old, new in copy.layers.values():
        if isinstance(new, keras.layers.Layer):
            new.set_weights(old.get_weights())
    return result, copy.done


def dtype(model: Any, tensor: Any, form: Form) -> Any:
    """Return the dtype of an input in the new network."""
    nodes = [node for level in model._nodes_by_depth.values() for node in level if not node.is_input]
    readers = [node.layer for node in nodes if any(each is tensor for each in node.keras_inputs)]
    return form.takes if form.takes and readers and all(map(form.fits, readers)) else tensor.dtype


def output_difference(before: Any, after: Any, samples: NDArray[Any]) -> float:
    """Return the largest absolute difference of two networks' outputs."""
    one, other = (np.asarray(model(samples, training=False)) for model in (before, after))
    return float(np.abs(one - other).max())
