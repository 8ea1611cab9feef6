"""What a network is asked: the classes, the metric, and how a raw example becomes its input."""

from __future__ import annotations

from dataclasses import dataclass

from tinyc.data.signals.front import Front
from tinyc.data.tokens import Tokenizer
from tinyc.spec.amounts import Scaling
from tinyc.spec.data_keys import MetricName


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
    sensor makes, where `[data]` tells its rate. `source_scaling` is the scale and offset of the source and of teachers,
    where the network's own scaling has gone into these.
    """

    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    metric: MetricName = "accuracy"
    scale: Scaling = 1.0
    offset: Scaling = 0.0
    tokenizer: Tokenizer | None = None
    front: Front | None = None
    stream: Stream | None = None
    source_scaling: tuple[Scaling, Scaling] | None = None

    @property
    def columns(self) -> tuple[tuple[float, float], ...]:
        """Scale and offset of each column or channel, where either has one for each; empty where both are numbers."""
        count = next((len(each) for each in (self.scale, self.offset) if isinstance(each, tuple)), 0)
        scale, offset = (each if isinstance(each, tuple) else (each,) * count for each in (self.scale, self.offset))
        return tuple(zip(scale, offset, strict=True))
