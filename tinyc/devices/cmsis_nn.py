"""What TFLM's CMSIS-NN kernels ask of the arena beyond the reference kernels, in bytes.

The host measures an arena with the reference kernels, so what these ask for as well (four buffers of an LSTM, the sums
of a mean) is in that figure, and only what comes on top is counted here. The functions of CMSIS-NN are those of commit
99f736a6 (15 July 2026): up to it since November 2024 nothing changed, and before they asked for the same or less. Those
of 2022, which the Arduino libraries carry, are named so.

A build is one of three: plain C, with the DSP extension, with MVE. An unknown one counts as the largest.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Literal

from tinyc.devices.board import Board
from tinyc.devices.window import Window, window
from tinyc.devices.work import Work

Build = Literal["plain", "dsp", "mve"]
BLOCK = 124
"""CH_IN_BLOCK_MVE of Include/arm_nnsupportfunctions.h."""
REVERSED_FROM = 16
"""REVERSE_TCOL_EFFICIENT_THRESHOLD: with more input channels, a transposed convolution runs as a convolution."""
DSP_CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "cortex-m85")
MVE_CORES = ("cortex-m55", "cortex-m85")


def builds(board: Board | None) -> tuple[Build, ...]:
    """List the builds of CMSIS-NN that a board may run."""
    if board is None:
        return ("plain", "dsp", "mve")
    if not board.core.startswith("cortex-m"):
        return ("plain",)
    if board.mve or (board.mve is None and board.core in MVE_CORES):
        return ("mve",) if board.mve else ("plain", "dsp", "mve")
    if board.dsp is None:
        return ("plain", "dsp") if board.core in DSP_CORES else ("plain",)
    return ("dsp",) if board.dsp else ("plain",)


def cmsis_nn_conv(work: Work, board: Board | None) -> int:
    """Size what arm_convolve_wrapper_s8 or _s16 copies columns of the input to.

    Source: arm_convolve_get_buffer_sizes_s8.c and _s16.c; kernels/cmsis_nn/conv.cc asks for the one of s8 for weights
    of four bits too. A 1x1 convolution with DSP needs it only as armclang builds it; that is counted.
    """
    if work.values == "int16":
        return max(columns16(window(work).column, build) for build in builds(board))
    return max(conv8(window(work), build) for build in builds(board)) if work.values == "int8" else 0


def columns16(column: int, build: Build) -> int:
    """Size the columns of arm_convolve_s16."""
    return 64 * -(-column // 8) if build == "mve" else 4 * column


def columns8(column: int, build: Build) -> int:
    """Size the columns of arm_convolve_s8: four of whole vectors with MVE, else two of 16 bits."""
    return 64 * -(-column // 16) if build == "mve" else 16 * -(-column // 4)


def conv8(shape: Window, build: Build) -> int:
    """Size the buffer of arm_convolve_wrapper_s8."""
    whole = shape.channels == shape.filter_channels
    if shape.area == 1 and whole and not shape.is_padded and not shape.is_dilated:
        return 4 * shape.channels if build == "dsp" and not shape.is_strided else 0
    is_row = shape.height.input == 1 and shape.height.filter == 1 and shape.width.dilation == 1
    if build == "mve" and is_row and whole and shape.width.stride * shape.channels % 4 == 0:
        return row(shape)
    return columns8(shape.column, build)


def row(shape: Window) -> int:
    """Size the buffer of arm_convolve_1_x_n_s8 with MVE, as arm_convolve_1_x_n_s8_get_buffer_size_mve does."""
    axis, pad = shape.width, shape.width.padding
    total = (axis.output - 1) * axis.stride + axis.filter - axis.input
    odd = abs(total) % 2 * (1 if total > 0 else -1)  # the remainder of C
    right = max(1, (pad + odd + axis.stride - 1) // axis.stride) if pad + odd else 0
    left = max(1, (pad + axis.stride - 1) // axis.stride) if pad else 0
    if right + left > axis.output:
        return columns8(shape.column, "mve")
    before = pad * shape.channels
    after = right * shape.channels if odd else before
    return max(shape.column + before, shape.column - shape.channels + after)


def cmsis_nn_depthwise_conv(work: Work, board: Board | None) -> int:
    """Size what arm_depthwise_conv_wrapper_s8 or _s4 asks for; kernels/cmsis_nn/depthwise_conv.cc asks none for int16.

    Source: arm_depthwise_conv_get_buffer_sizes_s8.c and _s4.c.
    """
    if work.values != "int8":
        return 0
    size = depthwise4 if work.weights == "int4" else depthwise8
    return max(size(window(work), build) for build in builds(board))


def is_depthwise_fast(shape: Window) -> bool:
    """Say whether arm_depthwise_conv_s8_opt takes it."""
    return shape.channels == shape.outputs and shape.batch == 1 and not shape.is_dilated


def depthwise_fast(shape: Window, build: Build) -> int:
    """Size the buffer of arm_depthwise_conv_s8_opt."""
    return {"plain": 0, "dsp": 2 * shape.column, "mve": 4 * BLOCK * shape.area}[build]


def depthwise8(shape: Window, build: Build) -> int:
    """Size the buffer of arm_depthwise_conv_wrapper_s8; with MVE, one input channel is turned into a convolution."""
    if build == "mve" and shape.channels == 1 and shape.outputs > 1:
        # Above 8 outputs with armclang, above 1 with other compilers.
        return conv8(replace(shape, filter_channels=1), "mve") + shape.outputs * shape.area
    if not is_depthwise_fast(shape):
        return 0
    is_three = (shape.height.filter, shape.width.filter) == (3, 3)
    if build != "mve" and is_three and shape.height.padding <= 1 and shape.width.padding <= 1:
        return 0
    return depthwise_fast(shape, build)


def depthwise4(shape: Window, build: Build) -> int:
    """Size the buffer of arm_depthwise_conv_wrapper_s4, which in plain C takes that of DSP."""
    return depthwise_fast(shape, "mve" if build == "mve" else "dsp") if is_depthwise_fast(shape) else 0


def cmsis_nn_2022_conv(work: Work, board: Board | None) -> int:
    """Size what the convolutions of CMSIS-NN 10.1 and 11.0 (2022) ask for.

    Source: arm_convolve_wrapper_s8.c, arm_convolve_s8.c, arm_convolve_wrapper_s16.c in
    third_party/cmsis_nn/Source/ConvolutionFunctions of tflite-micro-arduino-examples 7948b85e, which Chirale and
    tflm_cortexm carry unchanged, as do the sizes in CMSIS/NN of Edge Impulse's SDK 919819f5.
    """
    if work.values not in ("int8", "int16"):
        return 0
    size = conv16_of_2022 if work.values == "int16" else conv8_of_2022
    return max(size(window(work), build) for build in builds(board))


def conv8_of_2022(shape: Window, build: Build) -> int:
    """Size the buffer of arm_convolve_wrapper_s8 as of 2022."""
    if shape.area == 1 and not (shape.is_padded or shape.is_dilated or shape.is_strided):
        return 0
    if build != "mve":
        return 4 * shape.column
    is_row = shape.height.input == 1 and shape.height.filter == 1 and shape.width.dilation == 1
    return 0 if is_row and shape.width.output % 4 == 0 else 32 * -(-shape.column // 8)


def conv16_of_2022(shape: Window, build: Build) -> int:
    """Size the buffer of arm_convolve_wrapper_s16 as of 2022."""
    return 4 * shape.column if build == "dsp" and shape.column < 512 and not shape.is_dilated else 0


def cmsis_nn_2022_depthwise_conv(work: Work, board: Board | None) -> int:
    """Size what arm_depthwise_conv_wrapper_s8 asks for as of 2022; the kernel unpacks weights of four bits before.

    Source: arm_depthwise_conv_wrapper_s8.c and arm_depthwise_conv_s8_opt.c, where cmsis_nn_2022_conv names them.
    """
    shape = window(work)
    if work.values != "int8" or not is_depthwise_fast(shape):
        return 0
    return max(depthwise_fast(shape, build) for build in builds(board))


def cmsis_nn_2022_dense_scales(work: Work, board: Board | None) -> int:
    """Size the scales that a Dense over more than two axes spreads out for good, one an output.

    Source: kernels/cmsis_nn/fully_connected.cc of the branches zephyr-v3.6.0 and zephyr of
    zephyrproject-rtos/tflite-micro, and of the ports that cmsis_nn_2022_conv names, Prepare.
    """
    del board
    runs = work.values == "int8" and len(work.output) > 2 and work.inputs[1][-1] % 4 == 0
    return 8 * work.output[-1] if runs else 0


def cmsis_nn_dense(work: Work, board: Board | None) -> int:
    """Size the scales that a Dense over more than two axes spreads out, to run as a 1x1 convolution.

    Source: kernels/cmsis_nn/fully_connected.cc of tflite-micro 90b983c2, Prepare: two numbers an output where weights
    have one scale, and the buffer of arm_convolve_1x1_s8_fast.
    """
    depth, outputs = work.inputs[1][-1], work.output[-1]
    if work.values != "int8" or work.weights == "int4" or len(work.output) <= 2 or depth % 4:
        return 0
    scales = 0 if work.is_per_channel else 8 * outputs
    return scales + (4 * depth if "dsp" in builds(board) else 0)


def cmsis_nn_dense_sums(work: Work, board: Board | None) -> int:
    """Size the sums of weights that MVE keeps for a Dense that does not run as a convolution.

    Source: arm_fully_connected_get_buffer_sizes_s8.c; kernels/cmsis_nn/fully_connected.cc keeps them for good where
    KERNELS_OPTIMIZED_FOR_SPEED is defined and weights are constant, else for the operator.
    """
    is_convolution = len(work.output) > 2 and work.inputs[1][-1] % 4 == 0
    if work.values != "int8" or work.weights == "int4" or is_convolution:
        return 0
    return 4 * work.output[-1] if "mve" in builds(board) else 0


def cmsis_nn_batch_matmul(work: Work, board: Board | None) -> int:
    """Size the sums that MVE takes for a BATCH_MATMUL; copies for transposing are the reference kernel's too.

    Source: kernels/cmsis_nn/batch_matmul.cc of tflite-micro 90b983c2, Prepare.
    """
    return 4 * work.output[-1] if work.values == "int8" and "mve" in builds(board) else 0


def cmsis_nn_average_pool(work: Work, board: Board | None) -> int:
    """Size the sums of one output that DSP takes.

    Source: arm_avgpool_get_buffer_sizes_s8.c and _s16.c.
    """
    return 4 * work.output[-1] if work.values in ("int8", "int16") and "dsp" in builds(board) else 0


def cmsis_nn_transpose_conv(work: Work, board: Board | None) -> int:
    """Size what a TRANSPOSE_CONV asks for beyond the reference kernel's 32 bits an output value.

    Source: arm_transpose_conv_get_buffer_sizes_s8.c; kernels/cmsis_nn/transpose_conv.cc, Prepare.
    """
    if work.values != "int8":
        return 0
    reversal = max(reversed_conv(work, build) for build in builds(board))
    return max(0, (reversal or rolling(work, work.strides[0])) - 4 * prod(work.output))


def helia_transpose_conv(work: Work, board: Board | None) -> int:
    """Size what HELIA's TRANSPOSE_CONV asks for beyond the reference kernel's 32 bits an output value.

    Source: ns-cmsis-nn 7f71faaa, arm_transpose_conv_get_buffer_sizes_s8.c; helia-rt 780a3bbf,
    tensorflow/lite/micro/kernels/helia/transpose_conv.cc, Prepare.
    """
    if work.values != "int8":
        return 0
    reversal = max(reversed_conv(work, build) for build in builds(board))
    copy = prod(work.inputs[1]) if reversal else 0
    return max(0, max(reversal - copy, rolling(work, work.strides[1])) + copy - 4 * prod(work.output))


def reversed_conv(work: Work, build: Build) -> int:
    """Size the columns and the reversed filter of a TRANSPOSE_CONV that runs as a convolution; 0 where it does not.

    Inputs are the shape of the output, the filter (o, h, w, i) and the input.
    """
    _, height, width, channels = work.inputs[1]
    if channels <= REVERSED_FROM or max(work.strides) > 2:
        return 0
    return columns8(height * width * channels, build) + prod(work.inputs[1])


def rolling(work: Work, least_width: int) -> int:
    """Size the rows of 32 bits that a TRANSPOSE_CONV adds to; CMSIS-NN takes the stride down for that across here."""
    outputs, height, width, _ = work.inputs[1]
    down, across = work.strides
    row = (work.inputs[2][2] - 1) * across + max(width, least_width)
    return 4 * row * outputs * max(height, down)


def cmsis_nn_svdf_sums(work: Work, board: Board | None) -> int:
    """Size the sums of weights that MVE keeps for an SVDF.

    Source: arm_svdf_get_buffer_sizes_s8.c; kernels/cmsis_nn/svdf.cc, Prepare. Its other two buffers are the reference
    kernel's too.
    """
    return 4 * work.inputs[1][0] if work.values == "int8" and "mve" in builds(board) else 0


def cmsis_nn_lstm_biases(work: Work, board: Board | None) -> int:
    """Size the eight biases that an LSTM keeps: for four gates, of inputs and of the state before.

    Source: kernels/cmsis_nn/unidirectional_sequence_lstm.cc of tflite-micro 90b983c2, CMSIS_NN_PortOpData and what it
    calls. Of scratch it takes three buffers where the reference kernel takes four.
    """
    del board
    return 8 * {"int8": 4, "int16": 8}.get(work.values, 0) * work.output[-1]


def helia_sums(work: Work, board: Board | None) -> int:
    """Size the sums of weights that HELIA's kernels keep on MVE, one a channel or filter.

    Source: helia-rt 780a3bbf, tensorflow/lite/micro/kernels/helia/conv.cc, depthwise_conv.cc, transpose_conv.cc,
    fully_connected.cc, svdf.cc, Prepare; ns-cmsis-nn 7f71faaa, arm_convolve_s8_get_weights_sum_size.
    """
    if work.values != "int8" or work.weights == "int4" or "mve" not in builds(board):
        return 0
    return 4 * (work.inputs[1][0] if work.operator == "SVDF" else work.output[-1])
