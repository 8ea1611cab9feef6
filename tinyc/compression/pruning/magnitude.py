"""Magnitude pruning by TFMOT: wrap the layers, train while the schedule sets weights to zero, strip, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import walk
from tinyc.core.errors import TinycError, UserError
from tinyc.network import backend
from tinyc.network.checks import require_functional
from tinyc.network.contract import Skipped
from tinyc.network.signal_layers import WHY_FIXED, is_fixed

Pattern = Literal["unstructured", "2:4"]
SparsitySchedule = Literal["polynomial", "constant"]
Array = NDArray[Any]
Train = Callable[[Any, list[Any]], None]

PREFIX = "prune_low_magnitude_"
TOLERANCE = 0.01
KERNELS = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "Dense"), "kernel"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "pointwise_kernel"),
    "Embedding": "embeddings",
}
TWO_OF_FOUR = ("Conv2D", "Dense", "SeparableConv2D")


@dataclass(frozen=True)
class Sparsification:
    """How weights become zero.

    Attributes:
        targets: the final sparsity, a fraction, by layer name.
        pattern: "unstructured", or "2:4": two zeros in each four weights along the input channels.
        schedule: "polynomial" climbs from 0 by a cubic (Zhu & Gupta 2017), "constant" starts at the target.
        steps: training steps; the sparsity is reached after two thirds of them.
    """

    targets: Mapping[str, float]
    pattern: Pattern = "unstructured"
    schedule: SparsitySchedule = "polynomial"
    steps: int = 0

    @property
    def every(self) -> int:
        """Steps from one update of the masks to the next: about 50 updates, at most every step."""
        return max(1, self.steps * 2 // 3 // 50)

    @property
    def last(self) -> int:
        """The step of the last update."""
        return max(1, self.steps * 2 // 3 // self.every) * self.every


@dataclass(frozen=True)
class Sparsified:
    """A fresh network with zeros, the sparsity reached in each pruned layer, and the layers that were left alone."""

    model: Any
    reached: Mapping[str, float]
    skipped: tuple[Skipped, ...]


def sparsity(weight: Array) -> float:
    """Give the fraction of a weight's elements that are exactly zero."""
    return 1.0 - np.count_nonzero(weight) / weight.size


def magnitude(model: Any, options: Sparsification, train: Train | None, where: str) -> Sparsified:
    """Set the smallest weights of each target layer to zero; `model` is not changed.

    Args:
        train: trains a network in place with the Keras callbacks it is given; where it does nothing, the weights
            are cut once, to the final sparsity. None in a rehearsal: the network is only copied.
        where: the key path of the pass, for messages.

    Raises:
        UserError: the network is subclassed, or no selected layer can be pruned.
        TinycError: the zeros that were asked for are not there afterwards.
    """
    require_functional(model)
    reasons = {name: why for name in options.targets if (why := unprunable(model, name, options.pattern))}
    targets = {name: target for name, target in options.targets.items() if name not in reasons}
    if not targets:
        raise UserError(where, "no selected layer has weights that TFMOT prunes", "name other layers in `only`")
    skipped = tuple(Skipped(name, why) for name, why in reasons.items() if matters(model, name))
    if train is None:
        return Sparsified(copied(model, model), targets, skipped)
    wrapped = wrap(model, options, targets)
    train(wrapped, [backend.tfmot().sparsity.keras.UpdatePruningStep()])
    settle(wrapped, targets, options)
    stripped = copied(model, backend.tfmot().sparsity.keras.strip_pruning(wrapped))
    reached = {name: sparsity(kernel(stripped, name)) for name in targets}
    for name, target in targets.items():
        verify(name, kernel(stripped, name), options.pattern, target)
    return Sparsified(stripped, reached, skipped)


def unprunable(model: Any, name: str, pattern: Pattern) -> str:
    """Say why a layer is not pruned; empty where TFMOT can."""
    if is_fixed(name):
        return WHY_FIXED
    layer = model.get_layer(name)
    kind = type(layer)
    if kind.__name__ not in KERNELS or not kind.__module__.startswith("tf_keras."):
        return f"TFMOT prunes no weight of {kind.__name__}"
    if pattern == "2:4" and kind.__name__ not in TWO_OF_FOUR:
        return f"TFMOT has no 2:4 pattern for {kind.__name__}"
    if sum(node.layer is layer for node in walk(model)) > 1:
        return "it is called more than once"
    return ""


def matters(model: Any, name: str) -> bool:
    """Say whether a layer has a kernel that a reader might expect to be pruned."""
    return any("kernel" in weight.name for weight in model.get_layer(name).weights)


def kernel(model: Any, name: str) -> Array:
    """Give the weight of a layer that TFMOT prunes."""
    layer = model.get_layer(name)
    return np.asarray(getattr(layer, KERNELS[type(layer).__name__]))


def wrap(model: Any, options: Sparsification, targets: Mapping[str, float]) -> Any:
    """Copy the network with TFMOT's wrapper around each target layer."""
    tools = backend.tfmot().sparsity.keras

    def wrapped(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        if layer.name not in targets:
            return copy
        if options.pattern == "2:4":
            return tools.prune_low_magnitude(copy, schedule(options, 0.5), sparsity_m_by_n=(2, 4))
        return tools.prune_low_magnitude(copy, schedule(options, targets[layer.name]))

    result = backend.keras().models.clone_model(model, clone_function=wrapped)
    for layer in model.layers:
        result.get_layer(wrapped_name(layer.name, targets)).set_weights(layer.get_weights())
    return result


def wrapped_name(name: str, targets: Mapping[str, float]) -> str:
    return PREFIX + name if name in targets else name


def schedule(options: Sparsification, target: float) -> Any:
    """Make TFMOT's schedule so that an update of the masks falls on its last step."""
    tools = backend.tfmot().sparsity.keras
    if options.schedule == "constant":
        return tools.ConstantSparsity(target, begin_step=0, end_step=options.last, frequency=options.every)
    return tools.PolynomialDecay(0.0, target, begin_step=0, end_step=options.last, frequency=options.every)


def settle(wrapped: Any, targets: Mapping[str, float], options: Sparsification) -> None:
    """Apply the final masks once more: a training that was shorter than planned, or none, ends with all its zeros."""
    for name in targets:
        layer = wrapped.get_layer(PREFIX + name)
        layer.pruning_step.assign(1 if options.pattern == "2:4" else options.last)
        layer.pruning_obj.conditional_mask_update()
        layer.pruning_obj.weight_mask_op()


def copied(model: Any, weights: Any) -> Any:
    """Build the network anew, with the weights of another that has the same layers; the two share none."""
    copy = backend.keras().models.clone_model(model)
    for layer in copy.layers:
        layer.set_weights(weights.get_layer(layer.name).get_weights())
    return copy


def verify(name: str, weight: Array, pattern: Pattern, target: float) -> None:
    """Make sure of the zeros; a layer that was sparser before may stay so.

    Raises:
        TinycError: fewer zeros than the target, by more than 1 % and more than one element.
    """
    missing = target * weight.size - np.count_nonzero(weight == 0)
    if pattern == "2:4" and not is_two_of_four(weight):
        raise TinycError(f"layer {name!r}", "more than two of four weights are not zero after 2:4 pruning")
    if pattern == "unstructured" and missing > max(1.0, TOLERANCE * weight.size):
        raise TinycError(f"layer {name!r}", f"reached sparsity {sparsity(weight):.3f} of {target:.3f}")


def is_two_of_four(weight: Array) -> bool:
    """Check each block of four along the input channels, kernel (..., inputs, outputs); the last may be shorter."""
    inputs = np.moveaxis(weight, -2, -1).reshape(-1, weight.shape[-2])
    padded = np.pad(inputs, ((0, 0), (0, -inputs.shape[1] % 4))).reshape(-1, 4)
    return bool((np.count_nonzero(padded, axis=1) <= 2).all())
