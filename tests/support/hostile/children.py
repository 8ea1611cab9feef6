"""A process that forks a child for each job it is told on stdin: run as `python children.py cold|warm`.

A cold one has no TensorFlow, and its children cannot import it. A warm one has imported it and run nothing, so that
its children need not. A job is one line of JSON; the answer is one line too.
"""

from __future__ import annotations

import gc
import importlib.abc
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[2]
PATIENCE_SECONDS = 40
HEAVY = ("tensorflow", "tf_keras", "keras", "tensorflow_model_optimization")
MARK = "/hostile-mark"
"""A path that is asked for before and after each child, so that a trace of system calls shows whose is what."""


class Refusing(importlib.abc.MetaPathFinder):
    """Lets nobody import TensorFlow."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} was to be imported, and the network had not been refused")


def main(kind: str) -> None:
    sys.path.insert(0, str(TESTS))
    warm_up(kind)
    gc.freeze()  # children would copy all of it to look it through
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(answer(job, kind)), flush=True)


def warm_up(kind: str) -> None:
    """Import what every child needs; no operator of TensorFlow runs, so that no threads are lost in a fork."""
    import h5py  # noqa: F401

    from support.hostile import deeds  # noqa: F401
    from tinyc import cli  # noqa: F401
    from tinyc.data import loading  # noqa: F401
    from tinyc.network import backend, sources  # noqa: F401
    from tinyc.run import plan, stored  # noqa: F401
    from tinyc.run.commands import plan as command  # noqa: F401

    if kind == "warm":
        backend.keras()
        from tinyc.federation import job  # noqa: F401
    else:
        sys.meta_path.insert(0, Refusing())


def answer(job: dict[str, Any], kind: str) -> dict[str, Any]:
    """Fork a child, wait for it, and read what it left."""
    result = Path(job["folder"]) / "result.json"
    mark("begin", job)
    child = os.fork()
    if child == 0:
        be_child(job, result, kind)
    status = waited(child)
    mark("end", job)
    said = json.loads(result.read_text()) if result.exists() else {"code": None}
    output = (Path(job["folder"]) / "output.txt").read_text(errors="replace")
    return {"status": status, "output": output, "events": [], **said}


def mark(when: str, job: dict[str, Any]) -> None:
    os.path.exists(f"{MARK}/{when}/{Path(job['folder']).name}")


def waited(child: int, seconds: int = PATIENCE_SECONDS) -> int:
    """The child's exit status; one that hangs is ended."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(seconds)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        signal.alarm(0)


def be_child(job: dict[str, Any], result: Path, kind: str) -> None:
    """Do one deed under watch, write down what came of it, and end."""
    from support.hostile import watch
    from support.hostile.deeds import DEEDS
    from support.hostile.ground import Ground

    ground = Ground(Path(job["folder"]), Path(job["templates"]), job["port"])
    events: list[str] = []
    code: int | None = None
    try:
        settle(job, ground)
        if job["watched"]:
            watch.watch(Path(os.path.realpath(ground.run)), Path(os.path.realpath(ground.canary)), events.append)
        code = DEEDS[job["deed"]](ground, job)
    except BaseException as error:
        print(f"Traceback of the test itself: {type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        heavy = [name for name in HEAVY if name in sys.modules]
        seen = list(events)
        result.write_text(json.dumps({"code": code, "events": seen, "heavy": heavy}))
        os._exit(0)


def settle(job: dict[str, Any], ground: Any) -> None:
    """Give the child its folders, and its output a file."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(Path(job["folder"]) / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for here, there in ((null, 0), (output, 1), (output, 2)):
        os.dup2(here, there)
    if ground.run.is_dir():
        os.environ.update(ground.environment())
        tempfile.tempdir = None
        os.chdir(ground.run)


if __name__ == "__main__":
    main(*sys.argv[1:])
