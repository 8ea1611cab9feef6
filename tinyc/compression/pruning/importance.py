"""How much a coupled channel matters: filter norms, BatchNormalization scales, or gradients of the loss.

Norms and scales are divided by their layer's mean before the layers of a group are averaged, as Torch-Pruning
does (Fang et al. 2023), so that layers with large weights do not outvote the others, and channels of different
groups compare. Taylor terms are in units of squared loss and compare as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import ChannelGraph
from tinyc.compression.pruning.trace import Channels, Cut
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.network import backend

Importance = Literal["l1", "l2", "bn_scale", "taylor", "gate"]
GRADIENT_EXAMPLES = 256
NEED_EXAMPLES = ("taylor", "gate")
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Training examples for the gradients: x (examples, *input_shape) as the network sees them, y labels.

    x is float32, or int32 where it holds token ids.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    batch: int = 32


def drawn(data: TrainingData, seed: int) -> Examples:
    """Draw at most GRADIENT_EXAMPLES of the training split."""
    train = data.train
    count = min(GRADIENT_EXAMPLES, len(train))
    rows = np.sort(np.random.default_rng(seed).choice(len(train), count, replace=False))
    return Examples(inputs(train.x[rows], data.task), train.y[rows])


def scores(model: Any, graph: ChannelGraph, importance: Importance, examples: Examples | None) -> Scores:
    """Score every coupled channel, (graph.count,); NaN where this importance has nothing to go by.

    l1, l2: the norm of the channel's filters (Li et al. 2017). bn_scale: |gamma| (Network Slimming, Liu et al.
    2017). taylor: the squared sum of weight times gradient, averaged over batches (Molchanov et al. 2019). gate: the
    absolute gradient of a gate on the channel, averaged over examples, the scores of a group divided by their l2 norm
    (Michel et al. 2019, "Are Sixteen Heads Really Better than One?").
    """
    if importance in NEED_EXAMPLES:
        if examples is None:
            raise ValueError(f"{importance} importance needs examples")
        return taylor(model, graph, examples) if importance == "taylor" else gate(model, graph, examples)
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
    """Square the change of the loss, to first order, that switching a channel off would bring; sum over its layers."""
    changes = list(gate_gradients(model, graph, examples.x, examples.y, examples.batch))
    return np.asarray(sum((change**2 for batch in changes for change in batch), np.zeros(graph.count)) / len(changes))


def gate(model: Any, graph: ChannelGraph, examples: Examples) -> Scores:
    """Average the size of that change over single examples; a group's scores have l2 norm 1, as in the paper."""
    changes = gate_gradients(model, graph, examples.x, examples.y, batch=1)
    total = sum((np.abs(change) for one in changes for change in one), np.zeros(graph.count))
    for group in graph.groups:
        total[group.channels] /= np.linalg.norm(total[group.channels]) or 1.0
    return np.asarray(total)


def gate_gradients(model: Any, graph: ChannelGraph, x: Any, y: Any, batch: int) -> Iterator[list[Scores]]:
    """Give, for each batch, the gradients of its mean loss by a factor on each channel, (graph.count,) for each layer.

    The factor stands after BatchNormalization where one follows directly (gamma and beta carry its gradient), else at
    the filter and its bias; for a head it stands at the value. Channels of blocked groups get 0.
    """
    asked = np.zeros(graph.count, dtype=bool)
    for group in graph.groups:
        asked[group.channels] = group.blocked is None
    cuts = [cut for cut in graph.cuts if is_gate(graph, cut) and asked[cut.channels].any()]
    variables = [getattr(model.get_layer(cut.layer), cut.weight) for cut in cuts]
    differentiate = loss_gradients(model, variables)
    for start in range(0, len(y), batch):
        gradients = differentiate(x[start : start + batch], y[start : start + batch])
        switched: dict[str, Scores] = {}
        for cut, variable, gradient in zip(cuts, variables, gradients, strict=True):
            product = np.moveaxis(variable.numpy() * np.asarray(gradient), cut.axis, 0)
            change = product.reshape(len(cut.channels), -1).sum(axis=1)
            change = np.bincount(cut.channels, change, graph.count) * asked
            switched[cut.layer] = switched.get(cut.layer, np.zeros(graph.count)) + change
        yield list(switched.values())


def is_gate(graph: ChannelGraph, cut: Cut) -> bool:
    """Say whether switching off this weight's channels switches off the layer's."""
    scaled = {each.layer for each in gammas(graph)}
    if cut.weight in ("gamma", "beta"):
        return cut.gate and cut.layer in scaled
    return cut.gate and cut.role == "makes" and cut.layer not in graph.normalized


def loss_gradients(model: Any, variables: list[Any]) -> Callable[[Any, Any], list[Any]]:
    """Make what differentiates the cross-entropy of the logits on one batch; BatchNormalization at its averages."""
    tf = backend.tensorflow()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def differentiate(x: Any, y: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(variables)
            logits = model(x, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    return lambda x, y: list(differentiate(tf.convert_to_tensor(x), tf.convert_to_tensor(y)))
