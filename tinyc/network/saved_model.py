"""The network of a SavedModel, built of Keras' own layers; its graphs are not loaded and nothing in them is run."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.gate import bounded, saved_model

REMEDY = "save the network from Keras as .keras or .h5"


def build(folder: Path, config: Any, place: str) -> Any:
    """Build the network and give it the variables.

    Args:
        folder: holds `variables/`, as the gate copied it.
        config: `class_name` and `config` of the network, which the gate let through.

    Raises:
        UserError: Keras cannot build it, or a weight of it has no value in the file.
    """
    try:
        held = count_variables(folder / saved_model.VARIABLES / "variables", place)
        with bounded.weights(held, place):
            model = backend.keras().models.model_from_config(decoded(config))
        restore(model, folder, place)
    except UserError:
        raise
    except Exception as error:
        problem = f"cannot be built of Keras' own layers: {bounded.reason(error)}"
        raise UserError(place, problem, REMEDY) from error
    return model


def decoded(value: Any) -> Any:
    """Give back the values that JSON lacks and Keras spells out: tuples, shapes, bytes, the ellipsis."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("class_name"):
        case "__tuple__":
            value = tuple(decoded(item) for item in value["items"])
        case "TensorShape":
            value = backend.tensorflow().TensorShape(value["items"])
        case "__bytes__":
            value = str(value["value"]).encode()
        case "__ellipsis__":
            value = Ellipsis
        case _:
            value = {key: decoded(item) for key, item in value.items()}
    return value


def restore(model: Any, folder: Path, place: str) -> None:
    """Give each weight its value by its place among the objects, as a checkpoint does.

    Raises:
        UserError: the file has no value for a weight, or its layers stand in another order.
    """
    prefix = folder / saved_model.VARIABLES / "variables"
    names = {at: str(layer.get("name")) for at, layer in saved_model.layers(folder).items()}
    refuse_other_order(model, "root", names, place)
    backend.tensorflow().train.Checkpoint(model).read(str(prefix)).assert_existing_objects_matched().expect_partial()
    for part in model.submodules:
        if isinstance(part, backend.keras().layers.Layer):
            part.finalize_state()


def count_variables(prefix: Path, place: str) -> int:
    """Count the numbers of all variables; refuse those that claim more bytes than the files have."""
    reader = backend.tensorflow().train.load_checkpoint(str(prefix))
    kinds, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    total = sum(prod(shape) * max(1, kinds[name].size) for name, shape in shapes.items())
    size = sum(path.stat().st_size for path in prefix.parent.iterdir())
    if total > size + limits.UNPACKED_SPARE_BYTES:
        raise UserError(place, f"its variables unpack to {total} bytes, and the files have {size}", REMEDY)
    return sum(map(prod, shapes.values()))


def refuse_other_order(model: Any, at: str, names: dict[str, str], place: str) -> None:
    """Refuse a network whose layers with weights are not those that the file has in their places."""
    for index, layer in enumerate(layer for layer in model.layers if layer.weights):
        own = f"{at}.layer_with_weights-{index}"
        if names.get(own, layer.name) != layer.name:
            raise UserError(place, f"has the weights of {names[own]!r} where {layer.name!r} stands", REMEDY)
        if isinstance(layer, backend.keras().Model):
            refuse_other_order(layer, own, names, place)
