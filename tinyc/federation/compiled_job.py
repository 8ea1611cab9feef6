"""The network of a job, read and compiled once a process, for all clients and rounds that it trains."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.keep import keep_structure
from tinyc.data.dataset import Split
from tinyc.federation import travelling_weights
from tinyc.federation.job import Job, read_network
from tinyc.federation.updates import Arrays
from tinyc.network import backend
from tinyc.quantization import fixed_ranges, qat
from tinyc.spec.federation import FederationOptions
from tinyc.spec.training import fit_options
from tinyc.tasks.classification.objectives import Objective, labels
from tinyc.training.predict import Predict, accuracy, predictor
from tinyc.training.randomness import reseedable
from tinyc.training.schedule import build_optimizer
from tinyc.training.step import Step, compile_step

KEPT: dict[str, CompiledJob] = {}
"""The last job's network by its SHA-256; one network in memory is enough for a client."""


@dataclass(frozen=True)
class CompiledJob:
    """A network that is ready to train, in wrappers where the job trains under int8 rounding.

    Attributes:
        travels: the variables that come and go, by name.
        stays: those that a client keeps from round to round.
        anchors: for FedProx, where the server's weights are held while a client trains.
        starts: every variable of the network and the optimizer, with its value before any training.
        held: keeps the network's random generators its own for as long as this lives.
    """

    model: Any
    travels: Mapping[str, Any]
    stays: Mapping[str, Any]
    anchors: Sequence[Any]
    optimizer: Any
    objective: Objective
    step: Step
    predict: Predict
    callbacks: Sequence[Any]
    generators: Sequence[Any]
    starts: Sequence[tuple[Any, Any]]
    held: ExitStack

    def reset(self) -> None:
        """Put all back to what it was before any training."""
        for variable, value in self.starts:
            variable.assign(value)

    def receive(self, arrays: Arrays, kept: Arrays) -> None:
        """Begin a round: all as the job has it, but for what came and what the client kept."""
        self.reset()
        travelling_weights.assign(self.travels, arrays)
        if kept:
            travelling_weights.assign(self.stays, kept)
        for callback in self.callbacks:
            callback.on_train_batch_end(0)  # puts the zeros and tables of the job's network back
        qat.settle(self.model)  # ranges of weights that TFMOT's wrappers hold follow the weights
        for anchor, variable in zip(self.anchors, self.travels.values(), strict=False):
            anchor.assign(variable)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights that travel."""
        return travelling_weights.values(self.travels)


def compiled(job: Job) -> CompiledJob:
    """Give the compiled network of a job, for one training at a time.

    Raises:
        UserError: the job's network cannot be read or trained.
    """
    if job.sha256 not in KEPT:
        forget()
        KEPT[job.sha256] = compile_job(job)
    return KEPT[job.sha256]


def compile_job(job: Job) -> CompiledJob:
    """Read a job's network and compile its training."""
    options = job.options
    model = trainable_network(job)
    travels = travelling_weights.travelling(model, options.trainable, options.batchnorm)
    stays = travelling_weights.batchnorm_variables(model) if options.batchnorm == "local" else {}
    pulled = options.strategy == "fedprox" and options.proximal != 0
    anchors = [backend.tensorflow().Variable(each, trainable=False) for each in travels.values()] if pulled else []
    held = ExitStack()
    generators = held.enter_context(reseedable(model))
    optimizer = build_optimizer(fit_options(options), model)
    objective = proximal(labels(job.seed, options.label_smoothing), options, travels, anchors)
    penalty = options.weight_decay if options.optimizer != "adamw" else 0.0
    starts = [(each, each.numpy()) for each in [*model.weights, *optimizer.variables]]
    return CompiledJob(
        model, travels, stays, anchors, optimizer, objective, compile_step(model, optimizer, objective, penalty),
        predictor(model), keep_structure(model), generators, starts, held,
    )  # fmt: skip


def trainable_network(job: Job) -> Any:
    """Give the job's network so that it trains what it should and nothing else."""
    net = read_network(job)
    travelling_weights.limit(net.model, job.options.trainable, job.options.batchnorm)
    if not job.options.fake_quantize:
        return net.model
    return fixed_ranges.wrapped(net.model, job.ranges, job.per_channel)


def proximal(objective: Objective, options: FederationOptions, travels: Mapping[str, Any], anchors: list[Any]) -> Any:
    """Add mu / 2 times the squared distance to the server's weights to a loss (Li et al. 2020, equation 2)."""
    if not anchors:
        return objective
    tf = backend.tensorflow()
    pairs = list(zip(travels.values(), anchors, strict=True))

    def loss(logits: Any, truth: Any, targets: tuple[Any, ...]) -> Any:
        distance = tf.add_n([tf.reduce_sum(tf.square(variable - anchor)) for variable, anchor in pairs])
        return objective.loss(logits, truth, targets) + 0.5 * options.proximal * distance

    return replace(objective, loss=loss)


def first_weights(job: Job) -> dict[str, NDArray[np.float32]]:
    """Give what the first round begins with, by name."""
    network = compiled(job)
    network.reset()
    return network.weights()


def with_structure(job: Job, arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    """Put zeros and tables of the job's network back into an aggregate, which noise or rounding took them out of.

    Zeros become zero again, and the numbers of a cluster their mean: that is post-processing, which costs no privacy.
    Of a plain average nothing changes, since all clients keep the same clusters.

    Raises:
        UserError: the arrays do not fit the network.
    """
    network = compiled(job)
    network.receive(arrays, {})
    return network.weights()


def accuracy_of(job: Job, arrays: Arrays, split: Split) -> float:
    """Give the fraction of a split that the network with these weights names right; under int8 rounding, if asked."""
    network = compiled(job)
    network.receive(arrays, {})
    return accuracy(network.predict, split, job.task)


def forget() -> None:
    """Drop the network of the last job."""
    while KEPT:
        KEPT.popitem()[1].held.close()


atexit.register(forget)
