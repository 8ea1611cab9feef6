"""What a failure means to the user: which operator, in which layer, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinyc.errors import MachineError, TinycError, UserError
from tinyc.interpreters.description import Op
from tinyc.interpreters.runtimes import Runtime, version

MISSING = (
    re.compile(r"Didn't find op for builtin opcode '(?P<op>\w+)'(?: version '(?P<version>\d+)')?"),
    re.compile(r"unresolved custom op: (?P<op>[\w:]+)"),
    re.compile(r"Failed to get registration from op code (?P<op>\S+)"),
)
UNROLLED = "unroll the recurrence over a fixed number of steps, or use dilated or causal convolutions"
INSTEAD = {
    "GELU": "use ReLU, hard-swish or x * sigmoid(1.702 x); Keras' gelu is fused into GELU, exact or approximate",
    "SELECT": "replace tf.where by arithmetic with a 0/1 mask, and Embedding by tf.gather on a weight",
    "REDUCE_PROD": "convert with a static batch of 1; give Reshape fixed sizes",
    "POW": "multiply x * x, or use tf.square, tf.sqrt or tf.math.rsqrt",
    "TILE": "let an operator broadcast, or repeat with tf.concat or tf.broadcast_to",
    "ONE_HOT": "gather rows of a constant identity matrix",
    "RANGE": "store the numbers as a constant",
    "WHERE": "multiply with a 0/1 mask instead of looking up indices",
    "TOPK_V2": "give the logits out and sort them outside; ARG_MAX exists",
    "SCATTER_ND": "put the pieces together with tf.concat or tf.pad",
    "RELU_N1_TO_1": "clip with tf.minimum and tf.maximum to other limits, or use tanh or ReLU6",
    "DENSIFY": "convert without EXPERIMENTAL_SPARSITY; zeros save no flash on this path",
    "RNN": UNROLLED,
    "LSTM": UNROLLED,
    "UNIDIRECTIONAL_SEQUENCE_RNN": UNROLLED,
    "BIDIRECTIONAL_SEQUENCE_LSTM": UNROLLED,
    "BIDIRECTIONAL_SEQUENCE_RNN": UNROLLED,
    "WHILE": "unroll the loop over a fixed number of steps",
    "CONV_3D": "use Conv2D over (rows, columns, channels), with the third axis folded into the channels",
    "REVERSE_V2": "reverse the input before it enters the network",
    "SEGMENT_SUM": "multiply by a constant 0/1 matrix",
}
OTHERWISE = "write the layer with operators that TensorFlow Lite Micro has (convolution, dense, pooling, add, mul)"


def refused(runtime: Runtime, where: str, ops: Sequence[Op], message: str, said: str) -> UserError:
    """Explain why an interpreter does not take a file; the reason stands in its exception or on C's stderr."""
    text = f"{said}\n{message}"
    found = next((match for pattern in MISSING if (match := pattern.search(text))), None)
    if found is None:
        if "ArenaTooLargeError" in message:
            return UserError(where, f"{named(runtime)}: {message.partition(': ')[2]}", "use a smaller network or input")
        reason = "; ".join(line.strip() for line in said.splitlines()[-3:] if line.strip()) or message
        return UserError(where, f"{named(runtime)} cannot take the file: {reason}", "convert it again in full int8")
    op = found["op"]
    users = ", ".join(use.where for use in ops if use.name == op) or "an operator in a nested graph"
    if runtime != "tflm":
        detail = f" version {found['version']}" if found.groupdict().get("version") else ""
        problem = f"{op}{detail}, which is {users}, is missing from {named(runtime)}"
        return UserError(where, problem, "convert with the TensorFlow version that the project pins")
    problem = f"TensorFlow Lite Micro has no {op}, which is {users}"
    return UserError(where, problem, f"instead of {op}: {INSTEAD.get(op, OTHERWISE)}")


def lost(runtime: Runtime, where: str, how: str) -> MachineError:
    """Report a worker that crashed or hung."""
    remedy = "run again; if it happens again, the file is damaged or this interpreter cannot run it"
    return MachineError(where, f"the worker process that ran it under {named(runtime)} {how}", remedy)


def broken(runtime: Runtime, where: str, message: str) -> MachineError:
    """Report what a worker could not do for a reason that is not the file's."""
    return MachineError(where, f"cannot run under {named(runtime)}: {message}", "install tinyc's dependencies again")


def absent(runtime: Runtime, where: str) -> TinycError:
    """Report a runtime that is not installed here."""
    package = "tflite-micro" if runtime == "tflm" else "tflite-runtime, or ai-edge-litert on Python 3.12 and later"
    return MachineError(where, f"cannot run under {runtime}: it is not installed here", f"pip install {package}")


def named(runtime: Runtime) -> str:
    """A runtime as people know it, with its version."""
    kernels = {"tflm": "TensorFlow Lite Micro", "fast": "fast kernels", "reference": "reference kernels"}[runtime]
    return f"{kernels} ({version(runtime) or 'not installed'})"
