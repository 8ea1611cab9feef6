"""Transformers under int8 rounding, for training: each layer in a wrapper that rounds its weights and its output.

TFMOT's scheme knows none of the blocks. Weights are rounded as they are used, symmetric about zero, and the rounding
passes gradients through (Bengio et al. 2013); outputs are rounded within ranges that follow the data (Jacob et al.
2018). Importing this module imports TensorFlow, so that import stands inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend, blocks
from tinyc.network.contract import Skipped
from tinyc.quantization import parity
from tinyc.quantization.qat import Aware
from tinyc.quantization.wrappers import inside

tf = backend.tensorflow()
keras = backend.keras()

BATCH = 64
LEVELS = 127
DECAY = 0.99
"""How much of a range a training step keeps; the rest comes from the step's extremes."""
WEIGHTS: dict[type, tuple[str, ...]] = {
    keras.layers.Dense: ("kernel",),
    # The converter gives a table the range of what is looked up in it, which is the layer's output.
    blocks.TokenEmbedding: (),
    blocks.PositionEmbedding: ("positions",),
    blocks.LayerNorm: ("gamma", "beta"),
    blocks.Attention: (),
    blocks.Gelu: (),
    blocks.TokenPool: (),
    keras.layers.Add: (),
    keras.layers.Activation: (),
    keras.layers.ReLU: (),
}
# They only carry their input on, or compute nothing that is rounded.
CARRIERS = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
EXACT = (*CARRIERS, blocks.PaddingMask)


class OutputRange(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Round to 8 bits within a range that follows the data, or is `fixed`; while `measuring`, only widen the range.

    Weights, not trained: `low` <= 0 and `high` >= 0.
    """

    measuring = False
    fixed = False

    def build(self, _: Any) -> None:
        self.low = self.add_weight("low", (), initializer="zeros", trainable=False)
        self.high = self.add_weight("high", (), initializer=keras.initializers.Constant(1e-6), trainable=False)

    def call(self, x: Any, training: Any = None) -> Any:
        if self.measuring:
            self.low.assign(tf.minimum(self.low, tf.reduce_min(x)))
            self.high.assign(tf.maximum(self.high, tf.reduce_max(x)))
            return x
        if training and not self.fixed:
            self.follow(self.low, tf.minimum(tf.reduce_min(x), 0.0))
            self.follow(self.high, tf.maximum(tf.reduce_max(x), 0.0))
        return tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.high)

    def follow(self, edge: Any, found: Any) -> None:
        edge.assign(DECAY * edge + (1.0 - DECAY) * found)


class Rounded(keras.layers.Wrapper):  # type: ignore[misc, name-defined]
    """A layer with the same weights whose use of them, and whose output, is rounded as int8 will be.

    Args:
        channels: which of the layer's weights have a scale for each index of their last axis; True of a kernel.
        output: whether the output is rounded; one that a fused ReLU follows is not.
    """

    rounding = True

    def __init__(self, layer: Any, channels: bool, output: bool, **options: Any) -> None:
        super().__init__(layer, name=layer.name, **options)
        self.channels = channels
        self.output_range = OutputRange(name="range") if output else None
        self.score_range = OutputRange(name="scores") if isinstance(layer, blocks.Attention) else None

    def call(self, inputs: Any, training: Any = None) -> Any:
        if not self.rounding:
            return self.layer.call(inputs)
        y = instead(self.layer, self.substitutes(training), inputs)
        return y if self.output_range is None else self.output_range(y, training=training)

    def substitutes(self, training: Any) -> dict[str, Any]:
        """Return what the layer is to use in place of its weights, and of its attention scores."""
        names = WEIGHTS[type(self.layer)]
        found = {name: fake_quantized(getattr(self.layer, name), self.channels and name == "kernel") for name in names}
        if self.score_range is not None:
            scores = self.layer.scores
            found["scores"] = lambda *parts: self.score_range(scores(*parts), training=training)
        return found

    @property
    def ranges(self) -> list[Any]:
        return [each for each in (self.output_range, self.score_range) if each is not None]


def instead(layer: Any, substitutes: dict[str, Any], inputs: Any) -> Any:
    """Call a layer with other tensors (or methods) in place of its own, which Keras must not notice."""
    held = {name: layer.__dict__[name] for name in substitutes if name in layer.__dict__}
    layer.__dict__.update(substitutes)
    try:
        return layer.call(inputs)
    finally:
        for name in substitutes:
            del layer.__dict__[name]
        layer.__dict__.update(held)


def fake_quantized(weight: Any, by_channel: bool) -> Any:
    """Round a weight to 127 steps either side of zero; gradients pass as if nothing was done."""
    axes = list(range(len(weight.shape) - 1)) if by_channel else None
    step = tf.maximum(tf.reduce_max(tf.abs(weight), axis=axes, keepdims=True) / LEVELS, 1e-12)
    return weight + tf.stop_gradient(tf.round(weight / step) * step - weight)


def wrap(model: Any, samples: NDArray[Any], per_channel_dense: bool) -> Aware:
    """Wrap a copy of a flat functional network; layers of a type that has no wrapper are left, and said.

    But for rounding the copy computes what the network does, or is refused.

    Args:
        samples: (examples, *input_shape) as the network sees them; they set the first ranges.
        per_channel_dense: whether Dense weights will have one scale for each output.

    Raises:
        UserError: a layer computes something else in a copy; names it.
    """
    fused = {layer.name for layer in model.layers if feeds_relu(layer, model)}

    def dress(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        return Rounded(copy, per_channel_dense, layer.name not in fused) if type(layer) in WEIGHTS else copy

    wrapped = keras.models.clone_model(model, clone_function=dress)
    each_pair(model, wrapped, lambda layer, inner: inner.set_weights(layer.get_weights()))
    proved = parity.prove(model, wrapped, samples)
    start_ranges(wrapped, samples)
    left = [layer for layer in model.layers if type(layer) not in WEIGHTS and not isinstance(layer, EXACT)]
    why = "has no form for training under int8 rounding; its ranges come from the calibration examples"
    return Aware(wrapped, tuple(Skipped(layer.name, why) for layer in left), proved)


def unwrap(wrapped: Any, model: Any) -> Any:
    """Give a plain copy of the network with the weights that were trained in wrappers."""
    plain = keras.models.clone_model(model)
    each_pair(plain, wrapped, lambda layer, inner: layer.set_weights(inner.get_weights()))
    return plain


def each_pair(plain: Any, wrapped: Any, action: Callable[[Any, Any], None]) -> None:
    """Do something with each layer of a network and its counterpart inside a wrapper."""
    for layer in plain.layers:
        action(layer, inside(wrapped.get_layer(layer.name)))


def start_ranges(wrapped: Any, samples: NDArray[Any]) -> None:
    """Set each range to the extremes over the samples, before anything is rounded but weights."""
    ranges = [each for layer in wrapped.layers if isinstance(layer, Rounded) for each in layer.ranges]
    for each in ranges:
        each.measuring = True
    for start in range(0, len(samples), BATCH):
        wrapped(np.asarray(samples[start : start + BATCH]), training=False)
    for each in ranges:
        each.measuring = False


def feeds_relu(layer: Any, model: Any) -> bool:
    """Say whether all that reads a layer's output is one ReLU, which the converter fuses into it."""
    readers = [node.layer for node in layer.outbound_nodes if node.layer in model.layers]
    return len(readers) == 1 and (
        isinstance(readers[0], keras.layers.ReLU) or getattr(readers[0], "activation", None) is keras.activations.relu
    )
