"""`bench.py` alone: what it measures, in which processes, and what it says of files that it cannot measure."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, tiny
from support.tiny import Graph, Plan, by_hand, of_graphs

from tinyc.core import limits
from tinyc.measure.timings import read_timings
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run import bench

SCRIPT = Path(bench.__file__)
# Notes each call in the folder that it is in, and can do what a real one does only now and then.
FAKE = """
import os, signal, time
import numpy as np

class Interpreter:
    def __init__(self, model_content, num_threads):
        self.note(f"open {num_threads}")
    def note(self, text):
        with open("calls.txt", "a") as stream:
            stream.write(f"{os.getpid()} {text}\\n")
    def allocate_tensors(self):
        pass
    def get_input_details(self):
        return [{"index": 3, "shape": np.array([1, 2]), "dtype": np.int8}]
    def set_tensor(self, index, values):
        self.note(f"set {index} {values.shape} {values.dtype}")
    def invoke(self):
        self.note("invoke")
        DO
"""


def script(
    *words: str, cwd: Path, isolated: bool = False, packages: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script; `packages` come before all that are installed."""
    command = [sys.executable, *(["-I"] if isolated else []), shutil.copy(SCRIPT, cwd), *words]
    environment = {**os.environ, "PYTHONPATH": str(packages)} if packages else None
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def fake(folder: Path, do: str = "pass") -> Path:
    """A folder with a package that goes by the name of tflite-runtime."""
    package = folder / "packages" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "9.9"')
    (package / "interpreter.py").write_text(FAKE.replace("DO", do))
    (folder / "model.tflite").write_bytes(artifacts.by_hand())
    return package.parent


def written(folder: Path, content: bytes) -> str:
    (folder / "model.tflite").write_bytes(content)
    return "model.tflite"


def test_it_keeps_to_the_syntax_of_python_3_7_and_imports_nothing_of_tinyc() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 7))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.partition(".")[0] for name in names if name} - set(sys.stdlib_module_names) == {"numpy"}


@pytest.mark.parametrize("isolated", [True, False])
def test_it_runs_where_tinyc_cannot_be_imported(tmp_path: Path, isolated: bool) -> None:
    """Isolated, and with packages before all others that fail when they are imported."""
    for name in ("tinyc", "tensorflow"):
        (tmp_path / "blocked" / name).mkdir(parents=True)
        (tmp_path / "blocked" / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')")
    content = artifacts.content()
    words = [written(tmp_path, content), "--threads", "1,2", "--runs", "7", "--starts", "2"]
    done = script(*words, cwd=tmp_path, isolated=isolated, packages=tmp_path / "blocked")
    assert done.returncode == 0, done.stderr
    found = read_timings(done.stdout, "measured.json")
    assert [each.threads for each in found.results] == [1, 2]
    for each in found.results:
        assert (len(each.cold_seconds), len(each.load_seconds), each.warm.runs) == (2, 2, 7)
    assert found.file_bytes == len(content)
    assert found.inputs[0].model_dump() == {"type": "int8", "shape": (1, 14, 14, 1), "values": "random"}
    assert found.runtime.startswith("tflite-runtime ")
    assert found.machine.cores == bench.cores()
    assert "1 thread: " in done.stderr


def test_xnnpack_is_said_where_the_interpreter_says_so(tmp_path: Path) -> None:
    """ai-edge-litert hands convolutions in int8 to it, tflite-runtime 2.14 does not."""
    words = [written(tmp_path, artifacts.content()), "--threads", "1", "--runs", "1", "--starts", "1"]
    told = {}
    for name in bench.PACKAGES:
        done = script(*words, "--interpreter", name, cwd=tmp_path)
        found = read_timings(done.stdout, "measured.json")
        assert found.runtime.startswith(name)
        told[name] = found.results[0].xnnpack
    assert told == {"tflite-runtime": False, "ai-edge-litert": True}


def test_each_start_is_a_process_and_the_last_goes_on(tmp_path: Path) -> None:
    packages = fake(tmp_path)
    done = script(
        "model.tflite", "--threads", "2,1", "--runs", "4", "--starts", "3", "--interpreter", "tflite-runtime",
        cwd=tmp_path, packages=packages,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtime"] == "tflite-runtime 9.9"
    calls: dict[str, list[str]] = {}
    for line in (tmp_path / "calls.txt").read_text().splitlines():
        process, _, call = line.partition(" ")
        calls.setdefault(process, []).append(call)
    one = ["set 3 (1, 2) int8", "invoke"]
    cold = [["open 2", *one], ["open 2", *one], ["open 2", *one * (1 + bench.WARM_UP + 4)]]
    assert list(calls.values()) == [*cold, *([call.replace("open 2", "open 1") for call in each] for each in cold)]


def test_a_slow_network_is_measured_less_often(tmp_path: Path) -> None:
    packages = fake(tmp_path)
    words = ["model.tflite", "--threads", "1", "--runs", "50", "--starts", "1", "--seconds", "0"]
    done = script(*words, cwd=tmp_path, packages=packages)
    assert json.loads(done.stdout)["results"][0]["warm"]["runs"] == bench.FEWEST


@pytest.mark.parametrize(
    ("do", "code", "kind", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", 2, "file", "crashes tflite-runtime (SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 3, "machine", "SIGKILL ended the process"),
        ("os.kill(os.getpid(), signal.SIGILL)", 3, "machine", "package is for another processor"),
        ("time.sleep(600)", 2, "file", "was not done in 2 s"),
        ("raise RuntimeError('no such kernel')", 2, "refused", "RuntimeError: no such kernel"),
        ("os._exit(9)", 3, "machine", "exit code 9"),
    ],
)
def test_what_goes_wrong_is_said_on_both_streams(do: str, code: int, kind: str, said: str, tmp_path: Path) -> None:
    packages = fake(tmp_path, do)
    done = script("model.tflite", "--threads", "1", "--patience", "2", cwd=tmp_path, packages=packages)
    assert done.returncode == code
    failure = json.loads(done.stdout)["failure"]
    assert failure["kind"] == kind
    assert said in failure["problem"]
    assert f"bench.py: error: model.tflite: {failure['problem']}" in done.stderr
    assert "Traceback" not in done.stderr


def open_shape(place: int) -> bytes:
    tree = artifacts.opened(artifacts.by_hand())
    tree.subgraphs[0].tensors[0].shapeSignature = np.array([-1 if i == place else (1, 3)[i] for i in (0, 1)], np.int32)
    return tiny.pack(tree)


def custom() -> bytes:
    return of_graphs(Graph([Plan((1, 4)), Plan((1, 4))], [0], [1], [("MY_OWN", (0,), (1,), None)]))


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"", "file", "is not a TensorFlow Lite file"),
        (b"\x1c\0\0\0TFL3" + bytes(200), "refused", ""),
        (open_shape(1), "file", "leaves the shape of an input open: [1, -1]"),
        (custom(), "refused", "MY_OWN"),
        (by_hand([Plan((1, 4), "STRING"), Plan((1, 4), "STRING")], [("RESHAPE", (0,), (1,))]), "file", "of type"),
    ],
)
def test_a_file_that_cannot_be_measured(content: bytes, kind: str, said: str, tmp_path: Path) -> None:
    done = script(written(tmp_path, content), "--starts", "1", "--threads", "1", cwd=tmp_path)
    assert done.returncode == 2
    failure = json.loads(done.stdout)["failure"]
    assert failure["kind"] == kind
    assert said in failure["problem"]


def test_a_batch_that_is_left_open_is_one_example(tmp_path: Path) -> None:
    words = [written(tmp_path, open_shape(0)), "--starts", "1", "--threads", "1", "--runs", "1"]
    done = script(*words, cwd=tmp_path)
    assert json.loads(done.stdout)["inputs"] == [{"type": "int8", "shape": [1, 3], "values": "random"}]


def test_all_inputs_are_given(tmp_path: Path) -> None:
    tree = schema().ModelT.InitFromPackedBuf(by_hand([Plan((1, 12))] * 3, [("ADD", (0, 1), (2,))]), 0)
    tree.subgraphs[0].inputs = [0, 1]
    words = [written(tmp_path, tiny.pack(tree)), "--starts", "1", "--threads", "1", "--runs", "1", "--inputs", "zeros"]
    found = json.loads(script(*words, cwd=tmp_path).stdout)
    assert found["inputs"] == [{"type": "int8", "shape": [1, 12], "values": "zeros"}] * 2
    assert found["seed"] is None


def test_there_is_no_file(tmp_path: Path) -> None:
    done = script("none.tflite", cwd=tmp_path)
    assert done.returncode == 2
    assert "bench.py: error: none.tflite: cannot be read: No such file" in done.stderr


@pytest.mark.parametrize(
    "words", [["--threads", "0"], ["--threads", "1,1"], ["--threads", "257"], ["--threads", "²"], ["--runs", "0"],
              ["--starts", "-1"], ["--seed", "-1"], ["--inputs", "ones"], ["--interpreter", "tflm"]],
)  # fmt: skip
def test_options_that_cannot_be(words: list[str], tmp_path: Path) -> None:
    done = script(written(tmp_path, artifacts.by_hand()), *words, cwd=tmp_path)
    assert done.returncode == 2
    assert f"argument {words[0]}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_threads_are_doubled_up_to_the_cores(cores: int, counts: list[int]) -> None:
    assert bench.doublings(cores) == counts


def drawn(kind: Any, seed: int = 0, index: int = 0, inputs: str = "random") -> tuple[Any, str]:
    options = bench.parser().parse_args(["x", "--seed", str(seed), "--inputs", inputs])
    return bench.values({"index": index, "shape": np.array([1, 300]), "dtype": kind}, options)


def test_random_inputs_are_of_the_seed_and_the_inputs_type() -> None:
    values, how = drawn(np.int8)
    assert (values.dtype, values.shape, how) == (np.int8, (1, 300), "random")
    assert values.min() < -100
    assert values.max() > 100
    assert np.array_equal(values, drawn(np.int8)[0])
    assert not np.array_equal(values, drawn(np.int8, seed=1)[0])
    assert not np.array_equal(values, drawn(np.int8, index=1)[0])
    floats, how = drawn(np.float32)
    assert (floats.dtype, how) == (np.float32, "random")
    assert 0.5 < floats.std() < 1.5
    for kind in (np.int32, np.int64, np.bool_):  # they may be indices
        values, how = drawn(kind)
        assert (values.dtype, values.any(), how) == (kind, False, "zeros")
    assert not drawn(np.float32, inputs="zeros")[0].any()


def test_a_machine_without_the_packages_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PACKAGES", {"tflite-runtime": "no_such_package", "ai-edge-litert": "nor_this"})
    with pytest.raises(bench.Unmeasurable, match="pip install tflite-runtime or ai-edge-litert"):
        bench.installed(None)
    monkeypatch.setattr(bench, "PACKAGES", {"tflite-runtime": "no_such_package", "ai-edge-litert": "json"})
    assert bench.installed(None) == "ai-edge-litert"
    with pytest.raises(bench.Unmeasurable, match=r"pip install tflite-runtime$"):
        bench.installed("tflite-runtime")


def test_its_limits_are_those_of_tinyc() -> None:
    assert (bench.MEMORY_BYTES, bench.MOST_THREADS) == (limits.WORKER_BYTES, limits.THREADS)
