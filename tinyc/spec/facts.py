"""What passes find out, as declared tables: each key with its type and, by `Annotated`, its unit.

A pass's facts are JSON from the pass to the report, so a TypedDict is their type at every place: the type checker holds
who makes and who reads them to it, and the report shows numbers by the unit that stands here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from tinyc.core.units import Unit

Part = TypeVar("Part")

Rewritten = TypedDict("Rewritten", {"layer": str, "what": str, "into": str, "difference": float | None})
"""A layer that stands in another form now, such as a MultiHeadAttention in "Dense, Attention".

`difference` is the largest absolute change of the network's outputs on the samples when all layers that were the same
`what` were rewritten; None where there were no samples.
"""
Rewriting = TypedDict("Rewriting", {"rewritten": list[Rewritten]})


def variants(kind: Any) -> Iterator[Any]:
    """Give the types that a declared one stands for: each of a union, or of a tuple of types."""
    if isinstance(kind, tuple) or get_origin(kind) in (Union, UnionType, NotRequired):
        for each in kind if isinstance(kind, tuple) else get_args(kind):
            yield from variants(each)
    else:
        yield kind


@functools.cache
def keys(kind: Any) -> Mapping[str, Any]:
    """Give the keys that a type declares, with their types; none where it is no table."""
    return get_type_hints(kind, include_extras=True) if is_typeddict(kind) or is_dataclass(kind) else {}


def inside(kind: Any, key: str = "") -> Any:
    """Give the declared type of what stands under a key, or in a list; None where nothing is declared."""
    for each in variants(kind):
        if key in keys(each):
            return keys(each)[key]
        if get_origin(each) in (dict, list, tuple):
            return get_args(each)[get_origin(each) is dict]
    return None


def unit(kind: Any) -> Unit | None:
    """Give the declared unit of a number; None where it has none."""
    found = (each.__metadata__[0] for each in variants(kind) if get_origin(each) is Annotated)
    return next(found, None)


def fits(value: Any, kind: Any) -> bool:
    """Say whether a JSON value is of a declared type; a table may have keys beside those that are declared."""
    return any(fits_one(value, each) for each in variants(kind))


def fits_one(value: Any, kind: Any) -> bool:
    """Say it of one type that is no union."""
    origin = get_origin(kind)
    if keys(kind):
        return isinstance(value, Mapping) and all(
            fits(value[key], of) if key in value else key in free(kind) for key, of in keys(kind).items()
        )
    if origin is dict:
        return isinstance(value, Mapping) and all(fits(each, inside(kind)) for each in value.values())
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(fits(each, inside(kind)) for each in value)
    if origin is Annotated:
        return fits(value, kind.__origin__)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return kind is Any or type(value) is kind or value in get_args(kind)


def free(kind: Any) -> set[str]:
    """Give the keys that a table may lack."""
    marked = (key for key, of in keys(kind).items() if get_origin(of) is NotRequired)
    return {*marked, *getattr(kind, "__optional_keys__", ())}


def part(wanted: type[Part], facts: Mapping[str, Any], kind: Any) -> Part | None:
    """Find in a pass's facts the table that is declared as `wanted`: one of their keys, or they themselves.

    Args:
        facts: as they are stored; None where they are of another type, as those of an older tinyc may be.
        kind: their declared type.
    """
    if has(kind, wanted) and fits(facts, wanted):
        return cast(Part, facts)
    known = ((key, of) for each in variants(kind) for key, of in keys(each).items())
    return next((facts[key] for key, of in known if has(of, wanted) and fits(facts.get(key), wanted)), None)


def has(kind: Any, wanted: Any) -> bool:
    """Say whether a declared type has all keys of another."""
    return any(keys(wanted).items() <= keys(each).items() for each in variants(kind))
