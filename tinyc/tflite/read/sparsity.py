"""Tensors of which a file stores some elements alone, with their places: the TACO format (Kjolstad et al. 2017).

A tensor of n dimensions, of which k may be cut into blocks, is stored as a tree of n + k levels, the outermost first.
A dense level has all its coordinates; a sparse one lists them, as compressed rows do:

    segments  [0, 2, 2, 3]    the children of position p are entries segments[p] to segments[p + 1] of
    indices   [1, 4, 0]       the coordinates

The leaves are the stored values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.schema import schema

Index = NDArray[np.int64]
# No tensor of a network for a microcontroller has as many; a damaged file may say so.
MOST_ELEMENTS = 1 << 26


@dataclass(frozen=True)
class Level:
    """One level of the tree: `size` of a dense one, otherwise `segments` and `indices`."""

    size: int
    segments: Index | None = None
    indices: Index | None = None


@dataclass(frozen=True)
class Sparsity:
    """How a tensor's stored values lie in it.

    `order` gives the dimension of each level; those from n on are inside the blocks, and `blocks` maps them to theirs.
    """

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    levels: tuple[Level, ...]


def read_sparsity(table: Any) -> Sparsity:
    """Read a SparsityParameters table.

    Raises:
        ValueError: its levels do not fit its order, or a sparse one has no coordinates.
    """
    order, blocks = (array(found) for found in (table.TraversalOrderAsNumpy(), table.BlockMapAsNumpy()))
    levels = tuple(read_level(table.DimMetadata(i)) for i in range(table.DimMetadataLength()))
    if sorted(order) != list(range(len(levels))) or len(blocks) > len(levels):
        raise ValueError(f"a sparse tensor of {len(levels)} levels in the order {order.tolist()}")
    return Sparsity(tuple(order.tolist()), tuple(blocks.tolist()), levels)


def read_level(table: Any) -> Level:
    """Read a DimensionMetadata table."""
    if table.Format() == schema().DimensionType.DENSE:
        return Level(table.DenseSize())
    segments, indices = (
        read_indices(kind, found)
        for kind, found in (
            (table.ArraySegmentsType(), table.ArraySegments()), (table.ArrayIndicesType(), table.ArrayIndices()),
        )
    )  # fmt: skip
    return Level(0, segments, indices)


def read_indices(kind: int, found: Any) -> Index:
    """Read a SparseIndexVector, whose numbers are of 4, 2 or 1 bytes."""
    names = {code: name for name, code in vars(schema().SparseIndexVector).items() if isinstance(code, int) and code}
    if found is None or kind not in names:
        raise ValueError("a sparse dimension without coordinates")
    vector = getattr(schema(), names[kind])()
    vector.Init(found.Bytes, found.Pos)
    return array(vector.ValuesAsNumpy())


def array(found: Any) -> Index:
    """Read a vector of whole numbers; empty where there is none."""
    return found.astype(np.int64) if isinstance(found, np.ndarray) else np.empty(0, np.int64)


def dense(stored: NDArray[Any], sparsity: Sparsity, tensor: Tensor) -> NDArray[Any] | None:
    """Put stored values, (values,), into their places; the others are 0, as the kernels take them.

    Returns:
        The tensor in its shape; None where the values do not fit it.
    """
    coordinates = leaves(sparsity, len(stored))
    if coordinates is None or len(tensor.shape) + len(sparsity.blocks) != len(sparsity.levels):
        return None
    if tensor.elements > MOST_ELEMENTS:
        raise ValueError(f"a sparse tensor of {tensor.elements} elements")
    places = placed(coordinates, sparsity, len(tensor.shape))
    if any(((each < 0) | (each >= size)).any() for each, size in zip(places, tensor.shape, strict=True)):
        return None
    found = np.zeros(tensor.shape, stored.dtype)
    found[tuple(places)] = stored
    return found


def leaves(sparsity: Sparsity, count: int) -> Index | None:
    """List the coordinate of each of `count` leaves at every level, (levels, count); None where there are others."""
    found = np.zeros((0, 1), np.int64)
    for level in sparsity.levels:
        nodes = found.shape[1]
        if level.segments is None or level.indices is None:
            if not 0 <= nodes * level.size <= MOST_ELEMENTS:
                return None
            parents, own = np.repeat(np.arange(nodes), level.size), np.tile(np.arange(level.size), nodes)
        else:
            lengths = np.diff(level.segments)
            if len(lengths) != nodes or (lengths < 0).any() or lengths.sum() != len(level.indices):
                return None
            parents, own = np.repeat(np.arange(nodes), lengths), level.indices
        found = np.concatenate([found[:, parents], own[None]])
    return found if found.shape[1] == count else None


def placed(coordinates: Index, sparsity: Sparsity, rank: int) -> list[Index]:
    """Turn coordinates by level into one by dimension: a block's place times its size, and the place inside."""
    by_dimension = dict(zip(sparsity.order, coordinates, strict=True))
    sizes = {dimension: level.size for dimension, level in zip(sparsity.order, sparsity.levels, strict=True)}
    places = [by_dimension[dimension] for dimension in range(rank)]
    for inner, outer in enumerate(sparsity.blocks, start=rank):
        if outer not in range(rank):
            raise ValueError(f"blocks of dimension {outer} in a tensor of {rank}")
        places[outer] = places[outer] * sizes[inner] + by_dimension[inner]
    return places
