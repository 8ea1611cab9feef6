"""The one door to the interpreters, used inside a worker: TensorFlow Lite Micro, and tflite-runtime or its successor.

`tflm` is what a device runs. `reference` is tflite-runtime's reference kernels, which agree with TFLM to the bit;
`fast` its default kernels, which are quicker and may differ by a step. Where tflite-runtime has no wheel,
ai-edge-litert stands in. Nothing here imports TensorFlow, which cannot share a process with tflite-runtime.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits
from tinyc.tflite.run import arena, states
from tinyc.tflite.run.states import Start

Runtime = Literal["tflm", "fast", "reference"]
PACKAGES: dict[Runtime, tuple[str, ...]] = {
    "tflm": ("tflite_micro",),
    "fast": ("tflite_runtime", "ai_edge_litert"),
    "reference": ("tflite_runtime", "ai_edge_litert"),
}


class Session(Protocol):
    """One file opened by one interpreter."""

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Give the output of each example, (examples, ...), in the file's own types."""


def package(runtime: Runtime) -> str | None:
    """Return the package that serves a runtime here; None where none is installed, so that it stays unmeasured."""
    return next((name for name in PACKAGES[runtime] if importlib.util.find_spec(name)), None)


def version(runtime: Runtime) -> str | None:
    """Return the package and version that serve a runtime here, e.g. "tflite-runtime 2.14.0"."""
    name = package(runtime)
    return f"{name.replace('_', '-')} {importlib.metadata.version(name)}" if name else None


def open_session(runtime: Runtime, content: bytes, batch: int, arena_bytes: int, start: Start) -> Session:
    """Open a file.

    Args:
        runtime: which kernels.
        content: the .tflite.
        batch: how many examples the fast kernels may take at once; 1 where the file keeps state.
        arena_bytes: the first arena that TFLM is offered; it grows from there.
        start: what each example is preceded by.
    """
    name = package(runtime)

    def opened() -> Micro | Lite:
        if name == "tflite_micro":
            return Micro(content, arena_bytes)
        return Lite(importlib.import_module(f"{name}.interpreter"), content, runtime, batch)

    return opened() if start == "as left" else states.Restarted(opened, start)


def read_tensors(
    content: bytes, inputs: NDArray[Any], tensors: tuple[int, ...], arena_bytes: int, start: Start
) -> list[NDArray[Any]]:
    """Give what tensors of the main graph hold in TFLM after each example, (examples, *shape), in the file's own types.

    Each keeps memory of its own. tflite-runtime has such a mode too, but lets ADD and others overwrite their input.
    """
    from tflite_micro import runtime  # has no wheel for macOS

    def opened() -> Micro:
        return Micro(content, arena_bytes, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)

    found: list[list[NDArray[Any]]] = [[] for _ in tensors]
    for example, micro in zip(inputs, states.starts(opened, start), strict=False):
        micro.invoke(example[None])
        for index, values in zip(tensors, found, strict=True):
            values.append(unbatched(np.array(micro.interpreter.GetTensor(index, 0)["tensor_data"])))
    return [np.stack(values) for values in found]


class Micro:
    """TFLM, one example at a time."""

    def __init__(self, content: bytes, arena_bytes: int, **options: Any) -> None:
        self.interpreter = arena.offer(content, arena_bytes, **options)
        arena.zero_inputs(self.interpreter, 1)

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return stacked(unbatched(self.invoke(example[None])) for example in inputs)

    def invoke(self, example: NDArray[Any]) -> NDArray[Any]:
        self.interpreter.set_input(example, 0)
        self.interpreter.invoke()
        return np.array(self.interpreter.get_output(0))

    def reset(self) -> None:
        self.interpreter.reset()


class Lite:
    """tflite-runtime on one thread: the fast kernels on batches where the file allows it, else one by one."""

    def __init__(self, module: Any, content: bytes, runtime: Runtime, batch: int) -> None:
        resolvers = module.OpResolverType
        self.module, self.content = module, content
        self.resolver = resolvers.BUILTIN_REF if runtime == "reference" else resolvers.AUTO
        self.single = self.open()
        self.single.allocate_tensors()
        self.batch = batch if runtime == "fast" else 1
        self.many: Any = None

    def open(self) -> Any:
        return self.module.Interpreter(
            model_content=self.content, num_threads=1, experimental_op_resolver_type=self.resolver
        )

    def reset(self) -> None:
        self.single.reset_all_variables()

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        if self.batch > 1 and self.many is None and len(inputs) > 1:
            self.many = self.try_batches(inputs)
        if self.many is None:
            return stacked(unbatched(invoke(self.single, example[None])) for example in inputs)
        starts = range(0, len(inputs), self.batch)
        return np.concatenate([self.run_batch(inputs[start : start + self.batch]) for start in starts])

    def run_batch(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Run up to one batch; a shorter one is filled up with its last example."""
        missing = self.batch - len(inputs)
        filled = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]) if missing else inputs
        return invoke(self.many, filled)[: len(inputs)]

    def try_batches(self, inputs: NDArray[Any]) -> Any:
        """Resize to a batch, and keep that only if it computes what single examples do.

        Some operators hold the batch of 1 in a constant: they refuse, or read only the first example.
        """
        self.many = self.open()
        try:
            index = self.many.get_input_details()[0]["index"]
            self.many.resize_tensor_input(index, [self.batch, *inputs.shape[1:]])
            self.many.allocate_tensors()
            together = self.run_batch(inputs[: self.batch])
        except (RuntimeError, ValueError):
            together = np.empty(0)
        probes = sorted({0, min(self.batch, len(inputs)) - 1})
        alone = np.stack([unbatched(invoke(self.single, inputs[i][None])) for i in probes])
        if len(together) > probes[-1] and same(together[probes], alone):
            return self.many
        self.batch = 1
        return None


def invoke(interpreter: Any, inputs: NDArray[Any]) -> NDArray[Any]:
    """Run one interpreter once and copy its output."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def stacked(outputs: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Put outputs of one shape together.

    Raises:
        ValueError: they are of several shapes, or fill the memory.
    """
    kept, size = [], 0
    for output in outputs:
        kept.append(output)
        size += output.nbytes
        if size > limits.REPLY_BYTES:
            raise ValueError(f"{len(kept)} examples give over {limits.REPLY_BYTES:,} bytes")
    return np.stack(kept)


def unbatched(output: NDArray[Any]) -> NDArray[Any]:
    """Drop the batch of 1; a tensor from inside a network may have none."""
    return output[0] if output.ndim and output.shape[0] == 1 else output


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Compare integers exactly, floats up to the order of summation."""
    if left.shape != right.shape:
        return False
    exact = np.issubdtype(left.dtype, np.integer)
    return bool(np.array_equal(left, right) if exact else np.allclose(left, right, 1e-4, 1e-5, equal_nan=True))
