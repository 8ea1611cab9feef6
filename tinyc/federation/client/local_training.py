"""What one client does in one round: train what it was sent on its own examples.

Nothing here knows of messages. The same job, round and client give the same bytes, in any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tinyc.core.errors import UserError
from tinyc.core.progress import Silent
from tinyc.data.cutting import take
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.federation import travelling_weights
from tinyc.federation.compiled_job import CompiledJob, compiled
from tinyc.federation.job import Job
from tinyc.federation.updates import Arrays
from tinyc.spec.federation import FederationOptions, learning_rate, required
from tinyc.training.batches import Feed
from tinyc.training.fit import Training, attached, run_epoch
from tinyc.training.predict import accuracy
from tinyc.training.private import example_budget
from tinyc.training.private.accounting import spent
from tinyc.training.private.training import fit_private
from tinyc.training.randomness import reseed

HELD_OUT = 10
"""With batchnorm = "local", one in so many of a client's examples is kept for its evaluation."""


@dataclass(frozen=True)
class Trained:
    """What a round gave.

    Attributes:
        arrays: the new weights by name, float32, not their differences.
        examples: how many examples it trained on.
        metrics: `loss` (mean of the last local epoch); with batchnorm = "local" the `accuracy` after this training
            on `evaluated` examples of its own that it does not train on; with example-level privacy the `noise`, and
            the `epsilon` of all rounds so far.
        kept: what stays at the client until its next round, to be handed to `train` then; never to be sent.
    """

    arrays: Arrays
    examples: int
    metrics: Mapping[str, float]
    kept: Arrays = field(default_factory=dict)


def train(
    job: Job,
    arrays: Arrays,
    round: int,
    client: str,
    data: TrainingData,
    kept: Arrays | None = None,
    *,
    secret: int | None = None,
    times: int | None = None,
) -> Trained:
    """Train the arrays of a round, counted from 1, on a client's own examples, `data.train`.

    The network is read and its step compiled once a job and process. Each round begins with an optimizer without
    memory, as in FedAvg (McMahan et al. 2017). Zeros and weight tables of the job's network are kept, and are put
    back in what came.

    Args:
        kept: what the client's last round left in `Trained.kept`; None or empty in its first.
        secret: for example-level privacy, what batches and noise come from in place of the job's seed.
        times: for example-level privacy, how many rounds the client has trained with this one; `round` if absent.

    Raises:
        UserError: the arrays or the examples do not fit the network, or the loss is not a number.
    """
    data = replace(data, task=job.task)
    refuse_unfit(data, client)
    options, seed = job.options, client_seed(job.seed, round, client)
    own, tested = held_out(data, job.seed, client) if options.batchnorm == "local" else (data, None)
    network = compiled(job)
    network.receive(arrays, kept or {})
    if options.privacy is not None and options.privacy.level == "example":
        randomness = seed if secret is None else secret
        metrics = fit_private_round(network, options, own, round, randomness, round if times is None else times)
    else:
        metrics = fit(network, options, own, round, seed)
    if tested is not None:
        reached = accuracy(network.predict, tested.validation, job.task)
        metrics |= {"accuracy": reached, "evaluated": float(len(tested.validation))}
    return Trained(network.weights(), len(own.train), metrics, travelling_weights.values(network.stays))


def fit(
    network: CompiledJob, options: FederationOptions, data: TrainingData, round: int, seed: int
) -> dict[str, float]:
    """Train the local epochs, by the fit loop that all passes have."""
    rate = learning_rate(options, round)
    objective = replace(network.objective, view=lambda epoch: (seed, epoch))
    feed = Feed(data, objective, options.augment, seed, min(options.batch, len(data.train)))
    rates = np.full(options.local_epochs * feed.steps, rate, np.float32)
    title = f"federate, round {round}"
    training = Training(
        network.model, network.optimizer, feed, title, Silent(), network.step, network.predict, rates, network.callbacks
    )
    with attached(training):
        for epoch in range(options.local_epochs):
            reseed(network.generators, seed, epoch)
            run_epoch(training, epoch)
    return {"loss": training.history["loss"][-1]}


def fit_private_round(
    network: CompiledJob, options: FederationOptions, data: TrainingData, round: int, seed: int, times: int
) -> dict[str, float]:
    """Train the local epochs by DP-SGD (Abadi et al. 2016), for the client's `times`-th time.

    Raises:
        UserError: the privacy budget is spent.
        MachineError: dp-accounting is not installed.
    """
    count = len(data.train)
    planned, steps = example_budget.planned_for(options, count), example_budget.steps_of(options, count)
    example_budget.refuse_spent(options, count, times)
    facts = fit_private(
        network.model,
        inputs(data.train.x, data.task),
        data.train.y,
        clip=required(options).clip,
        noise=planned.noise,
        rate=example_budget.sampling(options, count),
        steps=steps,
        optimizer=options.optimizer,
        learning_rate=learning_rate(options, round),
        weight_decay=options.weight_decay,
        label_smoothing=options.label_smoothing,
        seed=seed,
        callbacks=network.callbacks,
    )
    epsilon = spent(planned.noise, example_budget.schedule_of(options, count), times * steps)
    return {"loss": facts["loss"][-1], "noise": planned.noise, "epsilon": epsilon}


def client_seed(seed: int, round: int, client: str) -> int:
    """Draw a client's seed for a round; which other clients take part does not matter."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{round}/{client}".encode()).digest()[:6], "big")


def refuse_unfit(data: TrainingData, client: str) -> None:
    """Refuse examples that the network cannot be trained on.

    Raises:
        UserError: there are none, they are of another shape, or a label has no class.
    """
    where, train, task = f"client {client}", data.train, data.task
    if not len(train):
        raise UserError(where, "has no training examples", "give it some, or leave the client out")
    shape = tuple(inputs(train.x[:1], task).shape[1:])
    if shape != tuple(task.input_shape):
        problem = f"its examples are {shape}, and the network takes {tuple(task.input_shape)}"
        raise UserError(where, problem, "prepare them as `[data]` of the server's recipe does")
    if train.y.min() < 0 or train.y.max() >= len(task.classes):
        problem = (
            f"has labels from {train.y.min()} to {train.y.max()}, and the classes are 0 to {len(task.classes) - 1}"
        )
        raise UserError(where, problem, "label its examples as the server's recipe does")


def held_out(data: TrainingData, seed: int, client: str) -> tuple[TrainingData, TrainingData]:
    """Keep a tenth of a client's examples for its evaluation, the same in every round.

    A client with fewer than ten is evaluated on what it trains on.
    """
    count = len(data.train)
    if count < HELD_OUT:
        return data, replace(data, validation=data.train)
    order = np.random.default_rng(client_seed(seed, 0, client)).permutation(count)
    kept, rest = order[: count // HELD_OUT], np.sort(order[count // HELD_OUT :])
    return replace(data, train=take(data.train, rest)), replace(data, validation=take(data.train, kept))
