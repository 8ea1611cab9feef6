"""What may remain of a network: the recipe's table `budget`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.core import units

SPELLED: dict[str, units.Unit] = {"params": "count", "macs": "count", "file": "bytes"}


class Budget(BaseModel, frozen=True, extra="forbid"):
    """What may remain, all of it to be met: absolute, or a share of the network that enters the pass."""

    params: str | None = Field(None, description='elements of all weights, e.g. "240 k" or "10 %"')
    macs: str | None = Field(None, description='multiplications of an inference, e.g. "15 M" or "20 %"')
    file: str | None = Field(
        None,
        description="bytes of the weights as int8, estimated: 1 an element, 16 an output channel for bias and scale, "
        'without operators and metadata; e.g. "96 KiB" or "10 %"',
    )

    @field_validator("params", "macs", "file")
    @classmethod
    def is_amount(cls, text: str | None, info: object) -> str | None:
        """Refuse what is not an amount above nothing, and shares from 100 % on."""
        if text is not None:
            value = amount(getattr(info, "field_name", "params"), text, 1.0)
            if value <= 0 or (text.strip().endswith("%") and value >= 1):
                limit = "a share lies between 0 % and 100 %" if text.strip().endswith("%") else "give more than nothing"
                raise ValueError(f"{text!r} is not something that may remain; {limit}")
        return text

    @model_validator(mode="after")
    def not_empty(self) -> Self:
        if not any(getattr(self, key) for key in SPELLED):
            raise ValueError('name what may remain, e.g. budget = { params = "10 %" }')
        return self


def amount(key: str, text: str, whole: float) -> float:
    """Read one entry: a share of `whole`, or a quantity.

    Raises:
        ValueError: it is neither.
    """
    if text.strip().endswith("%"):
        return units.parse(text, "fraction") * whole
    return units.parse(text, SPELLED[key])
