"""Scratch memory of optimized kernels, against numbers worked out from the C sources by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tinyc.devices.board import Bank, Board
from tinyc.devices.scratch import FORMULAS
from tinyc.devices.work import Shape, Work


def board(core: Any, dsp: bool | None, mve: bool | None = None) -> Board:
    """Make a board of a core."""
    bank = Bank(name="SRAM", bytes=1)
    return Board(name="own", title="Own", core=core, dsp=dsp, mve=mve, ram=(bank,), runtime="r", runtimes=("r",))


PLAIN, DSP, MVE = board("cortex-m0+", False), board("cortex-m4", True, False), board("cortex-m55", True, True)
S3, P4, ESP32 = board("xtensa-lx7", True), board("riscv", True), board("xtensa-lx6", False)


def work(inputs: tuple[Shape, ...], output: Shape, **changes: Any) -> Work:
    """Make an operator on int8."""
    common = {"operator": "CONV_2D", "where": "conv", "values": "int8", "weights": "int8", "weight_shape": inputs[-1]}
    counted = {"is_per_channel": True, "macs": None, "weight_bytes": 0, "value_bytes": 0}
    return Work(**{**common, **counted, "inputs": inputs, "output": output, **changes})


FIRST = work(((1, 32, 32, 3), (16, 3, 3, 3)), (1, 32, 32, 16))
"""A 3x3 convolution, as ResNet-8 begins: a column of 27 values."""
POINT = work(((1, 25, 5, 64), (64, 1, 1, 64)), (1, 25, 5, 64))
"""A 1x1 convolution, as in DS-CNN."""
WIDE = work(((1, 49, 10, 1), (64, 10, 4, 1)), (1, 25, 5, 64), strides=(2, 2))
"""The 10x4 filter that DS-CNN begins with: a column of 40 values."""
LINE = work(((1, 1, 128, 6), (32, 1, 8, 6)), (1, 1, 64, 32), strides=(1, 2))
"""A filter of eight over time."""
DEPTHWISE = work(((1, 25, 5, 64), (1, 3, 3, 64)), (1, 25, 5, 64), operator="DEPTHWISE_CONV_2D")
FIVES = work(((1, 12, 12, 24), (1, 5, 5, 24)), (1, 12, 12, 24), operator="DEPTHWISE_CONV_2D")
SINGLE = work(((1, 20, 20, 1), (1, 3, 3, 8)), (1, 20, 20, 8), operator="DEPTHWISE_CONV_2D")
DENSE = work(((1, 64), (10, 64)), (1, 10), operator="FULLY_CONNECTED")
TOKENS = work(((1, 16, 64), (48, 64)), (1, 16, 48), operator="FULLY_CONNECTED", is_per_channel=False)


@pytest.mark.parametrize(
    ("formula", "one", "plain", "dsp", "mve"),
    [
        # Two columns of 28 halfwords; with MVE, four of 32 bytes.
        ("cmsis_nn_conv", FIRST, 112, 112, 128),
        ("cmsis_nn_conv", WIDE, 160, 160, 192),
        ("cmsis_nn_conv", POINT, 0, 256, 0),
        # MVE: eight places of six channels, three before them; the output's 64 places need three on either side.
        ("cmsis_nn_conv", LINE, 192, 192, 48 + 3 * 6),
        ("cmsis_nn_2022_conv", FIRST, 108, 108, 128),
        ("cmsis_nn_2022_conv", POINT, 0, 0, 0),
        ("cmsis_nn_2022_conv", WIDE, 160, 160, 160),
        # A 3x3 filter needs no buffer today, and 64 x 9 halfwords in 2022; MVE takes four blocks of 124 channels.
        ("cmsis_nn_depthwise_conv", DEPTHWISE, 0, 0, 4464),
        ("cmsis_nn_2022_depthwise_conv", DEPTHWISE, 0, 1152, 4464),
        ("cmsis_nn_depthwise_conv", FIVES, 0, 1200, 12400),
        ("cmsis_nn_2022_depthwise_conv", FIVES, 0, 1200, 12400),
        # One channel becomes a convolution: four columns of 16, and the filter turned.
        ("cmsis_nn_depthwise_conv", SINGLE, 0, 0, 64 + 72),
        ("cmsis_nn_dense", DENSE, 0, 0, 0),
        ("cmsis_nn_dense", TOKENS, 384, 640, 384),
        ("cmsis_nn_dense_sums", DENSE, 0, 0, 40),
        ("cmsis_nn_dense_sums", TOKENS, 0, 0, 0),
        ("cmsis_nn_2022_dense_scales", DENSE, 0, 0, 0),
        ("cmsis_nn_2022_dense_scales", TOKENS, 384, 384, 384),
        ("cmsis_nn_average_pool", work(((1, 8, 8, 64),), (1, 1, 1, 64)), 0, 256, 0),
        ("cmsis_nn_average_pool", work(((1, 25, 5, 40),), (1, 1, 1, 40), values="int16"), 0, 160, 0),
        ("cmsis_nn_batch_matmul", work(((1, 12, 16, 32), (1, 12, 16, 32)), (1, 12, 16, 16)), 0, 0, 64),
        ("cmsis_nn_batch_matmul", work(((1, 8, 20), (1, 20, 30)), (1, 8, 30)), 0, 0, 120),
        ("cmsis_nn_svdf_sums", work(((1, 8), (24, 8), (24, 10)), (1, 12)), 0, 0, 96),
        ("cmsis_nn_svdf_sums", work(((1, 40), (256, 40), (256, 8)), (1, 128)), 0, 0, 1024),
        ("cmsis_nn_lstm_biases", work(((1, 28, 28),), (1, 28, 20)), 640, 640, 640),
        ("cmsis_nn_lstm_biases", work(((1, 28, 28),), (1, 28, 20), values="int16"), 1280, 1280, 1280),
        ("helia_sums", DENSE, 0, 0, 40),
        ("helia_sums", FIRST, 0, 0, 64),
    ],
)  # fmt: skip
def test_cmsis_nn(formula: str, one: Work, plain: int, dsp: int, mve: int) -> None:
    sizes = [FORMULAS[formula](one, each) for each in (PLAIN, DSP, MVE)]
    assert sizes == [plain, dsp, mve]
    assert FORMULAS[formula](one, None) == max(sizes)


@pytest.mark.parametrize(
    ("one", "plain", "mve", "helia"),
    [
        # 32 channels run reversed: columns of 288 and a copy of the filter's 4608, less 4 x 8 x 8 x 16 of output.
        (((4,), (16, 3, 3, 32), (1, 4, 4, 32)), 1152 + 4608 - 4096, 1152 + 4608 - 4096, 1728 + 4608 - 4096),
        # 8 channels add up in rows: ((4 - 1) x 2 + 3) x 16 x 3 of 32 bits, fewer than the output has.
        (((4,), (16, 3, 3, 8), (1, 4, 4, 8)), 0, 0, 0),
        # A single row of output, and a filter taller than it.
        (((4,), (4, 5, 5, 8), (1, 1, 4, 8)), 880 - 4 * 2 * 8 * 4, 880 - 4 * 2 * 8 * 4, 880 - 4 * 2 * 8 * 4),
    ],
)
def test_transposed_convolution(one: tuple[Shape, ...], plain: int, mve: int, helia: int) -> None:
    outputs, (_, height, width, _) = one[1][0], one[2]
    each = work(one, (1, 2 * height, 2 * width, outputs), operator="TRANSPOSE_CONV", strides=(2, 2))
    assert FORMULAS["cmsis_nn_transpose_conv"](each, PLAIN) == plain
    assert FORMULAS["cmsis_nn_transpose_conv"](each, MVE) == mve
    assert FORMULAS["helia_transpose_conv"](each, PLAIN) == helia


@pytest.mark.parametrize(
    ("formula", "one", "s3", "p4", "esp32"),
    [
        # S3: 3 x 3 channels are fewer than 16, so columns of 27 are copied to 32, filters too.
        ("esp_nn_conv", FIRST, 64 + 17 * 32 + 32 + 64, 64 + 27 + 32, 0),
        # Whole vectors: only the filter and eight pixels twice.
        ("esp_nn_conv", POINT, 64 * 64 + 16 * 64 + 64, 64 * 64 + 16 * 64 + 32, 0),
        ("esp_nn_1_1_conv", FIRST, 34 * 34 * 3 + 9 * 16 * 16 + 32 + 64, 34 * 34 * 3 + 9 * 16 * 16 + 32 + 64, 0),
        ("esp_nn_1_1_conv", POINT, 64 * 64 + 16 * 64 + 32, 64 * 64 + 16 * 64 + 32, 0),
        # Filter and the input padded on all sides.
        ("esp_nn_depthwise_conv", DEPTHWISE, 576 + 27 * 7 * 64 + 16, 0, 0),
        # Filter and input of sixteen bits.
        ("esp_nn_depthwise_conv", FIVES, 2 * (600 + 3456) + 32, 0, 0),
        ("esp_nn_1_1_depthwise_conv", DEPTHWISE, 576 + 27 * 7 * 64 + 16, 0, 0),
        ("esp_nn_1_1_depthwise_conv", FIVES, 32, 0, 0),
        ("esp_nn_softmax", work(((1, 10),), (1, 10)), 40, 40, 40),
        ("esp_nn_softmax", work(((1, 12, 16, 16),), (1, 12, 16, 16)), 48, 48, 48),
    ],
)  # fmt: skip
def test_esp_nn(formula: str, one: Work, s3: int, p4: int, esp32: int) -> None:
    sizes = [FORMULAS[formula](one, each) for each in (S3, P4, ESP32)]
    assert sizes == [s3, p4, esp32]
    assert FORMULAS[formula](one, None) == max(sizes)


@pytest.mark.parametrize("formula", sorted(FORMULAS))
def test_float_asks_for_nothing(formula: str) -> None:
    dense = formula.endswith(("dense", "dense_sums", "dense_scales"))
    inputs = ((1, 1, 4, 8), (8, 1, 1, 8), (1, 1, 4, 8))
    each = work(inputs, (1, 4, 8) if dense else (1, 1, 4, 8), values="float32", weights="float32")
    assert FORMULAS[formula](each, None) == 0


@pytest.mark.parametrize("core", ["cortex-a72", "riscv", "xtensa-lx7"])
def test_off_a_cortex_m_cmsis_nn_is_plain_c(core: str) -> None:
    assert FORMULAS["cmsis_nn_2022_depthwise_conv"](DEPTHWISE, board(core, True)) == 0


@pytest.mark.parametrize(("core", "largest"), [("cortex-m0+", 0), ("cortex-m7", 1152), ("cortex-m55", 4464)])
def test_an_unknown_extension_counts_as_there(core: str, largest: int) -> None:
    assert FORMULAS["cmsis_nn_2022_depthwise_conv"](DEPTHWISE, board(core, None, None)) == largest
