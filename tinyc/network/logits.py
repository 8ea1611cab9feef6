"""Networks that end in probabilities, cut back to their logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.core.errors import UserError
from tinyc.core.scope import beyond
from tinyc.network import backend
from tinyc.network.checks import has_graph, id_tables
from tinyc.network.gate.bounded import reason

SOFTMAX = ("softmax", "log_softmax", "log_softmax_v2")


def cut_softmax(model: Any, where: str) -> Any:
    """Take a final softmax off a flat network: a layer of its own, or the last layer's activation.

    A log_softmax goes too: the softmax of what is before it and of its own values is the same.

    Raises:
        UserError: the last layer is a sigmoid, which answers yes or no.
    """
    keras = backend.keras()
    last = model.outputs[0].node.layer
    if is_softmax_layer(last):
        return keras.Model(model.inputs, last.input, name=model.name)
    activation = getattr(getattr(last, "activation", None), "__name__", "linear")
    if activation in SOFTMAX:
        return without_activation(model, last)
    if activation in ("sigmoid", "hard_sigmoid"):
        what = "one yes or no" if last.output_shape[-1] == 1 else "a yes or no for each output"
        raise beyond(where, f"the last layer {last.name!r} ends in a {activation}, {what}")
    return model


def is_softmax_layer(layer: Any) -> bool:
    """Say whether a layer is nothing but a softmax."""
    if isinstance(layer, backend.keras().layers.Softmax):
        return True
    plain = isinstance(layer, backend.keras().layers.Activation)
    return plain and getattr(layer.activation, "__name__", "") in SOFTMAX


def without_activation(model: Any, last: Any) -> Any:
    """Copy the network with a linear last layer."""
    keras = backend.keras()

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if layer is last:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    linear = keras.models.clone_model(model, clone_function=copy)
    linear.set_weights(model.get_weights())
    return linear


def refuse_probabilities(model: Any, where: str) -> None:
    """Refuse a network that still gives probabilities: softmax somewhere that cannot be cut.

    Raises:
        UserError: on random examples all outputs are in [0, 1], and each row adds up to 1.
    """
    shape = [side or 8 for side in model.inputs[0].shape[1:]]
    random = np.random.default_rng(0)
    # Keras' Input is float32 unless it is told otherwise, and its Embedding takes that.
    is_ids = model.inputs[0].dtype.is_integer or (has_graph(model) and id_tables(model))
    examples = random.integers(0, 2, (4, *shape)) if is_ids else random.standard_normal((4, *shape))
    outputs = called(model, examples.astype(model.inputs[0].dtype.as_numpy_dtype), where)
    if (outputs >= 0).all() and np.allclose(outputs.sum(-1), 1.0, atol=1e-3) and outputs.shape[-1] > 1:
        last = model.outputs[0].node.layer.name
        raise UserError(
            where,
            f"the network gives probabilities (each row adds up to 1), and its last layer {last!r} is not a softmax",
            "save it with logits as its output, or with a softmax over the classes as its last layer",
        )


def called(model: Any, examples: Any, where: str) -> Any:
    """Give a network's outputs for examples.

    Raises:
        UserError: it cannot compute them, or gives them within a list or a table.
    """
    try:
        found = model(examples, training=False)
    except Exception as error:
        problem = f"the network cannot be called on {tuple(examples.shape)} random numbers: {reason(error)}"
        raise UserError(where, problem, "call the network on such an example, and correct what stops it") from error
    if not hasattr(found, "numpy"):
        problem = f"the network gives its output within a {type(found).__name__}"
        raise UserError(where, problem, "make it of the tensor itself: tf_keras.Model(inputs, output)")
    return found.numpy()
