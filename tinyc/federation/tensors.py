"""Weights as one block of safetensors (arrays as they are, ciphertexts as uint8), and as one vector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tinyc.federation.updates import Array, Arrays, Sealed, Weights

DAMAGE = (SafetensorError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
"""What the reader of safetensors, and NumPy after it, raise of bytes that are none."""
CIPHERTEXT = np.dtype(np.uint8)


def packed(weights: Weights) -> bytes:
    """Write weights down."""
    arrays = {
        name: np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for name, each in weights.items()
    }
    return bytes(save({name: np.asarray(each, order="C") for name, each in arrays.items()}))


def unpacked(content: bytes) -> dict[str, Array]:
    """Read arrays; they share the memory of the block, and cannot be written to.

    Raises:
        ValueError: the block is no safetensors; nothing in it is run, and no more memory is taken than it has bytes.
    """
    try:
        return dict(load(content))
    except DAMAGE as error:
        raise ValueError(f"{str(error) or type(error).__name__}") from error


def is_ciphertext(array: Array) -> bool:
    """Say whether an array of a block stands for a ciphertext."""
    return array.dtype == CIPHERTEXT


def sealed(arrays: Mapping[str, Array]) -> Sealed:
    """Give arrays of a block as ciphertexts.

    Raises:
        ValueError: one is none.
    """
    bare = next((name for name, each in arrays.items() if not is_ciphertext(each)), None)
    if bare is not None:
        raise ValueError(f"{bare} is not encrypted")
    return {name: each.tobytes() for name, each in arrays.items()}


def weights(content: bytes) -> Weights:
    """Read what `packed` wrote.

    Raises:
        ValueError: the block is no safetensors, or one part of it is encrypted and another is not.
    """
    arrays = unpacked(content)
    return sealed(arrays) if any(map(is_ciphertext, arrays.values())) else arrays


def length(shapes: Arrays) -> int:
    """Count the values of all arrays."""
    return sum(int(array.size) for array in shapes.values())


def vector(arrays: Arrays) -> Array:
    """Put arrays into one vector, float64, in the order of their names."""
    return np.concatenate([np.asarray(arrays[name], np.float64).reshape(-1) for name in sorted(arrays)])


def apart(values: Array, shapes: Arrays) -> dict[str, Array]:
    """Take a vector apart into arrays of the given names and shapes."""
    found, begin = {}, 0
    for name in sorted(shapes):
        end = begin + int(shapes[name].size)
        found[name] = values[begin:end].reshape(shapes[name].shape)
        begin = end
    return found
