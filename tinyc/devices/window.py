"""The window that a convolution moves over its input, with the padding that TFLM computes for it."""

from __future__ import annotations

from dataclasses import dataclass

from tinyc.devices.work import Work


@dataclass(frozen=True)
class Axis:
    """One axis of it: sizes of input, filter and output, and by how much it moves."""

    input: int
    filter: int
    output: int
    stride: int
    dilation: int

    @property
    def padding(self) -> int:
        """Compute the padding before the input, as TFLM's ComputePaddingHeightWidth (kernels/padding.h) does."""
        reach = (self.filter - 1) * self.dilation + 1
        return max(0, (self.output - 1) * self.stride + reach - self.input) // 2


@dataclass(frozen=True)
class Window:
    """A window: its two axes, and the channels of input, filter and output."""

    height: Axis
    width: Axis
    batch: int
    channels: int
    filter_channels: int
    outputs: int

    @property
    def area(self) -> int:
        """Count the places of the filter."""
        return self.height.filter * self.width.filter

    @property
    def column(self) -> int:
        """Count the values under the filter, of all channels of the input."""
        return self.area * self.channels

    @property
    def is_padded(self) -> bool:
        """Say whether there is padding before the input."""
        return self.height.padding > 0 or self.width.padding > 0

    @property
    def is_dilated(self) -> bool:
        """Say whether the filter has gaps."""
        return (self.height.dilation, self.width.dilation) != (1, 1)

    @property
    def is_strided(self) -> bool:
        """Say whether it moves by more than one."""
        return (self.height.stride, self.width.stride) != (1, 1)


def window(work: Work) -> Window:
    """Read the window of a CONV_2D or DEPTHWISE_CONV_2D: input (n, h, w, c), filter (o or 1, h, w, c)."""
    batch, height, width, channels = work.inputs[0]
    _, filter_height, filter_width, filter_channels = work.inputs[1]
    _, output_height, output_width, outputs = work.output
    (down, across), (gap_down, gap_across) = work.strides, work.dilations
    return Window(
        Axis(height, filter_height, output_height, down, gap_down),
        Axis(width, filter_width, output_width, across, gap_across),
        batch, channels, filter_channels, outputs,
    )  # fmt: skip
