"""The recipe's `[data]`: where examples come from, and how they are cut."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

from pydantic import (
    ValidationInfo,
    field_validator,
    model_validator,
)

from tinyc.core.spelling import nearest
from tinyc.spec import amounts, data_checks
from tinyc.spec.amounts import FIT, Scaling, amount
from tinyc.spec.data_keys import DataKeys
from tinyc.spec.datasets import NAMED
from tinyc.spec.sentences import Prepare


class DataSpec(DataKeys, frozen=True, extra="forbid"):
    """Exactly one of `name`, `path` and `load`, and what is done with it before any pass."""

    @field_validator("name")
    @classmethod
    def is_known(cls, name: str | None) -> str | None:
        if name is None or name in NAMED:
            return name
        close = nearest(name, NAMED)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(NAMED)}; for your own use path or load"
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
            raise ValueError(f"{amount} is not a fraction between 0 and 1; a count is written without a point")
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
            raise ValueError(f"label = {self.label!r} names a column of a .csv, and the data is not one")
        return self

    @model_validator(mode="after")
    def has_keys_that_suit_text(self) -> DataSpec:
        problem = data_checks.problem_of_text(self, self.names_text)
        if problem:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def has_steps_that_suit(self) -> DataSpec:
        problem = data_checks.problem_of_numbers(self, self.names_text)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def names_text(self) -> bool:
        """Say whether `name` is a dataset of sentences."""
        return self.name is not None and NAMED[self.name].is_text

    @property
    def is_text(self) -> bool:
        """Say whether the examples are sentences."""
        return self.names_text or self.text is not None or isinstance(self.prepare, Prepare)

    def spelt_out(self) -> DataSpec:
        """Write out what a named dataset brings, so that data from elsewhere can be prepared the same."""
        rate, bits = self.sensor or (None, None)
        return self.model_copy(update={"prepare": self.steps or self.prepare, "rate": rate, "sample_bits": bits})

    def fitted(self, scale: Scaling, offset: Scaling) -> DataSpec:
        """Put the numbers that were found in the place of "fit"."""
        return self.model_copy(update={"scale": scale, "offset": offset}) if self.scale == FIT else self
