"""The gate: which file is what, what the copy is for, and that all of it comes before TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import saved_tables as tables

from tinyc.core.errors import UserError
from tinyc.network.gate import examine

CLEAN = tables.network(tables.operation("identity"))
HOSTILE = tables.network(tables.operation("io.write_file"))
REFUSED = "layer 'middle' is a TFOpLambda that calls 'io.write_file'"
WRITERS: dict[str, Callable[[Path, tables.Table], Path]] = {
    "a.h5": tables.write_h5,
    "a.keras": lambda path, table: tables.write_keras(path, tables.members(table)),
    "a_saved": lambda path, table: tables.write_saved_model(path, {"root": table}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_comes_through_or_is_refused(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, CLEAN)
    with examine.admitted(path, "here") as file:
        assert (file.kind, file.newer) == ({"a.h5": "h5", "a.keras": "keras", "a_saved": "saved_model"}[name], False)
        assert file.config == CLEAN
        assert not file.path.is_relative_to(tmp_path)
    assert not file.path.exists()
    bad = WRITERS[name](tmp_path / f"bad_{name}", HOSTILE)
    with pytest.raises(UserError, match=REFUSED) as caught:
        examine.examine(bad, "here")
    assert caught.value.where == f"here ({bad})"
    assert "build = " in caught.value.remedy


def test_what_is_read_is_the_copy_that_was_looked_at(tmp_path: Path) -> None:
    path = tables.write_h5(tmp_path / "a.h5", CLEAN)
    with examine.admitted(path, "here") as file:
        tables.write_h5(path, HOSTILE)
        with examine.admitted(file.path, "here") as again:
            assert again.config == CLEAN


PLAN = """
[source]
file = "NAME"
[data]
path = "data.npz"
[[pass]]
use = "quantize"
"""
IN_A_PROCESS = """
import sys
from tinyc import cli
code = cli.invoke(["plan", sys.argv[1]])
print("HEAVY", [name for name in ("tensorflow", "tf_keras", "keras") if name in sys.modules])
sys.exit(code)
"""


def test_a_plan_refuses_before_tensorflow_is_imported(tmp_path: Path) -> None:
    import numpy as np

    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        x_train=draw.integers(0, 255, (30, 4, 4, 1), np.uint8), y_train=np.arange(30) % 3,
        x_test=draw.integers(0, 255, (15, 4, 4, 1), np.uint8), y_test=np.arange(15) % 3,
    )  # fmt: skip
    for name, write in WRITERS.items():
        write(tmp_path / name, HOSTILE)
    (tmp_path / "r.toml").write_text('name = "r"\n' + PLAN.replace("NAME", "a.h5"))
    done = plan(tmp_path)
    assert done.returncode == 2
    assert REFUSED in done.stderr + done.stdout
    assert "HEAVY []" in done.stdout


def plan(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IN_A_PROCESS, str(folder / "r.toml")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_reading_each_format_refuses_before_tensorflow_is_imported(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / name, HOSTILE)) for name, write in WRITERS.items()]
    code = """
import sys
from pathlib import Path
from tinyc.network import sources
from tinyc.core.errors import UserError
for path in sys.argv[1:]:
    for read in (sources.read_network, sources.read_own):
        try:
            read(Path(path), "here")
        except UserError as error:
            print(error)
assert "tensorflow" not in sys.modules and "tf_keras" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(REFUSED) == 4


def test_tinyc_s_own_files_are_hdf5_of_keras_2_and_nothing_else(tmp_path: Path) -> None:
    newer = tables.write_h5(tmp_path / "newer.h5", CLEAN, "3.5.0")
    for path, said in ((newer, "is of Keras 3"), (WRITERS["a.keras"](tmp_path / "a.keras", CLEAN), "is not HDF5")):
        with pytest.raises(UserError, match=said), examine.admitted(path, "here", ours=True):
            pass
    with pytest.raises(UserError, match="is a folder"), examine.admitted(tmp_path, "here", ours=True):
        pass


def test_a_pipe_is_no_network_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(UserError, match="is a pipe, not a regular file"):
        examine.examine(tmp_path / "pipe.h5", "here")


def test_two_formats_in_one_file_are_refused(tmp_path: Path) -> None:
    """Keras goes by the name, and this gate by the first bytes."""
    path = tables.write_h5(tmp_path / "a.keras", CLEAN)
    whole = tables.write_keras(tmp_path / "b.keras", tables.members(HOSTILE)).read_bytes()
    path.write_bytes(path.read_bytes() + whole)
    with pytest.raises(UserError, match="HDF5 and a zip in one file"):
        examine.examine(path, "here")
    path.write_bytes(b"PK\x03\x04" + bytes(508) + whole)
    with pytest.raises(UserError, match="two formats in one file"):
        examine.examine(path, "here")


def test_weights_are_looked_at_too(tmp_path: Path) -> None:
    import h5py
    import numpy as np

    path = tables.write_h5(tmp_path / "a.h5", CLEAN)
    with h5py.File(path, "a") as file:
        file["more"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(UserError, match="holds the link 'more'"), examine.admitted_weights(path, "here"):
        pass
    np.savez_compressed(tmp_path / "a.npz", np.zeros((300, 1 << 16), "f4"))
    with (
        pytest.raises(UserError, match="unpacks to 78643328 bytes"),
        examine.admitted_weights(tmp_path / "a.npz", "here"),
    ):
        pass
