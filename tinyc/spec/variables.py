"""`[vars]` and `${name}`: the values that a recipe names once, put where it uses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from tinyc.core import limits, units
from tinyc.core.errors import UserError
from tinyc.spec.lines import Keys

VARIABLE = re.compile(r"\$\{([A-Za-z_][\w-]*)\}")


class Variable:
    """One value, its text, and the bytes of it: each made once, however often it is used."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @cached_property
    def text(self) -> str:
        return str(self.value)

    @cached_property
    def bytes(self) -> int:
        return len(self.text.encode("utf-8", "surrogatepass"))


class Substitution:
    """Puts variables into a table, up to `limits.SUBSTITUTED_BYTES` in all.

    Args:
        variables: by name.
        where: words a key path, for messages.
    """

    def __init__(self, variables: dict[str, Any], where: Callable[[Keys], str]) -> None:
        self.variables = {name: Variable(value) for name, value in variables.items()}
        self.where = where
        self.bytes = 0

    def into(self, value: Any, keys: Keys = ()) -> Any:
        """Replace `${name}` at any depth; a string that is only `${name}` takes the variable's type.

        Raises:
            UserError: a variable is unknown, or all of them together become too large.
        """
        if isinstance(value, dict):
            return {key: self.into(item, (*keys, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.into(item, (*keys, index)) for index, item in enumerate(value)]
        return self.filled(value, keys) if isinstance(value, str) else value

    def filled(self, text: str, keys: Keys) -> Any:
        """Replace the variables of one string."""
        for name in VARIABLE.findall(text):
            self.bytes += self.known(name, keys).bytes
            if self.bytes > limits.SUBSTITUTED_BYTES:
                most = units.show_bytes(limits.SUBSTITUTED_BYTES)
                problem = f"${{{name}}} and the variables before it come to over {most} where they are put in"
                raise UserError(self.where(keys), problem, "use them less often, or make them shorter")
        whole = VARIABLE.fullmatch(text)
        if whole:
            return self.variables[whole[1]].value
        return VARIABLE.sub(lambda match: self.variables[match[1]].text, text)

    def known(self, name: str, keys: Keys) -> Variable:
        if name not in self.variables:
            known = ", ".join(sorted(self.variables)) or "none"
            raise UserError(self.where(keys), f"unknown variable ${{{name}}}", f"[vars] has {known}")
        return self.variables[name]
