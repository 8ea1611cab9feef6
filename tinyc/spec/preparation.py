"""The steps of `[data] prepare` that say what an example of numbers is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.spec.images import Grayscale, Resize
from tinyc.spec.sound import LogMel, Mfcc


class Window(BaseModel, frozen=True, extra="forbid"):
    """Cut recordings into windows (length, 1, channels), and keep whole recordings, or whole subjects, in one split."""

    op: Literal["window"] = "window"
    length: int = Field(ge=2, le=1_000_000, description="samples of a window")
    stride: int = Field(ge=1, le=1_000_000, description="samples from the start of a window to that of the next")
    label: Literal["majority", "last", "all"] = Field(
        default="majority",
        description="a window's label: its most frequent one (the first of equals in class order), that of its last "
        "sample, or the one that all its samples have, where windows of several labels are left out",
    )
    by: str | None = Field(
        default=None, min_length=1, description='the column whose values stay in one split, e.g. "subject"; '
        "default, the recording",
    )  # fmt: skip
    validation: tuple[str, ...] = Field(
        default=(), description="values of `by` that validate; none given: a tenth of them, chosen by the seed"
    )
    test: tuple[str, ...] = Field(
        default=(), description="values of `by` that test; none given: a fifth of them, chosen by the seed"
    )

    @field_validator("validation", "test", mode="before")
    @classmethod
    def are_names(cls, values: Any) -> Any:
        """Let a recipe write 9 for "9", since columns hold either."""
        if not isinstance(values, list | tuple):
            return values
        return tuple(str(value) if type(value) is int else value for value in values)

    @model_validator(mode="after")
    def lists_are_apart(self) -> Window:
        if self.by is None and (self.validation or self.test):
            key = "test" if self.test else "validation"
            raise ValueError(f'{key} lists values of a column; say which: by = "subject"')
        both = (*self.validation, *self.test)
        doubled = next((value for value in both if both.count(value) > 1), None)
        if doubled is not None:
            raise ValueError(f"{doubled!r} is listed twice in validation and test; a value belongs to one split")
        return self


Step = Annotated[Window | Mfcc | LogMel | Resize | Grayscale, Field(discriminator="op")]
Steps = tuple[Step, ...]


def window_of(steps: Sequence[Step]) -> Window | None:
    """Give the window that begins the steps, if one does."""
    return next((step for step in steps if isinstance(step, Window)), None)


def first_resize(steps: Sequence[Step]) -> Resize | None:
    """Give the resizing that begins the steps, if one does: images of several sizes need it to be one array."""
    return steps[0] if steps and isinstance(steps[0], Resize) else None
