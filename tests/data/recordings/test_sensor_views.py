"""Views of sensor windows: what they keep of the signal, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.augment import view
from tinyc.data.recordings import sensor_transforms
from tinyc.spec.augmentations import check_augmentations


def windows(count: int = 60) -> NDArray[Any]:
    time = np.arange(64) / 50
    draw = np.random.default_rng(4).normal(size=(count, 1, 1, 6))
    return np.asarray(np.sin(2 * np.pi * 1.5 * time)[None, :, None, None] * draw + draw, np.float32)


def test_rotation_turns_each_three_channels_alike_and_keeps_their_length() -> None:
    x, ids = windows(), np.arange(60)
    out = view(x, ids, 7, 0, ("rotate",))
    for first in (0, 3):
        before, after = x[..., first : first + 3], out[..., first : first + 3]
        assert np.allclose(np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1), atol=1e-4)
    doubled = np.concatenate([x[..., :3], x[..., :3]], axis=-1)
    turned = view(doubled, ids, 7, 0, ("rotate",))
    assert np.allclose(turned[..., :3], turned[..., 3:], atol=1e-6)


def test_rotations_are_proper_and_at_most_thirty_degrees() -> None:
    turn = sensor_transforms.rotations(np.arange(2000), 3, 1).astype(np.float64)
    assert np.allclose(turn @ turn.transpose(0, 2, 1), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(turn), 1, atol=1e-6)
    angle = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angle.max() <= 30.01
    assert angle.mean() == pytest.approx(15, abs=0.6)


def test_gain_is_one_factor_an_example() -> None:
    x, ids = windows(), np.arange(60)
    factor = view(x + 20, ids, 7, 0, ("gain",)) / (x + 20)
    per_example = factor.reshape(60, -1)
    assert np.allclose(per_example, per_example[:, :1], rtol=1e-4)
    assert 0.7 <= per_example.min() < 0.8
    assert 1.2 < per_example.max() <= 1.3


def test_warp_plays_a_ramp_faster_or_slower_about_its_middle() -> None:
    ramp = np.broadcast_to(np.arange(65, dtype=np.float32)[None, :, None, None], (200, 65, 1, 3)).copy()
    out = view(ramp, np.arange(200), 7, 0, ("warp",))
    assert np.allclose(out[:, 32], 32, atol=1e-4)
    slopes = out[:, 33, 0, 0] - out[:, 32, 0, 0]
    assert slopes.min() >= 1 / 1.25 - 1e-4
    assert slopes.max() <= 1.25 + 1e-4
    assert slopes.std() > 0.05
    assert out.min() >= 0
    assert out.max() <= 64


@pytest.mark.parametrize("op", ["rotate", "gain", "warp", "noise"])
def test_a_sensor_at_its_end_stays_there(op: str) -> None:
    full = np.full((200, 16, 1, 3), 32767, np.int16)
    full[::2] = -32768
    out = view(full, np.arange(200), 7, 0, (op,))
    assert out.dtype == np.int16
    assert (out[1::2].astype(int).mean(axis=(1, 2, 3)) > 0).all()
    assert (out[::2].astype(int).mean(axis=(1, 2, 3)) < 0).all()


@pytest.mark.parametrize("name", ["crop", "flip", "cutout"])
def test_windows_have_no_sides_to_flip(name: str) -> None:
    with pytest.raises(UserError, match="needs images"):
        check_augmentations((name,), (128, 1, 6))


def test_images_are_not_warped() -> None:
    with pytest.raises(UserError, match="needs windows"):
        check_augmentations(("warp",), (28, 28, 3))


def test_two_channels_are_no_vector() -> None:
    with pytest.raises(UserError, match="three channels a sensor"):
        check_augmentations(("rotate",), (128, 1, 2))
