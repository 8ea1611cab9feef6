"""Floats to integers and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyc.tflite.read.flatbuffer import Tensor
from tinyc.tflite.read.quantization import dequantize, quantize


def int8(scale: float, zero_point: int) -> Tensor:
    return Tensor(0, "x", (1, 4), "int8", 0, 0, (scale,), (zero_point,))


@settings(deadline=None)
@given(
    st.floats(2**-13, 10, width=32),
    st.integers(-128, 127),
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
)
def test_the_way_there_and_back_costs_half_a_step(scale: float, zero_point: int, shares: list[float]) -> None:
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    values = np.array([low + (share + 1) / 2 * (high - low) for share in shares], np.float32)
    tensor = int8(scale, zero_point)
    back = dequantize(quantize(values, tensor), tensor)
    assert np.all(np.abs(back - values) <= scale * 0.501)


def test_halves_go_to_even_and_the_rest_is_clipped() -> None:
    values = np.array([0.5, 1.5, 2.5, -0.5, 900, -900], np.float32)
    assert quantize(values, int8(1.0, 0)).tolist() == [0, 2, 2, 0, 127, -128]
    assert quantize(values, int8(1.0, 100)).tolist()[-2:] == [127, -128]


def test_token_ids_keep_their_values() -> None:
    ids = Tensor(0, "ids", (1, 3), "int32", 0, 0)
    given_ids = quantize(np.array([[1.0, 30521.0, 0.0]]), ids)
    assert given_ids.dtype == np.int32
    assert given_ids.tolist() == [[1, 30521, 0]]


def test_a_zero_point_that_is_left_out_is_zero() -> None:
    tensor = Tensor(0, "x", (1, 2), "int8", 0, 0, (0.5,), ())
    assert dequantize(quantize(np.array([1.0, -2.0], np.float32), tensor), tensor).tolist() == [1.0, -2.0]
