"""The options of a federated training; the pass `federate` has them as its keys, and clients get them as JSON."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, Field

from tinyc.core.errors import UserError
from tinyc.spec.privacy import Privacy
from tinyc.spec.training import Augment, Batch, LabelSmoothing, LearningRate, Optimizer, WeightDecay


class FederationOptions(BaseModel, frozen=True, extra="forbid"):
    """Who the clients are, what they train, and how their updates become one network."""

    rounds: int = Field(10, ge=1, le=10_000, description="times that clients train and their updates are averaged")
    partition: Literal["column", "iid", "dirichlet"] = Field(
        "iid", description="how training examples are dealt to clients: by a column's value, evenly, or by Dirichlet"
    )
    column: str | None = Field(None, min_length=1, description='for partition = "column": the column, e.g. "subject"')
    clients: int | None = Field(None, ge=2, le=10_000, description="for iid and dirichlet: number of clients")
    alpha: float = Field(
        0.5, gt=0, le=1000, description="for dirichlet: how alike clients' classes are; 0.1 far apart, 100 alike"
    )
    strategy: Literal["fedavg", "fedprox", "fedadam"] = Field("fedavg", description="how the server uses the updates")
    proximal: float = Field(
        0.01, ge=0, le=100, description="for fedprox: weight of the distance to the server's network"
    )
    server_learning_rate: float = Field(0.01, gt=0, le=100, description="for fedadam: the server's step")
    aggregation: Literal["plain", "trimmed_mean", "krum", "homomorphic", "secagg"] = Field(
        "plain", description="how updates are put together: averaged, robustly, under encryption, or under masks"
    )
    trim: float = Field(0.2, gt=0, lt=0.5, description="for trimmed_mean: share of clients left out at each end")
    malicious: int = Field(1, ge=1, le=1000, description="for krum: most clients that may send harmful updates")
    fraction: float = Field(1.0, gt=0, le=1, description="share of clients that train in a round")
    min_clients: int = Field(2, ge=1, le=10_000, description="fewest usable answers; a round with fewer fails")
    local_epochs: int = Field(1, ge=1, le=1000, description="passes of a client over its own examples in a round")
    batch: Batch = 32
    optimizer: Optimizer = "sgd"
    learning_rate: LearningRate = 0.01
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="the clients' learning rate over the rounds: the same, or cosine to zero"
    )
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    trainable: tuple[str, ...] = Field(
        (), description="layers that are trained and sent: names, globs, re:... or type:...; none given is all"
    )
    batchnorm: Literal["frozen", "local"] = Field(
        "frozen", description="batch normalization: as it came, or each client's own (FedBN), which is not exported"
    )
    fake_quantize: bool = Field(
        False, description="train under int8 rounding; the ranges stay, for quantize how = 'qat' with epochs = 0"
    )
    max_update: float = Field(
        10.0, gt=0, le=1e6, description="largest update, as a multiple of the norm of what is trained; more is rejected"
    )
    privacy: Privacy | None = Field(
        None, description="differential privacy, e.g. { level = 'example', clip = 1.0, epsilon = 8, delta = 1e-3 }"
    )
    engine: Literal["simulation", "process", "deployment"] = Field(
        "simulation", description="workers of Ray, all in this process, or real terminals (tinyc federate serve)"
    )
    address: str | None = Field(None, min_length=1, description="for simulation: an existing Ray cluster, HOST:PORT")
    timeout: float = Field(3600, gt=0, le=1e6, description="seconds that a round waits for answers")


def required(options: FederationOptions) -> Privacy:
    """Give the privacy that is asked for.

    Raises:
        UserError: none is.
    """
    if options.privacy is None:
        raise UserError("federate.privacy", "is missing", "give { level, clip, epsilon, delta }")
    return options.privacy


def learning_rate(options: FederationOptions, round: int) -> float:
    """Give the rate of a round, from 1 on: the same in all, or a cosine that would reach zero after the last."""
    if options.schedule == "constant":
        return options.learning_rate
    done = min(round - 1, options.rounds) / options.rounds
    return options.learning_rate * (1 + math.cos(math.pi * done)) / 2
