"""Views: pure functions of (seed, id, view), of the same shape and dtype, at the data's own resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.augment import CHUNK, IDENTITY, view
from tinyc.data.recordings import counter
from tinyc.spec.augmentations import AUGMENTATIONS, NEEDS_TEXT, NEEDS_WINDOWS, check_augmentations


def images(count: int = 40, channels: int = 1, height: int = 28, width: int = 28) -> NDArray[Any]:
    return np.random.default_rng(1).integers(1, 256, (count, height, width, channels), np.uint8)


def inputs(kind: str) -> NDArray[Any]:
    made = {
        "grey": images(),
        "colour": images(channels=3, height=20, width=32),
        "float": images().astype(np.float32) / 255,
        "tiny": images(height=3, width=5),
        "windows": np.random.default_rng(3).normal(size=(40, 32, 1, 6)).astype(np.float32),
        "rows": np.random.default_rng(2).normal(size=(40, 7)).astype(np.float32),
    }
    return made[kind]


OF_IMAGES = tuple(op for op in AUGMENTATIONS if op not in (*NEEDS_TEXT, *NEEDS_WINDOWS))
OF_WINDOWS = (*NEEDS_WINDOWS, "noise")
CASES: list[tuple[str, tuple[Any, ...]]] = [
    (kind, (op,)) for kind in ("grey", "colour", "float", "tiny") for op in OF_IMAGES
]
CASES += [("grey", ("crop", "flip")), ("colour", OF_IMAGES), ("rows", ("noise",)), ("windows", OF_WINDOWS)]
CASES += [("windows", (op,)) for op in OF_WINDOWS]


@pytest.mark.parametrize(("kind", "ops"), CASES)
class TestEveryView:
    def test_keeps_shape_and_dtype_and_its_input(self, kind: str, ops: tuple[str, ...]) -> None:
        x, ids = inputs(kind), np.arange(40)
        before = x.copy()
        out = view(x, ids, 7, 0, ops)
        assert out.shape == x.shape
        assert out.dtype == x.dtype
        assert np.array_equal(x, before)
        assert not np.array_equal(out, x)

    def test_does_not_depend_on_the_batch(self, kind: str, ops: tuple[str, ...]) -> None:
        x, ids = inputs(kind), np.arange(1000, 1040)
        out = view(x, ids, 7, 3, ops)
        order = np.random.default_rng(0).permutation(40)[:17]
        assert np.array_equal(view(x[order], ids[order], 7, 3, ops), out[order])
        assert np.array_equal(view(x[5:6], ids[5:6], 7, 3, ops), out[5:6])

    def test_depends_on_seed_and_view_and_id(self, kind: str, ops: tuple[str, ...]) -> None:
        x, ids = inputs(kind), np.arange(40)
        out = view(x, ids, 7, 0, ops)
        assert np.array_equal(view(x, ids, 7, 0, ops), out)
        assert not np.array_equal(view(x, ids, 8, 0, ops), out)
        assert not np.array_equal(view(x, ids, 7, 1, ops), out)
        assert not np.array_equal(view(x, ids + 100, 7, 0, ops), out)

    def test_identity(self, kind: str, ops: tuple[str, ...]) -> None:
        x, ids = inputs(kind), np.arange(40)
        assert np.array_equal(view(x, ids, 7, IDENTITY, ops), x)
        assert np.array_equal(view(x, ids, 7, 0, ()), x)


def test_batches_beyond_a_chunk_are_seamless() -> None:
    x = images(count=2 * CHUNK + 3, height=4, width=4)
    ids = np.arange(len(x))
    out = view(x, ids, 1, 0, ("crop", "flip"))
    assert np.array_equal(out[-5:], view(x[-5:], ids[-5:], 1, 0, ("crop", "flip")))


def test_crop_moves_by_up_to_two_pixels_and_fills_with_zeros() -> None:
    x, ids = images(count=200), np.arange(200)
    out = view(x, ids, 7, 0, ("crop",))
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    seen = set()
    for index in range(200):
        moves = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if np.array_equal(padded[index, dy : dy + 28, dx : dx + 28], out[index])
        ]
        assert len(moves) == 1
        seen.update(moves)
    assert len(seen) == 25


def test_flip_mirrors_half_of_the_images() -> None:
    x, ids = images(count=400), np.arange(400)
    out = view(x, ids, 7, 0, ("flip",))
    mirrored = (out == x[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (out == x).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 160 < mirrored.sum() < 240


def test_cutout_zeroes_at_most_one_square_of_a_quarter_side() -> None:
    x, ids = images(count=200), np.arange(200)  # no zeros of its own
    gone = view(x, ids, 7, 0, ("cutout",))[..., 0] == 0
    rows, columns = gone.any(axis=2), gone.any(axis=1)
    assert (rows.sum(axis=1) <= 7).all()
    assert (gone == rows[:, :, None] & columns[:, None, :]).all()
    assert (gone.sum(axis=(1, 2)) == 49).sum() > 80


def test_noise_is_five_per_cent() -> None:
    rows = np.full((4000, 3), [1.0, -200.0, 0.0], np.float32)
    moved = view(rows, np.arange(4000), 7, 0, ("noise",)) - rows
    assert moved.std(axis=0) == pytest.approx([0.05, 10, 0], rel=0.05)
    assert moved.mean(axis=0) == pytest.approx([0, 0, 0], abs=1)
    x = images(count=50).astype(np.float32)
    spread = (view(x, np.arange(50), 7, 0, ("noise",)) - x).std()
    assert spread == pytest.approx(0.05 * x.std(), rel=0.05)


GOLDEN = [13266.0, 49686.0]


def test_the_numbers_stay_what_they_are() -> None:
    """Stored soft labels belong to these very views: a change here must come with a new version."""
    x = np.arange(2 * 14 * 14, dtype=np.float32).reshape(2, 14, 14, 1)
    out = view(x, np.array([0, 12345]), 7, 2, ("crop", "flip", "cutout"))
    assert [float(value) for value in out.sum(axis=(1, 2, 3))] == GOLDEN


def test_the_mixer_is_splitmix64() -> None:
    first = counter.sequence(np.array([0], np.uint64), 3)[0]
    assert [hex(int(word)) for word in first] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


def test_normal_draws_are_normal() -> None:
    drawn = counter.normal(counter.keys(1, np.arange(2000)), 51)
    assert drawn.shape == (2000, 51)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("ops", "shape", "message"),
    [
        (("crop",), (12,), "'crop' needs images (height, width, channels), and an example here is 12"),
        (("noise", "flip"), (12, 3), "use noise, or no augmentation"),
        (("spin",), (28, 28, 1), "unknown augmentation 'spin'"),
        (("flip", "flip"), (28, 28, 1), "'flip' is listed twice"),
        (("words",), (28, 28, 1), "'words' needs sentences, and an example here is 28x28x1"),
        (("drop",), (12,), "'drop' needs sentences, and an example here is 12"),
    ],
)
def test_refuses(ops: tuple[str, ...], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_augmentations(ops, shape, "pass.1.augment")
    assert message in str(caught.value)
    assert caught.value.where == "pass.1.augment"
    with pytest.raises(UserError):
        view(np.zeros((2, *shape), np.float32), np.arange(2), 0, 0, ops)
