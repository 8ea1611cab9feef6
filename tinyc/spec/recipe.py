"""The recipe: what its sections are, and in which order its passes may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from tinyc.spec import gallery
from tinyc.spec.bounds import Bound
from tinyc.spec.contract import Pass
from tinyc.spec.data import DataSpec
from tinyc.spec.device import Device
from tinyc.spec.effects import Place
from tinyc.spec.source import SourceSpec


class Sections(BaseModel, frozen=True, extra="forbid"):
    """Everything of a recipe but its passes and bounds, which are read one by one."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)] = Field(
        description="names the run folder and the artifact"
    )
    description: str = Field("", description="one line that heads the report")
    seed: int = Field(0, ge=0, lt=2**31, description="all randomness comes from it")
    source: SourceSpec = Field(description="the network to compress")
    data: DataSpec = Field(description="what it is trained and measured on")


@dataclass(frozen=True)
class Step:
    """One pass of a recipe, with the bounds on this pass alone and where it stands in the file."""

    transform: Pass
    expects: tuple[Bound, ...]
    where: str


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked and resolved.

    `table` is the resolved flat recipe as plain TOML values; `path` the file that it was read from, `bases` those that
    it extends; `origin` the file beside which its relative paths begin, another where `path` is a run folder's.
    """

    path: Path
    name: str
    description: str
    seed: int
    source: SourceSpec
    data: DataSpec
    steps: tuple[Step, ...]
    targets: tuple[Bound, ...]
    table: Mapping[str, Any]
    sha256: str
    origin: Path
    bases: tuple[Path, ...] = ()
    device: Device | None = None

    @property
    def folder(self) -> Path:
        return self.origin.parent

    def find(self, path: str) -> Path:
        """Find a file or folder that the recipe names.

        Raises:
            UserError: it is nowhere.
        """
        return gallery.find(path, self.folder, str(self.path))

    def is_last(self, index: int) -> bool:
        """Say whether pass `index` (from 1) gives the bytes that will be flashed: at most `verify` follows."""
        return all(step.transform.effects.place == Place.CHECK for step in self.steps[index:])
