"""Windows through the whole pipeline: fitted, distilled, exported with the C of the front; planned, killed, resumed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import waves

from tinyc import cli

NAME = "waves"
RECIPE = """
name = "waves"
seed = 4

[source]
build = "student.py:net"
train = { epochs = 3, batch = 30, learning_rate = 0.02 }

[data]
path = "waves.npz"
scale = 0.5
validation = 40
calibration = 40

[[pass]]
use = "preprocess"
steps = [
  { op = "denoise", how = "median", taps = 3 },
  { op = "denoise", how = "lowpass", cutoff = 12.0, rate = 50.0, taps = 7 },
  { op = "normalize" },
  { op = "pca", components = 3 },
]

[[pass]]
use = "distill"
student = { build = "student.py:net", width = 4 }
epochs = 3
views = 1
batch = 30
learning_rate = 0.02

[[pass]]
use = "quantize"
how = "ptq"

[[pass]]
use = "export"

[[pass]]
use = "verify"
"""


def write(folder: Path) -> Path:
    waves.student(folder)
    x, y = waves.windows()
    names = np.array(waves.CLASSES)[y]
    np.savez(folder / "waves.npz", x_train=x[:240], y_train=names[:240], x_test=x[240:], y_test=names[240:])
    path = folder / "waves.toml"
    path.write_text(RECIPE)
    return path


def files(folder: Path) -> dict[str, str]:
    names = ("model.tflite", "model_data.cc", "model_data.h", "preprocess.c", "preprocess.h", "preprocess.json",
             "test_vectors.cc")  # fmt: skip
    return {name: hashlib.sha256((folder / NAME / name).read_bytes()).hexdigest() for name in names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        assert cli.invoke(["compress", str(write(folder)), "--out", str(folder / "runs")]) == 0
    return folder


@pytest.mark.slow
def test_the_artifact_is_judged_behind_its_front(finished):
    report = json.loads((finished / "runs" / NAME / "report.json").read_text())
    assert [step["pass"] for step in report["steps"]] == ["preprocess", "distill", "quantize", "export", "verify"]
    assert report["steps"][-1]["facts"]["agreed"]
    assert report["final"]["runtime"] == "tflm"
    floats, final = report["steps"][1]["after"]["accuracy"], report["final"]["accuracy"]
    assert final > 0.6
    assert final == pytest.approx(floats, abs=0.05)
    facts = report["steps"][0]["facts"]
    assert [step["op"] for step in facts["steps"]] == ["denoise", "denoise", "normalize", "pca"]
    content = (finished / "runs" / NAME / "model.tflite").read_bytes()
    tables = report["steps"][3]["facts"]["tables"]
    assert report["final"]["flash_bytes"] == -(-len(content) // 16) * 16 + sum(tables.values())
    assert tables["preprocess"] == 0  # a median has no table


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYC_CACHE", str(tmp_path / "cache"))
    shutil.copytree(finished / "cache", tmp_path / "cache")
    recipe, out = write(tmp_path), tmp_path / "runs"
    command = [sys.executable, "-c", "from tinyc.cli import main; main()", "compress", str(recipe), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not list(out.glob(f"{NAME}/*-preprocess-*")) and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert not (out / NAME / "report.json").exists()
    assert cli.invoke(["compress", str(recipe), "--out", str(out)]) == 0
    steps = json.loads((out / NAME / "report.json").read_text())["steps"]
    assert steps[0]["cached"]
    assert files(out) == files(finished / "runs")


@pytest.mark.slow
def test_a_plan_has_the_artifacts_shape(finished, capsys, monkeypatch):
    monkeypatch.setenv("TINYC_CACHE", str(finished / "cache"))
    assert cli.invoke(["plan", str(finished / "waves.toml"), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    report = json.loads((finished / "runs" / NAME / "report.json").read_text())
    assert f"{report['final']['params']}" in json.dumps(planned)


@pytest.mark.slow
def test_predict_and_verify_run_the_front(finished, capsys, tmp_path):
    model = finished / "runs" / NAME / "model.tflite"
    x, y = waves.windows()
    right = 0
    for index in range(240, 252):
        np.save(tmp_path / "x.npy", x[index])
        assert cli.invoke(["predict", str(model), str(tmp_path / "x.npy"), "--json"]) == 0
        right += json.loads(capsys.readouterr().out)["prediction"] == waves.CLASSES[y[index]]
    report = json.loads((model.parent / "report.json").read_text())
    assert right >= 12 * report["final"]["accuracy"] - 4
    data = ["--data", str(finished / "waves.npz"), "--scale", "0.5", "--json"]
    assert cli.invoke(["verify", str(model), *data]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runtimes"]["tflm"]["accuracy"] == pytest.approx(report["final"]["accuracy"], abs=1e-6)
    alone = tmp_path / "model.tflite"
    alone.write_bytes(model.read_bytes())
    (tmp_path / "preprocess.json").write_text(json.dumps({"input_shape": [48, 1, 2], "operations": []}))
    assert cli.invoke(["predict", str(alone), str(tmp_path / "x.npy")]) == 2
    assert "and the artifact takes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    [
        {"kind": "median", "taps": 4.5},
        {"kind": "wavelet", "name": "none", "level": 1, "threshold": "bayes"},
        {"kind": "filter", "taps": ["a"]},
        {"kind": "affine", "scale": [1, 2, 3], "offset": [1]},
        {"kind": "project", "mean": [0, 0], "matrix": 7},
    ],
)
def test_a_front_that_cannot_run_is_refused(finished, capsys, tmp_path, operation):
    shutil.copy(finished / "runs" / NAME / "model.tflite", tmp_path)
    np.save(tmp_path / "x.npy", waves.windows()[0][0])
    table = {"input_shape": list(waves.windows()[0][0].shape), "operations": [operation]}
    (tmp_path / "preprocess.json").write_text(json.dumps(table))
    assert cli.invoke(["predict", str(tmp_path / "model.tflite"), str(tmp_path / "x.npy")]) == 2
    assert "describes preprocessing that cannot run" in capsys.readouterr().err


@pytest.mark.slow
def test_verify_refuses_recordings_that_are_no_windows(finished, capsys, tmp_path):
    x = waves.windows()[0]
    np.savez(tmp_path / "long.npz", x=x.reshape(-1, x.shape[-1])[:400], y=np.arange(400) % 2)
    model = str(finished / "runs" / NAME / "model.tflite")
    assert cli.invoke(["verify", model, "--data", str(tmp_path / "long.npz")]) == 2
    assert "before its preprocessing and was given" in capsys.readouterr().err


@pytest.mark.slow
def test_a_missing_library_is_said_before_anything_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TINYC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    assert cli.invoke(["compress", str(write(tmp_path)), "--out", str(tmp_path / "runs")]) == 3
    said = capsys.readouterr().err
    assert "needs scikit-learn" in said
    assert 'pip install "tinyc[signal]"' in said
    assert not list((tmp_path / "cache").glob("**/sources/*"))
