"""`--set KEY=VALUE`: one key of a recipe changed on the command line."""

from __future__ import annotations

import tomllib
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.spec import values


def apply(table: dict[str, Any], text: str) -> None:
    """Set one key: `seed=3`, `pass.2.fraction=0.5`, or `pass.prune.fraction` where there is one prune.

    Raises:
        UserError: the text is not KEY=VALUE, or its key leads nowhere.
    """
    key, equals, value = text.partition("=")
    where = f"--set {text}"
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        raise UserError(where, "is not of the form KEY=VALUE", "for example --set pass.2.fraction=0.5")
    if keys[0] == "extends":
        raise UserError(where, "comes too late: extends is read before --set", "write it into a recipe of your own")
    if len(keys) > limits.NESTING:
        raise values.too_deep(where)
    current: Any = table
    for part in keys[:-1]:
        current = step_into(current, part, where)
    if not isinstance(current, dict):
        raise UserError(where, f"{'.'.join(keys[:-1])} is not a table", "name a key inside a section or a pass")
    current[keys[-1]] = literal(value.strip(), where)


def step_into(current: Any, part: str, where: str) -> Any:
    """Go one key down, or into a list by number (from 1) or by the name of a pass."""
    if isinstance(current, dict):
        return current.setdefault(part, {})
    if not isinstance(current, list):
        raise UserError(where, f"there is nothing below {part!r}", "name a section or a pass")
    numbered = {str(number): item for number, item in enumerate(current, start=1)}
    if part in numbered:
        return numbered[part]
    if part.isdecimal():
        raise UserError(where, f"there is no pass {part}", f"passes are numbered 1 to {len(current)}")
    found = [item for item in current if isinstance(item, dict) and item.get("use") == part]
    if len(found) != 1:
        raise UserError(
            where, f"the recipe has {len(found)} passes named {part!r}", "give the number: pass.2.key=value"
        )
    return found[0]


def literal(text: str, where: str) -> Any:
    """Read a TOML value; what is none is a string."""
    values.require_shallow(text, where)
    try:
        table = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return table["value"] if len(table) == 1 else text
