"""Which layers an option names: a name, a glob, `re:` or `type:`, matched in the Net that enters the pass."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest


def select(model: Any, selectors: Sequence[str], where: str) -> list[Any]:
    r"""List the layers of a Keras network that at least one selector names, in the network's order.

    Args:
        model: a flat Keras network without wrappers.
        selectors: `conv2_block1_conv` | `conv2_*` | `re:conv\d+_.*` (fullmatch) | `type:Conv2D`.
        where: the key path that the selectors come from, for the message.

    Raises:
        UserError: a selector is not a valid pattern, or matches nothing.
    """
    chosen: set[str] = set()
    for selector in selectors:
        found = [layer.name for layer in model.layers if matches(selector, layer.name, type(layer).__name__, where)]
        if not found:
            raise UserError(where, f"{selector!r} matches no layer", hint(selector, model.layers))
        chosen.update(found)
    return [layer for layer in model.layers if layer.name in chosen]


def matches(selector: str, name: str, type_name: str, where: str = "selector") -> bool:
    """Say whether one selector names the layer `name` of class `type_name`."""
    if selector.startswith("type:"):
        return selector[5:] == type_name
    if selector.startswith("re:"):
        try:
            return re.fullmatch(selector[3:], name) is not None
        except (re.error, RecursionError, OverflowError) as error:
            raise UserError(
                where, f"{selector!r} is not a regular expression: {error}", "see Python's re module"
            ) from error
    return fnmatch.fnmatchcase(name, selector)


def hint(selector: str, layers: Iterable[Any]) -> str:
    """Offer the nearest names, or what the network has."""
    layers = list(layers)
    if selector.startswith("type:"):
        return "the network has the types " + ", ".join(sorted({type(layer).__name__ for layer in layers}))
    names = [layer.name for layer in layers]
    close = nearest(selector.removeprefix("re:"), names, most=3)
    return "did you mean " + ", ".join(close) + "?" if close else "the layers are " + ", ".join(names[:12]) + " ..."
