"""What an artifact takes of a device's flash."""

from __future__ import annotations

from collections.abc import Mapping

ALIGNMENT = 16
"""TFLM wants the model at a multiple of so many bytes; constants are rounded up to it."""


def flash_bytes(content: bytes, tables: Mapping[str, int]) -> int:
    """Add up an artifact, rounded up to its alignment, and every table that is generated beside it.

    Args:
        tables: the sizes of the tables in bytes, by name.
    """
    return -(-len(content) // ALIGNMENT) * ALIGNMENT + sum(tables.values())
