"""Resizing and greying images: against Pillow on whole images, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tinyc.core.errors import UserError
from tinyc.data.preparing import applied
from tinyc.spec.images import Grayscale, Resize

COLOUR = np.random.default_rng(0).integers(0, 256, (4, 12, 9, 3), np.uint8)


@pytest.mark.parametrize(("how", "filtered"), [("bilinear", Image.Resampling.BILINEAR), ("box", Image.Resampling.BOX)])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (24, 18)])
def test_bytes_are_resized_as_pillow_does(how: Any, filtered: Any, height: int, width: int) -> None:
    found = applied(Resize(height=height, width=width, how=how), COLOUR)
    assert found.dtype == np.uint8
    expected = [np.asarray(Image.fromarray(image, "RGB").resize((width, height), filtered)) for image in COLOUR]
    assert np.array_equal(found, np.stack(expected))


def test_floats_stay_floats_and_a_box_is_the_mean() -> None:
    x = np.random.default_rng(1).normal(size=(2, 8, 6, 2))
    found = applied(Resize(height=4, width=3, how="box"), x)
    assert found.dtype == np.float32
    assert np.allclose(found, x.reshape(2, 4, 2, 3, 2, 2).mean(axis=(2, 4)), atol=1e-6)


def test_bytes_are_greyed_as_pillow_does_and_floats_by_the_luma() -> None:
    found = applied(Grayscale(), COLOUR)
    assert found.dtype == np.uint8
    expected = np.stack([np.asarray(Image.fromarray(image, "RGB").convert("L")) for image in COLOUR])
    assert np.array_equal(found[..., 0], expected)
    floats = applied(Grayscale(), COLOUR / 255)
    assert floats.dtype == np.float32
    assert floats.shape == (4, 12, 9, 1)
    assert np.allclose(floats[..., 0], COLOUR / 255 @ [0.299, 0.587, 0.114], atol=1e-6)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UserError, match=r"resize: takes images.*\(5, 4\)"):
        applied(Resize(height=2, width=2), np.zeros((3, 5, 4)))
    with pytest.raises(UserError, match="grayscale: takes red, green and blue, and examples have 1 channels"):
        applied(Grayscale(), np.zeros((3, 5, 4, 1)))
    with pytest.raises(ValidationError):
        Resize(height=0, width=3)
