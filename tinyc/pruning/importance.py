"""How much a coupled channel matters: filter norms, BatchNormalization scales, or a first-order Taylor term.

Norms and scales are divided by their layer's mean before the layers of a group are averaged, as Torch-Pruning
does (Fang et al. 2023), so that layers with large weights do not outvote the others, and channels of different
groups compare. Taylor terms are in units of squared loss and compare as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc import backend
from tinyc.pruning.graph import ChannelGraph
from tinyc.pruning.trace import Channels, Cut

Importance = Literal["l1", "l2", "bn_scale", "taylor"]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Training examples for the gradients: x (examples, *input_shape) float32 as the network sees them, y labels."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    batch: int = 32


def scores(model: Any, graph: ChannelGraph, importance: Importance, examples: Examples | None) -> Scores:
    """Score every coupled channel, (graph.count,); NaN where this importance has nothing to go by.

    l1, l2: the norm of the channel's filters (Li et al. 2017). bn_scale: |gamma| (Network Slimming, Liu et al.
    2017). taylor: the squared sum of weight times gradient, averaged over batches (Molchanov et al. 2019).
    """
    if importance == "taylor":
        if examples is None:
            raise ValueError("taylor importance needs examples")
        return taylor(model, graph, examples)
    if importance == "bn_scale":
        parts = [(cut.channels, np.abs(value(model, cut))) for cut in gammas(graph)]
    else:
        parts = [(cut.channels, norm(value(model, cut), cut.axis, importance)) for cut in kernels(graph)]
    return average(graph.count, parts)


def value(model: Any, cut: Cut) -> NDArray[np.float64]:
    return np.asarray(getattr(model.get_layer(cut.layer), cut.weight), dtype=np.float64)


def gammas(graph: ChannelGraph) -> list[Cut]:
    return [cut for cut in graph.cuts if cut.weight == "gamma"]


def kernels(graph: ChannelGraph) -> list[Cut]:
    return [cut for cut in graph.cuts if cut.role == "makes" and cut.weight != "bias"]


def norm(kernel: NDArray[np.float64], axis: int, importance: Importance) -> Scores:
    """Take the norm of each filter of a kernel."""
    filters = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    return np.asarray(np.linalg.norm(filters, ord=1 if importance == "l1" else 2, axis=1))


def average(count: int, parts: list[tuple[Channels, Scores]]) -> Scores:
    """Divide each layer's scores by their mean, then average over the layers that share a channel."""
    total, times = np.zeros(count), np.zeros(count)
    for channels, part in parts:
        np.add.at(total, channels, part / (part.mean() or 1.0))
        np.add.at(times, channels, 1)
    return np.divide(total, times, out=np.full(count, np.nan), where=times > 0)


def taylor(model: Any, graph: ChannelGraph, examples: Examples) -> Scores:
    """Square the change of the loss, to first order, that switching a channel off would bring; sum over its layers.

    The switch stands after BatchNormalization where one follows directly (gamma and beta carry its gradient),
    else at the filter and its bias.
    """
    cuts = [cut for cut in graph.cuts if is_gate(graph, cut)]
    variables = [getattr(model.get_layer(cut.layer), cut.weight) for cut in cuts]
    total = np.zeros(graph.count)
    starts = range(0, len(examples.y), examples.batch)
    for start in starts:
        part = slice(start, start + examples.batch)
        switched: dict[str, tuple[Channels, Scores]] = {}
        gradients = loss_gradients(model, variables, examples.x[part], examples.y[part])
        for cut, variable, gradient in zip(cuts, variables, gradients, strict=True):
            product = np.moveaxis(variable.numpy() * gradient, cut.axis, 0).reshape(len(cut.channels), -1).sum(axis=1)
            before = switched.get(cut.layer, (cut.channels, np.zeros(len(cut.channels))))[1]
            switched[cut.layer] = (cut.channels, before + product)
        for channels, change in switched.values():
            np.add.at(total, channels, change**2 / len(starts))
    return total


def is_gate(graph: ChannelGraph, cut: Cut) -> bool:
    """Say whether switching off this weight's channels switches off the layer's."""
    scaled = {each.layer for each in gammas(graph)}
    if cut.weight in ("gamma", "beta"):
        return cut.layer in scaled
    return cut.role == "makes" and cut.layer not in graph.normalized


def loss_gradients(model: Any, variables: list[Any], x: Any, y: Any) -> list[NDArray[Any]]:
    """Differentiate the cross-entropy of the logits on one batch, BatchNormalization at its moving averages."""
    tf = backend.tensorflow()
    with tf.GradientTape() as tape:
        tape.watch(variables)
        logits = model(x, training=False)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
    return [np.asarray(tf.convert_to_tensor(gradient)) for gradient in gradients]
