"""What is measured of a network, beside the ledger: the scale that its weights see, and more once it only guesses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.advice.inputs import Scaled, Seen, scalings
from tinyc.analysis.advice.symptoms import Share, Statistics, Symptoms
from tinyc.data import scaling
from tinyc.data.dataset import Split, TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.quantization.batch_statistics import reestimate
from tinyc.run import first_layer
from tinyc.spec.amounts import Amount
from tinyc.training.predict import predictor

EXAMPLES = 512
SEED = 0


def inputs_seen(net: Net, examples: TrainingData, is_loaded: bool) -> tuple[Seen | None, tuple[Scaled, ...]]:
    """Return what the first layers with weights see of training examples, and what they would see under other scales.

    A training can begin with values that suit, so that other scales are only of use to weights that are there.
    """
    look = first_layer.looker(net)
    if look is None:
        return None, ()
    x = drawn(examples.train).x
    seen = look(inputs(x, net.task))
    if seen.suits and not is_loaded:
        return seen, ()
    given = scalings(first_layer.raw(x))
    others = (Scaled(*each, look(inputs(x, under(net.task, x, *each)))) for each in given)
    return seen, tuple(others)


def measure(net: Net, examples: TrainingData, is_loaded: bool) -> Symptoms:
    """Look at a network that only guesses.

    Args:
        is_loaded: its weights came with it, so that they tell which scale they were made for.
    """
    train, validation = drawn(examples.train), drawn(examples.validation)
    predict = predictor(net.model)
    seen, others = inputs_seen(net, examples, is_loaded)
    if is_loaded:
        tasks = (under(net.task, train.x, each.scale, each.offset) for each in others)
        others = tuple(
            replace(each, right=right(predict, train, task).right) for each, task in zip(others, tasks, strict=True)
        )
    held = validation if len(validation) else train
    return Symptoms(
        right(predict, train, net.task),
        right(predict, validation, net.task) if len(validation) else None,
        seen,
        others,
        statistics(net, examples, held, right(predict, held, net.task)),
    )


def under(task: Task, x: NDArray[Any], scale: Amount, offset: Amount) -> Task:
    """Give the task with another scale of its examples; what is to be fitted is fitted to these, (examples, ...)."""
    if isinstance(scale, str) or isinstance(offset, str):
        fitted = scaling.fit(x)
        scale, offset = fitted.scale, fitted.offset
    return replace(task, scale=scale, offset=offset)


def drawn(split: Split) -> Split:
    """Return at most EXAMPLES examples of a split, always the same."""
    count = min(EXAMPLES, len(split))
    rows = np.sort(np.random.default_rng(SEED).choice(len(split), count, replace=False))
    return Split(split.x[rows], split.y[rows], split.ids[rows])


def right(predict: Any, split: Split, task: Task) -> Share:
    """Return how many examples come out as their labels say."""
    logits: NDArray[Any] = predict(inputs(split.x, task))[0].reshape(len(split), -1)
    return Share(int((logits.argmax(axis=1) == split.y).sum()), len(split))


def statistics(net: Net, examples: TrainingData, held: Split, now: Share) -> Statistics | None:
    """Batch normalization with its statistics measured again; None where there is none."""
    momenta = list(momentum(net.model))
    if not momenta:
        return None
    again, seen = reestimate(net.model, examples, net.task, SEED)
    return Statistics(len(momenta), max(momenta), seen, now, right(predictor(again), held, net.task))


def momentum(model: Any) -> Iterator[float]:
    """Yield the momentum of each batch normalization that is trained."""
    norm = backend.keras().layers.BatchNormalization
    yield from (float(layer.momentum) for layer in model.layers if isinstance(layer, norm) and layer.trainable)
