"""Randomness inside a network (Dropout and its like), set anew at each epoch: a resumed training meets the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinyc.network import backend


@contextmanager
def reseedable(model: Any) -> Iterator[list[Any]]:
    """Give each random layer (Dropout and its like) a generator of its own, that can be set to any epoch.

    Keras' default draws from a counter inside the compiled step, which a resumed training could not wind forward.
    """
    layers = [module for module in model.submodules if hasattr(module, "_random_generator")]
    randoms = [layer._random_generator for layer in layers]
    before = [random._rng_type for random in randoms]
    try:
        for random in randoms:
            random._rng_type, random._built = random.RNG_STATEFUL, False
            random._maybe_init()
        yield [random._generator for random in randoms]
    finally:
        for random, kind in zip(randoms, before, strict=True):
            random._rng_type, random._built = kind, False


def reseed(generators: Sequence[Any], seed: int, epoch: int) -> None:
    """Set all randomness inside the network to the start of an epoch."""
    backend.seed_everything(seed)
    for index, generator in enumerate(generators):
        generator.reset_from_seed(int(np.random.default_rng([seed, epoch, index]).integers(2**31)))
