"""What an output says of an example: shares of the labels where it is a distribution over them, else numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.report.schema import finite
from tinyc.tasks.classification.metrics import softmax
from tinyc.tflite.read.description import Description, Tensor

SHARES_SHOWN, NUMBERS_SHOWN = 5, 10
ROUNDING = 0.002
UNNAMED = "no report beside the file names labels: in its run folder, a classifier gives shares of them"
# They write the same numbers in another form.
CARRIERS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE"})
# What they give is not a logit: several may be high at once, or the length is what counts.
NO_LOGITS = frozenset({"LOGISTIC", "TANH", "L2_NORMALIZATION", "ARG_MAX", "ARG_MIN"})


@dataclass(frozen=True)
class Shares:
    """A distribution over labels: each with its probability, the likeliest first."""

    ranked: tuple[tuple[str, float], ...]

    def line(self) -> str:
        name, share = self.ranked[0]
        return f"{share:7.2%}  {name}"

    def text(self) -> str:
        return "\n".join(f"{share:7.2%}  {name}" for name, share in self.ranked[:SHARES_SHOWN])

    def table(self) -> dict[str, Any]:
        return {"prediction": self.ranked[0][0], "probabilities": dict(self.ranked)}


@dataclass(frozen=True)
class Numbers:
    """What is not a distribution over labels: `values` as they are, `labels` where each has one, and `why`."""

    values: NDArray[Any]
    labels: tuple[str, ...] = ()
    why: str = ""

    def line(self) -> str:
        return spelled(self.values.ravel()[0]) if self.values.size == 1 else self.summary()

    def text(self) -> str:
        flat = self.values.ravel()
        if self.labels:
            order = np.argsort(-flat, kind="stable")[:NUMBERS_SHOWN]
            shown = [f"{spelled(flat[i]):>9}  {self.labels[i]}" for i in order]
        else:
            shown = [" ".join(map(spelled, flat[:NUMBERS_SHOWN])) + (" ..." if flat.size > NUMBERS_SHOWN else "")]
        return "\n".join([*shown, *([self.summary()] if flat.size > 1 else []), *([self.why] if self.why else [])])

    def summary(self) -> str:
        """Write the shape, and where the least and the largest number stand."""
        low, high = self.ends()
        if low is None or high is None:
            return f"{shaped(self.values.shape)}: none is a number"
        ends = (f"{spelled(self.values[place])} at {list(map(int, place))}" for place in (low, high))
        odd = int((~np.isfinite(self.values)).sum())
        said = f"; {odd:,} are NaN or infinite" if odd else ""
        return f"{shaped(self.values.shape)}, from {' to '.join(ends)}{said}"

    def ends(self) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
        """Return the places of the least and the largest finite number."""
        fit = np.isfinite(self.values)
        if not fit.any():
            return None, None
        low, high = np.where(fit, self.values, np.inf).argmin(), np.where(fit, self.values, -np.inf).argmax()
        shape = self.values.shape
        return np.unravel_index(low, shape), np.unravel_index(high, shape)

    def table(self) -> dict[str, Any]:
        low, high = self.ends()
        whole = {
            "shape": list(self.values.shape),
            "least": None if low is None else self.values[low].item(),
            "largest": None if high is None else self.values[high].item(),
            "values": self.values.tolist(),
            **({"labels": list(self.labels)} if self.labels else {}),
            **({"why": self.why} if self.why else {}),
        }
        return dict(finite(whole))


Answer = Shares | Numbers


def interpret_output(values: NDArray[Any], output: Tensor, described: Description, classes: tuple[str, ...]) -> Answer:
    """Say what one output's values, (...) of one example, are.

    Only a softmax, and the logits of a network whose labels the run knows, are distributions over labels.

    Args:
        values: dequantized; integers that have no scale as they are.
        output: the tensor that they came from; the operator that made it tells what they are.
        classes: the labels, empty where no run knows them.
    """
    flat = values.ravel()
    is_row = flat.size > 1 and max(values.shape) == flat.size
    if not is_row or not np.isfinite(flat).all():
        return Numbers(values)
    if classes and len(classes) != flat.size:
        return Numbers(values, why=f"{flat.size} outputs and {len(classes)} labels: these are not shares of the labels")
    maker = made_by(described, output.index)
    if maker == "SOFTMAX":
        return shares_of(flat, classes) if is_whole(flat, output) else Numbers(values, classes)
    return of_logits(values, maker, classes)


def is_whole(shares: NDArray[Any], output: Tensor) -> bool:
    """Say whether a softmax was over all outputs: rounded to steps, their sum may be off by half of one each."""
    step = output.scales[0] if output.scales else 0.0
    return abs(float(shares.sum()) - 1) <= ROUNDING + shares.size * step / 2


def of_logits(values: NDArray[Any], maker: str, classes: tuple[str, ...]) -> Answer:
    """Turn a row of logits into shares; a row that need not be logits stays as it is."""
    if maker in NO_LOGITS or not np.issubdtype(values.dtype, np.floating):
        return Numbers(values, classes, f"they come from {maker}: no shares of one whole")
    if not classes and maker != "LOG_SOFTMAX":
        return Numbers(values, why=UNNAMED)
    return shares_of(softmax(values.reshape(1, -1))[0], classes)


def shares_of(given: NDArray[Any], classes: tuple[str, ...]) -> Shares:
    """Pair labels with their probabilities, the likeliest first."""
    names = classes or tuple(f"class {i}" for i in range(len(given)))
    return Shares(tuple(sorted(zip(names, map(float, given), strict=True), key=lambda pair: -pair[1])))


def made_by(described: Description, tensor: int) -> str:
    """Name the operator whose numbers a tensor holds, in whatever form; empty where it is an input."""
    makers = {output: op for op in described.ops if op.graph == 0 for output in op.outputs}
    op = makers.get(tensor)
    while op is not None and op.name in CARRIERS and op.inputs:
        op = makers.get(op.inputs[0])
    return op.name if op else ""


def spelled(value: Any) -> str:
    """Write one number in four digits; whole numbers whole."""
    return f"{int(value)}" if np.issubdtype(np.asarray(value).dtype, np.integer) else f"{float(value):.4g}"


def shaped(shape: tuple[int, ...]) -> str:
    """Write how many numbers there are, and in which shape where it has several axes."""
    return f"{'x'.join(map(str, shape))} numbers" if len(shape) != 1 else f"{shape[0]:,} numbers"
