"""The weights of an encoder by what they do, read and overwritten as arrays.

Shapes: D width, H heads of width E, F units of the feed-forward layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network import backend, blocks
from tinyc.training.anatomy import Anatomy, producer

Array = NDArray[np.float32]
REMEDY = 'write start = "random"; only networks with the layers of models/bert.py can be sliced'


@dataclass(frozen=True)
class Front:
    """What makes the embedding: two tables, a Dense where the token table is narrower than D, and a LayerNorm."""

    tokens: Any
    up: Any
    positions: Any
    norm: Any


@dataclass(frozen=True)
class Block:
    """One layer: Dense layers around the attention, the two of the feed-forward layer, and the LayerNorms."""

    query: Any
    key: Any
    value: Any
    output: Any
    inner: Any
    outer: Any
    norms: tuple[Any, ...]
    heads: int
    width: int


def front(anatomy: Anatomy, where: str) -> Front:
    """Find what makes the embedding.

    Raises:
        UserError: there are other parts, or another number of them.
    """
    dense, positions, norms = (of_type(anatomy.front, name) for name in ("Dense", "PositionEmbedding", "LayerNorm"))
    if len(dense) > 1 or len(positions) != 1 or len(norms) != 1:
        found = f"{len(dense)} Dense, {len(positions)} PositionEmbedding and {len(norms)} LayerNorm"
        raise UserError(where, f"has {found} around its token table", REMEDY)
    return Front(anatomy.tokens.embeddings, dense[0] if dense else None, positions[0].positions, norms[0])


def encoder_blocks(anatomy: Anatomy, where: str) -> list[Block]:
    """Find the weights of each layer.

    Raises:
        UserError: a layer has other parts, or another number of them.
    """
    return [block(layer, f"{where}, layer {number}") for number, layer in enumerate(anatomy.layers, 1)]


def block(layer: Any, where: str) -> Block:
    query, key, value = around = [producer(tensor) for tensor in layer.inputs[:3]]
    dense, norms = of_type(layer.members, "Dense"), of_type(layer.members, "LayerNorm")
    if len(of_type(around, "Dense")) != 3 or len(dense) < 3 or len(norms) < 2:
        found = f"{len(dense)} Dense and {len(norms)} LayerNorm"
        raise UserError(where, f"has {found} behind its attention, and 3 and 2 are expected", REMEDY)
    output, inner, outer = dense[:3]
    heads, width = layer.attention.heads, layer.attention.width
    return Block(query, key, value, output, inner, outer, tuple(norms[:2]), heads, width)


def head(anatomy: Anatomy) -> list[Any]:
    """Return the Dense layers behind the last layer: a pooler where there is one, and the logits."""
    return of_type(anatomy.layers[-1].members, "Dense")[3:]


def of_type(layers: Any, name: str) -> list[Any]:
    """Return the layers of one type: a block of tinyc's, or Keras' Dense."""
    kind = backend.keras().layers.Dense if name == "Dense" else getattr(blocks, name)
    return [layer for layer in layers if isinstance(layer, kind)]


def kernel(dense: Any) -> Array:
    found: Array = dense.kernel.numpy()
    return found


def bias(dense: Any) -> Array:
    """Return the offsets of a Dense layer, zeros where it has none."""
    return np.zeros(dense.units, np.float32) if dense.bias is None else np.asarray(dense.bias.numpy())


def overwrite(variable: Any, array: Array, shape: tuple[int, ...] | None = None) -> None:
    """Put an array into the first rows, columns ... of a variable, seen in `shape`; the rest stays as it is."""
    held = variable.numpy().reshape(shape or variable.shape)
    held[tuple(slice(size) for size in array.shape)] = array
    variable.assign(held.reshape(variable.shape))


def fill(dense: Any, matrix: Array, offset: Array) -> None:
    """Put a kernel and a bias into the first rows and columns of a Dense layer's."""
    overwrite(dense.kernel, matrix)
    if dense.bias is not None:
        overwrite(dense.bias, offset)


def fill_heads(dense: Any, matrix: Array, offset: Array, heads: int) -> None:
    """Put (D, H, E) and (H, E) into a projection to `heads` heads."""
    overwrite(dense.kernel, matrix, (dense.kernel.shape[0], heads, -1))
    if dense.bias is not None:
        overwrite(dense.bias, offset, (heads, -1))
