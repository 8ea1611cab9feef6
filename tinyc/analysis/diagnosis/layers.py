"""The artifact's operators beside the float network's: the same tensors, by name, over the same examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.diagnosis.weights import Weights, weights
from tinyc.core.errors import UserError
from tinyc.tflite.read.description import Description, Op, Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import dequantize, quantize
from tinyc.tflite.run.divergence import with_output
from tinyc.tflite.run.pool import Pool

INPUT = "INPUT"
# They move numbers, or only write them with another scale.
MOVERS = frozenset({
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "SLICE", "STRIDED_SLICE", "SPLIT",
    "PACK", "UNPACK", "PAD", "PADV2", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "DECODE", "CAST",
})  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One operator's output in both networks; all arrays (examples, ...), real values in float32.

    Attributes:
        name: the Keras layer; `op` the operator, INPUT for the network's own input.
        tensor: the artifact's tensor, with its scale.
        raw: what the artifact computed, in its own integers.
        wanted: what the float network computes on the same examples.
        calibrated: what the float network computes on calibration examples.
        inputs: places in the list of layers that it reads from.
        weights: the operator's kernel; None where it has none.
    """

    name: str
    op: str
    tensor: Tensor
    raw: NDArray[Any]
    wanted: NDArray[np.float32]
    calibrated: NDArray[np.float32]
    inputs: tuple[int, ...] = ()
    weights: Weights | None = None

    @property
    def values(self) -> NDArray[np.float32]:
        """What the artifact computed, as real values."""
        return dequantize(self.raw, self.tensor)

    def balanced(self) -> Layer:
        """Bring the float network's channels to the artifact's scale, where equalization has moved it.

        Kernels are dropped, since factors have gone into both of their sides.
        """
        values, wanted = channels(self.values), channels(self.wanted)
        power = (wanted**2).sum(0)
        gains = np.where(power > 0, (values * wanted).sum(0) / np.where(power > 0, power, 1), 1).astype(np.float32)
        return replace(self, wanted=self.wanted * gains, calibrated=self.calibrated * gains, weights=None)


@dataclass(frozen=True)
class Examples:
    """Inputs as the network sees them: those that judge, and those that set the ranges."""

    judged: NDArray[Any]
    calibration: NDArray[Any]


def channels(values: NDArray[Any]) -> NDArray[Any]:
    """Fold (examples, ..., channels) to (values, channels)."""
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)


def read_layers(
    content: bytes, float_content: bytes, examples: Examples, pool: Pool, where: str
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Run both files and pair what their operators gave.

    Returns:
        The layers in the order of execution, and the operators that have no counterpart in the float network.

    Raises:
        UserError, MachineError: a file does not run here.
    """
    described, floats = describe(content, where), describe(float_content, where)
    partners = matched(described, floats)
    made = [op.outputs[0] for op, _ in partners]
    raw = run(pool, content, examples.judged, made, where)
    wanted, calibrated = (
        run(pool, float_content, x, [partner.outputs[0] for _, partner in partners], where)
        for x in (examples.judged, examples.calibration)
    )
    layers = list(input_layer(described, examples))
    places = {tensor.index: place for place, tensor in enumerate(each.tensor for each in layers)}
    through = carried(described)
    for (op, partner), held, float_values, others in zip(partners, raw, wanted, calibrated, strict=True):
        reads = tuple(places[source] for i in op.inputs if (source := through.get(i, i)) in places)
        places[op.outputs[0]] = len(layers)
        kernel = weights((content, described, op), (float_content, floats, partner))
        layers.append(
            Layer(
                op.layer,
                op.name,
                described.tensors[op.outputs[0]],
                held,
                float_values,
                others,
                inputs=reads,
                weights=kernel,
            )
        )
    paired = {op.index for op, _ in partners}
    alone = tuple(op.where for op in compared(described) if op.index not in paired)
    return tuple(layers), alone


def run(pool: Pool, content: bytes, x: NDArray[Any], tensors: list[int], where: str) -> list[NDArray[Any]]:
    """Read tensors in TensorFlow Lite Micro; of a float file that it does not take, one by one as network outputs."""
    try:
        return pool.tensors(content, x, tensors, where)
    except UserError:
        return [pool.run(with_output(content, tensor), x, "reference", where).raw for tensor in tensors]


def input_layer(described: Description, examples: Examples) -> list[Layer]:
    """Return the network's input as the first layer; token ids have no scale and are none."""
    tensor = described.inputs[0]
    if not tensor.scales:
        return []
    x = np.asarray(examples.judged, np.float32)
    calibration = np.asarray(examples.calibration, np.float32)
    return [Layer(tensor.name or "input", INPUT, tensor, quantize(x, tensor), x, calibration)]


def carried(described: Description) -> dict[int, int]:
    """For each tensor that was only moved, the tensor that it came from."""
    origin: dict[int, int] = {}
    for op in described.ops:
        if op.name in MOVERS and op.inputs and op.inputs[0] >= 0:
            origin.update(dict.fromkeys(op.outputs, origin.get(op.inputs[0], op.inputs[0])))
    return origin


def compared(described: Description) -> list[Op]:
    """Return the operators of the main graph that compute something."""
    return [op for op in described.ops if op.graph == 0 and op.outputs and op.name not in MOVERS]


def matched(described: Description, floats: Description) -> list[tuple[Op, Op]]:
    """Pair operators by their output's whole name, the last operation in it, or layer and operator, each one once."""
    left = compared(floats)
    pairs: dict[int, tuple[Op, Op]] = {}
    for key in (whole_name, last_name, rough_name):
        known: dict[Any, list[Op]] = {}
        for op in left:
            known.setdefault(key(floats, op), []).append(op)
        for op in compared(described):
            found = known.get(key(described, op))
            if op.index not in pairs and found:
                pairs[op.index] = (op, found.pop(0))
        used = {partner.index for _, partner in pairs.values()}
        left = [op for op in left if op.index not in used]
    return [pairs[index] for index in sorted(pairs)]


def whole_name(described: Description, op: Op) -> tuple[Any, ...]:
    """Return the names of all operations that were fused into the operator; training wrappers add a prefix."""
    tensor = described.tensors[op.outputs[0]]
    return tensor.name.replace("/quant_", "/"), tensor.shape, op.name


def last_name(described: Description, op: Op) -> tuple[Any, ...]:
    """Return the operation that gives the output, whatever it was fused into: the converter names it first."""
    name, shape, _ = whole_name(described, op)
    return name.split(";")[0], shape


def rough_name(described: Description, op: Op) -> tuple[Any, ...]:
    return op.layer, described.tensors[op.outputs[0]].shape, op.name
