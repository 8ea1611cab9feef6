"""Whether a saved network may name a class or a function: it stands in a table, by the exact name that Keras stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core.errors import UserError
from tinyc.network import checks
from tinyc.network.gate.classes import CLASSES, FUNCTION_LAYERS, FUNCTION_MODULES, MODULES, REFUSED, REGISTERED
from tinyc.network.gate.functions import FUNCTIONS, SLICES

REMEDY = (
    "write it with Keras' own layers and save the network again, "
    'or give `build = "file.py:function"` with `weights`, which runs your code and not the file\'s'
)
NAMELESS = "?"
NEWER = "save it with tf_keras (Keras 2), or give `build` with `weights`"


@dataclass(frozen=True)
class Rules:
    """What one file may name.

    Attributes:
        place: the file, for messages.
        own: names under which the recipe's own code has registered classes and functions, for a stored network.
        newer: the file is of Keras 3.
        layer, kind: the layer that is being looked at, and its class, for messages.
        free: that class is one of `own` or of tinyc, whose code alone looks its words up.
    """

    place: str
    own: frozenset[str] = frozenset()
    newer: bool = False
    layer: str = NAMELESS
    kind: str = "layer"
    free: bool = False

    def refused(self, problem: str, remedy: str = REMEDY) -> UserError:
        return UserError(self.place, f"layer {self.layer!r} {problem}", remedy)


def admit(given: Mapping[str, Any], kind: str, rules: Rules) -> None:
    """Refuse a class that is in no table, whichever of its three names Keras may look it up by."""
    if kind in REFUSED and kind not in rules.own:
        if kind in checks.CODE:
            raise checks.code_error(rules.place, rules.layer)
        raise rules.refused(f"is a {kind}, which {REFUSED[kind]}")
    if kind in FUNCTION_LAYERS:
        admit_function(given, kind, rules)
    if is_own(given, rules):
        return
    module, registered = given.get("module"), given.get("registered_name", kind)
    known = CLASSES if module is None else MODULES.get(plain(module), frozenset())
    if kind in known and registered in (None, kind):
        return
    if rules.newer:
        raise rules.refused(f"is a {kind} of {module}, which Keras 2 does not have as a layer", NEWER)
    origin = "" if module is None else f" of the module {str(module)[:80]!r}"
    alias = "" if registered in (None, kind) else f", registered as {str(registered)[:80]!r}"
    raise rules.refused(f"names the class {kind[:80]!r}{origin}{alias}, which is not among those that are read")


def is_own(given: Mapping[str, Any], rules: Rules) -> bool:
    """Say whether a class is one that the recipe's own code or tinyc has registered, under the name it is stored by."""
    kind, registered = given.get("class_name"), given.get("registered_name", given.get("class_name"))
    if not isinstance(registered, str) or registered not in REGISTERED | rules.own:
        return False
    return kind in (registered, registered.rpartition(">")[2])


def is_free(given: Mapping[str, Any], rules: Rules) -> bool:
    """Say whether its own code alone reads a class's settings: Keras has no class of that name to take instead."""
    kind = given["class_name"]
    return is_own(given, rules) and (kind not in CLASSES or kind in rules.own)


def admit_function(given: Mapping[str, Any], kind: str, rules: Rules) -> None:
    """Refuse a layer around a function of TensorFlow that does not only compute on tensors."""
    inner = given.get("config")
    name = inner.get("function") if isinstance(inner, dict) else None
    allowed = SLICES if kind == "SlicingOpLambda" else FUNCTIONS
    if not isinstance(name, str) or name not in allowed:
        raise rules.refused(f"is a {kind} that calls {str(name)[:80]!r}, which a saved network may not call")


def function(given: Mapping[str, Any], rules: Rules) -> None:
    """Refuse a function that is none of Keras' activations, losses, metrics and initializers."""
    name, module, registered = given.get("config"), given.get("module"), given.get("registered_name")
    if isinstance(name, str) and name in rules.own:
        return
    allowed = FUNCTION_MODULES.get(plain(module), frozenset())
    if not isinstance(name, str) or name not in allowed or registered not in (None, "function", name):
        shown = f"{str(module)[:80]}.{str(name)[:80]}"
        raise rules.refused(f"names the function {shown!r}, which a saved network may not name")


def plain(module: Any) -> str:
    """Return the name of a module as Keras 2 and Keras 3 both write it; some files have `tf_keras` for `keras`."""
    return module.removeprefix("tf_") if isinstance(module, str) else ""
