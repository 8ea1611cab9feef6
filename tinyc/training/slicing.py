"""A student that starts as a slice of its source: layers picked, weights cut down to its shape.

Let P (D_t, D_s) hold the D_s leading right singular vectors of the source's centred token table. A vector x of the
source's residual stream becomes x P, so the token table becomes its truncated SVD in that basis, a kernel that reads
the stream P^T W, and one that writes it W P. Centring is exact, since LayerNorm ignores a common offset. LayerNorm's
scale g becomes the diagonal of P^T diag(g) P times sqrt(energy D_t / D_s), for x P is shorter than x. At equal width
P is the identity, and a student of the source's shape is the source.

Heads, dimensions in a head and units of the feed-forward layer are kept by the norm of what passes through them.
What the source lacks keeps the random start of the student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.tokens import Tokenizer
from tinyc.spec.passes.distill import Start
from tinyc.training.anatomy import Anatomy
from tinyc.training.parts import Block, Front, bias, encoder_blocks, fill, fill_heads, front, head, kernel, overwrite

Array = NDArray[np.float32]
REMEDY = 'give the student a width and a vocabulary that fit, or write start = "random"'


@dataclass(frozen=True)
class Basis:
    """The student's residual stream in the source's: `vectors` (D_t, D_s), orthonormal columns."""

    vectors: Array
    energy: float

    @property
    def stretch(self) -> float:
        """How much longer a normalized vector of the source is than the student's, after the projection."""
        source, student = self.vectors.shape
        return float(np.sqrt(self.energy * source / student))


def slice_source(student: Anatomy, source: Anatomy, mapped: Sequence[int], tokenizer: Tokenizer) -> tuple[Array, Start]:
    """Fill the student's weights from the source's, in place; give the basis (D_t, D_s) and the facts.

    Args:
        mapped: the source's layer, from 1, for each of the student's.
        tokenizer: the student's, which knows each piece's id in the source.

    Raises:
        UserError: a network has other parts than `models/bert.py`'s, or the student is wider than the source.
    """
    ours, theirs = front(student, "student"), front(source, "source")
    table = source_table(theirs, ours, tokenizer)
    basis = find_basis(table, ours.positions.shape[1])
    energy = fill_front(ours, theirs, table, basis)
    own, other = encoder_blocks(student, "student"), encoder_blocks(source, "source")
    kept = [fill_block(block, other[number - 1], basis) for block, number in zip(own, mapped, strict=True)]
    copied = fill_head(head(student), head(source), basis)
    facts: Start = {
        "layers": list(mapped), "width": [len(basis.vectors), basis.vectors.shape[1]],
        "vocabulary": [len(theirs.tokens.numpy()), len(table)], "stream_energy": round(basis.energy, 6),
        "embedding_energy": round(energy, 6), "heads": [heads for heads, _ in kept],
        "inner": [inner for _, inner in kept], "head_layers": copied,
    }  # fmt: skip
    return basis.vectors, facts


def source_table(theirs: Front, ours: Front, tokenizer: Tokenizer) -> Array:
    """Return the source's vectors (pieces, D_t) of the student's pieces, behind its projection where it has one."""
    count = len(tokenizer.vocabulary)
    rows = tokenizer.to_source(np.arange(count, dtype=np.int32))
    held = theirs.tokens.numpy()
    if rows.max() >= len(held):
        raise UserError("start", f"the source has {len(held)} word pieces, and {rows.max() + 1} are asked for", REMEDY)
    if ours.tokens.shape[0] < count:
        problem = f"the student's table has {ours.tokens.shape[0]} rows, and the vocabulary {count} pieces"
        raise UserError("start", problem, REMEDY)
    found: Array = held[rows]
    return found if theirs.up is None else found @ kernel(theirs.up) + bias(theirs.up)


def find_basis(table: Array, width: int) -> Basis:
    """Find the leading directions of the centred table, and the share of its squares that they keep."""
    wide = table.shape[1]
    if width > wide:
        raise UserError("start", f"the student is {width} wide, and the source {wide}", REMEDY)
    if width == wide:
        return Basis(np.eye(wide, dtype=np.float32), 1.0)
    vectors, energy = leading(table - table.mean(1, keepdims=True), width)
    return Basis(vectors, energy)


def leading(table: Array, rank: int) -> tuple[Array, float]:
    """Return the `rank` leading right singular vectors (columns), and the share of the squares that they keep."""
    squares, vectors = np.linalg.eigh(table.T.astype(np.float64) @ table)
    found: Array = vectors[:, ::-1][:, :rank].astype(np.float32)
    return found, float(squares[::-1][:rank].sum() / squares.sum())


def fill_front(ours: Front, theirs: Front, table: Array, basis: Basis) -> float:
    """Fill the token table, its projection, positions and the first LayerNorm; give the energy kept of the table."""
    positions = theirs.positions.numpy()
    if ours.positions.shape[0] > len(positions):
        problem = f"the student takes {ours.positions.shape[0]} tokens, and the source {len(positions)}"
        raise UserError("start", problem, REMEDY)
    ours.positions.assign(positions[: ours.positions.shape[0]] @ basis.vectors)
    fill_norm(ours.norm, theirs.norm, basis)
    if ours.up is None:
        overwrite(ours.tokens, table @ basis.vectors)
        return basis.energy
    inner, energy = leading(table @ basis.vectors, min(ours.tokens.shape[1], ours.positions.shape[1]))
    overwrite(ours.tokens, table @ basis.vectors @ inner)
    fill(ours.up, inner.T, np.zeros(len(inner), np.float32))
    return basis.energy * energy


def fill_norm(ours: Any, theirs: Any, basis: Basis) -> None:
    """Fill a LayerNorm: the scale's part along each direction, and the shift in the basis."""
    scale = (basis.vectors**2).T @ theirs.gamma.numpy()
    ours.gamma.assign(scale * np.float32(basis.stretch))
    ours.beta.assign(theirs.beta.numpy() @ basis.vectors)


def fill_block(ours: Block, theirs: Block, basis: Basis) -> tuple[list[int], int]:
    """Fill one layer; give the source's heads, from 1, and the number of feed-forward units that were kept."""
    heads = fill_attention(ours, theirs, basis)
    p = basis.vectors
    inner, outer = p.T @ kernel(theirs.inner), kernel(theirs.outer) @ p
    units = strongest(norm(inner, 0) * norm(outer, 1), ours.inner.units)
    fill(ours.inner, inner[:, units], bias(theirs.inner)[units])
    fill(ours.outer, outer[units], bias(theirs.outer) @ p)
    for mine, other in zip(ours.norms, theirs.norms, strict=True):
        fill_norm(mine, other, basis)
    return [int(number) + 1 for number in heads], len(units)


def fill_attention(ours: Block, theirs: Block, basis: Basis) -> NDArray[np.int64]:
    """Fill the projections around the attention; give the source's heads that were kept.

    A dimension of query and key counts by the product of their norms, and so does one of value and output.
    """
    p, count = basis.vectors, theirs.heads
    query, key, value = (
        (p.T @ kernel(each)).reshape(p.shape[1], count, -1) for each in (theirs.query, theirs.key, theirs.value)
    )
    output = (kernel(theirs.output) @ p).reshape(count, -1, p.shape[1])
    compared, carried = norm(query, 0) * norm(key, 0), norm(value, 0) * norm(output, 2)
    heads = strongest(norm(carried, 1), ours.heads)
    chosen = strongest(compared[heads], ours.query.units // ours.heads)
    # Scores are divided by sqrt(E), and the student's E may be another.
    warmth = np.float32(np.sqrt(ours.width / theirs.width))
    put_heads(ours.query, query * warmth, bias(theirs.query) * warmth, heads, chosen, ours.heads)
    put_heads(ours.key, key, bias(theirs.key), heads, chosen, ours.heads)
    chosen = strongest(carried[heads], ours.value.units // ours.heads)
    put_heads(ours.value, value, bias(theirs.value), heads, chosen, ours.heads)
    kept = np.take_along_axis(output[heads], chosen[:, :, None], 1)
    overwrite(ours.output.kernel, kept, (ours.heads, -1, p.shape[1]))
    if ours.output.bias is not None:
        overwrite(ours.output.bias, bias(theirs.output) @ p)
    return heads


def put_heads(
    dense: Any, matrix: Array, offset: Array, heads: NDArray[np.int64], chosen: NDArray[np.int64], count: int
) -> None:
    """Fill a projection with the chosen dimensions (heads, E) of the chosen heads of `matrix` (D, H, E)."""
    parted = offset.reshape(matrix.shape[1:])
    fill_heads(
        dense,
        np.take_along_axis(matrix[:, heads], chosen[None], 2),
        np.take_along_axis(parted[heads], chosen, 1),
        count,
    )


def norm(array: Array, axis: int) -> Array:
    found: Array = np.linalg.norm(array, axis=axis)
    return found


def strongest(strength: Array, count: int) -> NDArray[np.int64]:
    """Return the places of the `count` largest along the last axis, in their order; all where there are fewer."""
    return np.sort(np.argsort(-strength, axis=-1, kind="stable")[..., :count], axis=-1)


def fill_head(ours: Sequence[Any], theirs: Sequence[Any], basis: Basis) -> list[str]:
    """Fill pooler and logits where both networks have them; give the names of the layers that were filled."""
    p, last = basis.vectors, len(ours) - 1
    if len(ours) != len(theirs) or ours[last].units != theirs[last].units:
        return []
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        matrix, offset = p.T @ kernel(other), bias(other)
        fill(mine, *((matrix, offset) if place == last else (matrix @ p, offset @ p)))
    return [layer.name for layer in ours]
