"""What a change of an artifact does: its accuracy and how far its outputs are from the float network's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.quantization.int8_facts import per_channel_notes
from tinyc.spec.passes.quantize import Change, Effect
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime
from tinyc.training.predict import predictor
from tinyc.training.probe import EXAMPLES


class Gauge:
    """Measures artifacts against the float network on at most EXAMPLES validation (or training) examples."""

    def __init__(self, model: Any, data: TrainingData, task: Task, seed: int) -> None:
        self.split = "validation" if len(data.validation) else "train"
        split = getattr(data, self.split)
        rows = np.sort(np.random.default_rng(seed).permutation(len(split))[:EXAMPLES])
        self.x, self.y = inputs(split.x[rows], task), split.y[rows]
        recordings = split.groups.get("recording")
        self.recordings = None if recordings is None else recordings[rows]
        self.wanted = predictor(model)(self.x)[0]

    def measure(self, content: bytes) -> Effect:
        """Run an artifact and compare its outputs with the network's."""
        given = self.outputs(content)
        if given is None:
            return {"accuracy": None, "output_error": None}
        error = float(np.sqrt(np.mean((given - self.wanted) ** 2) / max(float(np.mean(self.wanted**2)), 1e-30)))
        return {"accuracy": round(float(self.right(given).mean()), 6), "output_error": round(error, 6)}

    def outputs(self, content: bytes) -> NDArray[np.float32] | None:
        """Run an artifact: under the fast kernels, or under TFLM where those are known to be wrong; None without it."""
        runtime: Runtime = "tflm" if per_channel_notes(content) else "fast"
        if runtimes.version(runtime) is None:
            return None
        with Pool() as pool:
            return pool.run(content, self.x, runtime).outputs.reshape(self.wanted.shape)

    def right(self, outputs: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which examples have their largest output at the label; (examples,)."""
        found: NDArray[np.bool_] = outputs.argmax(-1) == self.y
        return found

    def compare(self, before: bytes, after: bytes) -> Change:
        """State the effect of a change."""
        return {
            "before": self.measure(before),
            "after": self.measure(after),
            "examples": len(self.y),
            "split": self.split,
        }


def refuse_unless_it_runs(content: bytes, sample: NDArray[Any], where: str, remedy: str) -> bool:
    """Run one example under TensorFlow Lite Micro; gives False where it is not installed.

    Args:
        sample: (1, *input_shape) as the network sees it.
        where: the key that brought the file about, for the message.

    Raises:
        UserError: TensorFlow Lite Micro lacks an operator in this form; names it.
    """
    if runtimes.version("tflm") is None:
        return False
    try:
        with Pool(1) as pool:
            pool.run(content, sample, "tflm")
    except UserError as error:
        raise UserError(where, f"the network would not run: {error.problem}", remedy) from error
    return True
