"""Biases that make up for rounded weights: what a channel is off by on average is taken out of its bias.

Rounding shifts the mean of a channel's outputs, and the shifts add up from layer to layer (Nagel et al. 2019,
"Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2; measured on examples as in its
appendix D: each layer is corrected after all before it). A convolution's mean output follows from the mean of its
input under each of its taps, so that nothing is convolved here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network.contract import Skipped
from tinyc.quantization.calibration import listener
from tinyc.tflite.read.counterparts import BIAS, INPUT, WEIGHTS, Work, dequantized, pairs, unpack
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack

EXAMPLES = 64
"""Most calibration examples that a mean is taken over; the whole network runs on them once for each layer."""


@dataclass(frozen=True)
class Corrected:
    """A file with corrected biases.

    Attributes:
        layers: for each corrected layer the largest change of a bias, in steps of its output.
        left: what was not corrected, and why.
        examples: how many the means were taken over.
    """

    content: bytes
    layers: dict[str, float]
    left: tuple[Skipped, ...]
    examples: int


def correct_biases(
    content: bytes, calibrated: bytes, samples: NDArray[Any], advance: Callable[[int], None] = lambda _: None
) -> Corrected:
    """Give each channel of a convolution or dense layer the mean output that it has in float, before its ReLU.

    Args:
        content: a .tflite with int8 or int4 weights.
        calibrated: the float .tflite that it was made from.
        samples: (examples, *input_shape) as the network sees them, of which the first EXAMPLES are taken.
        advance: called with 1 after each layer.
    """
    samples = samples[:EXAMPLES]
    model = unpack(content)
    found = pairs(model, unpack(calibrated))
    biased = [pair for pair in found if stored_bias(pair.made)]
    left = tuple(Skipped(pair.made.layer, "it has no bias of its own") for pair in found if not stored_bias(pair.made))
    wanted = dict(zip(map(id, biased), means(calibrated, [pair.source for pair in biased], samples), strict=True))
    edited, changes = Edited(model, [pair.made for pair in biased]), {}
    for pair in biased:
        (now,) = means(bytes(edited.content), [pair.made], samples)
        changes[pair.made.layer] = edited.add(pair.made, wanted[id(pair)] - now)
        advance(1)
    return Corrected(pack(unpack(bytes(edited.content))), changes, left, len(samples))


def stored_bias(work: Work) -> bool:
    """Say whether an operator has a constant bias that no other reads."""
    bias = work.tensor(BIAS)
    if bias is None or work.model.buffers[bias.buffer].data is None:
        return False
    index = work.operator.inputs[BIAS]
    return sum(int(np.count_nonzero(each.inputs == index)) for each in work.graph.operators) == 1


class Edited:
    """A file whose biases are written in place: to write the whole file anew for each layer would take long."""

    def __init__(self, model: Any, works: Sequence[Work]) -> None:
        self.values = {id(work): np.array(bias_integers(work)) for work in works}
        # Equal buffers would be written once: each bias stands for its own number until its place is known.
        for number, work in enumerate(works):
            values = self.values[id(work)]
            marked = np.full(values.shape, number, values.dtype)
            marked[0] = -1 - number
            work.tensor(BIAS).buffer = len(model.buffers)
            model.buffers.append(schema().BufferT(data=marked.view(np.uint8)))
        self.content = bytearray(pack(model))
        for work in works:
            self.write(work)

    def add(self, work: Work, change: NDArray[np.float64]) -> float:
        """Add to a bias, in units of the output; gives the largest change in the output's steps."""
        values, scale = self.values[id(work)], bias_scale(work)
        limits = np.iinfo(values.dtype)
        values[:] = np.clip(np.rint(values + change / scale), limits.min, limits.max).astype(values.dtype)
        self.write(work)
        step = float(work.graph.tensors[work.operator.outputs[0]].quantization.scale[0])
        return round(float(np.abs(change).max()) / step, 4)

    def write(self, work: Work) -> None:
        table = schema().Model.GetRootAs(self.content, 0).Buffers(work.tensor(BIAS).buffer)
        table.DataAsNumpy()[:] = self.values[id(work)].view(np.uint8)


def bias_integers(work: Work) -> NDArray[Any]:
    types, tensor = schema().TensorType, work.tensor(BIAS)
    kind = "<i8" if tensor.type == types.INT64 else "<i4"
    return np.asarray(work.model.buffers[tensor.buffer].data.view(kind))


def bias_scale(work: Work) -> NDArray[np.float64]:
    """Return the step of each channel's bias: the input's times the weights'."""
    product = work.tensor(INPUT).quantization.scale[0] * np.asarray(work.tensor(WEIGHTS).quantization.scale, np.float64)
    return np.asarray(product, np.float64)


def means(content: bytes, works: Sequence[Work], samples: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Measure the mean output of operators by channel, bias included and ReLU not, in the file as it is now."""
    interpreter = listener(content)
    given = interpreter.get_input_details()[0]
    sums: list[Any] = [0.0 for _ in works]
    for sample in samples:
        interpreter.reset_all_variables()
        interpreter.set_tensor(given["index"], fed(sample[None], given))
        interpreter.invoke()
        for place, work in enumerate(works):
            values = interpreter.get_tensor(int(work.operator.inputs[INPUT]))
            sums[place] = sums[place] + tap_means(work, real(values, work.tensor(INPUT)))
    return [
        response(work, total / len(samples)) + biases(work, interpreter)
        for work, total in zip(works, sums, strict=True)
    ]


def biases(work: Work, interpreter: Any) -> NDArray[np.float64]:
    """Read a bias from the file that runs, whose numbers may be newer than those of the opened one."""
    if work.tensor(BIAS) is None:
        return np.zeros(1)
    values = interpreter.get_tensor(int(work.operator.inputs[BIAS])).astype(np.float64)
    return np.asarray(values if work.tensor(BIAS).type == schema().TensorType.FLOAT32 else values * bias_scale(work))


def fed(sample: NDArray[Any], given: dict[str, Any]) -> NDArray[Any]:
    """Give an example in the type of the file's input."""
    scale, zero_point = given["quantization"]
    if not scale:
        return sample.astype(given["dtype"])
    limits = np.iinfo(given["dtype"])
    return np.asarray(np.clip(np.rint(sample / np.float32(scale)) + zero_point, limits.min, limits.max), given["dtype"])


def real(values: NDArray[Any], tensor: Any) -> NDArray[np.float64]:
    """Give an activation as the numbers that it stands for."""
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    zero_point = tensor.quantization.zeroPoint
    return dequantized(values.astype(np.int64) - (0 if zero_point is None else int(zero_point[0])), tensor)


def tap_means(work: Work, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean input under each tap of a kernel, over one example's places: (rows, columns, channels).

    A dense layer has one tap, and its rows are its places.
    """
    weights, options = work.tensor(WEIGHTS), work.operator.builtinOptions
    if work.kind == "FULLY_CONNECTED":
        return np.asarray(x.reshape(-1, int(weights.shape[1])).mean(axis=0))[None, None]
    rows, columns = int(weights.shape[1]), int(weights.shape[2])
    strides = options.strideH, options.strideW
    dilation = options.dilationHFactor, options.dilationWFactor
    made = work.graph.tensors[work.operator.outputs[0]].shape[1:3]
    margins = [(0, 0)]
    for side, taps, stride, gap, out in zip(x.shape[1:3], (rows, columns), strides, dilation, made, strict=True):
        missing = max(0, (int(out) - 1) * stride + (taps - 1) * gap + 1 - side)
        margins.append((missing // 2, missing - missing // 2))
    padded = np.pad(x, (*margins, (0, 0)))
    found = np.empty((rows, columns, x.shape[3]))
    for row in range(rows):
        for column in range(columns):
            top, start = row * dilation[0], column * dilation[1]
            reach = top + (int(made[0]) - 1) * strides[0] + 1, start + (int(made[1]) - 1) * strides[1] + 1
            found[row, column] = padded[:, top : reach[0] : strides[0], start : reach[1] : strides[1]].mean((0, 1, 2))
    return found


def response(work: Work, taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean output of each channel, without its bias, from the mean input under each tap."""
    weights = work.floats(WEIGHTS)
    if work.kind == "FULLY_CONNECTED":
        return np.asarray(weights @ taps[0, 0])
    if work.kind == "DEPTHWISE_CONV_2D":
        many = weights.shape[3] // taps.shape[2]
        return np.asarray((weights[0] * np.repeat(taps, many, axis=2)).sum(axis=(0, 1)))
    inner = weights.shape[3]
    groups = taps.shape[2] // inner
    split = weights.reshape(groups, -1, *weights.shape[1:])
    parts = [np.einsum("ohwc,hwc->o", split[g], taps[..., g * inner : (g + 1) * inner]) for g in range(groups)]
    return np.concatenate(parts)
