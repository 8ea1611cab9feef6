"""What is installed is what is here."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
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


def test_every_extra_is_of_libraries_that_the_code_imports() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tinyc").rglob("*.py"))
    modules: dict[str, list[str]] = {}
    for module, owners in metadata.packages_distributions().items():
        for owner in owners:
            modules.setdefault(owner.lower(), []).append(module)
    for extra, libraries in SETTINGS["project"]["optional-dependencies"].items():
        for library in libraries if extra != "dev" else ():
            name = re.split(r"[^\w-]", library)[0].lower()
            taken = "|".join(map(re.escape, modules.get(name, [])))
            assert taken, f"{name} of the extra {extra} is not installed"
            assert re.search(rf"\b(import|from) ({taken})\b|\(\"({taken})[.\"]", code), (
                f"{extra}: nothing imports {name}"
            )
