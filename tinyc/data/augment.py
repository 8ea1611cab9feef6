"""Random views of examples, each a pure function of (seed, example id, view id) at the data's own resolution.

A stored soft label therefore belongs to exactly the image that a student sees later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from tinyc.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Augmentation = Literal["crop", "flip", "cutout", "noise"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
IDENTITY = -1
NEEDS_IMAGES = ("crop", "flip", "cutout")
CHUNK = 1024  # examples at a time: a chunk of small images stays in the processor's cache


def check(ops: Sequence[str], input_shape: tuple[int, ...], where: str = "augment") -> None:
    """Refuse operations that are unknown, listed twice, or do not suit examples of `input_shape`.

    Raises:
        UserError: says which operation, and which ones would do.
    """
    is_image = len(input_shape) == 3
    suitable = [name for name in AUGMENTATIONS if is_image or name not in NEEDS_IMAGES]
    for name in ops:
        if name not in AUGMENTATIONS:
            raise UserError(where, f"unknown augmentation {name!r}", f"known are {', '.join(AUGMENTATIONS)}")
        if name not in suitable:
            shown = "x".join(map(str, input_shape))
            raise UserError(
                where, f"{name!r} needs images (height, width, channels), and an example here is {shown}",
                f"use {', '.join(suitable)}, or no augmentation",
            )  # fmt: skip
        if list(ops).count(name) > 1:
            raise UserError(where, f"{name!r} is listed twice", "list it once")


def view(x: NDArray[Any], ids: NDArray[np.int64], seed: int, view: int, ops: Sequence[str]) -> NDArray[Any]:
    """Make one view of a batch; the result for an example does not depend on the others.

    Args:
        x: raw examples, (examples, *input_shape), uint8 or float32; not changed.
        ids: the examples' ids, (examples,).
        seed: the seed of the run or pass.
        view: 0, 1, 2, ...; each is another random view. IDENTITY (-1) gives `x` itself.
        ops: names of AUGMENTATIONS, applied in this order.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        UserError: an operation is unknown or does not suit the examples.
    """
    check(ops, x.shape[1:])
    if view == IDENTITY or not ops:
        return x
    import numpy as np

    from tinyc.data.transforms import TRANSFORMS

    out = np.empty_like(x)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        for name in ops:
            part = TRANSFORMS[name](part, ids[start : start + CHUNK], seed, view)
        out[start : start + CHUNK] = part
    return out
