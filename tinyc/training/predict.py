"""Outputs of a network for many examples, in batches of one static shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.dataset import Split
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.network import backend

BATCH = 256
"""Examples in an inference batch: ResNet-50 on two cores gains nothing beyond it."""

Predict = Callable[["NDArray[Any]"], "list[NDArray[np.float32]]"]


def predictor(model: Any, batch: int = BATCH) -> Predict:
    """Compile inference of a network once; the function takes floats or ids and lists the array of each output."""
    tf = backend.tensorflow()

    def outputs(images: Any) -> Any:
        given = model(images, training=False)
        return given if isinstance(given, list | tuple) else [given]

    infer = tf.function(outputs)

    def predict(images: NDArray[Any]) -> list[NDArray[np.float32]]:
        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            missing = batch - len(part)
            filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]) if missing else part
            parts.append([output.numpy()[: len(part)] for output in infer(filled)])
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    return predict


def accuracy(predict: Predict, split: Split, task: Task) -> float:
    """Fraction of a split whose largest logit is the label's."""
    right = 0
    for start in range(0, len(split), BATCH):
        part = slice(start, start + BATCH)
        logits = predict(inputs(split.x[part], task))[0]
        right += int((logits.argmax(-1) == split.y[part]).sum())
    return right / len(split)
