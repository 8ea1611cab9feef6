"""The network of a job, read and compiled once a process, for all clients and rounds that it trains."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tinyc.federation import exchange
from tinyc.federation.job import Job, network_of
from tinyc.network import backend
from tinyc.tasks.classification.objectives import Objective, labels
from tinyc.training.predict import Predict, accuracy, predictor
from tinyc.training.step import Step, compile_step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyc.data.dataset import Split
    from tinyc.spec.federation import FederationOptions

LOCK = threading.Lock()
KEPT: dict[str, Prepared] = {}
"""The last job's network by its SHA-256; one network in memory is enough for a client."""


@dataclass(frozen=True)
class Prepared:
    """A network that is ready to train, in wrappers where the job trains under int8 rounding.

    Attributes:
        travels: the variables that come and go, by name.
        stays: those that a client keeps from round to round.
        anchors: for FedProx, where the server's weights are held while a client trains.
        starts: every variable of the network and the optimizer, with its value before any training.
        restore: puts zeros and tables of the job's network back.
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
    restore: Callable[[], None]
    generators: Sequence[Any]
    starts: Sequence[tuple[Any, Any]]
    held: ExitStack

    def reset(self) -> None:
        """Put all back to what it was before any training."""
        for variable, value in self.starts:
            variable.assign(value)

    def receive(self, arrays: Mapping[str, NDArray[Any]], kept: Mapping[str, NDArray[Any]]) -> None:
        """Begin a round: all as the job has it, but for what came and what the client kept."""
        self.reset()
        exchange.assign(self.travels, arrays)
        if kept:
            exchange.assign(self.stays, kept)
        self.restore()
        self.settle()
        for anchor, variable in zip(self.anchors, self.travels.values(), strict=False):
            anchor.assign(variable)

    def settle(self) -> None:
        """Let the ranges of weights follow the weights, where TFMOT's wrappers hold them."""
        from tinyc.quantization import qat

        qat.settle(self.model)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        return exchange.values(self.travels)

    def remembered(self) -> dict[str, NDArray[np.float32]]:
        return exchange.values(self.stays)


@contextmanager
def prepared(job: Job) -> Iterator[Prepared]:
    """Lend the network of a job; one client at a time trains in a process.

    Raises:
        UserError: the job's network cannot be read or trained.
    """
    with LOCK:
        if job.sha256 not in KEPT:
            empty()
            KEPT[job.sha256] = prepare(job)
        yield KEPT[job.sha256]


def prepare(job: Job) -> Prepared:
    """Read a job's network and compile its training."""
    from tinyc.compression.clustering.keep import keep_structure
    from tinyc.training.randomness import reseedable
    from tinyc.training.schedule import build_optimizer

    options = job.options
    model = trainable_network(job)
    travels = exchange.travelling(model, options.trainable, options.batchnorm)
    stays = exchange.batchnorm_variables(model) if options.batchnorm == "local" else {}
    anchors = anchored(options, travels)
    held = ExitStack()
    generators = held.enter_context(reseedable(model))
    optimizer = build_optimizer(fit_options(options), model)
    objective = proximal(labels(job.seed, options.label_smoothing), options, travels, anchors)
    penalty = options.weight_decay if options.optimizer != "adamw" else 0.0
    callbacks = keep_structure(model)
    starts = [(each, each.numpy()) for each in [*model.weights, *optimizer.variables]]
    return Prepared(
        model, travels, stays, anchors, optimizer, objective, compile_step(model, optimizer, objective, penalty),
        predictor(model), callbacks, restorer(callbacks), generators, starts, held,
    )  # fmt: skip


def trainable_network(job: Job) -> Any:
    """Give the job's network so that it trains what it should and nothing else."""
    net = network_of(job)
    exchange.limit(net.model, job.options.trainable, job.options.batchnorm)
    if not job.options.fake_quantize:
        return net.model
    from tinyc.quantization.fixed_ranges import wrapped

    return wrapped(net.model, job.ranges, job.per_channel)


def fit_options(options: FederationOptions) -> Any:
    """Give the options of the fit loop that a client's training has too."""
    from tinyc.spec.training import FitOptions

    shared = ("batch", "optimizer", "learning_rate", "weight_decay", "augment", "label_smoothing")
    return FitOptions(
        epochs=options.local_epochs, schedule="constant", **{key: getattr(options, key) for key in shared}
    )


def anchored(options: FederationOptions, travels: Mapping[str, Any]) -> list[Any]:
    """Make room for the server's weights, where FedProx pulls towards them."""
    tf = backend.tensorflow()
    if options.strategy != "fedprox" or options.proximal == 0:
        return []
    return [tf.Variable(variable, trainable=False) for variable in travels.values()]


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


def restorer(callbacks: Sequence[Any]) -> Callable[[], None]:
    """Give the deed that puts zeros and tables back outside a training."""

    def restore() -> None:
        for callback in callbacks:
            callback.on_train_batch_end(0)

    return restore


def first_weights(job: Job) -> dict[str, NDArray[np.float32]]:
    """Give what the first round begins with, by name."""
    with prepared(job) as network:
        network.reset()
        return network.weights()


def project(job: Job, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Put zeros and tables of the job's network back into an aggregate, which noise or rounding took them out of.

    Zeros become zero again, and the numbers of a cluster their mean: that is post-processing, which costs no privacy.
    Of a plain average nothing changes, since all clients keep the same clusters.

    Raises:
        UserError: the arrays do not fit the network.
    """
    with prepared(job) as network:
        network.receive(arrays, {})
        return network.weights()


def accuracy_of(job: Job, arrays: Mapping[str, NDArray[Any]], split: Split) -> float:
    """Give the fraction of a split that the network with these weights names right; under int8 rounding, if asked."""
    with prepared(job) as network:
        network.receive(arrays, {})
        return accuracy(network.predict, split, job.task)


def forget() -> None:
    """Let the network of the last job go."""
    with LOCK:
        empty()


def empty() -> None:
    while KEPT:
        KEPT.popitem()[1].held.close()


atexit.register(forget)
