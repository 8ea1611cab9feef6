"""Calls of TensorFlow functions in a network, and where they become layers.

Keras wraps `x * 2`, `x[..., :8]` or `tf.nn.relu6(x)` into layers that hold a function (TFOpLambda). Pruning cannot
follow channels through them, and TFMOT's wrappers fail on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTION_LAYERS = ("TFOpLambda", "SlicingOpLambda")
Say = Callable[[str], None]


def is_function(layer: Any) -> bool:
    """Say whether a layer is a call of a TensorFlow function."""
    return type(layer).__name__ in FUNCTION_LAYERS and type(layer).__module__.startswith("tf_keras.")


def function_of(layer: Any) -> str:
    """Return the function as a user writes it: "tf.nn.relu6"; for an operator its method, "tf.__operators__.add"."""
    return f"tf.{layer.get_config()['function']}"
