"""Random views of examples, each a pure function of (seed, example id, view id): of images at their own resolution,
of sensor windows, of sentences word by word.

A stored soft label therefore belongs to exactly the example that a student sees later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from tinyc.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyc.data.dataset import TrainingData
    from tinyc.data.text.lexicon import Lexicon

Augmentation = Literal["crop", "flip", "cutout", "noise", "rotate", "gain", "warp", "words", "drop", "mix"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
IDENTITY = -1
NEEDS_IMAGES = ("crop", "flip", "cutout")
NEEDS_WINDOWS = ("rotate", "gain", "warp")
NEEDS_TEXT = ("words", "drop", "mix")
NEEDS_LEXICON = ("words", "mix")
CHUNK = 1024  # examples at a time: a chunk of small images stays in the processor's cache


def suits(ops: Sequence[str], data: TrainingData, where: str = "augment") -> None:
    """Refuse operations that are unknown, listed twice, or do not suit the training data.

    Raises:
        UserError: says which operation, and which ones would do.
    """
    check(ops, data.train.x.shape[1:], where, is_text=data.task.tokenizer is not None)
    for name in ops:
        if name in NEEDS_LEXICON and data.lexicon is None:
            raise without_vectors(where, name)


def check(ops: Sequence[str], input_shape: tuple[int, ...], where: str = "augment", is_text: bool = False) -> None:
    """Refuse operations that are unknown, listed twice, or do not suit examples of `input_shape`, or sentences.

    Raises:
        UserError: says which operation, and which ones would do.
    """
    kind = kind_of(input_shape, is_text)
    suitable = [name for name in AUGMENTATIONS if suitable_for(name, kind, input_shape)]
    for name in ops:
        if name not in AUGMENTATIONS:
            raise UserError(where, f"unknown augmentation {name!r}", f"known are {', '.join(AUGMENTATIONS)}")
        if name not in suitable:
            shown = "a sentence" if is_text else "x".join(map(str, input_shape))
            raise UserError(
                where, f"{name!r} needs {needs(name)}, and an example here is {shown}",
                f"use {', '.join(suitable)}, or no augmentation",
            )  # fmt: skip
        if list(ops).count(name) > 1:
            raise UserError(where, f"{name!r} is listed twice", "list it once")


def kind_of(input_shape: tuple[int, ...], is_text: bool) -> str:
    """Say what an example is: a sentence, a sensor's window (time, 1, channels), an image, or a row of numbers."""
    if is_text:
        return "text"
    if len(input_shape) != 3:
        return "row"
    return "window" if input_shape[1] == 1 else "image"


def suitable_for(name: str, kind: str, input_shape: tuple[int, ...]) -> bool:
    """Say whether an operation makes sense for examples of a kind."""
    if name == "noise":
        return kind != "text"
    if name == "rotate":
        return kind == "window" and input_shape[2] % 3 == 0
    needed = {"text": NEEDS_TEXT, "image": NEEDS_IMAGES, "window": NEEDS_WINDOWS, "row": ()}
    return name in needed[kind]


def needs(name: str) -> str:
    """Say what examples an operation is for."""
    if name == "rotate":
        return "windows (time, 1, channels) of three channels a sensor"
    kinds = {NEEDS_TEXT: "sentences", NEEDS_WINDOWS: "windows (time, 1, channels)", ("noise",): "numbers"}
    return next((kind for names, kind in kinds.items() if name in names), "images (height, width, channels)")


def without_vectors(where: str, name: str) -> UserError:
    """Say that nothing knows the words of the training sentences."""
    return UserError(
        where,
        f"{name!r} needs a checkpoint's knowledge of the training sentences, and the source has none",
        "use drop, or a source with a `checkpoint`",
    )


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
    check(ops, x.shape[1:], is_text=is_text)
    if view == IDENTITY or not ops:
        return x
    import numpy as np

    if is_text:
        from tinyc.data.wording import reworded

        return reworded(x, ids, seed, view, ops, lexicon)

    from tinyc.data.images.transforms import TRANSFORMS

    out = np.empty_like(x)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        for name in ops:
            part = TRANSFORMS[name](part, ids[start : start + CHUNK], seed, view)
        out[start : start + CHUNK] = part
    return out
