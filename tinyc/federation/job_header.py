"""The header of a job as its clients read it: each value has the type and size of a training's, or none is taken."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from tinyc.core import limits
from tinyc.network.gate import json_text
from tinyc.spec.federation import FederationOptions

Name = Annotated[str, Field(max_length=1000)]
Side = Annotated[int, Field(ge=1, le=1 << 24)]
Id = Annotated[int, Field(ge=0, lt=1 << 31)]
Scaling = float | Annotated[tuple[float, ...], Field(min_length=1, max_length=limits.COLUMNS)]


def is_table(text: str) -> str:
    """Keep a text that is JSON with keys; it is read anew where it is used, and what it lacks is said here."""
    if not isinstance(json_text.parse(text), dict):
        raise ValueError("is no table")
    return text


JsonTable = Annotated[str, AfterValidator(is_table)]


class Table(BaseModel, frozen=True, extra="forbid", strict=True, allow_inf_nan=False):
    """JSON with these keys, of these types, and no NaN."""


class StreamTable(Table, frozen=True):
    """What `state.Stream` holds."""

    sensor_bytes: float = Field(ge=0)
    decisions: float = Field(ge=0)
    rate: float | None = Field(None, gt=0)


class TaskTable(Table, frozen=True):
    """What `state.Task` holds; the tokenizer as its definition, length and origin, the front as its own JSON."""

    classes: tuple[Name, ...] = Field(min_length=1, max_length=limits.CLASSES)
    input_shape: tuple[Side, ...] = Field(min_length=1, max_length=4)
    metric: Literal["accuracy", "f1", "auc"]
    scale: Scaling
    offset: Scaling
    tokenizer: tuple[str, Side, tuple[Id, ...] | None] | None
    front: JsonTable | None
    stream: StreamTable | None


class Header(Table, frozen=True):
    """A job without the weights of its network and its version."""

    options: FederationOptions
    seed: int
    architecture: JsonTable
    task: TaskTable
    data: JsonTable | Literal[""]
    ranges: dict[Name, tuple[float, float]]
    noise: float | None = Field(ge=0)
    per_channel: bool


def read(content: bytes, version: int) -> Header:
    """Read a header that is of a version.

    Raises:
        ValueError: it is of another one, too large, or has a value that no job has; says which.
    """
    if len(content) > limits.JSON_BYTES:
        raise ValueError(f"a header of {len(content)} bytes, and at most {limits.JSON_BYTES} are read")
    table = json_text.parse(content)
    given = table.pop("version", None) if isinstance(table, dict) else None
    if given != version:
        raise ValueError(f"it is of version {given!r}, and this tinyc reads {version}")
    try:
        return Header.model_validate_json(json.dumps(table))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error
