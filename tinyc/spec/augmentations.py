"""The augmentations that a recipe can name, and which examples each is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from tinyc.core.errors import UserError

Augmentation = Literal["crop", "flip", "cutout", "noise", "rotate", "gain", "warp", "words", "drop", "mix"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
NEEDS_IMAGES = ("crop", "flip", "cutout")
NEEDS_WINDOWS = ("rotate", "gain", "warp")
NEEDS_TEXT = ("words", "drop", "mix")
NEEDS_LEXICON = ("words", "mix")


def check_augmentations(
    ops: Sequence[str], input_shape: tuple[int, ...], where: str = "augment", is_text: bool = False
) -> None:
    """Refuse operations that are unknown, listed twice, or do not suit examples of `input_shape`, or sentences.

    Raises:
        UserError: says which operation, and which ones would fit.
    """
    kind = kind_of(input_shape, is_text)
    suitable = [name for name in AUGMENTATIONS if suitable_for(name, kind, input_shape)]
    for name in ops:
        if name not in AUGMENTATIONS:
            raise UserError(where, f"unknown augmentation {name!r}", f"known: {', '.join(AUGMENTATIONS)}")
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
