"""What one client does in one round: train what it was sent on its own examples.

Nothing here knows of Flower. The same job, round and client give the same bytes, in any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import UserError
from tinyc.federation.prepared import Prepared, prepared
from tinyc.spec.federation import learning_rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyc.data.dataset import TrainingData
    from tinyc.federation.job import Job
    from tinyc.spec.federation import FederationOptions

HELD_OUT = 10
"""With batchnorm = "local", one in so many of a client's examples is kept for its evaluation."""


@dataclass(frozen=True)
class Trained:
    """What a client gives back.

    Attributes:
        arrays: the new weights by name, not their differences.
        examples: how many examples it trained on.
        metrics: `loss` (mean of the last local epoch); with batchnorm = "local" the `accuracy` after this training
            on `evaluated` examples of its own that it does not train on; with example-level privacy the `noise`, and
            the `epsilon` of all rounds so far.
        kept: what stays at the client until its next round, to be handed to `train` then; never to be sent.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    examples: int
    metrics: Mapping[str, float]
    kept: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def train(
    job: Job,
    arrays: Mapping[str, NDArray[Any]],
    round: int,
    client: str,
    data: TrainingData,
    kept: Mapping[str, NDArray[Any]] | None = None,
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
    own, tested = parted(data, job.seed, client) if options.batchnorm == "local" else (data, None)
    with prepared(job) as network:
        network.receive(arrays, kept or {})
        if options.privacy is not None and options.privacy.level == "example":
            from tinyc.federation import example_privacy

            randomness = seed if secret is None else secret
            metrics = example_privacy.fit(network, job, own, round, randomness, round if times is None else times)
        else:
            metrics = fit(network, options, own, round, seed)
        if tested is not None:
            metrics |= evaluated(network, tested)
        return Trained(network.weights(), len(own.train), metrics, network.remembered())


def fit(network: Prepared, options: FederationOptions, data: TrainingData, round: int, seed: int) -> dict[str, float]:
    """Train the local epochs, by the house's own loop."""
    import numpy as np

    from tinyc.core.progress import Silent
    from tinyc.training.batches import Feed
    from tinyc.training.fit import Training, attached, run_epoch
    from tinyc.training.randomness import reseed

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


def client_seed(seed: int, round: int, client: str) -> int:
    """Draw a client's seed for a round; which other clients take part does not matter."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{round}/{client}".encode()).digest()[:6], "big")


def refuse_unfit(data: TrainingData, client: str) -> None:
    """Refuse examples that the network cannot be trained on.

    Raises:
        UserError: there are none, they are of another shape, or a label has no class.
    """
    from tinyc.data.inputs import inputs

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


def parted(data: TrainingData, seed: int, client: str) -> tuple[TrainingData, TrainingData]:
    """Keep a tenth of a client's examples for its evaluation, the same in every round; one with fewer than ten is
    evaluated on what it trains on.
    """
    import numpy as np

    from tinyc.federation.partition import cut

    count = len(data.train)
    if count < HELD_OUT:
        return data, replace(data, validation=data.train)
    order = np.random.default_rng(client_seed(seed, 0, client)).permutation(count)
    kept, rest = order[: count // HELD_OUT], np.sort(order[count // HELD_OUT :])
    return replace(data, train=cut(data.train, rest)), replace(data, validation=cut(data.train, kept))


def evaluated(network: Prepared, data: TrainingData) -> dict[str, float]:
    """Say how accurate the client's own network is on what it kept for that."""
    from tinyc.training.predict import accuracy

    reached = accuracy(network.predict, data.validation, data.task)
    return {"accuracy": reached, "evaluated": float(len(data.validation))}
