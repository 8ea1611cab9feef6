"""Strict reading of JSON into frozen records: a key too many, too few or of another type is an error with its path."""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tinyc.core.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance  # known to type checkers alone

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
REMEDY = "the file was changed or cut; run the recipe again, finished steps are taken up"
SHOWN = 3
Record = TypeVar("Record", bound="DataclassInstance")


@functools.cache
def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(record)


def validated(record: type[Record], table: Any, where: str) -> Record:
    """Turn a JSON table into a record.

    Raises:
        UserError: it does not fit; names `where`, the first key paths and what was found there.
    """
    try:
        # As JSON, so that a list may become a tuple while "1" still is not a number.
        return _adapter(record).validate_json(json.dumps(table))  # type: ignore[no-any-return]
    except ValidationError as error:
        problems = [_problem(dict(found)) for found in error.errors(include_url=False)]
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise UserError(
            where, "is not a report of this schema: " + "; ".join(problems[:SHOWN]) + more, REMEDY
        ) from error


def _problem(found: dict[str, Any]) -> str:
    path = ".".join("pass" if key == "use" else str(key) for key in found["loc"]) or "the whole"
    kind = found["type"]
    if kind in ("missing", "missing_argument"):
        return f"{path} is missing"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{path} is an unknown key"
    given = json.dumps(found["input"])
    return f"{path}: {found['msg'].lower()}, found {given if len(given) < 60 else given[:57] + '...'}"


def finite(value: Any) -> Any:
    """Replace numbers that JSON cannot hold (NaN, infinities) by None, at any depth: they were not measured."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
