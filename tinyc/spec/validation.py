"""A table of a file held against its schema; one message for what does not fit, with line and key path."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.spec.document import Document
from tinyc.spec.lines import Keys


def validate(model: type[Any], table: Mapping[str, Any], doc: Document, keys: Keys) -> Any:
    """Check a table against a schema, strictly: a string is not a number, `no` is not False."""
    try:
        return model.model_validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        raise first_error(error, model, doc, keys) from error


def first_error(error: ValidationError, model: type[BaseModel], doc: Document, keys: Keys) -> UserError:
    """Make one message of pydantic's first complaint."""
    details = error.errors()
    # Of an entry that may be a word or a table, a table's own fault says more than that it is not a word.
    tables = [each for each in details if not (each["type"] == "string_type" and isinstance(each["input"], dict))]
    # An unknown key may be the missing one, misspelt.
    detail = min(tables or details, key=lambda each: each["type"] != "extra_forbidden")
    path = real_path(doc.table, keys, detail["loc"])
    if detail["type"] == "extra_forbidden":
        full: Keys = (*real_path(doc.table, keys, detail["loc"][:-1]), detail["loc"][-1])
        owner = owner_of(model, detail["loc"][:-1])
        return unknown_key(doc, full, sorted(owner.model_fields) if owner else [])
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        return UserError(
            doc.where((*real_path(doc.table, keys, detail["loc"][:-1]), detail["loc"][-1])), "is missing", "add it"
        )
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return wrong_tag(detail["ctx"], detail["input"], doc, path)
    given = detail.get("input")
    shown = "" if isinstance(given, dict | list) else f" (given: {given!r})"
    return UserError(doc.where(path), f"{message[:1].lower()}{message[1:]}{shown}")


def wrong_tag(context: Mapping[str, Any], given: Any, doc: Document, path: Keys) -> UserError:
    """Say that one of several tables is meant, and which word does not tell which."""
    key = context["discriminator"].strip("'")
    if "expected_tags" not in context:
        return UserError(doc.where(path), f"does not say which {key} it is", f'begin the table with {key} = "..."')
    return unknown_value(
        doc.where((*path, key)), key, str(given[key]), context["expected_tags"].replace("'", "").split(", ")
    )


def real_path(table: Any, keys: Keys, location: Keys) -> Keys:
    """Return the part of pydantic's location that stands in the recipe; it has the tags of unions in it too."""
    path = keys
    for part in location:
        if present(table, (*path, part)):
            path = (*path, part)
    return path


def present(table: Any, keys: Keys) -> bool:
    """Say whether a key path leads somewhere in the table."""
    for key in keys:
        inside = key in table if isinstance(table, dict) else isinstance(table, list) and isinstance(key, int)
        if not inside or (isinstance(table, list) and isinstance(key, int) and key >= len(table)):
            return False
        table = table[key]
    return True


def owner_of(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the schema that a nested location belongs to; of a union's schemas the one whose tag stands in it."""
    found = [model]
    for part in location:
        tagged = [each for each in found if "op" in each.model_fields and each.model_fields["op"].default == part]
        owners = [each for each in found if part in each.model_fields]
        if tagged:
            found = tagged
        elif owners:
            found = list(schemas(owners[0].model_fields[str(part)].annotation))
    return found[0] if found else None


def schemas(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables that a field may hold, also within unions and lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from schemas(part)


def unknown_key(doc: Document, keys: Keys, known: Iterable[str]) -> UserError:
    return unknown_value(doc.where(keys), "key", str(keys[-1]), known)


def unknown_value(where: str, kind: str, given: str, known: Iterable[str]) -> UserError:
    """Refuse a word, and offer the nearest that is known."""
    names = list(known)
    close = nearest(given, names)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    return UserError(where, f"unknown {kind} {given!r}", hint)
