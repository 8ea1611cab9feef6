"""A recipe file to a checked `Recipe`; the way in for every command. Imports no TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.spec import document, gallery, origin
from tinyc.spec.bounds import Bound
from tinyc.spec.document import Document
from tinyc.spec.order import check_order
from tinyc.spec.passes import PASSES
from tinyc.spec.recipe import Recipe, Sections, Step

Keys = tuple[str | int, ...]
PIPELINE_KEYS = ("pass", "targets", "device")


def load(recipe: str, sets: Iterable[str] = ()) -> Recipe:
    """Read, resolve and check a recipe by file or gallery name.

    Raises:
        UserError: anything that the writer of the recipe must change, with file, line and key path.
    """
    return recipe_of_document(document.read_document(gallery.locate(recipe), sets))


def recipe_of_document(doc: Document) -> Recipe:
    """Turn a resolved document into a recipe."""
    table = doc.table
    if "device" in table:
        remedy = 'remove [device] and bound the artifact by [targets] flash = "<= 96 KiB", arena = "<= 64 KiB"'
        raise UserError(doc.where(("device",)), "boards are not built yet", remedy)
    for section in ("pass", "targets"):
        if section in table and not isinstance(table[section], list if section == "pass" else dict):
            raise UserError(doc.where((section,)), "is not of the right kind", "write [[pass]] and [targets]")
    sections = {key: value for key, value in table.items() if key not in PIPELINE_KEYS}
    for key in sections:
        if key not in Sections.model_fields:
            raise unknown_key(doc, (key,), [*Sections.model_fields, "pass", "targets", "extends", "vars"])
    top = validate(Sections, sections, doc, ())
    steps = tuple(step(doc, index, entry) for index, entry in enumerate(table.get("pass", [])))
    if not steps:
        raise UserError(str(doc.path), "the recipe has no [[pass]]", 'add one, for example use = "quantize"')
    check_order(steps)
    for index, each in enumerate(steps):
        each.transform.check_data(top.data, partial(pass_place, doc, index))
    text = json.dumps(table, sort_keys=True)
    return Recipe(
        path=doc.path, name=top.name, description=top.description, seed=top.seed, source=top.source, data=top.data,
        steps=steps, targets=bounds(doc, ("targets",), table.get("targets", {})), table=table,
        sha256=hashlib.sha256(text.encode()).hexdigest(), origin=origin.recipe_file(doc.path),
        bases=tuple(lines.path for lines in doc.lines[1:]),
    )  # fmt: skip


def pass_place(doc: Document, index: int, keys: Keys) -> str:
    """Say where a key of a pass stands."""
    return doc.where(("pass", index, *keys))


def step(doc: Document, index: int, entry: Any) -> Step:
    """Read one [[pass]]."""
    keys: Keys = ("pass", index)
    if not isinstance(entry, dict) or not isinstance(entry.get("use"), str):
        raise UserError(doc.where(keys), 'a pass needs use = "..."', f"passes are {', '.join(PASSES)}")
    use = entry["use"]
    if use not in PASSES:
        raise unknown_value(doc.where((*keys, "use")), "pass", use, PASSES)
    options = {key: value for key, value in entry.items() if key != "expect"}
    transform = validate(PASSES[use], options, doc, keys)
    return Step(transform, bounds(doc, (*keys, "expect"), entry.get("expect", {})), doc.where(keys))


def bounds(doc: Document, keys: Keys, table: Any) -> tuple[Bound, ...]:
    """Read a table of bounds: `params_reduction = ">= 90 %"`."""
    if not isinstance(table, dict):
        raise UserError(doc.where(keys), f"{table!r} is not a table of bounds", 'write { accuracy_drop = "<= 2 pp" }')
    return tuple(bound(doc, (*keys, metric), metric, text) for metric, text in table.items())


def bound(doc: Document, keys: Keys, metric: str, text: Any) -> Bound:
    """Read one bound."""
    if not isinstance(text, str):
        raise UserError(doc.where(keys), f"{text!r} is not a bound", 'write a string, for example "<= 96 KiB"')
    try:
        return Bound.parse(metric, text)
    except ValueError as error:
        raise UserError(doc.where(keys), str(error)) from error


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
