"""Measure a state on the test split: a Keras network by Keras, an artifact by the interpreters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress, Silent
from tinyc.data.dataset import Dataset
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.measure import resampling, weighing
from tinyc.measure.figures import Ledger, Measurement, Runtime
from tinyc.network.state import Flat, Net
from tinyc.spec.data_keys import MetricName
from tinyc.tasks.classification.metrics import recalls, scorer
from tinyc.tflite.flash import flash_bytes
from tinyc.tflite.read import operators
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.table_writing import expand

BATCH = 256


def measure_net(net: Net, dataset: Dataset, shown: Progress | None = None) -> Measurement:
    """Weigh a Keras network and run it over the test split; its bytes are those of its float32 .tflite.

    Flash and arena stay unmeasured: no device stores or runs this state.

    Raises:
        UserError: the network has no TensorFlow Lite form, or its outputs are not one score a class.
    """
    content, described = weighing.lowered(net)
    params, nonzero = weighing.count(net.model)
    sizes = {
        "params": params,
        "nonzero_params": nonzero,
        "macs": described.macs,
        "weight_bytes": described.weight_bytes,
        "metadata_bytes": described.metadata_bytes,
        "file_bytes": len(content),
        "gzip_bytes": weighing.gzip_bytes(content),
        "flash_bytes": None,
        "arena_bytes": None,
    }
    return measurement(sizes, predict(net, dataset, shown or Silent()), dataset, "keras", described.uncounted)


def predict(net: Net, dataset: Dataset, shown: Progress) -> NDArray[np.float32]:
    """Run the test split through a Keras network in batches of 256."""
    x, task = dataset.test.x, net.task
    with progress.task(shown, "measure", len(x)):
        parts = []
        for start in range(0, len(x), BATCH):
            parts.append(net.model.predict_on_batch(inputs(x[start : start + BATCH], task)))
            shown.advance(len(parts[-1]))
    return np.asarray(np.concatenate(parts), np.float32)


def measure_flat(
    flat: Flat, dataset: Dataset, pool: Pool, runtime: runtimes.Runtime, shown: Progress | None = None
) -> Measurement:
    """Weigh an artifact and run it over the test split in worker processes.

    An artifact with weight tables is measured under TFLM, which alone decodes them. Where TFLM is wanted and not
    installed, the fast kernels measure the accuracy; the ledger's `runtime` says so and the arena stays unmeasured.

    Raises:
        UserError: the file is damaged, or holds an operator that the runtime lacks.
        MachineError: a worker was ended or hung.
    """
    described = describe(flat.content)
    wanted: runtimes.Runtime = "tflm" if operators.tflm_only(described) else runtime
    chosen: runtimes.Runtime = wanted if runtimes.package(wanted) else "fast"
    # Other interpreters than TFLM run weight tables decoded.
    content = flat.content if chosen == "tflm" else expand(flat.content)
    shown = shown or Silent()
    with progress.task(shown, f"measure ({chosen})", len(dataset.test)):
        examples = inputs(dataset.test.x, flat.task)
        run = pool.run(content, examples, chosen, advance=shown.advance)
    sizes = {
        "params": described.params,
        "nonzero_params": described.nonzero_params,
        "macs": described.macs,
        "weight_bytes": described.weight_bytes,
        "metadata_bytes": described.metadata_bytes,
        "file_bytes": len(flat.content),
        "gzip_bytes": weighing.gzip_bytes(flat.content),
        "flash_bytes": flash_bytes(flat.content, flat.tables),
        "arena_bytes": run.arena_bytes,
    }
    ran: Runtime = "tflm" if chosen == "tflm" else "tflite-runtime"
    return measurement(sizes, run.outputs, dataset, ran, described.uncounted)


def measurement(
    sizes: dict[str, int | None],
    scores: NDArray[np.float32],
    dataset: Dataset,
    runtime: Runtime,
    uncounted: tuple[str, ...] = (),
) -> Measurement:
    """Put sizes and scores together to a ledger with the task's metric and its interval.

    Where the test split knows its recordings, the interval resamples them.
    """
    task, labels, recordings = dataset.task, dataset.test.y, dataset.test.groups.get("recording")
    scores = scores.reshape(len(scores), -1)
    require_scores(scores, task, dataset.name)
    value, low, high = rate(task.metric, labels, scores, recordings)
    bare = Ledger(
        **cast(dict[str, Any], sizes),
        accuracy=value,
        accuracy_low=low,
        accuracy_high=high,
        per_class={},
        metric=task.metric,
        examples=len(labels),
        runtime=runtime,
        sensor_bytes_per_second=task.stream.sensor_bytes if task.stream else None,
        sent_bytes_per_second=task.stream.sent_bytes if task.stream else None,
        recordings=None if recordings is None else resampling.numbered(recordings)[1],
        uncounted=uncounted,
    )
    found = recalls(Measurement(bare, scores, labels).confusion)
    recalled = {name: float(recall) for name, recall in zip(task.classes, found, strict=True) if not np.isnan(recall)}
    return Measurement(replace(bare, per_class=recalled), scores, labels, recordings)


def rate(
    metric: MetricName, labels: NDArray[np.int64], scores: NDArray[Any], recordings: NDArray[Any] | None = None
) -> tuple[float, float | None, float | None]:
    """Compute the metric with its 95 % interval: Wilson's for accuracy, else and over recordings the bootstrap's."""
    if metric == "accuracy":
        right = scores.argmax(axis=1) == labels
        return int(right.sum()) / len(labels), *resampling.of_share(right, recordings)
    score = scorer(metric, labels, scores)
    return score(np.ones(len(labels))), *resampling.of_metric(score, len(labels), recordings)


def require_scores(scores: NDArray[Any], task: Task, name: str) -> None:
    """Refuse outputs that are not one finite score for each class."""
    if scores.shape[1] != len(task.classes):
        problem = f"the network gives {scores.shape[1]} scores for {len(task.classes)} classes"
        raise UserError(name, problem, "give a network with one output for each class of the data")
    if not np.isfinite(scores).all():
        raise UserError(name, "the network gives NaN or infinite scores", "lower the learning rate; check the inputs")
