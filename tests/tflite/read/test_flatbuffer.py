"""What `describe` reads: counts by logical shape, layer names, and nothing but UserError from damaged bytes."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny
from support.tiny import Plan, by_hand

from tinyc.core.errors import UserError
from tinyc.tflite.read import flatbuffer
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.layer_names import layer_name
from tinyc.tflite.read.schema import schema

# first 3*3*2*4 + 4, depth 3*3*4 + 4, slopes 4, wider 3*3*4*4 + 4, logits 400*5 + 5
PARAMS = 76 + 40 + 4 + 148 + 2005
MACS = 12 * 12 * 4 * 18 + 10 * 10 * 4 * 9 + 10 * 10 * 4 * 36 + 2000


def test_params_are_those_of_the_keras_network() -> None:
    assert tiny.mixed_network().count_params() == PARAMS
    for content in (tiny.mixed(), tiny.mixed_float()):
        described = describe(content)
        assert described.params == PARAMS
        assert described.macs == MACS
        assert described.file_bytes == len(content) == described.weight_bytes + described.metadata_bytes


def test_the_last_files_are_read_once_each_and_the_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    opened = flatbuffer.open_tflite
    monkeypatch.setattr(flatbuffer, "open_tflite", lambda *given: (read.append(given[0]), opened(*given))[1])
    monkeypatch.setattr(flatbuffer, "DESCRIBED", {})
    monkeypatch.setattr(flatbuffer, "REMEMBERED", 2)
    one, two, three = (by_hand([Plan((1, n)), Plan((1, n))], [("RELU", (0,), (1,))]) for n in (1, 2, 3))
    for content in (one, bytearray(one), two, one, three, two):
        assert describe(content) == opened(content, "")[1]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="b: is not a"):
        describe(b"", "b")
    assert read == [one, two, three, b""]
    describe(one)
    assert read[4:] == [one]


def test_weight_bytes_are_one_a_weight_and_four_a_bias() -> None:
    biases = 4 + 4 + 4 + 5
    assert describe(tiny.mixed()).weight_bytes == PARAMS - biases + 4 * biases
    assert describe(tiny.mixed_float()).weight_bytes == 4 * PARAMS


def test_each_operator_is_named_after_its_layer_and_weighed() -> None:
    ops = {op.layer: op for op in describe(tiny.mixed()).ops}
    assert list(ops) == ["first", "depth", "slopes", "wider", "shrink", "flat", "logits"]
    assert ops["first"].name == "CONV_2D"
    assert (ops["first"].params, ops["first"].weight_bytes, ops["first"].macs) == (76, 72 + 16, 12 * 12 * 4 * 18)
    assert ops["slopes"].params == 4
    assert ops["flat"].params == 0  # its constant is a shape


def test_inputs_and_outputs_carry_scale_and_zero_point() -> None:
    described = describe(tiny.mixed())
    (given,), (made,) = described.inputs, described.outputs
    assert given.shape == (1, *tiny.SHAPE)
    assert given.dtype == made.dtype == "int8"
    assert len(given.scales) == len(made.zero_points) == 1


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("net/a_relu/Relu;net/a_bn/FusedBatchNormV3;net/a_conv/Conv2D", "a_conv"),
        ("net/quant_logits/BiasAdd", "logits"),
        ("net/out/Relu;net/add/add", "out"),
        ("", ""),
        ("StatefulPartitionedCall:0", "StatefulPartitionedCall:0"),
    ],
)
def test_layer_names(name: str, layer: str) -> None:
    assert layer_name(name) == layer


def test_only_constants_in_weight_slots_count() -> None:
    table, mask, ids = bytes(range(1, 25)), bytes([0, 240, 240, 1, 2, 3]), np.zeros(4, np.int32).tobytes()
    content = by_hand(
        [
            Plan((1, 4), "INT32"),
            Plan((6, 4), data=table),
            Plan((1, 4, 4)),
            Plan((6, 1), data=mask),
            Plan((1, 4, 1)),
            Plan((4,), data=b"\1\2\3\4"),
            Plan((1, 4, 4)),
            Plan((), data=b"\7"),
            Plan((1, 4, 4)),
            Plan((4,), "INT32", data=ids),
            Plan((1, 4, 4)),
        ],
        [
            ("GATHER", (1, 0), (2,)),  # an embedding counts
            ("GATHER", (3, 0), (4,)),  # a mask over the vocabulary does not
            ("MUL", (2, 5), (6,)),  # a scale counts
            ("ADD", (6, 7), (8,)),  # a single number does not
            ("RESHAPE", (8, 9), (10,)),  # a shape does not
        ],
    )
    described = describe(content)
    assert described.params == 24 + 4
    assert described.weight_bytes == 24 + 4
    assert [op.params for op in described.ops] == [24, 0, 4, 0, 0]


def test_zeros_are_weights_at_their_zero_point() -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes([3, 3, 3, 5, 0, 3, 1, 3]), zero_point=3), Plan((1, 2))]
    described = describe(by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))]))
    assert (described.params, described.nonzero_params, described.macs) == (8, 3, 8)


def test_int4_counts_by_logical_shape() -> None:
    # Low nibble first: 1, 0, -1, 0, 2; the last nibble is padding.
    plans = [Plan((1, 5)), Plan((1, 5), "INT4", data=bytes([0x01, 0x0F, 0x02])), Plan((1, 1))]
    described = describe(by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))]))
    assert (described.params, described.nonzero_params, described.weight_bytes) == (5, 3, 3)


def test_tensors_that_share_bytes_are_stored_once_and_count_each() -> None:
    same = bytes([1, 2, 3, 4])
    plans = [Plan((1, 2)), Plan((2, 2), data=same), Plan((1, 2)), Plan((2, 2), data=same), Plan((1, 2))]
    described = describe(
        by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,)), ("FULLY_CONNECTED", (2, 3), (4,))]),
    )
    assert (described.params, described.weight_bytes) == (8, 4)
    tied = describe(by_hand([*plans[:3], plans[4]], [("FULLY_CONNECTED", (0, 1), (2,)), ("MUL", (2, 1), (3,))]))
    assert tied.params == 4


def test_files_of_old_converters_are_read_by_their_deprecated_code() -> None:
    s = schema()
    tree = s.ModelT.InitFromObj(s.Model.GetRootAs(tiny.mixed(), 0))
    for code in tree.operatorCodes:
        code.builtinCode = 0
    assert [op.name for op in describe(tiny.pack(tree)).ops] == [op.name for op in describe(tiny.mixed()).ops]


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\0" * 64, bytes(range(256)) * 8], ids=["empty", "zip", "zeros", "noise"]
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"mine\.tflite: is not a TensorFlow Lite file"):
        describe(content, "mine.tflite")


def test_truncated_files_are_refused() -> None:
    content = tiny.mixed()
    for length in range(0, len(content) - 64, 97):
        with pytest.raises(UserError, match="is not a TensorFlow Lite file"):
            describe(content[:length])


def test_damaged_bytes_never_end_in_a_traceback() -> None:
    random = np.random.default_rng(5)
    refused = 0
    for content in (tiny.mixed(), tiny.with_gelu()):
        for _ in range(300):
            damaged = bytearray(content)
            for place in random.integers(0, len(content), random.integers(1, 20)):
                damaged[place] = random.integers(256)
            try:
                describe(bytes(damaged))
            except UserError:
                refused += 1
    assert refused > 100
