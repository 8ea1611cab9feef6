"""The recipe's `[data]`: where examples come from, and how they are cut."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tinyc.core.spelling import nearest
from tinyc.spec import amounts, preparation
from tinyc.spec.amounts import FIT, Amount, amount
from tinyc.spec.builders import Builder
from tinyc.spec.datasets import NAMED
from tinyc.spec.preparation import Steps
from tinyc.spec.sentences import Prepare, problem_of

MetricName = Literal["accuracy", "f1", "auc"]
Scaling = float | tuple[float, ...]
"""One number for every value of an example, or one for each column or channel: the last axis."""


def kind_of(value: Any) -> str:
    """Say which of both `prepare` means: a list of steps, or the table of text."""
    return "steps" if isinstance(value, list | tuple) or (isinstance(value, dict) and "op" in value) else "text"


Preparation = Annotated[Annotated[Prepare, Tag("text")] | Annotated[Steps, Tag("steps")], Discriminator(kind_of)]


class DataSpec(BaseModel, frozen=True, extra="forbid"):
    """Exactly one of `name`, `path` and `load`, and what is done with it before any pass."""

    name: str | None = Field(default=None, description="a dataset that tinyc knows: " + ", ".join(NAMED))
    path: str | None = Field(
        default=None,
        min_length=1,
        description="an .npz, a .csv, a folder of images with a folder per class; of sentences a .csv, .tsv or .jsonl",
    )
    load: Builder | None = Field(
        default=None, description="'file.py:function' that returns a dict with x_train, y_train, x_test, y_test"
    )
    label: str | None = Field(default=None, description="the label's column of a .csv, .tsv or .jsonl")
    text: str | None = Field(
        default=None, min_length=1, description="the sentences' column of a .csv, .tsv or .jsonl: makes it text data"
    )
    split: str | None = Field(
        default=None,
        min_length=1,
        description="text: the column that says train, val or test of each sentence; default, a cut of 70/10/20 %",
    )
    recording: str | None = Field(
        default=None, min_length=1, description="the column of a .csv that says which recording a row belongs to"
    )
    groups: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="columns of a .csv that are no features but say whose a row is, such as the subject"
    )
    prepare: Preparation | None = Field(
        default=None,
        description="text: { tokens = 64, tokenizer = 'vocab.txt' }, how sentences become tokens; "
        "numbers: a list of steps, such as [{ op = 'window', length = 128, stride = 64, by = 'subject' }]",
    )
    rate: float | None = Field(
        default=None, gt=0, le=1e9, allow_inf_nan=False,
        description="samples a second of the sensor, in Hz; of images and other whole examples, examples a second",
    )  # fmt: skip
    sample_bits: int | None = Field(default=None, ge=1, le=64, description="bits of one value of the sensor")
    scale: Amount | None = Field(
        default=None,
        description="the network sees raw * scale + offset: a number, a list with one for each column or channel (the "
        "last axis), or 'fit': mean 0 and deviation 1 of each over train; default the dataset's, or 1",
    )
    offset: Amount | None = Field(
        default=None, description="see scale, with which it is fitted; default the dataset's, or 0"
    )
    metric: MetricName = Field(default="accuracy", description="what accuracy means: accuracy, f1 (macro) or auc")
    validation: StrictInt | StrictFloat | None = Field(
        default=None,
        description="training examples kept for validation, a count or a fraction; default 1000 of 5000 up, else 10 %",
    )
    calibration: StrictInt = Field(
        default=200,
        ge=1,
        le=100_000,
        description="training examples that calibrate quantization, class by class in turn",
    )

    @field_validator("name")
    @classmethod
    def is_known(cls, name: str | None) -> str | None:
        if name is None or name in NAMED:
            return name
        close = nearest(name, NAMED)
        hint = (
            f"did you mean {close[0]!r}?" if close else f"known are {', '.join(NAMED)}; for your own use path or load"
        )
        raise ValueError(f"unknown dataset {name!r}; {hint}")

    @field_validator("scale", "offset", mode="before")
    @classmethod
    def is_amount(cls, value: Any, info: ValidationInfo) -> Any:
        return amount(info.field_name or "scale", value)

    @model_validator(mode="after")
    def has_one_way_of_scaling(self) -> DataSpec:
        problem = amounts.problem_of(self.scale, self.offset)
        if problem:
            raise ValueError(problem)
        return self

    @field_validator("validation")
    @classmethod
    def is_count_or_fraction(cls, amount: float | None) -> float | None:
        if isinstance(amount, float) and not (math.isfinite(amount) and 0 < amount < 1):
            raise ValueError(f"{amount} is no fraction between 0 and 1; a count is written without a point")
        if isinstance(amount, int) and amount < 1:
            raise ValueError(f"{amount} examples cannot validate; give at least 1, or a fraction such as 0.1")
        return amount

    @model_validator(mode="after")
    def has_one_source(self) -> DataSpec:
        given = [key for key in ("name", "path", "load") if getattr(self, key) is not None]
        if len(given) != 1:
            found = "none" if not given else " and ".join(given)
            raise ValueError(f"exactly one of name, path and load says where the data is; {found} given")
        return self

    @model_validator(mode="after")
    def has_label_for_csv(self) -> DataSpec:
        suffix = PurePath(self.path or "").suffix.lower()
        if self.text is not None or suffix in (".tsv", ".jsonl"):
            return self
        is_csv = suffix == ".csv"
        if is_csv and self.label is None:
            raise ValueError(f'{self.path} is a .csv; say which column holds the label: label = "column"')
        if self.label is not None and not is_csv:
            raise ValueError(f"label = {self.label!r} speaks of a .csv's column, and the data is none")
        return self

    @model_validator(mode="after")
    def has_keys_that_suit_text(self) -> DataSpec:
        problem = problem_of(self, self.name is not None and NAMED[self.name].is_text)
        if problem:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def has_steps_that_suit(self) -> DataSpec:
        problem = preparation.problem_of(self, self.name is not None and NAMED[self.name].is_text)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def is_recordings(self) -> bool:
        """Whether `name` is a dataset of recordings."""
        return self.name is not None and NAMED[self.name].window is not None

    @property
    def steps(self) -> Steps:
        """The steps that make examples of numbers: the recipe's, or those that a named dataset brings."""
        if isinstance(self.prepare, tuple):
            return self.prepare
        window = NAMED[self.name].window if self.name is not None else None
        return (window,) if window else ()

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns of a .csv that are neither label nor features: `groups`, and the window's `by`."""
        window = preparation.window_of(self.steps)
        by = window.by if window and window.by not in (*self.groups, "recording") else None
        return (*self.groups, by) if by is not None else self.groups

    @property
    def sensor(self) -> tuple[float, int] | None:
        """Samples a second and bits of a value, where they are known."""
        known = NAMED[self.name].sensor if self.name is not None else None
        rate = self.rate if self.rate is not None else known and known[0]
        bits = self.sample_bits if self.sample_bits is not None else known and known[1]
        return (rate, bits) if rate is not None and bits is not None else None

    def spelt_out(self) -> DataSpec:
        """Write out what a named dataset brings, so that data from elsewhere can be prepared the same."""
        rate, bits = self.sensor or (None, None)
        return self.model_copy(update={"prepare": self.steps or self.prepare, "rate": rate, "sample_bits": bits})

    def fitted(self, scale: Scaling, offset: Scaling) -> DataSpec:
        """Put the numbers that were found in the place of "fit"."""
        return self.model_copy(update={"scale": scale, "offset": offset}) if self.scale == FIT else self
