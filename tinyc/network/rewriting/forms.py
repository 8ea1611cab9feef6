"""Keras' own layers of transformers in terms of `tinyc.network.blocks`, equal to them but for float rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.blocks import Attention, Gelu, LayerNorm, PaddingMask, TokenEmbedding
from tinyc.network.rewriting.transformers import Form, rewrite
from tinyc.spec.facts import Rewritten

PROBED = 64
"""Random examples on which a mask is compared with what it may be."""
ACTIVATED = (
    "Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
    "SeparableConv2D", "Conv1DTranspose", "Conv2DTranspose",
)  # fmt: skip
"""Layers whose last step is their activation."""
BLOCKS = "build it of the blocks in models/bert.py instead"


def in_blocks(model: Any, samples: NDArray[Any] | None, where: str) -> tuple[Any, tuple[Rewritten, ...]]:
    """Rewrite MultiHeadAttention, Embedding, LayerNormalization and gelu; `model` itself where it has none.

    A MultiHeadAttention becomes an Attention of the same name between Dense layers: `{name}_query`, `{name}_key`,
    `{name}_value` and `{name}_output`.

    Raises:
        UserError: one of them has a setting that the blocks lack, such as a mask of its own.
    """
    return rewrite(model, (ATTENTION, EMBEDDING, NORMALIZATION, ACTIVATION, GELU), samples, where)


def is_a(*names: str) -> Callable[[Any], bool]:
    """Tell Keras' own layers by their class."""
    return lambda layer: type(layer).__name__ in names and type(layer).__module__.startswith("tf_keras.")


def refuse(layer: Any, problem: str, remedy: str = BLOCKS) -> UserError:
    return UserError(f"layer {layer.name!r}", f"a {type(layer).__name__} {problem}", remedy)


def settled(new: Any, old: Any, weights: Sequence[Any]) -> Any:
    """Give a built layer its weights."""
    new.set_weights([np.asarray(weight) for weight in weights])
    new.trainable = old.trainable
    return new


def attention(layer: Any, inputs: Sequence[Any]) -> Callable[..., Any]:
    """MultiHeadAttention: projections of (in, heads, width) kernels, and of (heads, width, out) for the output."""
    keras = backend.keras()
    if layer._output_shape not in (None, ()) and np.size(layer._output_shape) != 1:
        raise refuse(layer, f"with output_shape = {layer._output_shape}")
    sizes = {"query": layer._key_dim, "key": layer._key_dim, "value": layer._value_dim}
    widths = {part: layer._num_heads * size for part, size in sizes.items()}
    penalties = {"kernel_regularizer": layer._kernel_regularizer, "bias_regularizer": layer._bias_regularizer}
    core = Attention(layer._num_heads, layer._key_dim, name=layer.name)
    dense: dict[str, Any] = {}

    def project(part: str, x: Any) -> Any:
        old = getattr(layer, f"_{part}_dense")
        kernel = np.asarray(old.kernel).reshape(x.shape[-1], -1)
        bias = [] if old.bias is None else [np.asarray(old.bias).reshape(-1)]
        if part not in dense:
            name = f"{layer.name}_{part}"
            dense[part] = keras.layers.Dense(kernel.shape[1], use_bias=bool(bias), name=name, **penalties)
        result = dense[part](x)
        settled(dense[part], layer, [kernel, *bias])
        return result

    def call(
        query: Any, value: Any, key: Any = None, attention_mask: Any = None, return_attention_scores: bool = False,
        training: Any = None, use_causal_mask: bool = False,
    ) -> Any:  # fmt: skip
        key = value if key is None else key
        check_call(layer, (query, key, value), return_attention_scores, use_causal_mask)
        mask = (
            []
            if attention_mask is None
            else [PaddingMask(name=f"{layer.name}_mask")(padded(layer, attention_mask, inputs))]
        )
        parts = [project(part, x) for part, x in zip(widths, (query, key, value), strict=True)]
        return project("output", core([*parts, *mask]))

    return call


def check_call(layer: Any, tensors: Sequence[Any], gives_scores: bool, causal: bool) -> None:
    """Refuse a call of MultiHeadAttention that the block cannot repeat."""
    if gives_scores:
        raise refuse(layer, "that gives its attention scores", "call it without return_attention_scores")
    if causal:
        raise refuse(layer, "with a causal mask", "call it without use_causal_mask: an encoder sees every token")
    if any(getattr(tensor, "_keras_mask", None) is not None for tensor in tensors):
        raise refuse(layer, "under a mask that Keras passes on by itself (Masking)")
    tokens = {tensor.shape[1] for tensor in tensors}
    if any(len(tensor.shape) != 3 for tensor in tensors) or len(tokens) > 1 or None in tokens:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise refuse(layer, f"over {shapes}", "give it (batch, tokens, width), the same fixed number of tokens each")


def padded(layer: Any, mask: Any, inputs: Sequence[Any]) -> Any:
    """Give the ids whose padding a mask marks.

    The mask is computed for random ids, and must say for each token which ids are not 0, and nothing else.
    """
    keras = backend.keras()
    ids = inputs[0]
    whole = len(inputs) == 1 and len(ids.shape) == 2 and ids.dtype.is_integer
    if whole and keras.backend.is_keras_tensor(mask) and mask.shape.rank in (3, 4) and mask.shape[-1] == ids.shape[1]:
        random = np.random.default_rng(0)
        probe = random.integers(0, 4, (PROBED, ids.shape[1])) * random.integers(0, 2, (PROBED, ids.shape[1]))
        found = np.asarray(keras.Model(ids, mask)(probe.astype(ids.dtype.as_numpy_dtype), training=False))
        wanted = np.expand_dims(probe != 0, tuple(range(1, found.ndim - 1)))
        if np.array_equal(found != 0, np.broadcast_to(wanted, found.shape)):
            return ids
    raise refuse(layer, "with a mask that is not `ids != 0` of the network's integer ids, alike for each token")


def embedding(layer: Any, _: Sequence[Any]) -> Callable[..., Any]:
    """Embedding: the same table, (vocabulary, width)."""
    if layer.mask_zero:
        raise refuse(layer, "with mask_zero = True passes a bool mask on", f"set mask_zero = False, or {BLOCKS}")
    new = TokenEmbedding(layer.input_dim, layer.output_dim, name=layer.name)

    def call(ids: Any) -> Any:
        if not ids.dtype.is_integer:
            raise refuse(layer, f"of ids in {ids.dtype.name}", 'give the network\'s Input dtype = "int32"')
        result = new(ids)
        settled(new, layer, layer.get_weights())
        return result

    return call


def normalization(layer: Any, _: Sequence[Any]) -> Callable[..., Any]:
    """LayerNormalization over the last axis; a scale or shift that it lacks is 1 or 0."""
    new = LayerNorm(layer.epsilon, name=layer.name)

    def call(x: Any) -> Any:
        axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
        if [axis % len(x.shape) for axis in axes] != [len(x.shape) - 1]:
            raise refuse(layer, f"over axis {list(axes)}", "normalize the last axis alone")
        result = new(x)
        width = x.shape[-1]
        gamma = np.ones(width) if layer.gamma is None else layer.gamma
        settled(new, layer, [gamma, np.zeros(width) if layer.beta is None else layer.beta])
        return result

    return call


def gelu(layer: Any, _: Sequence[Any]) -> Callable[..., Any]:
    """Activation("gelu")."""
    return Gelu("erf", name=layer.name)


def activated(layer: Any, _: Sequence[Any]) -> Callable[..., Any]:
    """Split a layer with activation = "gelu": itself without, and a Gelu `{name}_gelu` behind it."""
    plain = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    bend = Gelu("erf", name=f"{layer.name}_gelu")

    def call(x: Any) -> Any:
        result = bend(plain(x))
        settled(plain, layer, layer.get_weights())
        return result

    return call


def bends(*names: str) -> Callable[[Any], bool]:
    """Tell layers of these classes whose activation is gelu."""
    known = is_a(*names)
    return lambda layer: known(layer) and layer.activation is backend.keras().activations.gelu


ATTENTION = Form("MultiHeadAttention", "Dense, Attention", is_a("MultiHeadAttention"), attention)
EMBEDDING = Form("Embedding", "TokenEmbedding", is_a("Embedding"), embedding, takes="int32")
NORMALIZATION = Form("LayerNormalization", "LayerNorm", is_a("LayerNormalization"), normalization)
ACTIVATION = Form("gelu", "Gelu", bends("Activation"), gelu)
GELU = Form("gelu in a layer", "Gelu behind it", bends(*ACTIVATED), activated)
