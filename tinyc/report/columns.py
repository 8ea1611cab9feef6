"""Rows of cells under each other, for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Give each row as a line, its cells as wide as the widest of their column, two spaces apart.

    Args:
        rows: rows of equally many cells.
        right: the places of the columns that are aligned to the right.
    """
    for row in padded(rows, right):
        yield "  ".join(row).rstrip()


def padded(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[list[str]]:
    """Give the cells of each row, as wide as the widest of their column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        yield [cell.rjust(width) if place in right else cell.ljust(width) for place, (cell, width) in cells]
