"""Measure how long a .tflite takes on this machine, under tflite-runtime or ai-edge-litert.

    python bench.py model.tflite > measured.json

It needs one of these packages and NumPy, and nothing else: it stands alone, so that it can be copied to a computer
that TensorFlow cannot be installed on, and keeps to the syntax of Python 3.7. `tinyc bench` runs it too. JSON goes to
standard output, a line for people to standard error.

Each start is a process of its own, which opens the file and runs it for the first time; the last start of each number
of threads goes on with warm inferences. What is timed is the call that runs the network: inputs are set before it, and
outputs are not read.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

FORMAT = "tinyc bench 1"
PACKAGES = {"tflite-runtime": "tflite_runtime", "ai-edge-litert": "ai_edge_litert"}
MOST_THREADS = 256
# Inferences that are not counted before the warm ones, and the fewest that are, however long they take.
WARM_UP = 5
FEWEST = 3
# A file that asks for all memory fails in its own process.
MEMORY_BYTES = 8 << 30
# What ends a process for a reason that is not the file's.
ENDINGS = {
    "SIGKILL": "; is there enough memory?", "SIGTERM": "", "SIGINT": "",
    "SIGILL": "; the interpreter's package is for another processor",
}  # fmt: skip
# What the interpreter logs where it hands operators to XNNPACK.
XNNPACK = b"XNNPACK delegate"


class Unmeasurable(Exception):
    """What keeps a file from being measured.

    Attributes:
        kind: "file", "refused" where the interpreter says so in its own words, or "machine".
        problem: what it is, without the file's name.
    """

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind, self.problem = kind, problem


def main() -> int:
    """Measure a file, and print what was found as JSON; give the exit code."""
    options = parser().parse_args()
    try:
        print(json.dumps(measure_start(options) if options.start else measure(options), indent=1))
    except Unmeasurable as failure:
        print(json.dumps({"failure": {"kind": failure.kind, "problem": failure.problem}}, indent=1))
        if not options.start:
            print(f"bench.py: error: {options.file}: {failure.problem}", file=sys.stderr)
        return 3 if failure.kind == "machine" else 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Declare the command line."""
    made = argparse.ArgumentParser(prog="bench.py", description="Measure how long a .tflite takes on this machine.")
    made.add_argument("file", help="the .tflite")
    made.add_argument("--threads", type=counts, default=doublings(cores()), help="e.g. 1,2,4")
    made.add_argument("--runs", type=whole, default=200, help="warm inferences for each number of threads")
    made.add_argument("--starts", type=whole, default=3, help="processes that run it for the first time")
    made.add_argument("--seconds", type=float, default=10.0, help="end the warm inferences after so long")
    made.add_argument("--patience", type=float, default=600.0, help="give a process up after so many seconds")
    made.add_argument("--inputs", choices=("random", "zeros"), default="random")
    made.add_argument("--seed", type=natural, default=0, help="of random inputs")
    made.add_argument("--interpreter", choices=sorted(PACKAGES), help="by default the first that is installed")
    made.add_argument("--start", choices=("cold", "warm"), help=argparse.SUPPRESS)
    return made


def natural(text: str) -> int:
    """Read a whole number of nine digits at most."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at most nine digits")
    return int(text)


def whole(text: str) -> int:
    """Read a count of at least 1."""
    if natural(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1")
    return natural(text)


def counts(text: str) -> list[int]:
    """Read numbers of threads."""
    found = [whole(each) for each in text.split(",")]
    if max(found) > MOST_THREADS or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of different numbers up to {MOST_THREADS}")
    return found


def doublings(most: int) -> list[int]:
    """Give 1, 2, 4 and so on, and the most itself."""
    return sorted({min(most, 1 << power) for power in range(most.bit_length() + 1)})


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure a file with each number of threads, in processes of their own."""
    content, before = read(options.file), machine()
    options.interpreter = installed(options.interpreter)
    results = []
    for threads in options.threads:
        roles = ["cold"] * (options.starts - 1) + ["warm"]
        starts = [start_process(options, threads, role) for role in roles]
        if any(each["sha256"] != hashlib.sha256(content).hexdigest() for each in starts):
            raise Unmeasurable("file", "changed while it was measured; measure it again")
        warm = starts[-1]["warm"]
        results.append({
            "threads": threads, "xnnpack": starts[-1]["xnnpack"], "load_seconds": [each["load"] for each in starts],
            "cold_seconds": [each["cold"] for each in starts], "warm": warm,
        })  # fmt: skip
        shown = f"{1000 * warm['median']:.3g} ms, the median of {warm['runs']}"
        print(f"{threads} thread{'s' if threads > 1 else ''}: {shown}", file=sys.stderr)
    return {
        "format": FORMAT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "file_bytes": len(content),
        "runtime": f"{options.interpreter} {starts[-1]['version']}",
        "machine": before,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": options.seed if options.inputs == "random" else None,
        "inputs": starts[-1]["inputs"],
        "results": results,
    }


def read(path: str) -> bytes:
    """Read the file."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise Unmeasurable("file", f"cannot be read: {error.strerror}") from error
    if content[4:8] != b"TFL3":
        raise Unmeasurable("file", "is not a TensorFlow Lite file")
    return content


def installed(wanted: str | None) -> str:
    """Choose the interpreter among those that are installed."""
    names = [wanted] if wanted else list(PACKAGES)
    found = [name for name in names if importlib.util.find_spec(PACKAGES[name])]
    missing = None if found else " or ".join(names)
    if found and not importlib.util.find_spec("numpy"):
        missing = "numpy"
    if missing:
        raise Unmeasurable("machine", f"cannot be measured here: pip install {missing}")
    return found[0]


def start_process(options: argparse.Namespace, threads: int, role: str) -> dict[str, Any]:
    """Measure in a process of its own, and take what it found."""
    command = [sys.executable, *(["-I"] if sys.flags.isolated else []), os.path.abspath(__file__), options.file]
    command += ["--start", role, "--threads", str(threads), "--interpreter", options.interpreter]
    for name in ("runs", "seconds", "inputs", "seed"):
        command += [f"--{name}", str(getattr(options, name))]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=options.patience)
    except subprocess.TimeoutExpired:
        raise Unmeasurable("file", f"was not done in {options.patience:g} s; a loop of it may not end") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        if name in ENDINGS:
            raise Unmeasurable("machine", f"cannot be measured here: {name} ended the process{ENDINGS[name]}")
        raise Unmeasurable("file", f"crashes {options.interpreter} ({name}), which does not check all that it reads")
    try:
        table = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise Unmeasurable("machine", f"cannot be measured here: {said[-1]}") from None
    if "failure" in table:
        raise Unmeasurable(**table["failure"])
    return {**table, "xnnpack": XNNPACK in done.stderr}


def measure_start(options: argparse.Namespace) -> dict[str, Any]:
    """Open the file in this process and run it for the first time, and as often as was asked for."""
    bound_memory()
    content = read(options.file)
    package = importlib.import_module(PACKAGES[options.interpreter])
    module = importlib.import_module(f"{package.__name__}.interpreter")
    try:
        began = time.perf_counter()
        interpreter = module.Interpreter(model_content=content, num_threads=options.threads[0])
        interpreter.allocate_tensors()
        load = time.perf_counter() - began
        details = interpreter.get_input_details()
        drawn = [values(each, options) for each in details]
        arrays = [(each["index"], array) for each, (array, _) in zip(details, drawn)]
        cold = seconds(interpreter, arrays)
        warm = repeat(interpreter, arrays, options) if options.start == "warm" else None
    except Unmeasurable:
        raise
    except Exception as error:
        raise Unmeasurable("refused", f"{type(error).__name__}: {error}") from error
    return {
        "sha256": hashlib.sha256(content).hexdigest(), "version": package.__version__,
        "load": load, "cold": cold, "warm": warm,
        "inputs": [{"type": array.dtype.name, "shape": list(array.shape), "values": how} for array, how in drawn],
    }  # fmt: skip


def bound_memory() -> None:
    """Bound what this process may take, where the system can."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MEMORY_BYTES)
    with suppress(ValueError, OSError, OverflowError):  # macOS has no such limit, and 32 bits none so high
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def values(details: dict[str, Any], options: argparse.Namespace) -> tuple[Any, str]:
    """Make one input, and say how.

    Random numbers go over all that 8 and 16 bits hold, and are normal where floats are taken. An input of 32 or 64 bits
    may hold indices, so it is zeros.
    """
    import numpy  # the first process, which measures nothing, does without

    signature = [int(side) for side in details.get("shape_signature", details["shape"])]
    if -1 in signature[1:]:
        raise Unmeasurable("file", f"leaves the shape of an input open: {signature}; convert it with fixed sizes")
    kind, shape = numpy.dtype(details["dtype"]), tuple(int(side) for side in details["shape"])
    random = numpy.random.default_rng([options.seed, details["index"]])
    if kind.kind not in "fiub":
        raise Unmeasurable("file", f"has an input of type {kind.name}")
    if options.inputs == "random" and kind.kind == "f":
        return random.standard_normal(shape).astype(kind), "random"
    if options.inputs == "random" and kind.kind in "iu" and kind.itemsize < 4:
        held = numpy.iinfo(kind)
        return random.integers(held.min, held.max, shape, kind, endpoint=True), "random"
    return numpy.zeros(shape, kind), "zeros"


def seconds(interpreter: Any, arrays: list[tuple[int, Any]]) -> float:
    """Time one inference; its inputs are set anew each time, since an operator may write over them."""
    for index, array in arrays:
        interpreter.set_tensor(index, array)
    began = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - began


def repeat(interpreter: Any, arrays: list[tuple[int, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """Time warm inferences, in seconds, until there are enough or the time is over."""
    import numpy  # as above

    until = time.perf_counter() + options.seconds / 10
    for _ in range(WARM_UP):
        if time.perf_counter() < until:
            seconds(interpreter, arrays)
    found: list[float] = []
    until = time.perf_counter() + options.seconds
    while len(found) < options.runs and (len(found) < FEWEST or time.perf_counter() < until):
        found.append(seconds(interpreter, arrays))
    names = ("min", "p5", "median", "p95", "max")
    spread = numpy.percentile(found, (0, 5, 50, 95, 100))
    return {"runs": len(found), **{name: float(each) for name, each in zip(names, spread)}}


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Describe the machine; one with a device tree has a name, such as Raspberry Pi 4 Model B Rev 1.4.

    The load average of the last minute tells whether other programs take part of it.
    """
    processor = next((line.partition(":")[2].strip() for line in lines("/proc/cpuinfo") if "model name" in line), "")
    processor = processor or platform.processor() or platform.machine()
    named = next(iter(lines("/proc/device-tree/model")), "").strip("\0 \n")
    return {
        "name": named or processor, "processor": processor, "architecture": platform.machine(), "cores": cores(),
        "load_average": os.getloadavg()[0], "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }  # fmt: skip


def lines(path: str) -> list[str]:
    """Read a file of the system; no lines where there is none."""
    try:
        with open(path, errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
