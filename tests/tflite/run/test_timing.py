"""`bench.py` run by tinyc: its end, and its failures as errors of tinyc."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import artifacts

from tinyc.core.errors import MachineError, UserError
from tinyc.measure.timings import read_timings
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import timing
from tinyc.tflite.run.timing import Wish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "-model.tflite"  # a name that looks like an option
    found.write_bytes(artifacts.by_hand())
    return found


def time_file(path: Path, **wish: Any) -> str:
    return timing.time_file(path, describe(path.read_bytes()), Wish(**wish))


def test_what_was_wished_is_measured(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    told = time_file(Path(path.name), threads=(2,), runs=5, inputs="zeros", interpreter="ai-edge-litert")
    found = read_timings(told, "bench.py")
    (result,) = found.results
    assert (result.threads, result.warm.runs, found.inputs[0].values) == (2, 5, "zeros")
    assert found.runtime.startswith("ai-edge-litert ")
    assert read_timings(time_file(path, threads=(1,), runs=1, seed=7), "bench.py").seed == 7


def test_a_file_that_takes_too_long_is_given_up(path: Path) -> None:
    with pytest.raises(UserError, match=r"was not done in 0\.001 s"):
        time_file(path, patience=0.001)


@pytest.mark.parametrize(
    ("code", "told", "error", "said"),
    [
        (1, "", MachineError, "cannot be measured here: last"),
        (3, '{"failure": {"kind": "machine", "problem": "no numpy"}}', MachineError, "no numpy"),
        (2, '{"failure": {"kind": "file", "problem": "is odd"}}', UserError, "is odd"),
        (2, '{"failure": {"kind": "refused", "problem": "Error: no"}}', UserError, "does not run it: Error: no"),
        (2, '{"failure": {"kind": "refused", "problem": "Didn\'t find op for builtin opcode \'SOFTMAX\'"}}', UserError,
         "the interpreter has no SOFTMAX, which is op 0 SOFTMAX"),
        (2, '{"failure": {"kind": "refused", "problem": "Encountered unresolved custom op: MINE."}}', UserError,
         "the interpreter has no MINE, which is an operator in a nested graph"),
        (2, "[]", MachineError, "last"),
    ],
)  # fmt: skip
def test_each_failure_is_somebodys(
    code: int, told: str, error: type[Exception], said: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "run_script", lambda _: (code, told, "first\nlast\n"))
    with pytest.raises(error) as caught:
        time_file(path)
    assert said in str(caught.value)


def test_an_interrupt_ends_what_was_started_with_all_that_it_started(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = path.parent / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("import time\ntime.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(path.parent))
    found: list[psutil.Process] = []
    communicate = subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen[bytes], *rest: Any, **more: Any) -> Any:
        if found:
            return communicate(process, *rest, **more)
        while not (started := psutil.Process(process.pid).children()):
            time.sleep(0.01)
        found.extend([psutil.Process(process.pid), *started])
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        time_file(path)
    until = time.monotonic() + 10
    while left := [each for each in found if running(each)]:
        assert time.monotonic() < until, left
        time.sleep(0.01)


def running(process: psutil.Process) -> bool:
    """Say whether a process is there, and not only waiting to be buried."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
