"""The numbers behind packed and looked-up storage, and how many different ones there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.tiny import Plan, by_hand

from tinyc.tflite.read.constants import constants
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.values import looked_up, stored_values, variety
from tinyc.tflite.write.tables import compact, gains


def tensor(shape: tuple[int, ...], dtype: str = "int8", **more: Any) -> Tensor:
    return Tensor(0, "", shape, dtype, 1, 1, **more)


def test_int4_is_unpacked_low_nibble_first() -> None:
    found = stored_values(tensor((5,), "int4"), np.array([0x81, 0x7F, 0x02], np.uint8))
    assert found is not None
    assert found.tolist() == [1, -8, -1, 7, 2]


def test_what_is_no_number_has_none() -> None:
    assert stored_values(tensor((1,), "string"), np.zeros(8, np.uint8)) is None
    assert stored_values(tensor((4,)), np.zeros(3, np.uint8)) is None


def test_indices_are_looked_up_by_channel() -> None:
    # Two channels along axis 1, tables (5, 6) and (-7, -8), indices of one bit: 0 1 / 1 0 / 1 1.
    ancillary = np.array([0, 1, 0, 0, 1, 1 << 4 | 1, 2, *[0] * 9, 5, 6, 256 - 7, 256 - 8], np.uint8)
    found = looked_up(np.array([0b01101100], np.uint8), ancillary, tensor((3, 2)))
    assert found is not None
    assert found.tolist() == [[5, -8], [6, -7], [6, -8]]
    assert looked_up(np.zeros(0, np.uint8), ancillary, tensor((3, 2))) is None
    assert looked_up(np.array([0b01101100], np.uint8), ancillary[:18], tensor((3, 2))) is None


def test_values_are_counted_in_all_and_in_the_fullest_channel() -> None:
    held = np.array([[1, 1, 2], [3, 4, 5]], np.int8)
    found = variety(held, tensor((2, 3), scales=(0.5, 0.25), zero_points=(1, 5)))
    assert (found.elements, found.distinct, found.per_channel, found.zeros) == (6, 5, 3, 3)
    assert variety(held, tensor((2, 3), scales=(0.5,))).per_channel is None
    floats = np.array([0.0, np.nan, np.nan, 1.5], np.float32)
    assert (variety(floats, tensor((4,), "float32")).distinct) == 3


def test_a_file_of_tables_is_described_as_before() -> None:
    weights = np.random.default_rng(1).choice(np.array([-9, 0, 4, 90], np.int8), (64, 64))
    plans = [Plan((1, 64)), Plan((64, 64), data=weights.tobytes()), Plan((1, 64))]
    plain = by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])
    packed = compact(plain, gains(plain))
    before, after = describe(plain), describe(packed)
    assert len(packed) < len(plain) / 2
    assert (after.params, after.nonzero_params, after.macs) == (before.params, before.nonzero_params, before.macs)
    assert after.weight_bytes < 64 * 64 / 4 + 100
    roles = [each.role for each in constants(after)]
    assert set(roles) == {"weight tables"}
    assert len(roles) == 2


def test_constants_are_named_by_what_reads_them() -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(range(8))), Plan((2,), "INT32", data=bytes(8)), Plan((1, 2)),
             Plan((2,), "INT32", data=bytes([1, 0, 0, 0, 2, 0, 0, 0])), Plan((1, 2))]  # fmt: skip
    content = by_hand(plans, [("FULLY_CONNECTED", (0, 1, 2), (3,)), ("RESHAPE", (3, 4), (5,))])
    found = {each.tensor: (each.role, each.op, each.layer, each.bytes) for each in constants(describe(content))}
    assert found == {
        1: ("weights", "FULLY_CONNECTED", "op 0", 8), 2: ("biases", "FULLY_CONNECTED", "op 0", 8),
        4: ("other constants", "RESHAPE", "op 1", 8),
    }  # fmt: skip
