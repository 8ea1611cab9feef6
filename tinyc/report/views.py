"""What the pages show and the schema of report.json lacks: layers, confusions, samples, paired changes.

It is stored in report.json as one extra table, "views"; docs/report.md describes its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict

from tinyc.core.errors import UserError
from tinyc.report.schema import STRICT, validated
from tinyc.spec.amounts import Scaling
from tinyc.spec.bounds import Measured

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Layer:
    """One layer of the first or the last state: `bytes` of its constants, `macs` for one inference."""

    name: str
    kind: str
    bytes: int
    params: int
    macs: int | None


@dataclass(frozen=True)
class Sample:
    """One test example with what the source and the artifact say of it; labels are places in `classes`.

    `confidence` is the softmax probability of the predicted class; `image` is a PNG data URI, or None for what
    is not a picture; `text` is a sentence, or None for what is none.
    """

    index: int
    label: int
    source: int
    source_confidence: float
    final: int
    final_confidence: float
    image: str | None
    text: str | None = None


@dataclass(frozen=True)
class Kilobytes:
    """The bytes of state `index` (0: the source), by kind of what they are for, and by group of layers."""

    index: int
    kinds: Mapping[str, int]
    groups: Mapping[str, int]


@dataclass(frozen=True)
class PairedDrop:
    """How much of the metric step `index` lost, on the same examples: against the state before it, and the source."""

    index: int
    before: Measured | None
    source: Measured | None


@dataclass(frozen=True)
class Views:
    """All that the pages show beside the report; every part may be empty, and its section then is left out.

    Confusions have one row a true label and one column a predicted label, in the order of `classes`.
    """

    description: str = ""
    recipe_toml: str = ""
    classes: tuple[str, ...] = ()
    scale: Scaling = 1.0
    offset: Scaling = 0.0
    source_layers: tuple[Layer, ...] = ()
    final_layers: tuple[Layer, ...] = ()
    source_confusion: Confusion = ()
    final_confusion: Confusion = ()
    samples: tuple[Sample, ...] = ()
    paired: tuple[PairedDrop, ...] = ()
    kilobytes: tuple[Kilobytes, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str) -> Views:
        """Read the "views" of report.json strictly.

        Raises:
            UserError: a key is unknown or of another type, or a label lies outside `classes`.
        """
        views = validated(cls, table, where)
        views.check(where)
        return views

    def check(self, where: str) -> None:
        """Refuse labels and confusions that do not fit `classes`.

        Raises:
            UserError: names `where` and the part.
        """
        count = len(self.classes)
        for name, confusion in (("source", self.source_confusion), ("final", self.final_confusion)):
            if confusion and {count} != {len(confusion), *map(len, confusion)}:
                raise UserError(where, f"views.{name}_confusion is not {count} x {count}, one row and column a class")
        for sample in self.samples:
            if not all(0 <= label < count for label in (sample.label, sample.source, sample.final)):
                raise UserError(where, f"views.samples: example {sample.index} has a label outside 0..{count - 1}")
