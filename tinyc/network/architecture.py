"""A network in two parts that hold no code: its architecture as JSON, its weights as safetensors.

    architecture    what Keras' `to_json` writes, in the form that it has in an .h5
    weights         "<layer>/<index>", in the order of the layer's weights

It is how a network goes from one machine to another; a file of a user's is read by `opening`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tinyc.core.errors import TinycError, UserError
from tinyc.network import backend, checks, opening
from tinyc.network.gate import bounded, json_text, network
from tinyc.network.gate.names import Rules
from tinyc.network.saved_model import decoded

DAMAGE = (SafetensorError, ValueError, KeyError, TypeError, OverflowError)
"""What the reader of safetensors, and NumPy after it, raise of bytes that are none."""
AGAIN = "make it again with the same tinyc"


def described(model: Any) -> tuple[str, bytes]:
    """Write a network down: its architecture as JSON, and its weights as safetensors.

    Raises:
        NotImplementedError, TypeError, ValueError: a layer of it cannot be described.
    """
    model.use_legacy_config = True  # layers within layers are then named as in an .h5, which the gate reads
    try:
        architecture: str = model.to_json(sort_keys=True)
    finally:
        del model.use_legacy_config
    weights = {
        f"{layer.name}/{index}": np.asarray(array, order="C")
        for layer in model.layers
        for index, array in enumerate(layer.get_weights())
    }
    return architecture, bytes(save(weights))


def built(architecture: str, weights: bytes, place: str) -> Any:
    """Build a network of its two parts and make it flat, with logits out; nothing in them is run.

    Args:
        place: what they are called in messages.

    Raises:
        UserError: a part is damaged, the gate refuses it, or the weights are not those of the layers.
    """
    try:
        config, arrays = json_text.parse(architecture), load(weights)
    except DAMAGE as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
    network.check_network(config, Rules(place))
    refuse_newer(config, place)
    try:
        with bounded.weights(sum(array.size for array in arrays.values()), place):
            model = backend.keras().models.model_from_config(decoded(config))
        checks.is_network(model, place)
        fill(model, arrays, place)
    except TinycError:
        raise
    except Exception as error:  # Keras raises of all kinds on what another machine describes
        raise UserError(place, f"Keras cannot build it: {bounded.reason(error)}", AGAIN) from error
    return opening.prepared(model, place)


def refuse_newer(config: Mapping[str, Any], place: str) -> None:
    """Refuse an architecture that Keras 3 wrote."""
    if str(config.get("keras_version", "")).startswith("3"):
        raise UserError(place, "is of Keras 3, and tinyc writes Keras 2", AGAIN)


def fill(model: Any, arrays: Mapping[str, NDArray[Any]], place: str) -> None:
    """Give each layer its weights.

    Raises:
        UserError: an array is missing, is no layer's, or has another shape or type.
    """
    wanted = {f"{layer.name}/{index}": each for layer in model.layers for index, each in enumerate(layer.weights)}
    if odd := sorted(set(wanted) ^ set(arrays)):
        problem = "is not among its arrays" if odd[0] in wanted else "is no weight of its layers"
        raise UserError(place, f"{odd[0][:80]!r} {problem}", AGAIN)
    for name, variable in wanted.items():
        array, shape = arrays[name], tuple(variable.shape)
        if array.shape != shape or array.dtype != variable.dtype.as_numpy_dtype:
            problem = f"{name!r} is {array.dtype} {array.shape}, and its layer has {variable.dtype.name} {shape}"
            raise UserError(place, problem, AGAIN)
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{index}"] for index in range(len(layer.weights))])
