"""What optimized kernels ask of the arena for an operator, beyond what TFLM's reference kernels ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyc.devices import cmsis_nn, esp_nn
from tinyc.devices.board import Board
from tinyc.devices.work import Work

Formula = Callable[[Work, Board | None], int]
"""Bytes for an operator on a board; the largest of all builds where no board is given."""
FORMULAS: Mapping[str, Formula] = {
    formula.__name__: formula
    for formula in (
        cmsis_nn.cmsis_nn_2022_conv,
        cmsis_nn.cmsis_nn_2022_dense_scales,
        cmsis_nn.cmsis_nn_2022_depthwise_conv,
        cmsis_nn.cmsis_nn_average_pool,
        cmsis_nn.cmsis_nn_batch_matmul,
        cmsis_nn.cmsis_nn_conv,
        cmsis_nn.cmsis_nn_dense,
        cmsis_nn.cmsis_nn_dense_sums,
        cmsis_nn.cmsis_nn_depthwise_conv,
        cmsis_nn.cmsis_nn_lstm_biases,
        cmsis_nn.cmsis_nn_svdf_sums,
        cmsis_nn.cmsis_nn_transpose_conv,
        cmsis_nn.helia_sums,
        cmsis_nn.helia_transpose_conv,
        esp_nn.esp_nn_1_1_conv,
        esp_nn.esp_nn_1_1_depthwise_conv,
        esp_nn.esp_nn_conv,
        esp_nn.esp_nn_depthwise_conv,
        esp_nn.esp_nn_softmax,
    )
}
