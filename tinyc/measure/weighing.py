"""What a state weighs, without running it."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyc.network.float_tflite import to_float_tflite
from tinyc.network.state import Net
from tinyc.tflite.read.flatbuffer import Description, describe


@dataclass(frozen=True)
class Weight:
    """A state's sizes by metric (bytes, counts), and the operators whose multiplications have no formula."""

    figures: Mapping[str, int | None]
    uncounted: tuple[str, ...] = ()


def weigh_net(net: Net) -> Weight:
    """Give params, macs and file of a Keras network, the last two of the float32 .tflite it would become."""
    content, described = lowered(net)
    params, _ = count(net.model)
    sizes = {"params": params, "macs": described.macs, "file": len(content), "flash": None, "arena": None}
    return Weight(sizes, described.uncounted)


def lowered(net: Net) -> tuple[bytes, Description]:
    """Convert a network to float32, to weigh it."""
    content = to_float_tflite(net.model)
    return content, describe(content, net.model.name)


def count(model: Any) -> tuple[int, int]:
    """Count a Keras network's parameters, and those that are not zero; BatchNorm has four a channel.

    TFMOT's wrappers are looked through: their masks, steps and ranges are not the network's.
    """
    weights = [weight for layer in model.layers for weight in own_weights(layer)]
    return sum(math.prod(w.shape) for w in weights), sum(int(np.count_nonzero(w.numpy())) for w in weights)


def own_weights(layer: Any) -> list[Any]:
    """Return a layer's weights without those that TFMOT added."""
    if not type(layer).__module__.startswith("tensorflow_model_optimization"):
        return list(layer.weights)
    inner = getattr(layer, "layer", None)
    # QAT takes the kernel out of the layer and keeps it as (variable, quantizer, its ranges).
    taken = [variable for variable, *_ in getattr(layer, "_weight_vars", ())]
    return taken + (own_weights(inner) if inner is not None else [])


def gzip_bytes(content: bytes) -> int:
    """Return the size after gzip, at its default effort and without a time stamp."""
    return len(gzip.compress(content, compresslevel=6, mtime=0))
