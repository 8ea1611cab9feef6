"""`bench.py` in a process of its own: how long a .tflite takes on this machine, as the JSON that it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyc.core import limits
from tinyc.core.errors import MachineError, TinycError, UserError
from tinyc.tflite.read.description import Description, Op
from tinyc.tflite.read.operators import tflm_only
from tinyc.tflite.run import bench, failures
from tinyc.tflite.run.link import LIVING
from tinyc.tflite.run.pool import unheld

SCRIPT = Path(bench.__file__)
ON_DEVICE = "nothing but TensorFlow Lite Micro decodes them: measure the file as it was before `compact`"
FIXED = "convert it with a fixed shape and a batch of 1"
INSTEAD = "write the layer with operators of TensorFlow Lite, or measure where an interpreter with it is installed"
OTHERWISE = "change what the reason names, or measure with the other interpreter: --interpreter"
MACHINE = "see that memory is free, and that tinyc's dependencies are installed"


@dataclass(frozen=True)
class Wish:
    """What is to be measured; without `threads` or `interpreter` the script chooses."""

    threads: tuple[int, ...] = ()
    runs: int = 200
    inputs: Literal["random", "zeros"] = "random"
    seed: int = 0
    interpreter: str | None = None
    patience: float = limits.EXAMPLE_SECONDS

    def words(self) -> list[str]:
        """Give the options of the script."""
        found = ["--runs", str(self.runs), "--inputs", self.inputs, "--seed", str(self.seed)]
        found += ["--patience", str(self.patience)]
        found += ["--threads", ",".join(map(str, self.threads))] if self.threads else []
        return [*found, "--interpreter", self.interpreter] if self.interpreter else found


def time_file(path: Path, described: Description, wish: Wish) -> str:
    """Measure a file on this machine, and give what the script wrote.

    Raises:
        UserError: no interpreter of this machine can run it, or it does not end.
        MachineError: no interpreter is installed, or a process was ended.
    """
    refuse(described, str(path))
    code, told, said = run_script([os.path.abspath(path), *wish.words()])
    if code == 0:
        return told
    try:
        failure = json.loads(told)["failure"]
    except (ValueError, TypeError, KeyError):
        last = (said.strip().splitlines() or [f"exit code {code}"])[-1]
        raise MachineError(str(path), f"cannot be measured here: {last}", MACHINE) from None
    raise failed(str(path), failure["kind"], failure["problem"], described.ops)


def refuse(described: Description, where: str) -> None:
    """Refuse what the file alone tells that no interpreter takes.

    Raises:
        UserError: it holds weight tables, leaves a shape open, or takes or gives what is no numbers.
    """
    if tflm_only(described):
        raise UserError(where, "keeps weights in tables, so that it cannot be measured here", ON_DEVICE)
    if any(size < 0 for each in described.inputs for size in each.shape):
        raise UserError(where, "leaves its input's shape open", FIXED)
    held = [*((each, "input") for each in described.inputs), *((each, "output") for each in described.outputs)]
    if problem := next(filter(None, (unheld(*each) for each in held)), None):
        raise UserError(where, problem, "give a network of numbers, such as int8 or float32")


def run_script(words: Sequence[str]) -> tuple[int, str, str]:
    """Run the script to its end: its exit code, and what it wrote on standard output and error.

    It gets its own session, so that ctrl-C reaches only this process, which then ends it with what it started.
    """
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONSAFEPATH": "1"},  # the modules beside the script are not the interpreter's
        start_new_session=True,
    )
    LIVING.add(process)
    try:
        told, said = process.communicate()
    except BaseException:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, told.decode(errors="replace"), said.decode(errors="replace")


def failed(where: str, kind: str, problem: str, ops: Sequence[Op]) -> TinycError:
    """Turn what the script says into the error that the user is shown."""
    if kind == "machine":
        return MachineError(where, problem, MACHINE)
    if kind == "file":
        return UserError(where, problem)
    found = next((match for pattern in failures.MISSING if (match := pattern.search(problem))), None)
    if found is None:
        return UserError(where, f"the interpreter does not run it: {problem}", OTHERWISE)
    users = [op.where for op in ops if op.name == found["op"]]
    at = ", ".join(users) or "an operator in a nested graph"
    return UserError(where, f"the interpreter has no {found['op']}, which is {at}", INSTEAD)
