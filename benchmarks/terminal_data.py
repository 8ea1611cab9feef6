"""Write the smartwatch recordings of single subjects to files, as terminals would hold them.

Run it as `python benchmarks/terminal_data.py 1 2` for `subject-1.npz` and `subject-2.npz`: data to try `tinyc federate
join --data subject-1.npz` with. Each file has what a recorder writes: samples, labels by name, and which recording each
is of.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import cache
from tinyc.data import known_datasets


def main() -> None:
    """Write one file a subject."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subjects", nargs="+", type=int, choices=range(1, 11), metavar="subject")
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    with np.load(known_datasets.files("smartwatch-imu", cache.folder())[0], allow_pickle=False) as whole:
        columns = {name: whole[name] for name in whole.files}
    options.out.mkdir(parents=True, exist_ok=True)
    for subject in options.subjects:
        path = options.out / f"subject-{subject}.npz"
        np.savez_compressed(path, **of_subject(columns, subject))
        print(path)


def of_subject(columns: dict[str, NDArray[Any]], subject: int) -> dict[str, NDArray[Any]]:
    """Take one subject's samples, with labels as names."""
    own = columns["subject"] == subject
    labels = columns["class_names"][columns["y"][own]]
    return {"x": columns["x"][own], "y": labels, "recording": columns["recording"][own]}


if __name__ == "__main__":
    main()
