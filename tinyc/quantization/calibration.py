"""Ranges of activations that outliers do not set: clipped at a percentile, or where the error is least.

One value far from all others makes the steps of int8 coarse for the rest. Giving it up costs little where it is rare
(Wu et al. 2020, "Integer Quantization for Deep Learning Inference", section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.core.quiet import hushed
from tinyc.network import backend
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack

# The upper bits of a float32 number its bin: sign, exponent, and a fraction in 64 parts.
LOWER_BITS = 17
BINS = 1 << 32 - LOWER_BITS
STEPS = 255
CANDIDATES = 40
CANDIDATES_PER_OCTAVE = 5
# The quantizer gives their outputs a scale of its own.
FIXED = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION"})


@dataclass(frozen=True)
class Clip:
    """How to choose ranges: `percentile` (of absolute values, in percent) is read by "percentile" alone."""

    how: Literal["percentile", "mse"]
    percentile: float = 99.99


@dataclass(frozen=True)
class Range:
    """What a tensor took on over the calibration examples, and where it is clipped; zero lies inside both."""

    tensor: str
    measured: tuple[float, float]
    chosen: tuple[float, float]

    @property
    def left(self) -> float:
        """The fraction of the measured range that is left."""
        width = self.measured[1] - self.measured[0]
        return (self.chosen[1] - self.chosen[0]) / width if width else 1.0


Ranges = tuple[Range, ...]


def with_padding(samples: NDArray[Any]) -> NDArray[Any]:
    """Add a padded sentence to token ids that have none; (samples, ...) of floats come back as they are.

    Without one the padding mask takes on nothing but 0: its range is empty, so that int8 would hide no padding, and
    TensorFlow Lite Micro aborts on such a scale.
    """
    if samples.dtype.kind != "i" or (samples == 0).any():
        return samples
    padded = samples[:1].copy()
    padded[:, padded.shape[1] // 2 :] = 0
    return np.concatenate([samples, padded])


@dataclass
class Seen:
    """The values of one tensor: its extremes, and how many fell into each bin; grows."""

    low: float
    high: float
    counts: NDArray[np.int64]

    def add(self, values: NDArray[np.float32]) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        bins = np.ascontiguousarray(values, np.float32).ravel().view(np.uint32) >> LOWER_BITS
        self.counts += np.bincount(bins, minlength=BINS)


def clip_ranges(calibrated: bytes, samples: NDArray[Any], clip: Clip) -> tuple[bytes, Ranges]:
    """Choose the range of each activation in a float .tflite that the converter has calibrated.

    Args:
        calibrated: a float .tflite, with extremes at each activation.
        samples: (examples, *input_shape) as the network sees them.

    Returns:
        The .tflite with the chosen extremes, and every range that was open to choice.
    """
    model = schema().ModelT.InitFromPackedBuf(calibrated, 0)
    fixed = {output for op in describe(calibrated).ops if op.name in FIXED for output in op.outputs}
    tensors = model.subgraphs[0].tensors
    open_ = [i for i, tensor in enumerate(tensors) if has_range(tensor) and i not in fixed]
    chosen = []
    for index, seen in zip(open_, measure(calibrated, samples, open_), strict=True):
        low, high = choose(seen, clip)
        tensors[index].quantization.min = np.array([low], np.float32)
        tensors[index].quantization.max = np.array([high], np.float32)
        measured = (min(seen.low, 0.0), max(seen.high, 0.0))
        chosen.append(Range(tensors[index].name.decode(errors="replace"), measured, (min(low, 0.0), max(high, 0.0))))
    return pack(model), tuple(chosen)


def has_range(tensor: Any) -> bool:
    """Say whether the converter has calibrated a tensor."""
    quantization = tensor.quantization
    return quantization is not None and quantization.min is not None and len(quantization.min) == 1


def measure(content: bytes, samples: NDArray[Any], indices: list[int]) -> list[Seen]:
    """Gather the values of tensors over examples.

    The converter's own calibration sees a tensor only after operators that work in place have overwritten it.
    """
    interpreter = listener(content)
    given = interpreter.get_input_details()[0]
    found = [Seen(np.inf, -np.inf, np.zeros(BINS, np.int64)) for _ in indices]
    for sample in samples:
        interpreter.reset_all_variables()
        interpreter.set_tensor(given["index"], sample[None].astype(given["dtype"]))
        interpreter.invoke()
        for index, seen in zip(indices, found, strict=True):
            seen.add(interpreter.get_tensor(index))
    return found


def listener(content: bytes) -> Any:
    """Open a file in an interpreter that keeps every tensor; no delegate fuses operators away."""
    lite = backend.tensorflow().lite
    with hushed():
        interpreter = lite.Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    return interpreter


def choose(seen: Seen, clip: Clip) -> tuple[float, float]:
    """Clip a tensor's extremes to at most some absolute value."""
    edge = percentile_edge(seen, clip.percentile) if clip.how == "percentile" else least_error_edge(seen)
    return max(seen.low, -edge), min(seen.high, edge)


def percentile_edge(seen: Seen, percentile: float) -> float:
    """Find the absolute value that this percentage of all values do not exceed, up to a bin's width (1.6 %)."""
    half = BINS // 2
    sizes = np.cumsum(seen.counts[:half] + seen.counts[half:])
    last = int(np.searchsorted(sizes, percentile / 100 * int(sizes[-1])))
    return float(np.array([last + 1 << LOWER_BITS], np.uint32).view(np.float32)[0])


def least_error_edge(seen: Seen) -> float:
    """Find the absolute value to clip at with the least mean squared error of 8 bits, among 40 down to 1/222."""
    bins = np.flatnonzero(seen.counts).astype(np.uint32)
    values = (bins << LOWER_BITS | 1 << LOWER_BITS - 1).view(np.float32).astype(np.float64)
    top = max(-seen.low, seen.high)
    edges = top * 2.0 ** (-np.arange(CANDIDATES) / CANDIDATES_PER_OCTAVE)
    low, high = np.maximum(min(seen.low, 0.0), -edges), np.minimum(max(seen.high, 0.0), edges)
    beyond = values - np.clip(values, low[:, None], high[:, None])
    # Rounding errs by a twelfth of the squared step; what is smaller than that becomes zero, which is exact.
    rounding = np.minimum(values**2, ((high - low) / STEPS)[:, None] ** 2 / 12)
    errors = np.where(beyond != 0, beyond**2, rounding) @ seen.counts[bins]
    return float(edges[int(np.argmin(errors))])
