"""Networks built from a file's configuration: as many weights as the file holds, and no layer beyond all memory.

Keras makes room for every weight that a configuration asks for, before it looks whether the file has one of that shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError, clipped
from tinyc.network import backend

WHERE = ("Exception encountered when calling layer", "Error when deserializing class")
QUOTED = 300
"""What is quoted of an error of Keras, in characters."""
REMEDY = "save the network again, with its weights"


@contextmanager
def weights(held: int, place: str) -> Iterator[None]:
    """Let a network be built in this block, and no weight for which the file has no numbers.

    Args:
        held: how many numbers the file's weights have.
        place: what the file is called in messages.

    Raises:
        UserError: the network asks for more; names the weight that goes beyond.
    """
    made, beyond = 0, ""

    def creator(following: Callable[..., Any], **settings: Any) -> Any:
        nonlocal made, beyond
        shape = () if settings.get("shape") is None else tuple(settings["shape"])
        made += prod(side or 0 for side in shape)
        if made > held + limits.SPARE_WEIGHTS:
            name = f"{backend.tensorflow().get_current_name_scope()}/{settings.get('name')}".strip("/")
            beyond = beyond or f"{name!r} of shape {shape}"
            raise ValueError(beyond)
        return following(**settings)

    try:
        with backend.tensorflow().variable_creator_scope(creator):
            yield
    except Exception as error:
        if not beyond:
            raise
        problem = f"its layers ask for the weight {beyond}, and the whole file holds {held:,} numbers"
        raise UserError(place, problem, REMEDY) from error


def reason(error: BaseException) -> str:
    """Return the line of one of Keras' errors that says what is wrong; the first one often says only where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = lines[1] if len(lines) > 1 and lines[0].startswith(WHERE) else lines[0]
    return clipped(line.removeprefix("Exception encountered: "), QUOTED)


def refuse_large(model: Any, place: str) -> None:
    """Refuse a network of which a layer gives, or multiplies, more numbers for one example than a computer can.

    Raises:
        UserError: names the layer and what it asks for.
    """
    flatten = backend.tensorflow().nest.flatten
    for layer in [model, *model.submodules]:
        for node in getattr(layer, "_inbound_nodes", ()):
            given, taken = (shapes(flatten(tensors)) for tensors in (node.outputs, node.keras_inputs))
            largest = max(given, key=values, default=())
            if values(largest) > limits.ACTIVATION_VALUES:
                problem = f"layer {layer.name!r} gives {largest}, that is {values(largest):,} numbers"
                raise UserError(place, problem, f"at most {limits.ACTIVATION_VALUES:,} are computed")
            computed = products(layer, given, taken)
            if computed > limits.LAYER_PRODUCTS:
                problem = f"layer {layer.name!r} computes {computed:,} products for one example"
                raise UserError(place, problem, f"at most {limits.LAYER_PRODUCTS:,} are computed")


def shapes(tensors: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(tensor, "shape", ())) for tensor in tensors]


def values(shape: tuple[Any, ...]) -> int:
    """Count the numbers of a shape for one example, as far as its sides are known."""
    return prod(abs(side) for side in shape if side is not None)


def products(layer: Any, given: list[tuple[Any, ...]], taken: list[tuple[Any, ...]]) -> int:
    """Bound what a layer multiplies for one example: each weight at each place, or its window for each number."""
    if hasattr(layer, "layers"):
        return 0  # a network, whose layers are looked at one by one
    places = max((values(shape[:-1]) for shape in [*given, *taken]), default=0)
    held = sum(values(tuple(weight.shape)) for weight in layer.weights if len(weight.shape) > 1)
    sides = getattr(layer, "pool_size", ())
    window = prod(sides if isinstance(sides, tuple | list) else (sides,))
    return max(places * held, max(map(values, given), default=0) * window if sides else 0)
