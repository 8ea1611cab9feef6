"""Saved networks, read after the gate: HDF5 and .keras of Keras 2 by Keras, the rest built of Keras 2's layers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinyc.core.errors import TinycError, UserError
from tinyc.network import backend, checks, keras3, saved_model
from tinyc.network.flatten import flat
from tinyc.network.gate import bounded, examine
from tinyc.network.logits import cut_softmax, refuse_probabilities
from tinyc.network.rewriting.function_layers import Say
from tinyc.network.rewriting.functions import in_layers


def read_network(path: Path, where: str, say: Say = lambda _: None) -> Any:
    """Read a saved network and make it a flat functional network of logits; nothing in the file is run.

    Args:
        path: an HDF5 file, a .keras file of Keras 2 or 3, or a SavedModel folder.
        where: the key that names it, for messages.
        say: told what became of functions of TensorFlow.

    Raises:
        UserError: no such file, a damaged one, one that the gate refuses, or one that cannot be converted.
        MachineError: the conversion from Keras 3 could not run.
    """
    place = f"{where} ({path})"
    with examine.admitted(path, place) as file:
        return prepared(build_admitted(file, {}, place), place, lambda model: in_layers(model, say))


def read_own(path: Path, where: str, custom: Mapping[str, type] | None = None) -> Any:
    """Read a network that tinyc wrote, as `read_network` does; it may hold layers of the recipe's own code.

    Args:
        path: an HDF5 file of Keras 2.
        custom: the layer classes of the recipe's builders, by name; None where only layers of tinyc and Keras may be.

    Raises:
        UserError: it is damaged, or the gate refuses it.
    """
    place = f"{where} ({path})"
    own = frozenset() if custom is None else own_names(custom)
    with examine.admitted(path, place, own, ours=True) as file:
        return prepared(build_admitted(file, custom or {}, place), place)


def own_names(custom: Mapping[str, type]) -> frozenset[str]:
    """Return every name under which the recipe's own code, which has been run, registered something with Keras."""
    if not custom and not backend.loaded():
        return frozenset()
    known = backend.keras().saving.get_custom_objects()
    registered = [name for name, item in known.items() if not checks.of_a_library(str(getattr(item, "__module__", "")))]
    return frozenset([*custom, *registered])


def build_admitted(file: examine.Admitted, custom: Mapping[str, type], place: str) -> Any:
    """Make a network of what the gate let through."""
    # Where its layers, and those of `blocks`, get known to Keras: a file is judged before TensorFlow is imported.
    importlib.import_module("tinyc.network.arithmetic")
    if file.newer:
        return keras3.convert(file.path, file.held, place)
    if file.kind == "saved_model":
        return saved_model.build(file.path, file.config, place)
    try:
        with bounded.weights(file.held, place):
            return backend.keras().models.load_model(file.path, custom, compile=False, safe_mode=True)
    except TinycError:
        raise
    except Exception as error:
        raise UserError(place, f"Keras cannot load it: {bounded.reason(error)}", examine.AGAIN) from error


def prepared(model: Any, place: str, rewrite: Callable[[Any], Any] = lambda model: model) -> Any:
    """Make a network that was read flat, with logits out; `rewrite` is done to the flat one."""
    checks.is_network(model, place)
    if not checks.has_graph(model):
        raise UserError(place, "holds a subclassed model, whose code is not in the file", "give `build` with `weights`")
    checks.refuse_code(model, place)
    bounded.refuse_large(model, place)
    if any(tensor.dtype.name == "string" for tensor in model.inputs):
        raise UserError(place, "takes text, and a device gets numbers", "cut the layer off that looks the words up")
    checks.one_each(model, place)
    model = cut_softmax(rewrite(flat(model, place)), place)
    refuse_probabilities(model, place)
    return model
