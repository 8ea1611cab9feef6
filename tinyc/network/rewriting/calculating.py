"""Operators and functions of numbers as layers: each entry of CALCULATING gives the result, or None where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyc.network import backend
from tinyc.network.arithmetic import Elementwise, MatMul, WithConstant
from tinyc.network.blocks import Gelu
from tinyc.network.use import Use, all_tensors, as_array, is_tensor

Form = Callable[[Use], Any]


def layer(kind: str, use: Use, *settings: Any, **options: Any) -> Any:
    """Make one of Keras' layers with the use's name."""
    return getattr(backend.keras().layers, kind)(*settings, name=use.name, **options)


def operator(name: str, kind: str | None = None) -> Form:
    """Return an operator of two tensors of one rank (Keras' layer `kind`), or of a tensor and a constant."""

    def form(use: Use) -> Any:
        x, y = use.given[:2]
        if is_tensor(x) and is_tensor(y):
            return merged(use, kind, [x, y]) if kind else None
        return with_constant(use, name, x, y, use.name)

    return form


def divide(use: Use) -> Any:
    """Divide by a constant, or by a root: a product with the root's reciprocal, which has an int8 form."""
    x, y = use.given[:2]
    root = y.node.layer if all_tensors([x, y]) else None
    if not isinstance(root, Elementwise) or root.function != "sqrt":
        return operator("divide")(use)
    reciprocal = Elementwise("rsqrt", name=use.beside("rsqrt"))(y.node.keras_inputs[0])
    return layer("Multiply", use)([x, reciprocal])


def merged(use: Use, kind: str, tensors: list[Any]) -> Any:
    """Return one of Keras' merging layers, which broadcast as TensorFlow does where ranks are equal."""
    return layer(kind, use)(tensors) if all_tensors(tensors) else None


def with_constant(use: Use, name: str, x: Any, y: Any, called: str) -> Any:
    """Build a layer that holds the constant; None where it reaches over the batch, or is divided by x."""
    first = is_tensor(y)
    tensor, value = (y, as_array(x)) if first else (x, as_array(y))
    if value is None or not np.isfinite(value).all() or not is_tensor(tensor) or (first and name == "divide"):
        return None
    rank = len(tensor.shape)
    if value.ndim == rank and value.shape[0] == 1:
        value = value[0]
    if value.ndim >= rank or len(use.shapes[0]) != rank:
        return None
    if name in ("add", "multiply", "maximum", "minimum"):
        first = False
    return WithConstant(name, value.astype(np.float32).tolist(), first, name=called)(tensor)


def with_number(name: str, number: float) -> Form:
    return lambda use: with_constant(use, name, use.x, number, use.name)


def maximum(use: Use) -> Any:
    """Turn a maximum with 0 into a ReLU."""
    x, y = use.given[:2]
    tensor, other = (x, as_array(y)) if is_tensor(x) else (y, as_array(x))
    if other is not None and not other.ndim and other == 0:
        return layer("ReLU", use)(tensor)
    return operator("maximum", "Maximum")(use)


def clip(use: Use) -> Any:
    """Turn a clip at 0 and above into a ReLU with a maximum; any other one into a maximum and a minimum."""
    low, high = map(as_array, use.given[1:3])
    if low is None or high is None or not is_tensor(use.x):
        return None
    if not low.ndim and not high.ndim and low == 0 and high > 0:
        return layer("ReLU", use, float(high) if np.isfinite(high) else None)(use.x)
    raised = with_constant(use, "maximum", use.x, low, use.beside("low"))
    return None if raised is None else with_constant(use, "minimum", raised, high, use.name)


def power(use: Use) -> Any:
    """Squares and cubes are products; a power of a half is a root."""
    exponent = as_array(use.given[1])
    if exponent is None or exponent.ndim or not is_tensor(use.x):
        return None
    if exponent == 0.5:
        return elementwise("sqrt")(use)
    return layer("Multiply", use)([use.x] * int(exponent)) if exponent in (2, 3) else None


def squared_difference(use: Use) -> Any:
    """Subtract, and multiply the difference by itself."""
    if not all_tensors(use.given[:2]):
        return None
    difference = backend.keras().layers.Subtract(name=use.beside("difference"))(list(use.given[:2]))
    return layer("Multiply", use)([difference, difference])


def add_n(use: Use) -> Any:
    """Add up a list of tensors."""
    if not all_tensors(use.x):
        return None
    return use.x[0] if len(use.x) == 1 else layer("Add", use)(list(use.x))


def matmul(use: Use) -> Any:
    """Multiply the matrices of two tensors."""
    flags = dict(use.arguments)
    odd = [flags.get(key) for key in ("adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse", "output_type")]
    if any(odd) or not all_tensors(use.given[:2]) or len(use.x.shape) < 3:
        return None
    transposed = bool(flags.get("transpose_a")), bool(flags.get("transpose_b"))
    return MatMul(*transposed, name=use.name)(list(use.given[:2]))


def elementwise(name: str) -> Form:
    def form(use: Use) -> Any:
        return Elementwise(name, name=use.name)(use.x)

    return form


def activation(name: str) -> Form:
    return lambda use: layer("Activation", use, name)(use.x)


def gelu(use: Use) -> Any:
    """Turn the exact GELU into Keras' own layer, and the one by tanh into a block."""
    if not use.arguments.get("approximate"):
        return activation("gelu")(use)
    return Gelu("tanh", name=use.name)(use.x)


def leaky_relu(use: Use) -> Any:
    slope = as_array(use.arguments.get("alpha"))
    return None if slope is None or slope.ndim else layer("LeakyReLU", use, alpha=float(slope))(use.x)


def softmax(use: Use) -> Any:
    axis = use.arguments.get("axis")
    found = -1 if axis is None else use.axis(axis)
    return None if found is None else layer("Softmax", use, found)(use.x)


def itself(use: Use) -> Any:
    """Identity, or a cast to the type that a tensor has."""
    return use.x if is_tensor(use.x) and use.x.dtype == use.dtype else None


CALCULATING: dict[str, Form] = {
    "add": operator("add", "Add"),
    "subtract": operator("subtract", "Subtract"),
    "multiply": operator("multiply", "Multiply"),
    "truediv": divide,
    "divide": divide,
    "minimum": operator("minimum", "Minimum"),
    "maximum": maximum,
    "bias_add": operator("add"),
    "negative": with_number("multiply", -1.0),
    "square": lambda use: layer("Multiply", use)([use.x, use.x]),
    "pow": power,
    "squared_difference": squared_difference,
    "add_n": add_n,
    "clip_by_value": clip,
    "matmul": matmul,
    "relu": lambda use: layer("ReLU", use)(use.x),
    "relu6": lambda use: layer("ReLU", use, 6.0)(use.x),
    "leaky_relu": leaky_relu,
    "softmax": softmax,
    "gelu": gelu,
    "silu": activation("swish"),
    "swish": activation("swish"),
    **{name: activation(name) for name in ("sigmoid", "tanh", "elu", "selu", "softplus", "softsign")},
    **{name: elementwise(name) for name in ("abs", "sqrt", "rsqrt", "log", "exp", "sin", "cos", "floor", "sign")},
    "identity": itself,
    "cast": itself,
}  # fmt: skip
