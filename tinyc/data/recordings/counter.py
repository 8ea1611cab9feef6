"""Random bits as a pure function of (seed, example id, stream), so that no example depends on its neighbours.

The mixer is splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014);
uint64 arithmetic wraps on purpose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
MASK = 2**64 - 1


def mix(state: Bits) -> Bits:
    """Scramble 64-bit words, one to one."""
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return state ^ (state >> np.uint64(31))


def keys(seed: int, ids: NDArray[np.int64], *stream: int) -> Bits:
    """Give every example its own key for one stream of numbers, (examples,)."""
    key = mix(np.asarray(ids, np.int64).astype(np.uint64) + GOLDEN)
    for word in (seed, *stream):
        key = mix(key + GOLDEN + mix(np.array([word & MASK], np.uint64)))
    return key


def sequence(key: Bits, count: int) -> Bits:
    """Draw `count` words an example, (examples, count)."""
    return mix(key[:, None] + GOLDEN * np.arange(1, count + 1, dtype=np.uint64))


def below(bits: Bits, limit: int) -> NDArray[np.int64]:
    """Turn words into integers in [0, limit), for limits far under 2**32."""
    return ((bits >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)


def unit(bits: Bits) -> NDArray[np.float32]:
    """Turn words into float32 in (0, 1), both ends left out."""
    return ((bits >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)


def normal(key: Bits, count: int) -> NDArray[np.float32]:
    """Draw `count` standard normal float32 an example, (examples, count), by Box and Muller (1958)."""
    half = (count + 1) // 2
    words = unit(sequence(key, 2 * half))
    radius = np.sqrt(-2 * np.log(words[:, :half]))
    angle = np.float32(2 * np.pi) * words[:, half:]
    drawn: NDArray[np.float32] = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return drawn[:, :count]
