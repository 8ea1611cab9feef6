"""What users write as operators and functions, as Keras layers that say what they do.

`x * 2`, `x[..., :8]` and `tf.abs(x)` come in as calls of TensorFlow functions, whose channels nobody can follow and
which TFMOT cannot wrap. Keras has layers for some of them; these are for the rest. Constants are configuration and no
weights, so that a network has the same weights, in the same order, before and after. Importing this module imports
TensorFlow, so that import stands inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinyc.network.blocks import Block, registered, tf

OPERATORS = {
    "add": tf.add, "subtract": tf.subtract, "multiply": tf.multiply, "divide": tf.divide, "maximum": tf.maximum,
    "minimum": tf.minimum,
}  # fmt: skip
ELEMENTWISE = {
    "abs": tf.abs, "sqrt": tf.sqrt, "rsqrt": tf.math.rsqrt, "log": tf.math.log, "exp": tf.exp, "sin": tf.sin,
    "cos": tf.cos, "floor": tf.floor, "sign": tf.sign,
}  # fmt: skip
REARRANGING = {
    "pad": tf.pad, "gather": tf.gather, "resize": tf.image.resize, "depth_to_space": tf.nn.depth_to_space,
    "space_to_depth": tf.nn.space_to_depth,
}  # fmt: skip
REDUCING = {
    "mean": tf.reduce_mean, "max": tf.reduce_max, "min": tf.reduce_min, "sum": tf.reduce_sum,
}  # fmt: skip


@registered
class WithConstant(Block):
    """Compute `x operator constant`, or `constant operator x` where the constant stands `first`.

    `operator` is a name in OPERATORS; `constant` a number, or nested lists that broadcast to the last axes of x.
    """

    keys = ("operator", "constant", "first")

    def __init__(self, operator: str, constant: Any, first: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.operator, self.constant, self.first = operator, constant, first

    def call(self, x: Any) -> Any:
        constant = tf.constant(self.constant, x.dtype)
        return OPERATORS[self.operator](*((constant, x) if self.first else (x, constant)))


@registered
class Elementwise(Block):
    """Apply a function of one number to each; `function` is a name in ELEMENTWISE."""

    keys = ("function",)

    def __init__(self, function: str, **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, x: Any) -> Any:
        return ELEMENTWISE[self.function](x)


@registered
class HardSwish(Block):
    """x * relu6(x + 3) / 6 (Howard et al. 2019, section 5.2), which is one int8 operator."""

    def call(self, x: Any) -> Any:
        return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


@registered
class Slice(Block):
    """Take x[:, begin:end:stride, ...]; the three lists have a number for each axis but the batch."""

    keys = ("begin", "end", "stride")

    def __init__(self, begin: Sequence[int], end: Sequence[int], stride: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.begin, self.end, self.stride = begin, end, stride

    def call(self, x: Any) -> Any:
        return x[(slice(None), *map(slice, self.begin, self.end, self.stride))]


@registered
class Rearrangement(Block):
    """Move numbers about; `function` is a name in REARRANGING, `arguments` what it takes beside x."""

    keys = ("function", "arguments")

    def __init__(self, function: str, arguments: Mapping[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.function, self.arguments = function, {**arguments}

    def call(self, x: Any) -> Any:
        return REARRANGING[self.function](x, **self.arguments)


@registered
class Reduction(Block):
    """Make one number of all along `axes`, which count the batch as 0; `function` is a name in REDUCING."""

    keys = ("function", "axes", "keepdims")

    def __init__(self, function: str, axes: Sequence[int], keepdims: bool, **options: Any) -> None:
        super().__init__(**options)
        self.function, self.axes, self.keepdims = function, axes, keepdims

    def call(self, x: Any) -> Any:
        return REDUCING[self.function](x, self.axes, self.keepdims)


@registered
class MatMul(Block):
    """Multiply the matrices in the last two axes of [a, b]."""

    keys = ("transpose_a", "transpose_b")

    def __init__(self, transpose_a: bool = False, transpose_b: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.transpose_a, self.transpose_b = transpose_a, transpose_b

    def call(self, inputs: Any) -> Any:
        return tf.matmul(*inputs, transpose_a=self.transpose_a, transpose_b=self.transpose_b)
