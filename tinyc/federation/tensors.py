"""Weights as one block of safetensors, and as one vector."""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tinyc.federation.updates import Array, Arrays, is_sealed

DAMAGE = (SafetensorError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
"""What the reader of safetensors, and NumPy after it, raise of bytes that are none."""


def packed(weights: Arrays) -> bytes:
    """Write weights down."""
    return bytes(save({name: np.asarray(each, order="C") for name, each in weights.items()}))


def unpacked(content: bytes) -> dict[str, Array]:
    """Read arrays; they share the memory of the block, and cannot be written to.

    Raises:
        ValueError: the block is no safetensors; nothing in it is run, and no more memory is taken than it has bytes.
    """
    try:
        return dict(load(content))
    except DAMAGE as error:
        raise ValueError(f"{str(error) or type(error).__name__}") from error


def sealed(arrays: Arrays) -> Arrays:
    """Give arrays that are ciphertexts.

    Raises:
        ValueError: one is none.
    """
    bare = next((name for name, each in arrays.items() if each.dtype != np.uint8), None)
    if bare is not None:
        raise ValueError(f"{bare} is not encrypted")
    return arrays


def weights(content: bytes) -> Arrays:
    """Read what `packed` wrote.

    Raises:
        ValueError: the block is no safetensors, or one part of it is encrypted and another is not.
    """
    arrays = unpacked(content)
    return sealed(arrays) if is_sealed(arrays) else arrays


def length(shapes: Arrays) -> int:
    """Count the values of all arrays."""
    return sum(int(array.size) for array in shapes.values())


def vector(arrays: Arrays) -> Array:
    """Put arrays into one vector, float64, in the order of their names."""
    return np.concatenate([np.asarray(arrays[name], np.float64).reshape(-1) for name in sorted(arrays)])


def apart(values: Array, shapes: Arrays) -> dict[str, Array]:
    """Take a vector apart into arrays of the given names and shapes."""
    names = sorted(shapes)
    parts = np.split(values, np.cumsum([shapes[name].size for name in names])[:-1])
    return {name: part.reshape(shapes[name].shape) for name, part in zip(names, parts, strict=True)}
