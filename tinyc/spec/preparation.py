"""The steps of `[data] prepare` that say what an example of numbers is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.spec.images import Grayscale, Resize
from tinyc.spec.sound import LogMel, Mfcc

if TYPE_CHECKING:
    from tinyc.spec.data import DataSpec


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


def problem_of(spec: DataSpec, is_text: bool) -> str | None:
    """Say what the steps, the groups and the sensor's keys ask for that the data cannot give; None where they fit.

    Args:
        is_text: whether `name` is a dataset of sentences.
    """
    is_text = is_text or spec.text is not None
    is_csv = PurePath(spec.path or "").suffix.lower() == ".csv" and not is_text
    window = window_of(spec.steps)
    return (
        of_columns(spec, is_csv)
        or of_sensor(spec, is_text)
        or of_steps(spec, is_text)
        or (of_window(spec, is_csv) or after_window(spec) if window else None)
    )


def of_columns(spec: DataSpec, is_csv: bool) -> str | None:
    """Check the names of columns that are no features."""
    is_table = is_csv or spec.text is not None
    names = [name for name in (spec.recording, *spec.groups) if name is not None]
    if names and not is_table:
        return f"recording and groups name columns of a table; in an .npz {names[0]!r} is an array beside x"
    if spec.recording is not None and not is_csv:
        return f"recording = {spec.recording!r} is for numbers, and the data is text; name it in groups"
    if {spec.label, spec.text, spec.split} & set(names) or len(set(names)) < len(names):
        return "the same column cannot be two of text, label, split, recording and groups"
    if spec.recording is not None and "recording" in spec.groups:
        return f"the group 'recording' is the column {spec.recording!r} already; leave it out of groups"
    return None


def of_sensor(spec: DataSpec, is_text: bool) -> str | None:
    """Check that rate and sample_bits stand together, and speak of a sensor."""
    given = [name for name in ("rate", "sample_bits") if getattr(spec, name) is not None]
    if given and is_text:
        return f"{given[0]} speaks of a sensor, and the data is text; leave it out"
    if given and spec.sensor is None:
        missing = "sample_bits" if given == ["rate"] else "rate"
        return f"{given[0]} alone does not say how many bytes a second the sensor makes; give {missing} too"
    return None


def of_steps(spec: DataSpec, is_text: bool) -> str | None:
    """Check that steps suit the data, and that only the first cuts windows."""
    if spec.prepare == ():
        return "prepare = [] prepares nothing; leave it out"
    if isinstance(spec.prepare, tuple) and is_text:
        return "steps are for numbers, and the data is text; write prepare = { tokens = 64 }"
    if any(isinstance(step, Window) for step in spec.steps[1:]):
        return "prepare has a window after another step; a window comes first, and once"
    if spec.is_recordings and window_of(spec.steps) is None:
        return f'{spec.name} is recordings; begin prepare with {{ op = "window", length = 128, stride = 64 }}'
    return None


def of_window(spec: DataSpec, is_csv: bool) -> str | None:
    """Check that there can be recordings to cut windows from."""
    is_archive = PurePath(spec.path or "").suffix.lower() == ".npz"
    if not (spec.is_recordings or is_csv or is_archive or spec.load is not None):
        return f"a window is cut from recordings, and {spec.name or spec.path} is none"
    if is_csv and spec.recording is None:
        return 'a window must not cross two recordings; say which column tells them apart: recording = "column"'
    if spec.validation is not None:
        remedy = 'list what validates in the window: by = "subject", validation = ["8"]'
        return f"validation = {spec.validation} counts examples, and windows keep recordings whole; {remedy}"
    return None


def after_window(spec: DataSpec) -> str | None:
    """Check the steps after a window: a window is no image, and keeps the rate of its recording."""
    picture = next((step.op for step in spec.steps if isinstance(step, Resize | Grayscale)), None)
    if picture:
        return f"{picture} is for images, and a window is none; leave it out"
    rate = spec.sensor[0] if spec.sensor else None
    other = next((step for step in spec.steps if isinstance(step, Mfcc | LogMel) and step.rate != rate), None)
    if rate is not None and other:
        return f"{other.op} has rate = {other.rate:g}, and the recordings {rate:g} samples a second; one is wrong"
    return None
