"""Channels of one width: what makes a channel large in one layer and small in the next is moved from one to the other.

A ReLU passes factors on, so that a channel's outputs can be divided by a number that the next layer's weights are
multiplied with. With s = sqrt(r1 / r2) both layers use the channel's range r alike (Nagel et al. 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend
from tinyc.network.signal_layers import is_fixed
from tinyc.quantization.folding import fold_batch_norms, readers

SWEEPS = 20
CONVERGED = 1e-3
SOURCES = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")
# They give each channel's factor on as it is; a maximum or mean of scaled numbers is the scaled one.
CARRIERS = frozenset({
    "ReLU", "Activation", "Dropout", "SpatialDropout2D", "ZeroPadding1D", "ZeroPadding2D", "Cropping2D", "MaxPooling1D",
    "MaxPooling2D", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "UpSampling2D", "Flatten",
})  # fmt: skip


@dataclass(frozen=True)
class Equalized:
    """A network with equalized channels.

    Attributes:
        pairs: names of the layers that were equalized with each other.
        largest: the largest factor that a channel's weights were divided or multiplied by.
        difference: the largest change of an output on the samples: float rounding.
    """

    model: Any
    pairs: tuple[tuple[str, str], ...]
    largest: float
    difference: float


def equalize(model: Any, samples: NDArray[Any]) -> Equalized:
    """Equalize each pair of convolutions or dense layers that a ReLU (not ReLU6) or nothing joins.

    Batch normalization is folded in first. The network computes what it did.

    Args:
        samples: (examples, *input_shape) as the network sees them.
    """
    made = fold_batch_norms(model)
    found = list(joined(made))
    total = {first.name: np.ones(outputs(first)) for first, _ in found}
    for _ in range(SWEEPS):
        steps = [balance(first, second) for first, second in found]
        for (first, _), step in zip(found, steps, strict=True):
            total[first.name] = total[first.name] * step
        if all(np.abs(np.log(step)).max() < CONVERGED for step in steps):
            break
    largest = max((float(np.exp(np.abs(np.log(each)).max())) for each in total.values()), default=1.0)
    before, after = (np.asarray(each(samples, training=False)) for each in (model, made))
    names = tuple((first.name, second.name) for first, second in found)
    return Equalized(made, names, largest, float(np.abs(after - before).max()))


def joined(model: Any) -> Iterator[tuple[Any, Any]]:
    """Give the pairs of layers between which nothing but a channel's factor matters."""
    for first in model.layers:
        if type(first).__name__ not in SOURCES or not carries(first) or is_fixed(first.name):
            continue
        if type(first).__name__ == "DepthwiseConv2D" and first.depth_multiplier != 1:
            continue
        second = behind(first, model)
        if second is not None and not is_fixed(second.name):
            yield first, second


def behind(layer: Any, model: Any) -> Any:
    """Give the layer with weights that alone reads this one's channels; None where another thing comes first."""
    while True:
        following = readers(layer, model)
        if len(following) != 1 or len(layer.inbound_nodes) != 1:
            return None
        layer = following[0]
        if type(layer).__name__ not in CARRIERS:
            return layer if takes_factors(layer) else None
        if not carries(layer):
            return None


def carries(layer: Any) -> bool:
    """Say whether a layer's own activation lets factors above zero pass."""
    keras = backend.keras()
    if type(layer).__name__ == "ReLU":
        return layer.max_value is None and not layer.threshold
    return getattr(layer, "activation", None) in (None, keras.activations.linear, keras.activations.relu)


def takes_factors(layer: Any) -> bool:
    """Say whether a layer's weights can take the factors of its input's channels."""
    known = type(layer).__name__ in SOURCES and len(layer.inbound_nodes) == 1
    single = getattr(layer, "depth_multiplier", 1) == 1 and getattr(layer, "groups", 1) == 1
    return bool(known and single)


def outputs(layer: Any) -> int:
    return int(layer.output_shape[-1])


def balance(first: Any, second: Any) -> NDArray[np.float64]:
    """Bring the ranges of a pair's channels together; gives what each channel was divided by."""
    kernel, *bias = first.get_weights()
    after, *rest = second.get_weights()
    channels = outputs(first)
    by_output = kernel.reshape(-1, channels)
    by_input = grouped(second, after, channels)
    ranges = np.abs(by_output).max(axis=0), np.abs(by_input).max(axis=(0, 2))
    alive = (ranges[0] > 0) & (ranges[1] > 0)
    step = np.sqrt(np.where(alive, ranges[0], 1.0) / np.where(alive, ranges[1], 1.0)).astype(np.float64)
    first.set_weights([(by_output / step).reshape(kernel.shape), *(each / step for each in bias)])
    second.set_weights([(by_input * step[None, :, None]).reshape(after.shape), *rest])
    return np.asarray(step)


def grouped(layer: Any, kernel: NDArray[Any], channels: int) -> NDArray[Any]:
    """Lay a kernel out as (taps or places, input channels, outputs of each); a Flatten repeats the channels."""
    each = 1 if type(layer).__name__ == "DepthwiseConv2D" else kernel.shape[-1]
    return kernel.reshape(-1, channels, each)
