"""Small recordings: two channels, three classes, a few subjects, as arrays, an .npz or a .csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("lift", "rest", "turn")


def arrays(subjects: int = 6, length: int = 40, seed: int = 3) -> dict[str, np.ndarray[Any, Any]]:
    """One recording a class and subject, a little longer each; x[:, 0] counts samples through all of them."""
    lengths = [length + index for index in range(subjects * len(CLASSES))]
    total = sum(lengths)
    noise = np.random.default_rng(seed).normal(size=total)
    return {
        "x": np.stack([np.arange(total) / 64, noise], axis=1).astype(np.float32),
        "y": np.repeat(np.arange(len(lengths)) % len(CLASSES), lengths),
        "recording": np.repeat(np.arange(len(lengths)), lengths),
        "subject": np.repeat(np.arange(len(lengths)) // len(CLASSES) + 1, lengths),
        "class_names": np.array(CLASSES),
    }


def write_npz(path: Path, **changes: Any) -> None:
    """Write recordings, with some arrays changed; None drops one."""
    table = {**arrays(), **changes}
    np.savez(path, **{name: value for name, value in table.items() if value is not None})


def write_csv(path: Path, table: dict[str, np.ndarray[Any, Any]] | None = None) -> None:
    """Write the same recordings as rows, with classes by name."""
    table = table or arrays()
    lines = ["a,session,subject,kind,b"]
    columns = (table["x"].tolist(), table["y"], table["recording"], table["subject"])
    for (a, b), label, recording, subject in zip(*columns, strict=True):
        lines.append(f"{a!r},{recording},{subject},{CLASSES[label]},{b!r}")
    path.write_text("\n".join(lines) + "\n")
