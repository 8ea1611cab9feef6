"""The keys of the recipe's `[data]`, and what follows from them; `spec.data` checks them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, StrictFloat, StrictInt, Tag

from tinyc.spec.amounts import Amount
from tinyc.spec.builders import Builder
from tinyc.spec.datasets import NAMED
from tinyc.spec.preparation import Steps, window_of
from tinyc.spec.sentences import Prepare

MetricName = Literal["accuracy", "f1", "auc"]


def kind_of(value: Any) -> str:
    """Say which of both `prepare` means: a list of steps, or the table of text."""
    return "steps" if isinstance(value, list | tuple) or (isinstance(value, dict) and "op" in value) else "text"


Preparation = Annotated[Annotated[Prepare, Tag("text")] | Annotated[Steps, Tag("steps")], Discriminator(kind_of)]


class DataKeys(BaseModel, frozen=True, extra="forbid"):
    """Where examples come from, and what is done with them before any pass."""

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
        default=(), description="columns of a .csv that are not features but say whose a row is, such as the subject"
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
        window = window_of(self.steps)
        by = window.by if window and window.by not in (*self.groups, "recording") else None
        return (*self.groups, by) if by is not None else self.groups

    @property
    def sensor(self) -> tuple[float, int] | None:
        """Samples a second and bits of a value, where they are known."""
        known = NAMED[self.name].sensor if self.name is not None else None
        rate = self.rate if self.rate is not None else known and known[0]
        bits = self.sample_bits if self.sample_bits is not None else known and known[1]
        return (rate, bits) if rate is not None and bits is not None else None
