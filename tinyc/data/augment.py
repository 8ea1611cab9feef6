"""Random views of examples, each a pure function of (seed, example id, view id).

Images keep their resolution, and sentences change word by word. A stored soft label therefore belongs to exactly the
example that a student sees later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.dataset import TrainingData
from tinyc.data.images.transforms import TRANSFORMS
from tinyc.data.text.lexicon import Lexicon
from tinyc.data.text.wording import reworded
from tinyc.spec.augmentations import NEEDS_LEXICON, check_augmentations, without_vectors

IDENTITY = -1
CHUNK = 1024  # examples at a time: a chunk of small images stays in the processor's cache


def suits(ops: Sequence[str], data: TrainingData, where: str = "augment") -> None:
    """Refuse operations that are unknown, listed twice, or do not suit the training data.

    Raises:
        UserError: says which operation, and which ones would fit.
    """
    check_augmentations(ops, data.train.x.shape[1:], where, is_text=data.task.tokenizer is not None)
    for name in ops:
        if name in NEEDS_LEXICON and data.lexicon is None:
            raise without_vectors(where, name)


def view(
    x: NDArray[Any],
    ids: NDArray[np.int64],
    seed: int,
    view: int,
    ops: Sequence[str],
    lexicon: Lexicon | None = None,
) -> NDArray[Any]:
    """Make one view of a batch; the result for an example does not depend on the others.

    Args:
        x: raw examples, (examples, *input_shape), uint8 or float32, or (examples,) objects of type str; not changed.
        ids: the examples' ids, (examples,).
        seed: the seed of the run or pass.
        view: 0, 1, 2, ...; each is another random view. IDENTITY (-1) gives `x` itself.
        ops: names of AUGMENTATIONS, applied in this order.
        lexicon: which words are near each other; "words" needs it.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        UserError: an operation is unknown or does not suit the examples.
    """
    is_text = x.dtype == object
    check_augmentations(ops, x.shape[1:], is_text=is_text)
    if view == IDENTITY or not ops:
        return x
    if is_text:
        return reworded(x, ids, seed, view, ops, lexicon)

    out = np.empty_like(x)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        for name in ops:
            part = TRANSFORMS[name](part, ids[start : start + CHUNK], seed, view)
        out[start : start + CHUNK] = part
    return out
