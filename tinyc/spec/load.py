"""A recipe file to a checked `Recipe`; the way in for every command. Imports no TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from tinyc.core.errors import UserError
from tinyc.spec import document, gallery, origin
from tinyc.spec.bounds import Bound
from tinyc.spec.device import device_of
from tinyc.spec.document import Document
from tinyc.spec.lines import Keys
from tinyc.spec.on_device import on_device, require_abilities, with_defaults
from tinyc.spec.order import check_order
from tinyc.spec.passes import PASSES
from tinyc.spec.recipe import Recipe, Sections, Step
from tinyc.spec.validation import unknown_key, unknown_value, validate

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
    for section in ("pass", "targets"):
        if section in table and not isinstance(table[section], list if section == "pass" else dict):
            raise UserError(doc.where((section,)), "is not of the right kind", "write [[pass]] and [targets]")
    sections = {key: value for key, value in table.items() if key not in PIPELINE_KEYS}
    for key in sections:
        if key not in Sections.model_fields:
            raise unknown_key(doc, (key,), [*Sections.model_fields, *PIPELINE_KEYS, "extends", "vars"])
    top = validate(Sections, sections, doc, ())
    steps = tuple(step(doc, index, entry) for index, entry in enumerate(table.get("pass", [])))
    if not steps:
        raise UserError(str(doc.path), "the recipe has no [[pass]]", 'add one, for example use = "quantize"')
    device = device_of(doc)
    if device:
        steps = tuple(on_device(each, device, top.data) for each in steps)
    check_order(steps)
    targets = bounds(doc, ("targets",), table.get("targets", {}))
    if device:
        require_abilities(steps, device)
        targets = with_defaults(targets, device, doc)
    for index, each in enumerate(steps):
        each.transform.check_data(top.data, partial(pass_place, doc, index))
    text = json.dumps(table, sort_keys=True)
    return Recipe(
        path=doc.path, name=top.name, description=top.description, seed=top.seed, source=top.source, data=top.data,
        steps=steps, targets=targets, table=table, device=device,
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
