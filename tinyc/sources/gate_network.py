"""What the configuration of a saved network may name: the classes and functions of two tables, and nothing else.

Keras makes objects of a configuration by names: a class in a module of the file's choice, a function of TensorFlow, an
activation. So every table at any depth that names something is looked at, before TensorFlow is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tinyc.errors import UserError
from tinyc.sources import checks, gate_graph
from tinyc.sources.gate_classes import (
    ACTIVATIONS,
    CLASSES,
    CONSTRAINTS,
    FUNCTION_LAYERS,
    FUNCTION_MODULES,
    INITIALIZERS,
    LOSSES,
    METRICS,
    MODULES,
    NETWORKS,
    OPTIMIZERS,
    REFUSED,
    REGISTERED,
    REGULARIZERS,
)
from tinyc.sources.gate_functions import FUNCTIONS, SLICES

REMEDY = (
    "write it with Keras' own layers and save the network again, "
    'or give `build = "file.py:function"` with `weights`, which runs your code and not the file\'s'
)
INLINE = "save the layer with its vocabulary as a list of words: StringLookup(vocabulary=[...])"
NEWER = "save it with tf_keras (Keras 2), or give `build` with `weights`"
NAMING = ("class_name", "registered_name", "module")
CONTENTS = {"__tuple__": "items", "TensorShape": "items", "__bytes__": "value", "__ellipsis__": ""}
"""How Keras writes values that JSON lacks, and where each keeps its content."""
ARRAYS = ("__tensor__", "__numpy__", "__keras_tensor__")
CODECS = ("utf-8", "utf8", "UTF-8", "ascii", "latin-1")
WORDS = {
    "activation": ACTIVATIONS,
    "encoding": frozenset(CODECS),
    "fn": LOSSES | METRICS,
    "initializer": INITIALIZERS,
    "loss": LOSSES,
    "metrics": METRICS,
    "optimizer": OPTIMIZERS,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
    "split": frozenset({"whitespace", "character"}),
    "standardize": frozenset({"lower_and_strip_punctuation", "lower", "strip_punctuation"}),
    "weighted_metrics": METRICS,
}
"""The settings whose words Keras looks up, and what they may say; a setting is told by the last word of its name."""


@dataclass(frozen=True)
class Rules:
    """What one file may name.

    Attributes:
        place: the file, for messages.
        own: names under which the recipe's own code has registered classes and functions, for a stored network.
        newer: the file is of Keras 3.
        layer, kind: the layer that is being looked at, and its class, for messages.
    """

    place: str
    own: frozenset[str] = frozenset()
    newer: bool = False
    layer: str = "?"
    kind: str = "layer"

    def refused(self, problem: str, remedy: str = REMEDY) -> UserError:
        return UserError(self.place, f"layer {self.layer!r} {problem}", remedy)


def check(config: Any, rules: Rules) -> None:
    """Refuse a network's configuration that names what is in neither table.

    Args:
        config: `class_name` and `config` of a network, as parsed JSON. How it was compiled is not read with it.

    Raises:
        UserError: it names another class or function, or is no network; names the layer and what to write instead.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise UserError(rules.place, "its configuration describes no network", "save the network again")
    if config["class_name"] not in NETWORKS | rules.own:
        problem = f"holds a subclassed model ({config['class_name'][:80]!r}), whose code is not in the file"
        raise UserError(rules.place, problem, "give `build` with `weights`")
    check_layer({key: item for key, item in config.items() if key != "compile_config"}, rules)


def check_layer(table: Any, rules: Rules) -> None:
    """Refuse the table of one layer, or of a network, that names what is in neither table.

    Raises:
        UserError: as `check`.
    """
    try:
        value(table, rules)
    except RecursionError as error:
        raise UserError(rules.place, "its configuration is nested too deep", "save the network again") from error


def value(given: Any, rules: Rules) -> None:
    """Look at any value; what names something does so in a table."""
    if isinstance(given, list):
        for item in given:
            value(item, rules)
    elif isinstance(given, dict):
        if any(key in given for key in NAMING):
            named(given, rules)
        elif "_TYPE" in given:
            raise rules.refused("is given a tensor of several parts, which is not read")
        else:
            settings(given, rules)


def settings(given: Mapping[str, Any], rules: Rules) -> None:
    """Look at settings by their names: some words are looked up, and a vocabulary may be a file."""
    for key, item in given.items():
        if key == "vocabulary":
            vocabulary(item, rules)
        elif (allowed := WORDS.get(last_word(key))) is not None:
            words(key, item, allowed, rules)
        else:
            value(item, rules)


def last_word(key: str) -> str:
    """Give `initializer` for `kernel_initializer`, and a name that is a setting of its own as it is."""
    return key if key in WORDS else key.rpartition("_")[2]


def words(key: str, given: Any, allowed: frozenset[str], rules: Rules) -> None:
    """Refuse a word that is not among those allowed, alone or in a list or table of them."""
    if isinstance(given, str):
        if given not in allowed | rules.own:
            raise rules.refused(f"has {key} {given[:80]!r}, which is none of Keras' own")
    elif isinstance(given, list):
        for item in given:
            words(key, item, allowed, rules)
    elif isinstance(given, dict) and not any(name in given for name in NAMING):
        for item in given.values():
            words(key, item, allowed, rules)
    else:
        value(given, rules)


def vocabulary(given: Any, rules: Rules) -> None:
    """Refuse a vocabulary that is not there itself: Keras takes a text for the name of a file."""
    if isinstance(given, dict) and given.get("class_name") == "__tuple__":
        given = given.get("items")
    inline = isinstance(given, list) and all(isinstance(word, str | int) for word in given)
    if not (inline or given is None or isinstance(given, int)):
        raise rules.refused(f"is a {rules.kind} that takes its vocabulary from the file {str(given)[:80]!r}", INLINE)


def named(given: Mapping[str, Any], rules: Rules) -> None:
    """Look at a table that names something."""
    kind = given.get("class_name")
    if not isinstance(kind, str):
        raise rules.refused("names something without its class")
    if kind in CONTENTS:
        content(given, CONTENTS[kind], rules)
    elif kind in ARRAYS:
        numbers(given.get("config"), rules)
    elif kind == "function":
        function(given, rules)
    else:
        if kind not in INITIALIZERS | REGULARIZERS | CONSTRAINTS:
            rules = replace(rules, layer=name_of(given), kind=kind[:80])
        admit(given, kind, rules)
        settings({key: item for key, item in given.items() if key not in NAMING}, rules)
        refuse_endless(given.get("config"), rules)


def refuse_endless(config: Any, rules: Rules) -> None:
    """Refuse a network whose layers wait for each other."""
    if rules.newer or not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return
    found = gate_graph.problem(config) if "input_layers" in config else None
    if found:
        raise rules.refused(found, "save the network again")


def name_of(given: Mapping[str, Any]) -> str:
    """The name by which a person knows the layer."""
    inner = given.get("config")
    names = [given.get("name"), inner.get("name") if isinstance(inner, dict) else None, given["class_name"]]
    return str(next(name for name in names if isinstance(name, str)))[:80]


def content(given: Mapping[str, Any], key: str, rules: Rules) -> None:
    """Look at a value that JSON lacks."""
    if set(given) - {"class_name", key}:
        raise rules.refused(f"holds a {given['class_name']} with other settings than Keras writes")
    value(given.get(key), rules)


def numbers(given: Any, rules: Rules) -> None:
    """Refuse an array that is described by anything but numbers and words."""
    waiting = list(given.values()) if isinstance(given, dict) else [{}]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            raise rules.refused("holds an array that is no list of numbers")
        waiting += item if isinstance(item, list) else []


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
    """The name of a module as Keras 2 and Keras 3 both write it; some files have `tf_keras` for `keras`."""
    return module.removeprefix("tf_") if isinstance(module, str) else ""


def admit(given: Mapping[str, Any], kind: str, rules: Rules) -> None:
    """Refuse a class that is in no table, whichever of its three names Keras may look it up by."""
    if kind in REFUSED and kind not in rules.own:
        if kind in checks.CODE:
            raise checks.code_error(rules.place, rules.layer)
        raise rules.refused(f"is a {kind}, which {REFUSED[kind]}")
    if kind in FUNCTION_LAYERS:
        admit_function(given, kind, rules)
    module, registered = given.get("module"), given.get("registered_name", kind)
    if registered in REGISTERED | rules.own and kind in (registered, registered.rpartition(">")[2]):
        return
    known = CLASSES if module is None else MODULES.get(plain(module), frozenset())
    if kind in known and registered in (None, kind):
        return
    if rules.newer:
        raise rules.refused(f"is a {kind} of {module}, which Keras 2 has not as a layer", NEWER)
    origin = "" if module is None else f" of the module {str(module)[:80]!r}"
    alias = "" if registered in (None, kind) else f", registered as {str(registered)[:80]!r}"
    raise rules.refused(f"names the class {kind[:80]!r}{origin}{alias}, which is none of those that are read")


def admit_function(given: Mapping[str, Any], kind: str, rules: Rules) -> None:
    """Refuse a layer around a function of TensorFlow that does not only compute on tensors."""
    inner = given.get("config")
    name = inner.get("function") if isinstance(inner, dict) else None
    allowed = SLICES if kind == "SlicingOpLambda" else FUNCTIONS
    if not isinstance(name, str) or name not in allowed:
        raise rules.refused(f"is a {kind} that calls {str(name)[:80]!r}, which a saved network may not call")
