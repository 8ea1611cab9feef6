"""What each pass does and takes, from the same class that checks and runs it."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

from pydantic.fields import FieldInfo

from tinyc.passes import PASSES
from tinyc.recipe.load import unknown_value
from tinyc.recipe.schema import Sections
from tinyc.targets import METRICS

KINDS = {"net": "Keras network", "flat": ".tflite"}


def list_passes() -> str:
    """One line a pass."""
    lines = [
        f"{name:10} {KINDS[each.takes]} -> {KINDS[each.gives]}: {first_line(each)}" for name, each in PASSES.items()
    ]
    return "\n".join([*lines, "", "tinyc passes NAME shows the keys of one"])


def describe_pass(name: str) -> str:
    """Everything that one pass takes."""
    if name not in PASSES:
        raise unknown_value("tinyc passes", "pass", name, PASSES)
    each = PASSES[name]
    head = f"{name}: {KINDS[each.takes]} -> {KINDS[each.gives]}\n\n{inspect.cleandoc(each.__doc__ or '')}\n"
    keys = "\n".join(describe_field(key, field) for key, field in each.model_fields.items() if key != "use")
    return f'{head}\nkeys of [[pass]] use = "{name}":\n{keys or "  none"}'


def describe_field(key: str, field: FieldInfo) -> str:
    """One key: type, default, range, meaning."""
    default = "required" if field.is_required() else f"default {shown(field.get_default(call_default_factory=True))}"
    ranges = ", ".join(text for text in map(bound, field.metadata) if text)
    kind = type_name(field.annotation)
    head = f"  {key}  ({', '.join(part for part in (kind, ranges, default) if part)})"
    body = textwrap.fill(field.description or "", 74, initial_indent="      ", subsequent_indent="      ")
    return f"{head}\n{body}" if body else head


def shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def bound(item: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return " ".join(
        f"{sign} {getattr(item, name)}" for name, sign in signs.items() if getattr(item, name, None) is not None
    )


def type_name(annotation: Any) -> str:
    text = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    for noise in ("typing.", "tinyc.builders.", "<class '", "'>", "tinyc.training.options.", "tinyc.passes."):
        text = text.replace(noise, "")
    return text.replace("NoneType", "none").replace("None", "none")


def first_line(each: type) -> str:
    return (inspect.cleandoc(each.__doc__ or "").splitlines() or [""])[0]


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a whole recipe."""
    bounds = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"type": "string"} for name in METRICS},
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
        "extends": {"type": "string"},
        "vars": {"type": "object"},
    }
    return schema
