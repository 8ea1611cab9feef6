"""What the files of boards and runtimes have in common: known keys alone, and a source for every figure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class Table(BaseModel, frozen=True, extra="forbid", strict=True, allow_inf_nan=False):
    """A table with these keys and types."""


class Sourced(Table, frozen=True):
    """A table whose `sources` say, by key, where each figure was read; "all" stands for the keys without their own."""

    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def sources_are_of_keys(self) -> Sourced:
        """Refuse the source of a key that there is none of."""
        odd = next((key for key in self.sources if key != "all" and key not in type(self).model_fields), None)
        if odd is not None:
            raise ValueError(f"`sources` names {odd!r}, which is no key")
        return self

    def source(self, key: str) -> str | None:
        """Say where a figure was read."""
        return self.sources.get(key, self.sources.get("all"))
