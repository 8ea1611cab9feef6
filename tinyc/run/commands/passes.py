"""What each pass does and takes, from the same class that checks and runs it."""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tinyc.core import streams
from tinyc.spec.builders import Builder
from tinyc.spec.device import DeviceSpec
from tinyc.spec.metrics import bounded
from tinyc.spec.passes import PASSES
from tinyc.spec.recipe import Sections
from tinyc.spec.training import FitOptions, TrainingKeys
from tinyc.spec.validation import schemas, unknown_value

KINDS = {"net": "Keras network", "flat": ".tflite"}


def passes(name: str | None, schema: bool) -> None:
    """Show all passes, one, or the schema of a recipe."""
    if schema:
        streams.result(json.dumps(recipe_schema(), indent=2))
    else:
        streams.page(describe_pass(name) if name else list_passes())
    sys.stdout.flush()


def list_passes() -> str:
    """Write one line a pass."""
    lines = [
        f"{name:10} {KINDS[each.takes]} -> {KINDS[each.gives]}: {first_line(each)}" for name, each in PASSES.items()
    ]
    return "\n".join([*lines, "", "tinyc passes NAME shows the keys of one"])


def describe_pass(name: str) -> str:
    """Write everything that one pass takes."""
    if name not in PASSES:
        raise unknown_value("tinyc passes", "pass", name, PASSES)
    each = PASSES[name]
    head = f"{name}: {KINDS[each.takes]} -> {KINDS[each.gives]}\n\n{inspect.cleandoc(each.__doc__ or '')}\n"
    keys = "\n".join(describe_field(key, each.model_fields[key]) for key in own_first(each) if key != "use")
    return f'{head}\nkeys of [[pass]] use = "{name}":\n{keys or "  none"}'


def own_first(schema: type[BaseModel]) -> list[str]:
    """Return the keys of a pass: its own, then those that every training has."""
    shared = FitOptions.model_fields if issubclass(schema, TrainingKeys) else {}
    return sorted(schema.model_fields, key=lambda key: key in shared)


def describe_field(key: str, field: FieldInfo, indent: int = 2) -> str:
    """Write one key: type, default, range, meaning, and the keys of the tables that it holds."""
    default = "required" if field.is_required() else f"default {shown(field.get_default(call_default_factory=True))}"
    ranges = ", ".join(text for text in map(bound, field.metadata) if text)
    kind = type_name(field.annotation)
    lines = [f"{' ' * indent}{key}  ({', '.join(part for part in (kind, ranges, default) if part)})"]
    margin = " " * (indent + 4)
    lines += textwrap.wrap(field.description or "", 74, initial_indent=margin, subsequent_indent=margin)
    for table in schemas(field.annotation):
        lines += describe_table(table, indent + 4)
    return "\n".join(lines)


def describe_table(table: type[BaseModel], indent: int) -> Iterator[str]:
    """Yield the keys of a table within a pass, below the word that tells it from others."""
    if issubclass(table, Builder):
        return
    tag = table.model_fields.get("op")
    if tag:
        yield f'{" " * indent}op = "{get_args(tag.annotation)[0]}": {first_line(table)}'
    for key, field in table.model_fields.items():
        if key != "op":
            yield describe_field(key, field, indent + 2 * bool(tag))


def shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def bound(item: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return " ".join(
        f"{sign} {getattr(item, name)}" for name, sign in signs.items() if getattr(item, name, None) is not None
    )


def type_name(annotation: Any) -> str:
    """Name a type as a recipe's writer sees it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(map(type_name, parts)))
    if origin is tuple:
        return f"list of {type_name(parts[0])}" if parts[-1] is ... else f"[{', '.join(map(type_name, parts))}]"
    if origin is Literal:
        return " | ".join(map(repr, parts))
    if annotation is type(None):
        return "none"
    is_table = issubclass(annotation, BaseModel) and annotation is not Builder
    return "table" if is_table else str(annotation.__name__)


def first_line(each: type) -> str:
    return (inspect.cleandoc(each.__doc__ or "").splitlines() or [""])[0]


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a whole recipe."""
    bounds = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "string"} for name in bounded()},
    }
    schema = Sections.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    options = []
    for name, each in PASSES.items():
        own = each.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(own.pop("$defs", {}))
        own["properties"]["expect"] = bounds
        definitions[f"pass-{name}"] = own
        options.append({"$ref": f"#/$defs/pass-{name}"})
    schema["properties"] |= {
        "pass": {"type": "array", "items": {"oneOf": options}},
        "targets": bounds,
        "device": DeviceSpec.model_json_schema(),
        "extends": {"type": "string"},
        "vars": {"type": "object"},
    }
    return schema
