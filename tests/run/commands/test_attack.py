"""`tinyc attack` on runs whose memory is known: one learnt random labels by heart, one learnt nothing at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import small

from tinyc import cli
from tinyc.analysis.attack.bounds import Promise
from tinyc.run.commands.attack import promised
from tinyc.spec.passes import PASSES

Shown = pytest.CaptureFixture[str]
NET = """
import tf_keras
from tf_keras import layers


def net(input_shape, classes):
    images = tf_keras.Input(input_shape)
    x = layers.Dense(64, activation="relu", name="wide")(layers.Flatten(name="flatten")(images))
    return tf_keras.Model(images, layers.Dense(classes, name="logits")(x))
"""
RECIPE = """
name = "NAME"
seed = 5

[source]
build = "net.py:net"
train = { epochs = EPOCHS, batch = 40, learning_rate = RATE }

[data]
path = "images.npz"
scale = 0.00392156862745098
validation = 40
calibration = 40

[[pass]]
use = "quantize"
"""


def made(folder: Path, name: str, epochs: int, rate: float) -> Path:
    """Compress a network trained on random labels of real images; give the run's folder."""
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.replace("NAME", name).replace("EPOCHS", str(epochs)).replace("RATE", str(rate)))
    (folder / "net.py").write_text(NET)
    with np.load(small.EMBEDDED) as arrays:
        images = arrays["x_train"][:400]
    random = np.random.default_rng(9)
    y = np.concatenate([np.arange(400) % 4])
    random.shuffle(y[:200])
    random.shuffle(y[200:])
    np.savez(folder / "images.npz", x_train=images[:200], y_train=y[:200], x_test=images[200:], y_test=y[200:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        assert cli.invoke(["compress", str(path), "--out", str(folder / "runs"), "--json"]) == 0
    return folder / "runs" / name


@pytest.fixture(scope="module")
def by_heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("heart"), "heart", 60, 3e-3)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("nothing"), "nothing", 1, 1e-9)


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def attacked(run: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict[str, Any]:
    monkeypatch.setenv("TINYC_CACHE", str(run.parent.parent / "cache"))
    capsys.readouterr()
    assert cli.invoke(["attack", str(run), "--json", *more]) == 0
    table: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert json.loads((run / "attack.json").read_text()) == table
    return table


def test_what_was_learnt_by_heart_is_found(by_heart: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    table = attacked(by_heart, capsys, monkeypatch, "--shadows", "2", "--epochs", "40")
    loss, likely, unseen, control = table["attacks"]
    assert [each["name"] for each in table["attacks"]] == ["loss", "lira", "loss_validation", "control"]
    assert unseen["auc"]["low"] > 0.7
    assert loss["auc"]["value"] > 0.8
    assert loss["auc"]["low"] > 0.7
    assert loss["advantage"]["low"] > 0.4
    assert likely["auc"]["value"] > 0.8
    assert control["auc"]["low"] < 0.5 < control["auc"]["high"]
    assert table["accuracy"]["members"] > 0.9
    assert table["accuracy"]["others"] < 0.5
    assert (table["members"], table["others"], table["unit"], table["runtime"]) == (160, 160, None, "tflm")
    assert "tells which examples it was trained on" in table["verdict"]
    assert table["shadows"]["examples"] == 160
    assert table["shadows"]["options"]["learning_rate"] == 3e-3
    assert not any("By its key" in note for note in table["notes"])


def test_what_learnt_nothing_tells_nothing(untrained: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    table = attacked(untrained, capsys, monkeypatch, "--runtime", "fast", "--seed", "8")
    loss = table["attacks"][0]
    assert loss["auc"]["low"] < 0.5 < loss["auc"]["high"]
    assert loss["advantage"]["low"] < 0 < loss["advantage"]["high"]
    assert "contains 0.5" in table["verdict"]
    assert (table["shadows"], table["promise"], table["runtime"], table["seed"]) == (None, None, "fast", 8)


def test_the_page_fits_80_columns(by_heart: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(by_heart.parent.parent / "cache"))
    assert cli.invoke(["attack", str(by_heart), "--examples", "120"]) == 0
    lines = capsys.readouterr().out.splitlines()
    page = lines[next(i for i, line in enumerate(lines) if "who was in the training data?" in line) + 1 :]
    assert max(map(len, page)) <= 80
    text = " ".join(page)
    assert "120 training examples (members) and 120 test examples (others)" in " ".join(text.split())
    assert "loss threshold" in text
    assert "written: attack.json" in text


def step(facts: dict[str, Any] | None = None, use: str = "quantize", **keys: Any) -> Any:
    transform = PASSES[use].model_validate({"use": use, **keys})
    return SimpleNamespace(transform=transform), SimpleNamespace(facts=facts or {})


def opened(*steps: Any) -> Any:
    recipe = SimpleNamespace(steps=[each for each, _ in steps])
    return SimpleNamespace(run=SimpleNamespace(recipe=recipe), steps=[None, *(done for _, done in steps)])


PROMISED: dict[str, Any] = {"clip": 1.0, "noise": 1.0, "delta": 1e-5, "budget": None, "conditions": []}


def test_a_promise_is_added_up_and_what_is_beside_it_is_named() -> None:
    private = {"privacy": {**PROMISED, "level": "example", "epsilon": 1.5}}
    taught: dict[str, Any] = {"use": "distill", "student": {"build": "net.py:net"}, "alpha": 0.9}
    pruned: dict[str, Any] = {"use": "prune", "how": "channels", "fraction": 0.5}
    clients = {"privacy": {**PROMISED, "level": "client", "epsilon": 1.0}}
    assert promised(opened(step())) is None
    assert promised(opened(step(clients, use="federate", clients=2, rounds=3), step())) is None
    found = promised(opened(step(private, **taught), step(**pruned), step()))
    assert found == Promise(1.5, 1e-5, ("1 distill",), ("the source", "2 prune"))
    both = promised(opened(step(private, **taught), step(private, use="federate", clients=2, rounds=3), step()))
    assert both == Promise(3.0, 2e-5, ("1 distill", "2 federate"), ("the source",))
    alone = promised(opened(step(**pruned), step(private, **(taught | {"alpha": 0})), step()))
    again = promised(opened(step(private, **taught), step(**(taught | {"alpha": 0})), step()))
    scaled = step(use="preprocess", steps=[{"op": "normalize"}])
    kept = promised(opened(scaled, step(**pruned), step(private, **(taught | {"alpha": 0})), step()))
    assert again is None
    assert kept == Promise(1.5, 1e-5, ("3 distill",), ("1 preprocess",))
    assert alone == Promise(1.5, 1e-5, ("2 distill",), ())


def test_changed_data_is_said(by_heart: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(by_heart.parent.parent, folder)
    with np.load(folder / "images.npz") as arrays:
        table = {name: arrays[name] for name in arrays.files}
    np.savez(folder / "images.npz", **(table | {"x_test": 255 - table["x_test"]}))
    found = attacked(folder / "runs" / "heart", capsys, monkeypatch)
    assert any("By its key" in note for note in found["notes"])


def test_what_cannot_be_attacked_ends_with_2(by_heart: Path, tmp_path: Path, capsys: Shown) -> None:
    assert cli.invoke(["attack", str(tmp_path / "nowhere")]) == 2
    assert "holds no recipe.toml" in capsys.readouterr().err
    assert cli.invoke(["attack", str(by_heart), "--shadows", "3"]) == 2
    assert "give 4" in capsys.readouterr().err
    assert cli.invoke(["attack", str(by_heart), "--epochs", "3"]) == 2
    assert "add --shadows" in capsys.readouterr().err

    folder = tmp_path / "copied"
    shutil.copytree(by_heart.parent.parent, folder)
    run = folder / "runs" / "heart"
    (artifact,) = run.glob("01-quantize-*/model.tflite")
    artifact.write_bytes(artifact.read_bytes()[:-8])
    assert cli.invoke(["attack", str(run)]) == 2
    assert "its step 1 (quantize) is missing or damaged" in capsys.readouterr().err
    shutil.rmtree(artifact.parent)
    assert cli.invoke(["attack", str(run)]) == 2
    assert "is missing or damaged" in capsys.readouterr().err
