"""Each command on a finished run, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyc import cli

Shown = pytest.CaptureFixture[str]


def out(capsys: Shown, *arguments: str, code: int = 0) -> str:
    assert cli.invoke(list(arguments)) == code
    return capsys.readouterr().out


@pytest.mark.slow
def test_report_shows_a_finished_run_again(undisturbed: Path, capsys: Shown) -> None:
    run = undisturbed / "runs" / "small"
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    shown = out(capsys, "report", str(run))
    assert "params_reduction" in shown
    assert (run / "report.html").read_bytes() == page
    assert json.loads(out(capsys, "report", str(run), "--json"))["recipe"] == "small"


@pytest.mark.slow
def test_compare_a_run_with_itself_finds_no_change(undisturbed: Path, capsys: Shown) -> None:
    run = str(undisturbed / "runs" / "small")
    assert "accuracy" in out(capsys, "compare", run, run)
    rows = json.loads(out(capsys, "compare", run, run, "--json"))
    assert rows


@pytest.mark.slow
def test_inspect_weighs_the_artifact(undisturbed: Path, capsys: Shown) -> None:
    run = undisturbed / "runs" / "small"
    final = json.loads((run / "report.json").read_text())["final"]
    found = json.loads(out(capsys, "inspect", str(run / "model.tflite"), "--json"))
    for figure in ("params", "nonzero_params", "macs", "weight_bytes", "metadata_bytes", "gzip_bytes", "arena_bytes"):
        assert found[figure] == final[figure], figure
    assert "CONV_2D" in out(capsys, "inspect", str(run / "model.tflite"))


@pytest.mark.slow
def test_verify_on_real_and_random_inputs(undisturbed: Path, capsys: Shown) -> None:
    run = undisturbed / "runs" / "small"
    final = json.loads((run / "report.json").read_text())["final"]
    real = ["--data", str(undisturbed / "images.npz"), "--scale", "0.00392156862745098"]
    found = json.loads(out(capsys, "verify", str(run / "model.tflite"), *real, "--json"))
    assert found["agreed"] is True
    assert found["runtimes"]["tflm"]["accuracy"] == pytest.approx(final["accuracy"])
    assert "equal to the bit" in out(capsys, "verify", str(run / "model.tflite"), "--examples", "7")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["png", "npy", "csv"])
def test_predict_names_the_class_that_the_run_measured(
    undisturbed: Path, tmp_path: Path, capsys: Shown, kind: str
) -> None:
    run = undisturbed / "runs" / "small"
    with np.load(undisturbed / "images.npz") as arrays:
        image = arrays["x_test"][0]
    path = tmp_path / f"example.{kind}"
    if kind == "png":
        Image.fromarray(image[..., 0]).save(path)
    elif kind == "npy":
        np.save(path, image)
    else:
        np.savetxt(path, image.reshape(1, -1), delimiter=",")
    scores = np.load(next(run.glob("05-verify-*")) / "scores.npy")[0]
    found = json.loads(out(capsys, "predict", str(run / "model.tflite"), str(path), "--json"))
    assert found["prediction"] == str(scores.argmax())
    assert sum(found["probabilities"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_predict_refuses_another_shape(undisturbed: Path, tmp_path: Path, capsys: Shown) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "small.png")
    model = str(undisturbed / "runs" / "small" / "model.tflite")
    assert cli.invoke(["predict", model, str(tmp_path / "small.png")]) == 2
    assert "has shape (20, 20), but the network takes (28, 28, 1)" in capsys.readouterr().err


@pytest.mark.slow
def test_the_cache_is_listed_and_cleared(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "cache"
    shutil.copytree(undisturbed / "cache", copy)
    monkeypatch.setenv("TINYC_CACHE", str(copy))
    found = json.loads(out(capsys, "cache", "list", "--json"))
    assert {entry["kind"] for entry in found} == {"sources", "soft-labels"}
    key = next(entry["key"] for entry in found if entry["kind"] == "sources")
    out(capsys, "cache", "clear", key[:8], "--yes")
    assert key not in out(capsys, "cache", "list", "--json")
    out(capsys, "cache", "clear", "--yes")
    assert json.loads(out(capsys, "cache", "list", "--json")) == []


def test_init_writes_a_project_and_overwrites_nothing(tmp_path: Path, capsys: Shown) -> None:
    out(capsys, "init", str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "models" / "resnet.py").exists()
    recipe = tmp_path / "mine" / "bring-your-own.toml"
    assert cli.invoke(["check", str(recipe)]) == 2
    assert "'data.npz' does not exist" in capsys.readouterr().err
    for name in ("net.keras", "data.npz"):
        (tmp_path / "mine" / name).touch()
    assert "ok" in out(capsys, "check", str(recipe))
    recipe.write_text("mine")
    assert cli.invoke(["init", str(tmp_path / "mine")]) == 2
    assert recipe.read_text() == "mine"


def test_passes_describes_every_key(capsys: Shown) -> None:
    from tinyc.spec.passes import PASSES

    listed = out(capsys, "passes")
    for name, each in PASSES.items():
        assert name in listed
        described = out(capsys, "passes", name)
        for key, field in each.model_fields.items():
            if key != "use":
                assert f"  {key}  (" in described
                assert field.description, f"{name}.{key} has no description"
        assert "tinyc." not in described
        assert "Annotated" not in described
    steps = out(capsys, "passes", "preprocess")
    assert 'op = "denoise": Take noise out' in steps
    assert "cutoff  (float | none, > 0, default none)" in steps


def test_the_schema_knows_the_shipped_keys(capsys: Shown) -> None:
    schema = json.loads(out(capsys, "passes", "--schema"))
    assert schema["$defs"]["pass-prune"]["properties"]["fraction"]
    assert set(schema["properties"]) >= {"name", "seed", "source", "data", "pass", "targets"}


@pytest.mark.slow
def test_json_is_all_that_stands_on_standard_output(undisturbed: Path) -> None:
    table = json.loads((undisturbed / "said.json").read_text())
    assert table["schema"] == 1
