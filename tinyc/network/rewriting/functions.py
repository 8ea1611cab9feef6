"""Where the calls of TensorFlow functions in a network become layers."""

from __future__ import annotations

from typing import Any

from tinyc.network.checks import has_graph
from tinyc.network.rewriting.function_layers import Say, is_function


def in_layers(model: Any, say: Say = lambda _: None) -> Any:
    """Give a flat network in layers; `model` itself where it calls no functions. Names of layers and weights stay.

    A function whose layer changes the network's outputs on random examples by more than float rounding is left.

    Args:
        say: told what became of the functions.
    """
    if not has_graph(model) or not any(map(is_function, model.layers)):
        return model
    from tinyc.network.rewriting.layering import layered  # imports TensorFlow, and a file is judged without it

    return layered(model, say)
