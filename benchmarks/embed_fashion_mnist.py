"""Make tinyc/data/embedded/fashion-mnist.npz again from the official IDX files; the same files give the same bytes.

    python benchmarks/embed_fashion_mnist.py [FOLDER] [OUT]

FOLDER holds the four .gz files (Debian's by default). Deflate's output belongs to the zlib that Python was
built with: another implementation may give other bytes for the same arrays.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from tinyc.data.images import fashion_mnist
from tinyc.data.known_datasets import EMBEDDED

TRAIN, TEST = 12_000, 4_000
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold, so that no clock enters the bytes


def embed(folder: Path, out: Path) -> str:
    """Write the first examples of both official splits; give the file's SHA-256."""
    raw = fashion_mnist.read_idx_files(tuple(folder / name for name in fashion_mnist.FILES))
    arrays = {
        "x_train": raw.x["train"][:TRAIN],
        "y_train": raw.y["train"][:TRAIN],
        "x_test": raw.x["test"][:TEST],
        "y_test": raw.y["test"][:TEST],
        "class_names": np.array(fashion_mnist.CLASSES),
    }
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            member.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue(), compresslevel=9)
    return hashlib.sha256(out.read_bytes()).hexdigest()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else fashion_mnist.DEBIAN
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else EMBEDDED / "fashion-mnist.npz"
    print(embed(folder, out), f"{out.stat().st_size:,} bytes", out)
