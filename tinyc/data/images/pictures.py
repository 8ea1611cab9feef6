"""What a recipe makes of images before they are examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyc.core.errors import UserError
from tinyc.data import room
from tinyc.spec.images import Grayscale, Resize

LUMA = (0.299, 0.587, 0.114)
# The same weights in units of 2^-16, as Pillow rounds them; they sum to 2^16.
LUMA_16 = (19595, 38470, 7471)


def resize(x: NDArray[Any], op: Resize) -> NDArray[Any]:
    """Resize images, (n, height, width, channels), with Pillow; bytes stay uint8, all else becomes float32.

    Raises:
        UserError: examples are not images.
    """
    require_images(x, op.op)
    filtered = Image.Resampling.BILINEAR if op.how == "bilinear" else Image.Resampling.BOX
    each = op.height * op.width * x.shape[3] * (1 if x.dtype == np.uint8 else 4)
    room.require(f"data.prepare: {op.op}", len(x) * each, remedy="lower height and width")
    given = x if x.dtype == np.uint8 else x.astype(np.float32)
    found = np.empty((len(x), op.height, op.width, x.shape[3]), given.dtype)
    for index, image in enumerate(given):
        for channel in range(x.shape[3]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            found[index, ..., channel] = np.asarray(plane.resize((op.width, op.height), filtered))
    return found


def grayscale(x: NDArray[Any], op: Grayscale) -> NDArray[Any]:
    """Turn (n, height, width, 3), red green blue, into (n, height, width, 1) of the same dtype.

    The luma of ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue, for bytes rounded as Pillow rounds.

    Raises:
        UserError: examples are not images, or have no three channels.
    """
    require_images(x, op.op)
    if x.shape[3] != len(LUMA):
        problem = f"takes red, green and blue, and examples have {x.shape[3]} channels"
        raise UserError(f"data.prepare: {op.op}", problem, "leave it out, or give colour images")
    if x.dtype == np.uint8:
        return ((x.astype(np.uint32) @ np.array(LUMA_16, np.uint32) + (1 << 15)) >> 16).astype(np.uint8)[..., None]
    return (x.astype(np.float32) @ np.array(LUMA, np.float32))[..., None]


def require_images(x: NDArray[Any], name: str) -> None:
    """Refuse what has no height, width and channels."""
    if x.ndim != 4:
        problem = f"takes images of (height, width, channels), and examples are {tuple(x.shape[1:])}"
        raise UserError(f"data.prepare: {name}", problem, "leave it out; windows and clips are not images")
