"""Rewrite what TensorFlow Lite Micro lacks into forms that it runs in int8, and say what that changes."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from tinyc.network.blocks import Gelu
from tinyc.network.rewriting.forms import in_blocks
from tinyc.network.rewriting.transformers import Form, rewrite
from tinyc.spec.facts import Rewritten

GeluForm = Literal["tanh", "sigmoid"]


def legal(
    model: Any, samples: NDArray[Any] | None = None, gelu: GeluForm = "tanh"
) -> tuple[Any, tuple[Rewritten, ...]]:
    """Give a network that can be lowered; `model` itself where it can be already.

    MultiHeadAttention, Embedding, LayerNormalization and gelu become blocks, equal but for float rounding; then every
    exact gelu takes the form `gelu`, which is close. A network without a graph stays as it is.

    Args:
        samples: inputs of the network, (examples, *input_shape), to measure the differences on.

    Raises:
        UserError: a layer has a setting that no legal form has; the message names it.
    """
    model, exact = in_blocks(model, samples, "lowering")
    model, close = rewrite(model, (bent(gelu),), samples, "lowering")
    return model, (*exact, *close)


def bent(form: GeluForm) -> Form:
    """Name the form that gives each exact Gelu block another one."""
    return Form(
        "Gelu of erf",
        f"Gelu of {form}",
        lambda layer: isinstance(layer, Gelu) and layer.form == "erf",
        lambda layer, _: Gelu(form, name=layer.name),
    )
