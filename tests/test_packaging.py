"""What is installed is what is here."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_installed() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "tinyc").rglob("__init__.py")}
    listed = {name for name in SETTINGS["tool"]["setuptools"]["packages"] if not name.startswith("tinyc.gallery")}
    assert found == listed


def test_every_file_beside_the_code_is_installed() -> None:
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]
    beside = [path for path in (ROOT / "tinyc").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    for path in beside:
        relative = path.relative_to(ROOT)
        owners = [".".join(parent.parts) for parent in relative.parents if ".".join(parent.parts) in patterns]
        assert owners, f"{relative} belongs to no package-data"
        folder = ROOT.joinpath(*owners[0].split("."))
        assert any(path.relative_to(folder).match(pattern) for pattern in patterns[owners[0]]), relative
