"""A process that forks a child for each damaged input: run as `python forking.py cold|heavy TEMPLATES`.

A cold one cannot import TensorFlow; a heavy one has imported it, and run nothing, so that its children need not. A job
is one line of JSON, and so is the answer. Each child has a folder, a limit of memory and a limit of time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

TESTS = Path(__file__).parents[1]
SPARE_BYTES = 2 << 30
"""What a child may take beyond what its parent holds."""
FILE_BYTES = 256 << 20
SECONDS = 20
HEAVY = ("tensorflow", "tf_keras", "keras", "tensorflow_model_optimization")


def main(kind: str, templates: str) -> None:
    sys.path.insert(0, str(TESTS))
    warm_up(kind)
    gc.freeze()  # children would copy all of it to look it through
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(answer(job, kind, Path(templates))), flush=True)


def warm_up(kind: str) -> None:
    """Import what children need; no operator of TensorFlow runs here, so that no threads are lost in a fork."""
    from fuzz import readers  # noqa: F401
    from support.hostile.children import Refusing

    import tinyc.analysis.inspection
    import tinyc.cli
    import tinyc.data.cutting
    import tinyc.data.loading
    import tinyc.federation.job
    import tinyc.federation.terminals.job_rules
    import tinyc.federation.terminals.keys
    import tinyc.report.write
    import tinyc.run.commands.check
    import tinyc.run.commands.predict
    import tinyc.run.stored
    import tinyc.spec.load  # noqa: F401
    from tinyc.network import backend, sources  # noqa: F401

    # numpy.testing, which SciPy imports, asks the processor's name of another program.
    for name in (
        "numpy.testing",
        "h5py",
        "PIL.Image",
        "tokenizers",
        "safetensors.numpy",
        "tenseal",
        "cryptography.x509",
    ):
        __import__(name)
    if kind == "heavy":
        backend.keras()
    else:
        sys.meta_path.insert(0, Refusing())


def answer(job: dict[str, Any], kind: str, templates: Path) -> dict[str, Any]:
    """Damage a copy of the seed in a child, read it there, and tell how that ended."""
    from fuzz.readers import READERS
    from support.hostile.children import waited

    reader = READERS[job["reader"]]
    template = templates / reader.seed.__name__
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=templates))
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        be_child(job, kind, template, folder)
    status = waited(child, SECONDS)
    seconds = time.monotonic() - began
    result = folder / "result.json"
    said = json.loads(result.read_text()) if result.exists() else {"code": None, "events": []}
    output = (folder / "output.txt").read_text(errors="replace") if (folder / "output.txt").exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    ends = output[:2000] + output[2000:][-2000:]
    return {"status": status, "output": ends, "length": len(output), "seconds": seconds, **said}


def be_child(job: dict[str, Any], kind: str, template: Path, folder: Path) -> None:
    """Lay the seed, damage it, read it under limits, and write down what came of it."""
    from fuzz.places import PLACES
    from fuzz.readers import READERS
    from support.hostile import watch

    events: list[str] = []
    code: int | None = None
    try:
        reader = READERS[job["reader"]]
        settle(folder / "output.txt")
        if job.get("lay"):
            template.mkdir()
            reader.seed(template)
            code = 0
        else:
            run = folder / "run"
            shutil.copytree(template, run)
            target = run / reader.target
            random = Random(f"{job['reader']} {job.get('seed')}")
            if "place" in job:
                target.unlink()
                PLACES[job["place"]](target)
            else:
                target.write_bytes(reader.mutation(target.read_bytes(), random))
            enter(run)
            limit(reader.workers)
            if not reader.workers:
                watch.watch(Path(os.path.realpath(run)), Path("/nowhere"), events.append)
            code = told(reader.read)
        for log in Path("tmp").glob("tinyc-bug-*"):
            print(log.read_text())
    except BaseException as error:
        print("the test itself: " + "".join(traceback.format_exception(error)))
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        (folder / "result.json").write_text(json.dumps({"code": code, "events": list(events)}))
        os._exit(0)


def told(read: Any) -> int:
    """Read it, and end as the command would."""
    from tinyc.cli.ending import explain

    try:
        found = read()
    except Exception as error:
        return explain(error)
    return found if isinstance(found, int) else 0


def settle(output: Path) -> None:
    """Give the child's output a file."""
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for here, there in ((null, 0), (file, 1), (file, 2)):
        os.dup2(here, there)


def enter(run: Path) -> None:
    """Give the child its folder."""
    (run / "tmp").mkdir(exist_ok=True)
    os.environ |= {"TMPDIR": str(run / "tmp"), "TINYC_CACHE": str(run / "cache"), "HOME": str(run)}
    tempfile.tempdir = None
    os.chdir(run)


def limit(workers: bool) -> None:
    """Bound memory and files; where workers are started they inherit both."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = held + SPARE_BYTES * (4 if workers else 1)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


if __name__ == "__main__":
    main(*sys.argv[1:])
