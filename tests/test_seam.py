"""The seam: words import no work, and what handles artifacts never imports TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import artifacts

import tinyc

PACKAGE = Path(tinyc.__file__).parent
WORDS = ("core", "spec", "cli")
WORK = {"numpy", "tensorflow", "tf_keras", "scipy", "flwr", "h5py", "PIL", "jinja2", "rich"}
WITHOUT_TENSORFLOW = ("core", "spec", "cli", "data", "tflite", "codegen", "measure", "report", "devices", "tasks")
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "tf_keras", "tensorflow_model_optimization", "keras"}:
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Blocked())
"""


def modules(*rooms: str) -> list[str]:
    paths = [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]
    return [".".join(("tinyc", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in paths]


def run(code: str, *arguments: str, cwd: Path | None = None) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_words_import_no_work() -> None:
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    loaded = run(code, *modules(*WORDS)).split()
    assert not {name.partition(".")[0] for name in loaded} & WORK
    rooms = {name.split(".")[1] for name in loaded if name.startswith("tinyc.")}
    assert rooms == set(WORDS)


def test_artifacts_are_handled_without_tensorflow() -> None:
    code = BLOCK + "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    run(code, *(name.removesuffix(".__init__") for name in modules(*WITHOUT_TENSORFLOW)))


COMMANDS = """
import json, os
from tinyc import cli
for arguments in json.loads(sys.argv[1]):
    before = os.dup(1)
    with open("said.txt", "w+") as said:
        os.dup2(said.fileno(), 1)
        code = cli.invoke(arguments)
        sys.stdout.flush()
        os.dup2(before, 1)
        said.seek(0)
        print(json.dumps([code, said.read()]))
"""


@pytest.mark.slow
def test_commands_on_artifacts_never_import_tensorflow(tmp_path: Path, undisturbed: Path) -> None:
    """They run in a process in which importing TensorFlow fails."""
    finished = str(undisturbed / "runs" / "small")
    (tmp_path / "model.tflite").write_bytes(artifacts.flat().content)
    example = tmp_path / "example.npy"
    np.save(example, np.zeros(artifacts.TASK.input_shape, np.float32))
    commands = [
        ["inspect", "model.tflite", "--json"],
        ["verify", "model.tflite", "--examples", "4", "--json"],
        ["predict", "model.tflite", "example.npy", "--json"],
        ["report", finished, "--json"],
        ["compare", finished, finished, "--json"],
        ["cache", "list", "--json"],
        ["check", "resnet50-tiny", "--json"],
        ["passes", "--schema"],
    ]
    answers = [json.loads(line) for line in run(BLOCK + COMMANDS, json.dumps(commands), cwd=tmp_path).splitlines()]
    assert [code for code, _ in answers] == [0] * len(commands)
    for _, said in answers:
        json.loads(said)
