"""Whether a network in wrappers will convert to int8, found out before it is trained rather than after."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network.rewriting.function_layers import is_function
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.parity import PTQ

EXAMPLES = 4


def require_int8(wrapped: Any, model: Any, samples: NDArray[Any]) -> None:
    """Convert a network in wrappers as it is, where it holds what TFMOT does not know.

    Args:
        model: the network that was wrapped.
        samples: (examples, *input_shape) as the network sees them.

    Raises:
        UserError: an operator has no int8 form; says whether post-training quantization has one.
    """
    if not any(is_function(layer) or type(layer).__module__ == "tinyc.network.arithmetic" for layer in model.layers):
        return
    try:
        to_int8_tflite(wrapped, samples[:EXAMPLES], False)
    except UserError as error:
        to_int8_tflite(model, samples[:EXAMPLES], False)
        raise UserError(error.where, f"{error.problem} once it is trained under int8 rounding", PTQ) from error
