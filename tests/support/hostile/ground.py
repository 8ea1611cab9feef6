"""The ground of one hostile network: the run's own folders, and beside them a canary that nothing may touch."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECIPE = """
name = "hostile"
seed = 1

[source]
file = "{network}"

[data]
path = "data.npz"
validation = 6
calibration = 6

[[pass]]
use = "quantize"

[[pass]]
use = "export"
"""
LIBRARY = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void loaded(void) {
  const char *path = getenv("HOSTILE_MARKER");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) fclose(file);
}
"""
SECRET = b"0123456789abcdef" * 64
NETWORKS = {"h5": "net.h5", "keras": "net.keras", "saved": "net_saved"}


@dataclass(frozen=True)
class Ground:
    """Where one case lies.

    Attributes:
        folder: holds all of it.
        templates: SavedModels that were written by Keras, to be changed.
        port: where somebody listens on this machine, and must hear nothing.
    """

    folder: Path
    templates: Path = Path()
    port: int = 9

    @property
    def run(self) -> Path:
        """The folder that the command runs in: recipe, data, network, cache, scratch."""
        return self.folder / "run"

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def marker(self) -> Path:
        """A file that comes into being where hostile code has run."""
        return self.canary / "marker"

    @property
    def secret(self) -> Path:
        """A file that the network would like to read: of the user, and of no concern to the run."""
        return self.canary / "secret"

    @property
    def victim(self) -> Path:
        """A folder that hostile code would remove, rename or fill."""
        return self.canary / "victim"

    @property
    def library(self) -> Path:
        """A shared object whose loading writes the marker."""
        return self.canary / "payload.so"

    @property
    def home(self) -> Path:
        return self.canary / "home"

    def network(self, form: str) -> Path:
        return self.run / NETWORKS[form]

    def environment(self) -> dict[str, str]:
        """What the process of the run sees of it."""
        return {
            "HOME": str(self.home),
            "TMPDIR": str(self.run / "tmp"),
            "TINYC_CACHE": str(self.run / "cache"),
            "HOSTILE_MARKER": str(self.marker),
        }


def lay(folder: Path, form: str, templates: Path = Path(), port: int = 9) -> Ground:
    """Make the folders, the recipe, the data and the canary; the network is still missing."""
    ground = Ground(folder, templates, port)
    for each in (ground.run / "tmp", ground.run / "cache", ground.victim, ground.home):
        each.mkdir(parents=True)
    draw = np.random.default_rng(0)
    parts = {"train": 30, "test": 15}
    arrays = {f"x_{name}": draw.integers(0, 255, (count, 8, 8, 1), np.uint8) for name, count in parts.items()}
    labels = {f"y_{name}": np.arange(count) % 3 for name, count in parts.items()}
    np.savez(ground.run / "data.npz", **arrays, **labels)
    (ground.run / "hostile.toml").write_text(RECIPE.format(network=NETWORKS[form]))
    (ground.victim / "kept.txt").write_text("this stays")
    ground.secret.write_bytes(SECRET)
    shutil.copy(library(), ground.library)
    (ground.canary / "hostile_module.py").write_text(f"open({str(ground.marker)!r}, 'w').close()\n")
    return ground


@functools.cache
def library() -> Path:
    """Compile the payload; without a C compiler it is no library, and its opening alone can be seen."""
    folder = Path(tempfile.mkdtemp())
    built = folder / "payload.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    (folder / "payload.c").write_text(LIBRARY)
    command = [compiler or "", "-shared", "-fPIC", "-o", str(built), str(folder / "payload.c")]
    if compiler is None or subprocess.run(command, capture_output=True, check=False).returncode:
        built.write_bytes(b"\x7fELF no library")
    return built


def snapshot(folder: Path) -> dict[str, str]:
    """Every file, folder and link below a folder, with what it holds."""
    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}


def content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What came, went or changed."""
    names = sorted(before.keys() | after.keys())
    return [f"{name} came, went or changed" for name in names if before.get(name) != after.get(name)]
