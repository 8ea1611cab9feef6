"""One operator of a network as boards and runtimes see it: its types, its shapes, and how much there is to do."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """One operator.

    Attributes:
        operator: its name in the schema, e.g. CONV_2D, or that of a custom operator.
        where: what people call it.
        values: the type of its activations, e.g. int8; of what it gives, where it takes none.
        weights: the type of its constant weights; None where it has none.
        inputs: the shape of every input that is there, weights and biases too.
        weight_shape: of its constant weights, in the schema's layout; None where it has none.
        output: the shape of its first output.
        is_per_channel: whether the weights have a scale for each output channel.
        macs: its multiply-accumulates; None where they are not counted.
        weight_bytes: what the file holds of its constants.
        value_bytes: what its activations take, in and out.
        strides: by how much its window moves down and across; (1, 1) where it has none.
        dilations: from one value under its filter to the next, down and across.
        custom: whether the file has it as a custom operator.
    """

    operator: str
    where: str
    values: str
    weights: str | None
    inputs: tuple[Shape, ...]
    weight_shape: Shape | None
    output: Shape
    is_per_channel: bool
    macs: int | None
    weight_bytes: int
    value_bytes: int
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    custom: bool = False
