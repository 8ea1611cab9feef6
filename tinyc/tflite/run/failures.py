"""What a failure means to the user: which operator, in which layer, and what to write instead."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence

from tinyc.core.errors import MachineError, TinycError, UserError
from tinyc.tflite.read.description import Op
from tinyc.tflite.read.operators import TFLM_CUSTOM
from tinyc.tflite.run.link import LostError
from tinyc.tflite.run.runtimes import Runtime, version

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
# Custom operators by how their names begin.
OWNERS: Mapping[str, str] = {
    "ethos-u": "Vela compiled this file for an Arm Ethos-U: it runs on a device that has one (AddEthosU()), and on no "
    "host; give the file as it was before Vela",
    "Flex": "convert without SELECT_TF_OPS, and write the layer with TensorFlow Lite's own operators",
}
OWN = "register it in your firmware's resolver (AddCustom), or write the layer with operators that TFLM has"
# In which operator an interpreter stopped: TFLM's way to say it, and TensorFlow Lite's.
PLACE = (
    re.compile(r"Node (?P<op>[\w-]+) \(number (?P<number>\d+)"),
    re.compile(r"Node number (?P<number>\d+) \((?P<op>.+?)\)"),
)
REASONS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"[Hh]ybrid|[Tt]ype .*not (currently )?supported|Unsupported data type|not supported.*type"),
     "give the operator types that its kernel has, as full int8 does (inputs, weights and outputs)"),
    (re.compile(r"not a valid [Ff]latbuffer|schema version|model identifier|^error: unpack", re.MULTILINE),
     "the file is damaged, or of another version of the format: write or download it again"),
    (re.compile(r"[Dd]ynamic tensor"), "convert with sizes that are all known, the batch of 1 included"),
)  # fmt: skip
# What a kernel that reads or computes what it must not gets from the system.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP})
ASK_TFLM = "TensorFlow Lite Micro may run it: tinyc inspect tries that"


def refused(runtime: Runtime, where: str, ops: Sequence[Op], message: str, said: str) -> UserError:
    """Explain why an interpreter does not take a file; the reason stands in its exception or on C's stderr."""
    text = f"{said}\n{message}"
    found = next((match for pattern in MISSING if (match := pattern.search(text))), None)
    if found is not None:
        return missing(runtime, where, ops, found["op"], found.groupdict().get("version"))
    if "ArenaTooLargeError" in message:
        return UserError(
            where, f"{runtime_name(runtime)}: {message.partition(': ')[2]}", "use a smaller network or input"
        )
    reason = "; ".join(line.strip() for line in said.splitlines()[-3:] if line.strip()) or message
    place = stopped(text, ops)
    at = f"at {place.where}" if place else "the file"
    problem = f"{runtime_name(runtime)} {'stops ' if place else 'cannot take '}{at}: {reason}"
    otherwise = "change what the reason names; converting the same network again does not help"
    remedy = next((remedy for pattern, remedy in REASONS if pattern.search(text)), otherwise)
    return UserError(where, problem, remedy if runtime == "tflm" else f"{remedy}; {ASK_TFLM}")


def stopped(text: str, ops: Sequence[Op]) -> Op | None:
    """Find the operator that an interpreter stopped at; None where it does not say, or says it of another graph."""
    main = [op for op in ops if op.graph == 0]
    for match in filter(None, (pattern.search(text) for pattern in PLACE)):
        number = int(match["number"])
        if number < len(main) and main[number].name == match["op"]:
            return main[number]
    return None


def missing(runtime: Runtime, where: str, ops: Sequence[Op], op: str, wanted: str | None) -> UserError:
    """Report an operator that a runtime lacks: whose it is, who has it, and what to write instead."""
    if op == "CUSTOM":  # TFLM does not say which
        lacking = [use.name for use in ops if use.custom and use.name not in TFLM_CUSTOM]
        op = lacking[0] if lacking else op
    users = [use for use in ops if use.name == op]
    at = ", ".join(use.where for use in users) or "an operator in a nested graph"
    if any(use.custom for use in users):
        remedy = next((own for begin, own in OWNERS.items() if op.startswith(begin)), OWN)
        if runtime != "tflm" and op in TFLM_CUSTOM:
            remedy = f"it is TensorFlow Lite Micro's own, so that nothing can be compared with it here; {ASK_TFLM}"
        return UserError(where, f"{runtime_name(runtime)} has no custom operator {op!r}, which is {at}", remedy)
    if runtime == "tflm":
        problem = f"TensorFlow Lite Micro has no {op}, which is {at}"
        return UserError(where, problem, f"instead of {op}: {INSTEAD.get(op, OTHERWISE)}")
    detail = f" version {wanted}" if wanted else ""
    problem = f"{op}{detail}, which is {at}, is missing from {runtime_name(runtime)}"
    return UserError(where, problem, f"use an operator that this runtime has too, to compare the two; {ASK_TFLM}")


def lost(runtime: Runtime, where: str, error: LostError) -> TinycError:
    """Report a worker that crashed or hung; a crash of the interpreter is the file's affair, not this machine's.

    So is a worker that computed all the time and came to no end; one that computed little was kept from it by others.
    """
    if error.signal in CRASHES:
        problem = f"{runtime_name(runtime)} crashes on it: the worker process {error.how}"
        remedy = "the file holds what this interpreter does not check, and another run will end like this one"
        other = "a device with it would crash too" if runtime == "tflm" else ASK_TFLM
        return UserError(where, problem, f"{remedy}; {other}")
    if error.busy:
        problem = f"{runtime_name(runtime)} does not finish on it: the worker process was computing, and {error.how}"
        return UserError(where, problem, "look for a loop that does not end, or take a smaller network")
    remedy = (
        "run again with fewer programs beside it; if that ends the same way, the interpreter cannot finish the file"
    )
    return MachineError(where, f"the worker process that ran it under {runtime_name(runtime)} {error.how}", remedy)


def broken(runtime: Runtime, where: str, message: str) -> MachineError:
    """Report what a worker could not do for a reason that is not the file's."""
    return MachineError(
        where, f"cannot run under {runtime_name(runtime)}: {message}", "install tinyc's dependencies again"
    )


def absent(runtime: Runtime, where: str) -> TinycError:
    """Report a runtime that is not installed here."""
    package = "tflite-micro" if runtime == "tflm" else "tflite-runtime, or ai-edge-litert on Python 3.12 and later"
    return MachineError(where, f"cannot run under {runtime}: it is not installed here", f"pip install {package}")


def runtime_name(runtime: Runtime) -> str:
    """Return a runtime as people know it, with its version."""
    kernels = {"tflm": "TensorFlow Lite Micro", "fast": "fast kernels", "reference": "reference kernels"}[runtime]
    return f"{kernels} ({version(runtime) or 'not installed'})"
