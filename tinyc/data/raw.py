"""Examples as a file or a function gave them: read, but not yet checked or split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from tinyc.spec.amounts import Scaling


@dataclass(frozen=True)
class Raw:
    """What a reader hands on.

    Attributes:
        where: the file, folder or function, for messages.
        x: examples by part, each (examples, ...); the parts are train, test and perhaps val, or all alone.
        y: labels by part, integers or class names, (examples,).
        class_names: names in label order; None where the labels themselves say them.
        scale: what the dataset's inputs are multiplied with where the recipe says nothing.
        offset: what is added to them then.
        warnings: what was noticed on reading.
        groups: what else is known of each example, by part and column: text, each (examples,).
    """

    where: str
    x: Mapping[str, NDArray[Any]]
    y: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...] | None = None
    scale: Scaling = 1.0
    offset: Scaling = 0.0
    warnings: tuple[str, ...] = ()
    groups: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


def array_name(axis: str, part: str) -> str:
    """Name one array as an npz does: x_train, y_test, or x and y where there is one part."""
    return axis if part == "all" else f"{axis}_{part}"
