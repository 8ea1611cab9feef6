"""Changes of a recipe applied to its table, and whether what comes out is a recipe still."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tinyc.analysis.advice.remarks import Change
from tinyc.core.errors import TinycError
from tinyc.spec.document import Document
from tinyc.spec.load import recipe_of_document
from tinyc.spec.recipe import Recipe


def applied(table: Mapping[str, Any], changes: tuple[Change, ...]) -> dict[str, Any]:
    """Give a copy of a resolved recipe with changes made; places are those of the recipe as it was."""
    made: dict[str, Any] = copy.deepcopy(dict(table))
    passes = dict(enumerate(made.get("pass", []), start=1))
    added: dict[int, list[Any]] = {}
    for change in changes:
        if change.do == "set":
            assign(made, passes, change)
        elif change.do == "remove":
            passes.pop(place_of(change))
        else:
            added.setdefault(place_of(change), []).append(change.value)
    places = sorted({*passes, *added})
    made["pass"] = [entry for each in places for entry in [*added.get(each, []), *filter(None, [passes.get(each)])]]
    return made


def assign(table: dict[str, Any], passes: Mapping[int, Any], change: Change) -> None:
    """Set one key, or take it out where the value is None."""
    parts = change.key.split(".")
    current: Any = passes[int(parts[1])] if parts[0] == "pass" else table
    for part in parts[2 if parts[0] == "pass" else 0 : -1]:
        current = current.setdefault(part, {})
    if change.value is None:
        current.pop(parts[-1], None)
    else:
        current[parts[-1]] = change.value


def place_of(change: Change) -> int:
    return int(change.key.removeprefix("pass."))


def is_legal(recipe: Recipe, changes: tuple[Change, ...]) -> bool:
    """Say whether `tinyc check` would take the recipe with the changes, and whether they change it at all."""
    if not changes:
        return True
    try:
        made = applied(recipe.table, changes)
        recipe_of_document(Document(recipe.path, made, ()))
    except TinycError:
        return False
    return made != recipe.table
