"""A network whose attention heads can be cut: Keras' own attention rewritten into blocks."""

from __future__ import annotations

from typing import Any

from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.network.rewriting.forms import in_blocks
from tinyc.network.rewriting.transformers import SAMPLES
from tinyc.network.state import Net
from tinyc.spec.facts import Rewritten


def rewrite_attention(state: Net, data: TrainingData, where: str) -> tuple[Any, list[Rewritten]]:
    """Rewrite MultiHeadAttention, and what stands beside it, into layers that know their heads; give the facts of it.

    A network without any is given as it is.

    Raises:
        UserError: a layer of it has no form in blocks.
    """
    if not any(type(layer).__name__ == "MultiHeadAttention" for layer in state.model.layers):
        return state.model, []
    model, rewritten = in_blocks(state.model, inputs(data.train.x[:SAMPLES], state.task), where)
    return model, list(rewritten)
