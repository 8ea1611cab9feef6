"""What flows through the passes: a Keras network with its task, then a flat .tflite with the same task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tinyc.signals.front import Front
    from tinyc.tokens import Tokenizer

Kind = Literal["net", "flat"]
MetricName = Literal["accuracy", "f1", "auc"]
Scaling = float | tuple[float, ...]
"""One number for every value of an example, or one for each column or channel: the last axis."""


@dataclass(frozen=True)
class Stream:
    """What a sensor makes, and how often the network decides: bytes a second, decisions a second.

    `rate` is the samples of each channel a second, where the data says it.
    """

    sensor_bytes: float
    decisions: float
    rate: float | None = None

    @property
    def sent_bytes(self) -> float:
        """Bytes a second after inference: each decision is the class as one byte, without any protocol around it."""
        return self.decisions


@dataclass(frozen=True)
class Task:
    """What the network is asked: `classes` in label order, the metric, and how raw examples become its inputs.

    Without a `tokenizer` the network sees `raw * scale + offset` as float32, and both travel into the C header: each
    is a number, or has one for each column or channel (the last axis).
    With one, raw examples are sentences and the network sees their token ids, int32 (tokens,).
    `input_shape` is one example's as the network sees it, without the batch.
    `front` is what runs before the network and is no part of it, after scale and offset. `stream` says what the
    sensor makes, where `[data]` tells its rate. `heard` is the scale and offset of the source and of teachers, where
    the network's own scaling has gone into these.
    """

    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    metric: MetricName = "accuracy"
    scale: Scaling = 1.0
    offset: Scaling = 0.0
    tokenizer: Tokenizer | None = None
    front: Front | None = None
    stream: Stream | None = None
    heard: tuple[Scaling, Scaling] | None = None

    @property
    def columns(self) -> tuple[tuple[float, float], ...]:
        """Scale and offset of each column or channel, where either has one for each; empty where both are numbers."""
        count = next((len(each) for each in (self.scale, self.offset) if isinstance(each, tuple)), 0)
        scale, offset = (each if isinstance(each, tuple) else (each,) * count for each in (self.scale, self.offset))
        return tuple(zip(scale, offset, strict=True))


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
        from tinyc import backend

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
