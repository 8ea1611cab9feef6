"""Weights and ciphertexts as the records that Flower sends, and how many bytes those are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinyc.federation import flower

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEALED = "tinyc.sealed"
"""The serialization of an array that only a key opens: its data is the ciphertext."""


def packed(arrays: Mapping[str, NDArray[Any] | bytes]) -> Any:
    """Make an ArrayRecord of arrays, and of bytes that travel as they are."""
    flower.settle()
    import numpy as np
    from flwr.app import Array, ArrayRecord

    def one(value: NDArray[Any] | bytes) -> Any:
        if isinstance(value, bytes):
            return Array(dtype="uint8", shape=(len(value),), stype=SEALED, data=value)
        return Array(np.asarray(value))

    return ArrayRecord({name: one(value) for name, value in arrays.items()})


def unpacked(record: Any) -> dict[str, NDArray[Any]]:
    """Read the arrays of an ArrayRecord.

    Raises:
        ValueError, TypeError, EOFError, OSError, MemoryError: an array's bytes are not what they say.
    """
    return {name: array.numpy() for name, array in record.items()}


def is_sealed(record: Any) -> bool:
    """Tell whether any array of an ArrayRecord is a ciphertext."""
    return any(array.stype == SEALED for array in record.values())


def sealed(record: Any) -> dict[str, bytes]:
    """Read the ciphertexts of an ArrayRecord.

    Raises:
        ValueError: something in it is not sealed.
    """
    bare = [name for name, array in record.items() if array.stype != SEALED]
    if bare:
        raise ValueError(f"{bare[0]} is not sealed")
    return {name: array.data for name, array in record.items()}


def either(record: Any) -> dict[str, Any]:
    """Read an ArrayRecord of arrays, or of ciphertexts."""
    return dict(sealed(record)) if is_sealed(record) else unpacked(record)


def size_bytes(content: Any) -> int:
    """Count the bytes of a message's records; the transport's own (headers, TLS) are not among them."""
    return sum(record.count_bytes() for record in content.values())
