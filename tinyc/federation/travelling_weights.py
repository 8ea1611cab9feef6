"""Which variables of a network travel between server and clients, by names that both sides agree on.

    <layer>/<variable>, e.g. conv1/kernel; of layers in wrappers (TFMOT's "quant_conv1", tinyc's own) the one inside

Averaging anything else goes wrong in silence: masks and ranges are not means, and statistics of batch normalization
belong to the data that they were taken on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network import backend, selectors
from tinyc.network.signal_layers import is_fixed
from tinyc.quantization.wrappers import inside

BatchNorm = Literal["frozen", "local"]


def travelling(model: Any, trainable: Sequence[str], batchnorm: BatchNorm) -> dict[str, Any]:
    """List the variables that clients train and send, by name, in the network's order.

    They are the trainable float weights of the selected layers, and of no batch normalization: with
    batchnorm = "frozen" its scale and shift stay as they are, and with "local" each client keeps its own.

    Args:
        model: a flat functional network, plain or in wrappers for training under int8 rounding.
        trainable: selectors of layers; none given is all.

    Raises:
        UserError: a selector matches nothing, or nothing is left to train.
    """
    chosen = trained_layers(model, trainable)
    found: dict[str, Any] = {}
    for layer in model.layers:
        inner = inside(layer)
        if inner.name in chosen and not is_batchnorm(inner):
            found |= dict(named(inner.name, layer.trainable_weights))
    if not found:
        remedy = (
            "name layers with weights in `trainable`; batch normalization and what `preprocess` made are not trained"
        )
        raise UserError("federate.trainable", "leaves nothing to train and to send", remedy)
    return found


def limit(model: Any, trainable: Sequence[str], batchnorm: BatchNorm) -> None:
    """Make a plain network train what travels, and with "local" its batch normalization; nothing else."""
    chosen = trained_layers(model, trainable)
    for layer in model.layers:
        layer.trainable = layer.name in chosen and (batchnorm == "local" or not is_batchnorm(layer))


def values(variables: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Read the variables; a scalar becomes an array of no dimensions."""
    return {name: np.asarray(variable.numpy(), np.float32) for name, variable in variables.items()}


def assign(variables: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into the variables of the same names.

    Raises:
        UserError: a name is missing or unknown, a shape is another, or a value is not finite.
    """
    remedy = "let the server and its clients work on the same job"
    if set(arrays) != set(variables):
        odd = sorted(set(arrays) ^ set(variables))
        raise UserError("federate", f"what came does not fit the network: {', '.join(map(repr, odd[:4]))}", remedy)
    for name, variable in variables.items():
        array = np.asarray(arrays[name])
        if tuple(array.shape) != tuple(variable.shape):
            problem = f"{name!r} came as {array.shape}, and the network has {tuple(variable.shape)}"
            raise UserError("federate", problem, remedy)
        if not np.isfinite(array).all():
            raise UserError("federate", f"{name!r} came with values that are no numbers", remedy)
    for name, variable in variables.items():
        variable.assign(np.asarray(arrays[name], np.float32))


def batchnorm_variables(model: Any) -> dict[str, Any]:
    """Give all variables of batch normalization by name: what a client keeps with batchnorm = "local"."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        inner = inside(layer)
        if is_batchnorm(inner):
            found |= dict(named(inner.name, inner.weights))
    return found


def trained_layers(model: Any, trainable: Sequence[str]) -> set[str]:
    """Name the layers that a training may change, by the names that they have without wrappers."""
    plain = [inside(layer) for layer in model.layers]
    if trainable:
        plain = selectors.select(SimpleNamespace(layers=plain), trainable, "federate.trainable")
    return {layer.name for layer in plain if layer.trainable and not is_fixed(layer.name)}


def is_batchnorm(layer: Any) -> bool:
    """Say whether a layer normalizes over the batch."""
    return isinstance(layer, backend.keras().layers.BatchNormalization)


def named(layer: str, variables: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Name the float variables of a layer; of those with one name, the second gets "_1", the third "_2"."""
    seen: dict[str, int] = {}
    for variable in variables:
        if not variable.dtype.is_floating:
            continue
        leaf = variable.name.rpartition("/")[2].partition(":")[0]
        count = seen[leaf] = seen.get(leaf, -1) + 1
        yield f"{layer}/{leaf}_{count}" if count else f"{layer}/{leaf}", variable
