"""Which weights can be stored as a table, and along which axes an int8 weight has scales, and so tables, of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network.signal_layers import is_fixed

HOMES = ("tf_keras.", "keras.", "tinyc.network.blocks")
"""Where the classes below come from; a user's class of the same name may compute otherwise."""
LAST, DEPTHWISE, TRANSPOSED, WHOLE = (-1,), (-2, -1), (-2,), ()
GROUPS: tuple[tuple[tuple[str, ...], dict[str, tuple[int, ...]]], ...] = (
    (("Conv1D", "Conv2D", "Dense"), {"kernel": LAST}),
    (("Conv1DTranspose", "Conv2DTranspose"), {"kernel": TRANSPOSED}),
    (("DepthwiseConv1D", "DepthwiseConv2D"), {"depthwise_kernel": DEPTHWISE}),
    (("SeparableConv1D", "SeparableConv2D"), {"depthwise_kernel": DEPTHWISE, "pointwise_kernel": LAST}),
    (("Embedding", "TokenEmbedding"), {"embeddings": WHOLE}),
)
KINDS: Mapping[str, Mapping[str, tuple[int, ...]]] = {name: axes for names, axes in GROUPS for name in names}
"""The weights of each layer by attribute, and the axes of their channels; a table of tokens has one scale."""


@dataclass(frozen=True)
class Kernel:
    """One weight that can be stored as a table: `weight` is its attribute in the layer of this name.

    `axis` are the axes that number its channels; empty where the converter gives the whole weight one scale.
    """

    layer: str
    weight: str
    axis: tuple[int, ...]

    def read(self, model: Any) -> NDArray[np.float32]:
        """Give the weight's values in a network."""
        return np.asarray(getattr(model.get_layer(self.layer), self.weight), np.float32)

    def weights(self, model: Any, values: NDArray[Any]) -> list[NDArray[Any]]:
        """List the layer's weights as `get_weights` does, with other values in this one."""
        layer = model.get_layer(self.layer)
        variable = getattr(layer, self.weight)
        pairs = zip(layer.weights, layer.get_weights(), strict=True)
        return [values if each is variable else held for each, held in pairs]


def kernels(model: Any) -> list[Kernel]:
    """List the weights of a flat Keras network that tables can hold, in the network's order, preprocessing left out.

    A Dense layer has one scale, and so one table: `quantize` converts it so by default, and trains it so under int8
    rounding; TFLM divides tables as scales.
    """
    return [
        Kernel(layer.name, name, WHOLE if type(layer).__name__ == "Dense" else axis)
        for layer in model.layers
        for name, axis in kind(layer).items()
        if not is_fixed(layer.name)
    ]


def kind(layer: Any) -> Mapping[str, tuple[int, ...]]:
    """Give the weights of a layer that tables can hold, with the axes of their channels; empty where there are none."""
    known = KINDS.get(type(layer).__name__, {})
    return known if type(layer).__module__.startswith(HOMES) else {}
