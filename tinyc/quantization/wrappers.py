"""The wrappers of training under int8 rounding, TFMOT's and tinyc's own: what is inside, and rounding left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tinyc.network import backend

WRAPPERS = frozenset({"QuantizeWrapper", "QuantizeWrapperV2", "Rounded"})


def inside(layer: Any) -> Any:
    """Give the layer inside a wrapper, or the layer itself."""
    return layer.layer if type(layer).__name__ in WRAPPERS else layer


@contextmanager
def unrounded(wrapped: Any) -> Iterator[None]:
    """Let a network in wrappers compute in float while the block runs; it must be called eagerly."""
    with ExitStack() as held:
        for layer in wrapped.layers:
            for owner, changes in plain(layer):
                held.callback(put(owner, changes))
        yield


def plain(layer: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """List what has to be another thing so that a layer rounds nothing: owners, with attributes by name."""
    if type(layer).__name__ == "Rounded":
        yield layer, {"rounding": False}
    if type(layer).__name__ == "QuantizeLayer" and layer.quantizer:
        yield layer, {"quantizer": untouched}
    if hasattr(layer, "_weight_vars"):
        yield layer, {"_weight_vars": [(weight, untouched, ranges) for weight, _, ranges in layer._weight_vars]}
        yield layer, {"_output_quantizers": [untouched for _ in layer._output_quantizers or ()]}
        for activation in layer._quantize_activations:
            yield activation, {"quantizer": untouched}


def untouched(inputs: Any, training: Any, weights: Any, **_: Any) -> Any:
    """Round nothing, where TFMOT calls a quantizer; a wrapper must not take the weight itself back as its own."""
    return backend.tensorflow().identity(inputs)


def put(owner: Any, changes: dict[str, Any]) -> Callable[[], None]:
    """Set attributes past Keras, which would track what they hold anew; gives what sets them back."""
    before = {name: owner.__dict__[name] for name in changes if name in owner.__dict__}
    owner.__dict__.update(changes)

    def back() -> None:
        for name in changes:
            del owner.__dict__[name]
        owner.__dict__.update(before)

    return back
