"""How the windows of convolutions and pools move, from the options of their operators."""

from __future__ import annotations

from typing import Any

from tinyc.tflite.read.schema import schema

Steps = tuple[int, int]
OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
}
DILATED = ("CONV_2D", "DEPTHWISE_CONV_2D")


def steps(name: str, table: Any) -> tuple[Steps, Steps]:
    """Return strides and dilations of an operator, down and across; 1 where it has none, or no number above 0."""
    found = table.BuiltinOptions() if name in OPTIONS else None
    if found is None:
        return (1, 1), (1, 1)
    options = getattr(schema(), OPTIONS[name])()
    options.Init(found.Bytes, found.Pos)
    strides = (max(1, options.StrideH()), max(1, options.StrideW()))
    if name not in DILATED:
        return strides, (1, 1)
    return strides, (max(1, options.DilationHFactor()), max(1, options.DilationWFactor()))
