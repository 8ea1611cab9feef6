"""What `tinyc init` writes: the commented recipe and the shipped network builders."""

from __future__ import annotations

from pathlib import Path

from tinyc.core import run_folder, streams
from tinyc.core.errors import UserError
from tinyc.spec import gallery


def init(folder: Path) -> None:
    """Begin a project in a folder, and say what to do next."""
    for path in write_starter(folder):
        streams.show(f"wrote {path}")
    recipe = folder / "bring-your-own.toml"
    streams.show(f"next: put your net.keras and data.npz into {folder}, then: tinyc check {recipe}")


def write_starter(folder: Path) -> list[Path]:
    """Copy the starter files into a folder; nothing that is there is overwritten.

    Raises:
        UserError: one of the files exists already.
    """
    root = gallery.root()
    sources = {folder / "bring-your-own.toml": root / "recipes" / "bring-your-own.toml"}
    sources |= {
        folder / "models" / path.name: path
        for path in sorted((root / "models").glob("*.py"))
        if path.stem != "__init__"
    }
    for target in sources:
        if target.exists():
            raise UserError(str(target), "exists already", "choose an empty folder, or move the file")
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        run_folder.replace(target, source.read_bytes())
    return list(sources)
