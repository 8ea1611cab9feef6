"""The anatomy of an encoder: its token table, its layers and the tensors between them, found by type and order.

    TokenEmbedding .. LayerNorm (embedding) | Attention .. LayerNorm (hidden 1) | Attention .. LayerNorm (hidden 2) ..

Every Attention block begins a layer. Shapes: B examples, S tokens, D width, H heads of width E.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinyc.core.errors import UserError
from tinyc.network.blocks import Attention, LayerNorm, TokenEmbedding

REMEDY = "build it from tinyc.network.blocks as models/bert.py does, or leave `imitate` and `start` out"


@dataclass(frozen=True)
class Layer:
    """One layer of an encoder.

    Attributes:
        attention: the Attention block.
        inputs: the tensors query, key and value (B, S, H * E), and the mask where there is one.
        hidden: the layer's result (B, S, D), behind its last LayerNorm.
        members: the layers from the Attention block up to the next one's projections.
    """

    attention: Any
    inputs: tuple[Any, ...]
    hidden: Any
    members: tuple[Any, ...]


@dataclass(frozen=True)
class Anatomy:
    """An encoder: `front` is what stands before the first layer, `embedding` the front's result (B, S, D)."""

    tokens: Any
    front: tuple[Any, ...]
    embedding: Any
    layers: tuple[Layer, ...]


def anatomy(model: Any, where: str) -> Anatomy:
    """Tell the parts of a network of Attention blocks.

    Raises:
        UserError: it has no Attention block, no token table, or a layer without LayerNorm.
    """
    layers = list(model.layers)
    begins = [index for index, layer in enumerate(layers) if isinstance(layer, Attention)]
    if not begins:
        raise UserError(where, "has no Attention block, so that its layers cannot be found", REMEDY)
    tokens = [layer for layer in layers[: begins[0]] if isinstance(layer, TokenEmbedding)]
    if len(tokens) != 1:
        raise UserError(where, f"has {len(tokens)} token tables before its first Attention block", REMEDY)
    projections = {id(producer(tensor)) for index in begins for tensor in layers[index].input[:3]}
    parts = [
        tuple(layer for layer in layers[first:last] if id(layer) not in projections)
        for first, last in zip([0, *begins], [*begins, len(layers)], strict=True)
    ]
    bodies = [
        Layer(part[0], tuple(part[0].input), result(part, -1, f"{where}, layer {number}"), part)
        for number, part in enumerate(parts[1:], 1)
    ]
    return Anatomy(tokens[0], parts[0], result(parts[0], 0, where), tuple(bodies))


def producer(tensor: Any) -> Any:
    """Return the layer that a tensor comes from."""
    return tensor._keras_history.layer


def result(part: Sequence[Any], place: Literal[0, -1], where: str) -> Any:
    """Return the output of the first or last LayerNorm of a part."""
    norms = [layer for layer in part if isinstance(layer, LayerNorm)]
    if not norms:
        raise UserError(where, "has no LayerNorm where one is expected", REMEDY)
    return norms[place].output


def map_layers(wanted: Literal["uniform"] | Sequence[int], student: Anatomy, teacher: Anatomy) -> tuple[int, ...]:
    """Give the teacher's layer, counted from 1, that each layer of the student learns from.

    "uniform" is TinyBERT's map (Jiao et al. 2020, section 4.1): layer i learns from i * L_t / L_s, rounded up.

    Raises:
        UserError: the list does not fit the two networks.
    """
    ours, theirs = len(student.layers), len(teacher.layers)
    if wanted == "uniform":
        return tuple(-(-number * theirs // ours) for number in range(1, ours + 1))
    chosen = tuple(int(number) for number in wanted)
    if len(chosen) != ours or not all(1 <= number <= theirs for number in chosen):
        raise UserError(
            "layer_map", f"{list(chosen)} does not map the {ours} layers of the student to the {theirs} of the teacher",
            f'list {ours} numbers from 1 to {theirs}, or write "uniform"',
        )  # fmt: skip
    return chosen
