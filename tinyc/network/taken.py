"""The shape of the examples that a saved network takes, read off its configuration; nothing is built for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyc.network.gate import examine

Shape = tuple[int | None, ...]
SHAPES = ("batch_input_shape", "batch_shape")


def input_shape(path: Path, where: str) -> Shape | None:
    """Give the shape of one example as a saved network of one input takes it; None where the file does not say.

    Args:
        where: the key that names the file, for messages.

    Raises:
        UserError: the gate refuses the file.
    """
    with examine.admitted(path, f"{where} ({path})") as file:
        found = list(shapes(file.config))
    return found[0] if len(found) == 1 else None


def shapes(network: Any) -> Iterator[Shape]:
    """Give the shape of each input of a network's table; of a sequential one, what its first layer says."""
    config = network.get("config") if isinstance(network, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or not layers:
        return
    chain = network.get("class_name") == "Sequential"
    for layer in layers[:1] if chain else layers:
        if chain and isinstance(layer, dict) and isinstance(layer.get("config"), dict) and "layers" in layer["config"]:
            yield from shapes(layer)
        elif isinstance(layer, dict) and (chain or layer.get("class_name") == "InputLayer"):
            yield from shape_of(layer.get("config"))


def shape_of(config: Any) -> Iterator[Shape]:
    """Read the sides behind the batch: a list, or how Keras spells a tuple or a shape in HDF5 and SavedModels."""
    given = next((config[key] for key in SHAPES if key in config), None) if isinstance(config, dict) else None
    sides = given.get("items", given.get("config")) if isinstance(given, dict) else given
    if isinstance(sides, list) and all(side is None or isinstance(side, int) for side in sides):
        yield tuple(sides[1:])
