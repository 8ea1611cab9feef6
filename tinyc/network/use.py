"""One call of a TensorFlow function in a network: what it is given, and what it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyc.network import backend

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Use:
    """A call to put into layers.

    Attributes:
        name: the name of the layer that gives the result.
        given: the arguments in the order of the function's signature, defaults among them.
        arguments: the same by name.
        shapes: of the results, with the batch.
        dtype: of the first result.
        free: makes a name that no layer has, for a layer beside the one of `name`.
    """

    name: str
    given: tuple[Any, ...]
    arguments: Mapping[str, Any]
    shapes: tuple[Shape, ...]
    dtype: Any
    free: Callable[[str], str]

    @property
    def computes_in_float(self) -> bool:
        """Whether all tensors that it takes and gives are float32."""
        tensors = [each for each in backend.tensorflow().nest.flatten(self.given[:2]) if is_tensor(each)]
        floats = [each for each in tensors if not each.dtype.is_integer]
        return self.dtype == "float32" and bool(floats) and all(each.dtype == "float32" for each in floats)

    @property
    def x(self) -> Any:
        """The first argument."""
        return self.given[0]

    def beside(self, what: str) -> str:
        """Name a layer that helps."""
        return self.free(f"{self.name}_{what}")

    def reshaped(self, x: Any, name: str = "", shape: Shape = ()) -> Any:
        """Give x the result's shape, example by example; None where that shape is open or mixes examples."""
        wanted, given = (shape or self.shapes[0])[1:], tuple(x.shape)[1:]
        if None in wanted or None in given or math.prod(wanted) != math.prod(given):  # type: ignore[arg-type]
            return None
        return backend.keras().layers.Reshape(wanted, name=name or self.name)(x)

    def axis(self, value: Any, rank: int | None = None) -> int | None:
        """Count an axis from the first; None where it is not a constant or the batch."""
        number = as_array(value)
        rank = len(self.x.shape) if rank is None else rank
        if number is None or number.ndim or not -rank <= int(number) < rank:
            return None
        return int(number) % rank or None

    def axes(self, value: Any) -> list[int] | None:
        """Count axes from the first; None where one is not a constant or the batch."""
        numbers = as_array(value)
        found = [] if numbers is None else [self.axis(number) for number in numbers.reshape(-1)]
        known = [axis for axis in found if axis is not None]
        return sorted(known) if known and len(known) == len(found) else None


def is_tensor(value: Any) -> bool:
    return isinstance(value, backend.keras().__internal__.KerasTensor)


def all_tensors(values: Any) -> bool:
    """Say whether something is a list of symbolic tensors of one rank."""
    several = isinstance(values, list | tuple) and bool(values) and all(map(is_tensor, values))
    return several and len({len(value.shape) for value in values}) == 1


def as_array(value: Any) -> Any:
    """Return a number, list, array or eager tensor as an array; None for anything else, a variable among them."""
    flat = backend.tensorflow().nest.flatten(value)
    if value is None or any(is_tensor(each) or hasattr(each, "assign") or isinstance(each, str) for each in flat):
        return None
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return found if found.dtype.kind in "iufb" else None
