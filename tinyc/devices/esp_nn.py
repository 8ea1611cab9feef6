"""What esp-tflite-micro's ESP-NN kernels ask of the arena beyond the reference kernels, in bytes.

Assembly for the ESP32-S3 and the ESP32-P4 copies inputs and filters to where its vectors may read them, often more
than the network's own tensors take; the generic C of the other chips asks for softmax alone. Sizes are those of
ESP-NN 1.2.3, commit d45b843c (27 April 2026); up to 1.2.0 some were smaller and some larger. Edge Impulse carries 1.1.

Every formula is for an operator on int8; the kernels ask for nothing else.
"""

from __future__ import annotations

from typing import Literal

from tinyc.devices.board import Board
from tinyc.devices.window import Axis, Window, window
from tinyc.devices.work import Work

Chip = Literal["s3", "p4", "generic"]
CACHE = 32 * 1024
"""L1D_BUDGET of src/convolution/esp_nn_conv_esp32p4.c."""
WHOLE_INPUT, WHOLE_S16 = 40 * 1024, 48 * 1024
"""Up to these, a depthwise convolution on the S3 copies its whole input; above, a few rows at a time."""


def chips(board: Board | None) -> tuple[Chip, ...]:
    """List the chips that a board may be: an Xtensa LX7 with vectors is the S3, a RISC-V with vectors the P4."""
    if board is None:
        return ("s3", "p4", "generic")
    vectors: dict[str, Chip] = {"xtensa-lx7": "s3", "riscv": "p4"}
    chip = vectors.get(board.core)
    if chip is None or board.dsp is False:
        return ("generic",)
    return (chip,) if board.dsp else (chip, "generic")


def up(size: int, step: int) -> int:
    """Round up to a multiple."""
    return -(-size // step) * step


def esp_nn_conv(work: Work, board: Board | None) -> int:
    """Size esp_nn_get_conv_scratch_size, which esp_nn/conv.cc asks for.

    Source: src/convolution/esp_nn_conv_esp32s3.c, esp_nn_conv_esp32p4.c, esp_nn_conv_opt.c.
    """
    if work.values != "int8":
        return 0
    sizes = {"s3": conv_s3, "p4": conv_p4}
    return max(sizes[chip](window(work)) if chip in sizes else 0 for chip in chips(board))


def is_point(shape: Window) -> bool:
    """Say whether it is a 1x1 convolution without stride or padding."""
    return shape.area == 1 and not shape.is_padded and not shape.is_strided


def point(shape: Window, margin: int) -> int:
    """Size the buffers of a 1x1 convolution: filters and inputs of whole vectors, and eight pixels twice."""
    channels, pixels = up(shape.channels, 8), shape.height.input * shape.width.input
    inputs = pixels * channels if shape.channels % 8 else 0
    return inputs + channels * shape.outputs + (16 * channels if pixels >= 8 else 0) + margin


def padded(shape: Window) -> int:
    """Size the input with as much padding after it as before."""
    height, width = shape.height, shape.width
    return (width.input + 2 * width.padding) * (height.input + 2 * height.padding) * shape.channels


def after(axis: Axis) -> int:
    """Count the places after the input that the last windows may reach, as the S3's kernels reckon."""
    return max(0, axis.output * axis.stride + axis.filter - 1 - axis.input)


def conv_s3(shape: Window) -> int:
    """Size the buffers on the S3: filters twice, the padded input, and the input padded at its end."""
    if is_point(shape):
        return point(shape, 64)
    line = shape.width.filter * shape.channels
    if line < 16 <= shape.column:
        column = up(shape.column, 16)
        return 4 * shape.outputs + (shape.outputs + 1) * column + 32 + 64
    inputs = padded(shape) if shape.is_padded else 0
    filters = (shape.area * up(shape.channels, 16) + up(line, 16) * shape.height.filter) * shape.outputs
    right, bottom = after(shape.width), after(shape.height)
    edges = (shape.width.input + right) * (shape.height.input + bottom) * shape.channels if right or bottom else 0
    return inputs + filters + edges + 64 + 4 * shape.outputs


def conv_p4(shape: Window) -> int:
    """Size the buffers on the P4, whose kernels copy one window at a time where that is sixteen values or more."""
    if is_point(shape):
        return 20 * shape.outputs + 64 if shape.channels < 16 else point(shape, 32)
    sums = 4 * shape.outputs
    if not shape.is_padded and shape.width.filter * shape.channels >= 16:
        return shape.area * up(shape.channels, 16) * shape.outputs + 32 + sums
    if shape.column >= 16:
        return sums + shape.column + 32
    wide = up((15 + shape.width.filter) // shape.width.filter, 16)
    filters = shape.area * wide * shape.outputs
    if not shape.is_padded:
        return sums + filters + shape.width.input * shape.height.input * wide + 32
    if padded(shape) + sums <= CACHE:
        return padded(shape) + shape.area * up(shape.channels, 16) * shape.outputs + 32 + sums
    return tiles(shape, wide, CACHE - sums - filters) + filters + 32 + sums


def tiles(shape: Window, channels: int, room: int) -> int:
    """Size as many rows of padded input as fit into the cache."""
    height, width = shape.height, shape.width
    row = (width.input + 2 * width.padding) * channels
    first, rows = height.filter * row, 1
    if room > 0 and first <= room:
        rows = min((room - first) // (height.stride * row) + 1, height.output)
    return ((rows - 1) * height.stride + height.filter + 2 * height.padding) * row


def esp_nn_depthwise_conv(work: Work, board: Board | None) -> int:
    """Size esp_nn_get_depthwise_conv_scratch_size, which esp_nn/depthwise_conv.cc asks for.

    Source: src/convolution/esp_nn_depthwise_conv_s8_esp32s3.c; the P4's and the generic one ask for nothing.
    """
    return depthwise_s3(window(work)) if work.values == "int8" and "s3" in chips(board) else 0


def depthwise_s3(shape: Window) -> int:
    """Size the buffers on the S3, by what its kernels tell apart: the multiplier, channels, and a 3x3 filter."""
    channels, several = shape.channels, shape.outputs // shape.channels
    if several == 1 and channels % 8 == 0:
        if (shape.height.filter, shape.width.filter) == (3, 3):
            return three(shape)
        return halfwords(shape)
    if several == 1 and channels > 3:
        return channels_padded(shape)
    pixels = shape.height.input * shape.width.input
    return 2 * (shape.area * shape.outputs + pixels * channels) + 32 if several % 4 == 0 else 32


def three(shape: Window) -> int:
    """Size the buffers of a 3x3 filter on channels by the eight."""
    height, width, channels = shape.height, shape.width, shape.channels
    if channels % 16 == 0:
        right = 2 * width.padding if shape.is_padded else width.output * width.stride + 2 - width.input
        bottom = 2 * height.padding if shape.is_padded else height.output * height.stride + 2 - height.input
        if not right and not bottom:
            return shape.column + 16
        whole = (width.input + right) * (height.input + bottom) * channels
        rows = (width.input + right) * 3 * channels
        return shape.column + (whole if whole <= WHOLE_INPUT else rows) + 16
    if channels == 8:
        return 2 * (shape.column + height.input * width.input * channels) + 32
    inputs = (width.input + 2 * width.padding + after(width)) * (height.input + 2 * height.padding + after(height))
    return (9 + inputs + width.output * height.output) * up(channels, 16) + 64


def halfwords(shape: Window) -> int:
    """Size filters and inputs of sixteen bits, or of a few rows where all are too many."""
    pixels = shape.height.input * shape.width.input
    whole = 2 * (shape.column + pixels * shape.channels)
    if whole <= WHOLE_S16:
        return whole + 32
    return 2 * (shape.column + shape.width.input * shape.height.filter * shape.channels) + 32


def channels_padded(shape: Window) -> int:
    """Size the copies with channels padded to eight: filter, input, output, and three numbers a channel."""
    channels = up(shape.channels, 8)
    filters = up(2 * shape.area * channels, 16)
    inputs = up(2 * shape.height.input * shape.width.input * channels, 16)
    outputs = up(shape.height.output * shape.width.output * channels, 16)
    return filters + inputs + outputs + 12 * channels + 16


def esp_nn_softmax(work: Work, board: Board | None) -> int:
    """Size 32 bits a value of the second axis, which softmax.cc takes for the one that is summed over.

    Source: kernels/esp_nn/softmax.cc of esp-tflite-micro 99f49e14, Prepare; src/softmax/esp_nn_softmax_opt.c.
    """
    del board
    return 4 * work.inputs[0][1] if work.values == "int8" and len(work.inputs[0]) > 1 else 0


def esp_nn_1_1_conv(work: Work, board: Board | None) -> int:
    """Size the buffers of a convolution as of ESP-NN 1.1, on the S3 as on the P4.

    Source: porting/espressif/ESP-NN/src/convolution/esp_nn_conv_esp32s3.c of Edge Impulse's SDK 919819f5, and
    esp_nn_conv_esp32p4.c beside it.
    """
    if work.values != "int8" or chips(board) == ("generic",):
        return 0
    shape = window(work)
    if is_point(shape):
        return point(shape, 32)
    filters = shape.area * up(shape.channels, 16) * shape.outputs
    return (padded(shape) if shape.is_padded else 0) + filters + 32 + 4 * shape.outputs


def esp_nn_1_1_depthwise_conv(work: Work, board: Board | None) -> int:
    """Size the buffers of a depthwise convolution as of ESP-NN 1.1, on the S3.

    Source: porting/espressif/ESP-NN/src/convolution/esp_nn_depthwise_conv_s8_esp32s3.c of Edge Impulse's SDK 919819f5.
    """
    if work.values != "int8" or "s3" not in chips(board):
        return 0
    shape = window(work)
    height, width, channels, several = shape.height, shape.width, shape.channels, shape.outputs // shape.channels
    is_three = several == 1 and channels % 8 == 0 and (height.filter, width.filter) == (3, 3)
    if is_three and channels % 16 == 0:
        right = 2 * width.padding if shape.is_padded else width.output * width.stride + 2 - width.input
        bottom = 2 * height.padding if shape.is_padded else height.output * height.stride + 2 - height.input
        whole = (width.input + right) * (height.input + bottom) * channels if right or bottom else 0
        return shape.column + whole + 16
    if is_three or several % 4 == 0:
        return 2 * (shape.area * shape.outputs + height.input * width.input * channels) + 16
    return 32
