"""Layers read off the names that a converter gives to tensors."""

from __future__ import annotations

import re

WORK = re.compile(r"conv|matmul|dense|depthwise|gather", re.IGNORECASE)
# A dense layer over tokens is a Tensordot; an operator that is none may only list one among its sources.
DENSE_WORK = re.compile(r"matmul|dense|tensordot", re.IGNORECASE)


def layer_name(tensor: str, op: str = "") -> str:
    """Read the layer off a converter's tensor name: "net/conv/BiasAdd;net/conv/Conv2D" -> conv.

    A fused operator lists all its sources; the one that did the work (Conv2D, MatMul) names it.
    """
    parts = [part for part in tensor.split(";") if part] or [""]
    work = DENSE_WORK if op == "FULLY_CONNECTED" else WORK
    chosen = next((part for part in parts if work.search(part.rpartition("/")[2])), parts[0])
    path = chosen.split("/")
    # Network, layer and operation; quantization-aware training wraps layers under a prefix.
    return (path[1] if len(path) > 2 else path[0]).removeprefix("quant_")
