"""The functions and files that a recipe's sections name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_origin

from pydantic import BaseModel

from tinyc.spec.budget import Budget
from tinyc.spec.builders import Builder

FILES = ("file", "weights", "teachers", "sensitivity")


def references(value: Any) -> Iterator[Builder | str]:
    """Yield every builder, saved network and weights file below a value."""
    if isinstance(value, Builder):
        yield value
    elif isinstance(value, BaseModel) and not isinstance(value, Budget):  # whose `file` is a number of bytes
        for name in type(value).model_fields:
            item = getattr(value, name)
            yield from named_files(item) if name in FILES and not is_choice(value, name) else references(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from references(item)


def is_choice(value: BaseModel, name: str) -> bool:
    """Say whether a field is one of given words, as `weights = "int4"` of a quantize pass is, and so no file."""
    return get_origin(type(value).model_fields[name].annotation) is Literal


def named_files(value: Any) -> Iterator[str]:
    """Yield the files that a field of FILES names; the teacher "source" is a key of its own."""
    names = value if isinstance(value, tuple) else (value,)
    yield from (name for name in names if isinstance(name, str) and name != "source")
