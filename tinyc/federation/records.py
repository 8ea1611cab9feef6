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

    def record(value: NDArray[Any] | bytes) -> Any:
        if isinstance(value, bytes):
            return Array(dtype="uint8", shape=(len(value),), stype=SEALED, data=value)
        return Array(np.asarray(value))

    return ArrayRecord({name: record(value) for name, value in arrays.items()})


def unpacked(record: Any) -> dict[str, NDArray[Any]]:
    """Read the arrays of an ArrayRecord.

    Raises:
        Exception: an array's bytes are not what they say; NumPy raises of many kinds on them.
    """
    return {name: one(array) for name, array in record.items()}


def one(array: Any) -> NDArray[Any]:
    import numpy as np

    found: Any = array.numpy()
    if not isinstance(found, np.ndarray):  # an archive of several
        raise ValueError("its bytes are no single array")
    return found


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
    """Count the bytes of a message's records; the transport's own (headers, TLS) are not among them.

    Flower's count raises on empty texts and lists, which a client may send.
    """
    return sum(len(name) + value_bytes(value) for record in content.values() for name, value in record.items())


def value_bytes(value: Any) -> int:
    """Count an array's data, a text, or what is in a list; a number is 8."""
    data = getattr(value, "data", value)
    if isinstance(data, list):
        return sum(map(value_bytes, data))
    return len(data) if isinstance(data, str | bytes) else 8
