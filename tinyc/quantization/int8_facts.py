"""What is reported of a network's conversion to int8: its ends, its operators, its zeros, and what was clipped."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tinyc.quantization.calibration import Ranges
from tinyc.spec.passes.quantize import Clipped, QuantizeFacts
from tinyc.tflite.read import flatbuffer
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.quantization import zero_point
from tinyc.tflite.write.integer import float_tensors, zero_weights


def clipped(ranges: Ranges) -> Clipped:
    """Count the activations whose range was clipped, and name the one that lost most of it."""
    facts: Clipped = {"activations": len(ranges), "clipped": sum(each.left < 1 for each in ranges)}
    if facts["clipped"]:
        most = min(ranges, key=lambda each: each.left)
        facts["largest"] = {
            "tensor": most.tensor,
            "measured": [round(edge, 6) for edge in most.measured],
            "chosen": [round(edge, 6) for edge in most.chosen],
            "fraction_left": round(most.left, 6),
        }
    return facts


def calibration_notes(most: int, is_asked: bool, set_aside: int, train: int) -> list[str]:
    """Say where a pass calibrates on other than what the recipe says.

    Args:
        most: the examples that the pass takes at most; `is_asked` where the recipe says so.
        set_aside: those that `[data] calibration` leaves to be taken, of `train` in all.
    """
    if most < set_aside and not is_asked:
        left = f"[data] sets {set_aside} calibration examples aside, and quantize takes {most} of them"
        return [f"{left}; calibration = {set_aside} in quantize takes all"]
    if most > set_aside and is_asked:
        short = f"quantize has calibration = {most}, and [data] sets {set_aside} examples aside; all of them calibrate"
        wanted = min(most, train)
        return [short + (f"; [data] calibration = {wanted} gives more" if wanted > set_aside else "")]
    return []


def per_channel_notes(content: bytes) -> list[str]:
    """Warn of dense layers over tokens with a scale for each output, which tflite-runtime 2.14 computes wrongly."""
    described = flatbuffer.describe(content)
    tensors = described.tensors
    wide = [
        op.layer
        for op in described.ops
        if op.name == "FULLY_CONNECTED"
        and len(tensors[op.inputs[0]].shape) > 2
        and len(tensors[op.inputs[1]].scales) > 1
    ]
    if not wide:
        return []
    return [
        f"{len(wide)} dense layers over tokens ({wide[0]}, ...) have a scale for each output: TensorFlow Lite Micro "
        "of today computes them correctly, tflite-runtime 2.14 does not; with per_channel_dense = false the two agree"
    ]


def describe(content: bytes) -> QuantizeFacts:
    """State what the artifact takes and gives, and which operators it is made of."""
    described = flatbuffer.describe(content)
    return {
        "input": side(described.inputs[0]),
        "output": side(described.outputs[0]),
        "ops": dict(sorted(Counter(op.name for op in described.ops).items())),
        "float_tensors": float_tensors(content),
    }


def side(tensor: Tensor) -> dict[str, Any]:
    """State one end of the artifact; token ids have no scale."""
    if not tensor.scales:
        return {"dtype": tensor.dtype, "shape": list(tensor.shape)}
    return {"scale": tensor.scales[0], "zero_point": zero_point(tensor)}


def zeros(model: Any, content: bytes) -> QuantizeFacts:
    """Compare the share of zero weights before and after; rounding may add some, and must lose none."""
    kernels = [weight.numpy().ravel() for weight in model.trainable_weights if len(weight.shape) > 1]
    flat = np.concatenate(kernels or [np.ones(1)])
    before = 1.0 - np.count_nonzero(flat) / flat.size
    return {"zero_weights_before": round(before, 6), "zero_weights_after": round(zero_weights(content), 6)}
