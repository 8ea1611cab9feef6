"""Weights from a file into a network that is built: .h5 by layer, .keras by Keras' order, .npz by name or in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from tinyc.core.errors import UserError
from tinyc.network.arrays import read_npz
from tinyc.network.gate import examine
from tinyc.network.gate.bounded import reason

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError, MemoryError)
Weights = Mapping[str, list[Any]]


def load_weights(model: Any, path: Path, where: str) -> None:
    """Load all weights of a network from a file.

    Args:
        path: an .h5 that Keras 2 wrote (weights or a whole network), a .keras, or an .npz with names like
            `layer/kernel` or with `arr_0, arr_1, ...` in the order of `model.get_weights()`.

    Raises:
        UserError: the file cannot be read, or has other layers or shapes; the first one is named.
    """
    place = f"{where} ({path})"
    with examine.admitted_weights(path, place) as copy:
        load_admitted(model, copy, place)


def load_admitted(model: Any, path: Path, place: str) -> None:
    """Load weights by the kind of their file."""
    if path.name.endswith(".weights.h5"):
        load_tracked(model, path, place)
    elif path.suffix in (".h5", ".hdf5"):
        load_by_layer(model, read_h5(path, place), place)
    elif path.suffix == ".npz":
        load_npz(model, path, place)
    else:
        raise UserError(
            place, f"{path.suffix or 'no suffix'} is not a kind of weights file", "give .h5, .keras or .npz"
        )


def load_tracked(model: Any, path: Path, place: str) -> None:
    """Load a `.weights.h5`, the newer layout, by Keras' own reader."""
    try:
        model.load_weights(path)
    except Exception as error:
        raise UserError(
            place, f"does not fit the network: {reason(error)}", "save the weights of the same network"
        ) from error


def read_h5(path: Path, place: str) -> Weights:
    """Read the arrays of each layer of an .h5 that holds weights or a whole network."""
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            names = [decoded(name) for name in group.attrs["layer_names"]]
            found = {
                name: [group[name][decoded(key)][()] for key in group[name].attrs["weight_names"]] for name in names
            }
    except UNREADABLE as error:
        raise UserError(
            place, f"is not a Keras weights file, or is damaged: {error}", "save the weights again"
        ) from error
    return {name: arrays for name, arrays in found.items() if arrays}


def decoded(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def load_by_layer(model: Any, found: Weights, place: str) -> None:
    """Set each layer's weights by its name; by order where no name agrees (names are often numbered by chance)."""
    layers = [layer for layer in model.layers if layer.weights]
    if not {layer.name for layer in layers} & set(found) and len(layers) == len(found):
        found = {layer.name: arrays for layer, arrays in zip(layers, found.values(), strict=True)}
    missing = [layer.name for layer in layers if layer.name not in found]
    extra = [name for name in found if name not in {layer.name for layer in layers}]
    if missing or extra:
        problem = (
            f"has no weights for {missing[0]!r}" if missing else f"has weights for {extra[0]!r}, which is not a layer"
        )
        raise UserError(place, problem, "save the weights of the same network")
    for layer in layers:
        check_shapes(layer.weights, found[layer.name], f"layer {layer.name!r}", place)
    for layer in layers:
        layer.set_weights(found[layer.name])


def load_npz(model: Any, path: Path, place: str) -> None:
    """Set all weights from arrays by weight name, or in order."""
    arrays = read_npz(path, place)
    names = [weight.name.partition(":")[0] for weight in model.weights]
    if not set(names) & set(arrays):
        names = [f"arr_{index}" for index in range(len(names))]
    missing = [name for name in names if name not in arrays]
    if missing or len(arrays) != len(names):
        problem = f"has no array {missing[0]!r}" if missing else f"has {len(arrays)} arrays for {len(names)} weights"
        raise UserError(place, problem, "name the arrays as the weights, or numpy.savez(path, *model.get_weights())")
    ordered = [arrays[name] for name in names]
    check_shapes(model.weights, ordered, "the network", place)
    model.set_weights(ordered)


def check_shapes(weights: list[Any], arrays: list[Any], whose: str, place: str) -> None:
    """Refuse the first array whose shape is not its weight's."""
    if len(weights) != len(arrays):
        raise UserError(place, f"{whose} has {len(weights)} weights, the file {len(arrays)}", "save them again")
    for weight, array in zip(weights, arrays, strict=True):
        if tuple(weight.shape) != tuple(array.shape):
            raise UserError(
                place,
                f"{whose}: {weight.name} is {tuple(weight.shape)}, and the file has {tuple(array.shape)}",
                "use the weights of a network with the same shapes",
            )
