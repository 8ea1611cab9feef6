"""Weights from files, and what is said where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.network import backend, sources


def network(units: int = 4, seed: int = 1, name: str = "middle") -> Any:
    keras = backend.keras()
    backend.seed_everything(seed)
    image = keras.Input((6,))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(units, name=name)(image))
    return keras.Model(image, keras.layers.Dense(3, name="head")(x))


def named(model: Any) -> dict[str, Any]:
    return {weight.name.partition(":")[0]: weight.numpy() for weight in model.weights}


def saved(folder: Path, kind: str) -> Path:
    """The weights of seed 1 in one of the kinds of file."""
    model = network()
    path = folder / {"npz by name": "a.npz", "npz in order": "b.npz", "whole": "c.h5", "whole .keras": "f.keras"}.get(
        kind, kind
    )
    if kind == "npz by name":
        np.savez(path, **named(model))
    elif kind == "npz in order":
        np.savez(path, *model.get_weights())
    elif kind.startswith("whole"):
        model.save(path)
    else:
        model.save_weights(path)
    return path


@pytest.mark.parametrize("kind", ["d.h5", "e.weights.h5", "whole", "whole .keras", "npz by name", "npz in order"])
def test_each_kind_of_file(tmp_path: Path, kind: str) -> None:
    model = network(seed=2)
    sources.load_weights(model, saved(tmp_path, kind), "source.weights")
    assert all((a == b).all() for a, b in zip(model.get_weights(), network().get_weights(), strict=True))


def test_other_names_are_matched_by_order(tmp_path: Path) -> None:
    keras = backend.keras()
    path = saved(tmp_path, "d.h5")
    image = keras.Input((6,))
    x = keras.layers.BatchNormalization(name="n2")(keras.layers.Dense(4, name="m2")(image))
    model = keras.Model(image, keras.layers.Dense(3, name="h2")(x))
    sources.load_weights(model, path, "source.weights")
    assert (model.get_weights()[0] == network().get_weights()[0]).all()


@pytest.mark.parametrize("kind", ["d.h5", "whole", "npz by name", "npz in order"])
def test_another_shape_names_the_weight_and_changes_nothing(tmp_path: Path, kind: str) -> None:
    model = network(units=5, seed=2)
    before = model.get_weights()
    with pytest.raises(UserError, match=r"middle/kernel:0 is \(6, 5\), and the file has \(6, 4\)"):
        sources.load_weights(model, saved(tmp_path, kind), "source.weights")
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no weights for 'centre'"):
        sources.load_weights(network(name="centre"), saved(tmp_path, "d.h5"), "source.weights")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", b"", "damaged"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"x" * 100, "damaged"),
        ("a.npz", b"PK\x03\x04 and more", "damaged"),
        ("a.npz", b"", "damaged"),
        ("a.ckpt", b"anything", ".ckpt is not a kind of weights file"),
        ("a.weights.h5", b"nothing", "is damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        sources.load_weights(network(), tmp_path / name, "source.weights")


def test_an_npz_with_a_pickle_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", arr_0=np.array([{"code": 1}], dtype=object))
    with pytest.raises(UserError, match="arr_0: holds Python objects"):
        sources.load_weights(network(), tmp_path / "a.npz", "source.weights")
