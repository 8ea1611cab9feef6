"""Multiply-accumulates of each operator, against a count by hand; what nobody counted is named and no figure."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, by_hand, of_graphs

from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.graphs import CALLERS
from tinyc.tflite.read.multiplications import FORMULAS, NONE, UNCOUNTED, Shapes, multiplications
from tinyc.tflite.read.operators import TFLM_CUSTOM
from tinyc.tflite.read.schema import op_names, schema


def test_every_builtin_operator_is_in_one_table() -> None:
    tables = (set(FORMULAS), set(NONE), set(UNCOUNTED), set(CALLERS))
    for name in op_names().values():
        assert sum(name in each for each in tables) == 1, name
    assert set(FORMULAS) | UNCOUNTED | set(CALLERS) <= set(op_names().values())
    assert set(NONE) - set(op_names().values()) <= TFLM_CUSTOM
    assert {"SignalRfft", "SignalIrfft", "SignalFilterBank"} == TFLM_CUSTOM - NONE


GATES, STATES = ((3, 5), (3, 5), (3, 5), (3, 5)), ((3, 3), (3, 3), (3, 3), (3, 3))
BIASES = ((3,),) * 4
LSTM = ((2, 7, 5), *GATES, *STATES, *(None,) * 3, *BIASES)
WITHOUT_INPUT_GATE = (
    (2, 7, 5), None, *GATES[1:], None, *((3, 2),) * 3, None, (3,), (3,), None, *BIASES[1:], (2, 3), (2,),
)  # fmt: skip
BOTH_WAYS = (
    (7, 2, 5), *GATES, *STATES, *(None,) * 3, *BIASES, None, None, *GATES, *STATES, *(None,) * 3, *BIASES, None, None,
    *((2, 3),) * 4, None, *(None,) * 8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("op", "inputs", "output", "macs"),
    [
        # 6 x 5 places of 4 filters of 3 x 2 x 7.
        ("CONV_2D", ((1, 8, 6, 7), (4, 3, 2, 7), (4,)), (1, 6, 5, 4), 6 * 5 * 4 * 42),
        # Two groups: each filter sees 3 of the 6 channels.
        ("CONV_2D", ((1, 5, 5, 6), (4, 3, 3, 3), (4,)), (1, 3, 3, 4), 3 * 3 * 4 * 27),
        ("DEPTHWISE_CONV_2D", ((1, 8, 8, 3), (1, 3, 3, 6), (6,)), (1, 6, 6, 6), 6 * 6 * 6 * 9),
        # Each of the 5 x 4 x 2 numbers is spread over 3 x 3 places of 6 channels.
        ("TRANSPOSE_CONV", ((4,), (6, 3, 3, 2), (1, 5, 4, 2)), (1, 10, 8, 6), 40 * 54),
        ("CONV_3D", ((1, 4, 5, 6, 2), (2, 3, 2, 2, 7), (7,)), (1, 3, 3, 5, 7), 3 * 3 * 5 * 7 * 24),
        ("CONV_3D_TRANSPOSE", ((5,), (2, 3, 2, 7, 2), (1, 4, 5, 6, 2)), (1, 5, 7, 7, 7), 240 * 84),
        ("FULLY_CONNECTED", ((1, 20), (3, 20), (3,)), (1, 3), 60),
        ("FULLY_CONNECTED", ((1, 6, 20), (3, 20), None), (1, 6, 3), 6 * 60),
        ("BATCH_MATMUL", ((2, 4, 5), (2, 5, 6)), (2, 4, 6), 2 * 4 * 6 * 5),
        # Features (6 filters over 10 inputs), then what is remembered of them (6 x 8).
        ("SVDF", ((1, 10), (6, 10), (6, 8), (3,), (1, 48)), (1, 3), 60 + 48),
        ("RNN", ((2, 5), (3, 5), (3, 3), (3,), (2, 3)), (2, 3), 2 * (15 + 9)),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", ((2, 7, 5), (3, 5), (3, 3), (3,), (2, 3)), (2, 7, 3), 14 * (15 + 9)),
        ("BIDIRECTIONAL_SEQUENCE_RNN",
         ((2, 7, 5), (3, 5), (3, 3), (3,), (2, 3), (4, 5), (4, 4), (4,), (2, 4), None, None, None), (2, 7, 3),
         14 * (15 + 9 + 20 + 16)),
        # 14 steps of 4 gates, each 3 x (5 + 3).
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", LSTM, (2, 7, 3), 14 * 4 * 3 * 8),
        # Three gates, and a projection of 3 units to 2, which are what comes back.
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", WITHOUT_INPUT_GATE, (2, 7, 2), 14 * (3 * 3 * (5 + 2) + 6)),
        ("BIDIRECTIONAL_SEQUENCE_LSTM", BOTH_WAYS, (7, 2, 3), 14 * 2 * 4 * 3 * 8),
        ("LSTM", ((2, 5), *LSTM[1:]), (2, 3), 2 * 4 * 3 * 8),
        # The basic kernel: the matrices of all gates are one.
        ("LSTM", ((2, 5), (2, 3), (12, 8), (12,), (2, 3)), (2, 3), 2 * 4 * 3 * 8),
        ("MUL", ((1, 9), (1, 9)), (1, 9), 0),
        ("AVERAGE_POOL_2D", ((1, 8, 8, 3),), (1, 4, 4, 3), 0),
        ("SOFTMAX", ((1, 8),), (1, 8), 0),
        ("TFLM_DECODE", ((9,), (30,)), (4, 9), 0),
        ("RFFT2D", ((1, 8, 8), (2,)), (1, 8, 5), None),
        ("SignalRfft", ((1, 512),), (1, 514), None),
        ("MY_OWN", ((1, 8),), (1, 8), None),
        ("FULLY_CONNECTED", ((-1, 20), (3, 20), (3,)), (-1, 3), None),
        ("CONV_2D", ((1, 8, 6, 7), (4, 3, 2), (4,)), (1, 6, 5, 4), None),
    ],
)  # fmt: skip
def test_macs_are_those_counted_by_hand(
    op: str, inputs: tuple[Any, ...], output: tuple[Any, ...], macs: int | None
) -> None:
    assert multiplications(op, Shapes(inputs, output)) == macs


def test_a_transposed_left_operand_is_summed_over_its_rows() -> None:
    assert multiplications("BATCH_MATMUL", Shapes(((2, 5, 4), (2, 5, 6)), (2, 4, 6), left_transposed=True)) == 240


def test_a_product_of_matrices_is_as_many_macs_as_it_has_terms() -> None:
    """Count the terms of a small convolution and dense layer one by one."""
    random = np.random.default_rng(0)
    image, filters = random.normal(size=(5, 6, 2)), random.normal(size=(3, 2, 3, 2))
    terms = 0
    for row in range(5 - 2 + 1):
        for column in range(6 - 3 + 1):
            for one in filters:
                terms += (image[row : row + 2, column : column + 3] * one).size
    assert multiplications("CONV_2D", Shapes(((1, 5, 6, 2), (3, 2, 3, 2)), (1, 4, 4, 3))) == terms


def test_svdf_and_lstm_count_in_a_file() -> None:
    svdf = [Plan((1, 10)), Plan((6, 10), data=bytes(60)), Plan((6, 8), data=bytes(48)), Plan((1, 48)), Plan((1, 6))]
    described = describe(by_hand(svdf, [("SVDF", (0, 1, 2, -1, 3), (4,))]))
    assert (described.macs, described.params) == (108, 108)


@pytest.mark.parametrize("op", ["RFFT2D", "LSH_PROJECTION", "STABLEHLO_DOT_GENERAL", "MY_OWN", "ethos-u", "Flex\x1b"])
def test_an_operator_that_may_multiply_leaves_no_total(op: str) -> None:
    graph = Graph(
        [Plan((1, 4)), Plan((2, 4), data=bytes(8)), Plan((1, 2)), Plan((1, 2))], [0], [3],
        [("FULLY_CONNECTED", (0, 1), (2,), None), (op, (2,), (3,), None)],
    )  # fmt: skip
    described = describe(of_graphs(graph))
    assert (described.macs, described.uncounted) == (None, (op,))
    assert [each.macs for each in described.ops] == [8, None]
    assert [each.custom for each in described.ops] == [False, op not in op_names().values()]


def signed(shape: tuple[int, ...], signature: tuple[int, ...]) -> bytes:
    """A dense layer with a batch or a row count that its signature leaves open."""
    tree = schema().ModelT.InitFromPackedBuf(
        by_hand(
            [Plan((*shape, 4)), Plan((2, 4), data=bytes(8)), Plan((*shape, 2))], [("FULLY_CONNECTED", (0, 1), (2,))]
        ),
        0,
    )
    for tensor in (tree.subgraphs[0].tensors[0], tree.subgraphs[0].tensors[2]):
        tensor.shapeSignature = [*signature, tensor.shape[-1]]
    return tiny.pack(tree)


def test_an_open_batch_counts_as_one_example_and_other_open_sizes_leave_no_total() -> None:
    assert describe(signed((1,), (-1,))).macs == 8
    assert describe(signed((1, 3), (-1, 3))).macs == 24
    described = describe(signed((1, 1), (-1, -1)))
    assert described.macs is None
    assert re.fullmatch(r"FULLY_CONNECTED \(no fixed shape\)", described.uncounted[0])
