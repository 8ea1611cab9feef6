"""What the configuration of a saved network may name: the classes and functions of two tables, and nothing else.

Keras makes objects of a configuration by names: a class in a module of the file's choice, a function of TensorFlow, an
activation. So every table at any depth that names something is looked at, before TensorFlow is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tinyc.core.errors import UserError
from tinyc.network.gate import graph, sizes
from tinyc.network.gate.classes import (
    ACTIVATIONS,
    CONSTRAINTS,
    INITIALIZERS,
    LOSSES,
    METRICS,
    NETWORKS,
    OPTIMIZERS,
    REGULARIZERS,
)
from tinyc.network.gate.names import NAMELESS, Rules, admit, function, is_free

AGAIN = "save the network again"
INLINE = "save the layer with its vocabulary as a list of words: StringLookup(vocabulary=[...])"
NAMING = ("class_name", "registered_name", "module")
CONTENTS = {"__tuple__": "items", "TensorShape": "items", "__bytes__": "value", "__ellipsis__": ""}
"""How Keras writes values that JSON lacks, and where each keeps its content."""
ARRAYS = ("__tensor__", "__numpy__", "__keras_tensor__", "__slice__")
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
"""The settings whose words Keras looks up, and what they may say; a setting is known by the last word of its name."""


def check_network(config: Any, rules: Rules) -> None:
    """Refuse a network's configuration that names what is in neither table.

    Args:
        config: `class_name` and `config` of a network, as parsed JSON. How it was compiled is not read with it.

    Raises:
        UserError: it names another class or function, or is no network; names the layer and what to write instead.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise UserError(rules.place, "its configuration describes no network", AGAIN)
    if config["class_name"] not in NETWORKS | rules.own:
        problem = f"holds a subclassed model ({config['class_name'][:80]!r}), whose code is not in the file"
        raise UserError(rules.place, problem, "give `build` with `weights`")
    if found := sizes.of_table(config):
        raise UserError(rules.place, found, AGAIN)
    check_layer({key: item for key, item in config.items() if key != "compile_config"}, rules)


def check_layer(table: Any, rules: Rules) -> None:
    """Refuse the table of one layer, or of a network, that names what is in neither table.

    Raises:
        UserError: as `check_network`.
    """
    try:
        value(table, rules)
    except RecursionError as error:
        raise UserError(rules.place, "its configuration is nested too deeply", AGAIN) from error


def value(given: Any, rules: Rules) -> None:
    """Look at any value; what names something does so in a table."""
    if isinstance(given, list):
        for item in given:
            value(item, rules)
    elif isinstance(given, dict):
        if any(key in given for key in NAMING):
            check_reference(given, rules)
        elif "_TYPE" in given:
            raise rules.refused("is given a tensor of several parts, which is not read")
        else:
            settings(given, rules)


def settings(given: Mapping[str, Any], rules: Rules) -> None:
    """Look at settings by their names: some words are looked up, and a vocabulary may be a file."""
    for key, item in given.items():
        if found := sizes.problem(key, item):
            raise rules.refused(found, sizes.REMEDY)
        if rules.free:
            value(item, rules)
        elif key == "vocabulary":
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
            raise rules.refused(f"has {key} {given[:80]!r}, which is not one of Keras' own")
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


def check_reference(given: Mapping[str, Any], rules: Rules) -> None:
    """Look at a table that names something."""
    kind = given.get("class_name")
    if not isinstance(kind, str):
        raise rules.refused("names something without its class")
    if kind in CONTENTS:
        content(given, CONTENTS[kind], rules)
    elif kind in ARRAYS:
        check_array(given.get("config"), rules)
    elif kind == "function":
        function(given, rules)
    else:
        if kind not in INITIALIZERS | REGULARIZERS | CONSTRAINTS:
            rules = replace(rules, layer=name_of(given, rules), kind=kind[:80], free=is_free(given, rules))
        admit(given, kind, rules)
        settings({key: item for key, item in given.items() if key not in NAMING}, rules)
        refuse_graph(given.get("config"), kind, rules)


def refuse_graph(config: Any, kind: str, rules: Rules) -> None:
    """Refuse a network whose layers are none, or wait for each other."""
    try:
        if kind in ("Functional", "Model") or (isinstance(config, dict) and "input_layers" in config):
            graph.check_graph(config, rules.newer)
        elif kind == "Sequential":
            graph.listed(config)
    except ValueError as error:
        raise rules.refused(str(error), AGAIN) from error


def name_of(given: Mapping[str, Any], rules: Rules) -> str:
    """Return the name by which a person knows the layer: its own, that of the layer around it, or its class."""
    inner = given.get("config")
    own = [given.get("name"), inner.get("name") if isinstance(inner, dict) else None]
    names = [*own, rules.layer if rules.layer != NAMELESS else None, given["class_name"]]
    return str(next(name for name in names if isinstance(name, str)))[:80]


def content(given: Mapping[str, Any], key: str, rules: Rules) -> None:
    """Look at a value that JSON lacks."""
    if set(given) == {"class_name", "config"}:  # as a .keras has it; HDF5 and SavedModels have the key of `CONTENTS`
        check_array(given["config"], rules)
    elif set(given) - {"class_name", key}:
        raise rules.refused(f"holds a {given['class_name']} with other settings than Keras writes")
    else:
        value(given.get(key), rules)


def check_array(given: Any, rules: Rules) -> None:
    """Refuse an array that is described by anything but numbers and words."""
    waiting = list(given.values()) if isinstance(given, dict) else [{}]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            raise rules.refused("holds an array that is not a list of numbers")
        waiting += item if isinstance(item, list) else []
