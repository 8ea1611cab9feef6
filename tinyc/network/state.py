"""What flows through the passes: a Keras network with its task, then a flat .tflite with the same task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tinyc.data.task import Task
from tinyc.network import backend


@dataclass(frozen=True)
class Net:
    """A flat functional Keras network that maps (batch, *input_shape) floats to (batch, classes) logits.

    `ranges` are those that a training under int8 rounding gave the activations, by quantizer.
    """

    model: Any
    task: Task
    kind: Literal["net"] = "net"
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def clone(self) -> Net:
        """Copy architecture and weights; a pass works on the copy, since Keras networks are mutable."""
        model = backend.keras().models.clone_model(self.model)
        model.set_weights(self.model.get_weights())
        return replace(self, model=model)

    def with_model(self, model: Any) -> Net:
        """Put another network in this one's place; what was known of the old one's activations goes."""
        return replace(self, model=model, ranges={})


@dataclass(frozen=True)
class Flat:
    """The bytes of a .tflite, and the bytes of every constant table that is generated beside it.

    `tables` maps a table's name (labels, vocabulary, ...) to its size in flash; they count in flash_bytes.
    `softmax` says that the artifact ends in probabilities instead of logits.
    """

    content: bytes = field(repr=False)
    task: Task
    tables: Mapping[str, int] = field(default_factory=dict)
    softmax: bool = False
    kind: Literal["flat"] = "flat"


State = Net | Flat
