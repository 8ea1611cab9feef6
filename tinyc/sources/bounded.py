"""Networks built from a file's configuration: as many weights as the file holds, and no layer beyond all memory.

Keras makes room for every weight that a configuration asks for, before it looks whether the file has one of that shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

from tinyc import backend, limits
from tinyc.errors import UserError

WHERE = ("Exception encountered when calling layer", "Error when deserializing class")
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
    """The line of one of Keras' errors that says what is wrong; the first one often says only where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[1] if len(lines) > 1 and lines[0].startswith(WHERE) else lines[0]


def refuse_large(model: Any, place: str) -> None:
    """Refuse a network of which a layer gives more numbers for one example than any device or computer has room for.

    Raises:
        UserError: names the layer and what it gives.
    """
    flatten = backend.tensorflow().nest.flatten
    for layer in [model, *model.submodules]:
        for node in getattr(layer, "_inbound_nodes", ()):
            for tensor in flatten(node.outputs):
                shape = tuple(getattr(tensor, "shape", ()))
                values = prod(abs(side) for side in shape if side is not None)
                if values > limits.ACTIVATION_VALUES:
                    problem = f"layer {layer.name!r} gives {shape}, that is {values:,} numbers"
                    raise UserError(place, problem, f"at most {limits.ACTIVATION_VALUES:,} are computed")
