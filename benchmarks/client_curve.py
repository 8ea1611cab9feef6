"""From how many clients does client-level privacy pay: the same federation over 10 to 1,000 clients, and without noise.

Run it as `python benchmarks/client_curve.py`. A small convolutional network learns the embedded Fashion-MNIST at half
its resolution from nothing, by federated averaging over iid clients, all of which take part in every round. Equal at
every point are the network and its first weights, the training examples together and how often each is seen, the
rounds, the steps of a client in a round (so that its update hardly depends on how much it has; only the batch does),
the learning rate, the clip, epsilon and delta. What changes are a client's share of the examples, and the noise in the
mean. "Without" is the same without clipping and noise. Most of an hour on two cores goes into the last point.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

from tinyc.core import cache
from tinyc.data import partition
from tinyc.data.dataset import Dataset
from tinyc.data.loading import load_dataset
from tinyc.federation import compiled_job
from tinyc.federation.client import local_training
from tinyc.federation.job import Job, network_of
from tinyc.federation.privacy.clipping import NoisyMean
from tinyc.network import backend
from tinyc.spec.data import DataSpec
from tinyc.spec.federation import FederationOptions
from tinyc.spec.privacy import Privacy
from tinyc.training.private import accounting

SEED = 7
COUNTS = (10, 30, 100, 300, 1000)
DATA = {"name": "fashion-mnist", "prepare": [{"op": "resize", "height": 14, "width": 14}]}
NO_CLIP = 1e6
BEARABLE = 0.05
"""The loss of accuracy up to which privacy is said to pay."""


@dataclass(frozen=True)
class Point:
    """One number of clients: what it was given, and the test accuracy without privacy and with it."""

    clients: int
    examples: int
    noise: float
    epsilon: float
    params: int
    without: float
    private: float
    seconds: float

    @property
    def loss(self) -> float:
        return self.without - self.private

    @property
    def noise_norm(self) -> float:
        """Norm of the noise in the mean of a round, in units of the clip, which no update's norm exceeds."""
        return float(self.noise * self.params**0.5 / self.clients)


def main() -> None:
    """Train every point twice, and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=5, help="of a client in a round")
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--delta", type=float, default=1e-4, help="below 1 / clients of every point")
    given = parser.parse_args()
    whole = load_dataset(DataSpec.model_validate(DATA), find=unfound, cache=cache.folder(), seed=SEED)
    print("| clients | examples each | noise multiplier | noise / clip in the mean | without | with | loss | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    points = []
    for clients in given.clients:
        points.append(point(whole, options(given, clients, len(whole.train) // clients), given.epsilon, given.delta))
        print(row(points[-1]), flush=True)
    print(f"\n{verdict(points, given.epsilon)}")


def unfound(path: str) -> Any:
    raise FileNotFoundError(path)


def options(given: argparse.Namespace, clients: int, examples: int) -> FederationOptions:
    """Let each client go once a round through its examples, in so many steps."""
    return FederationOptions(
        rounds=given.rounds, partition="iid", clients=clients, local_epochs=1, batch=max(1, examples // given.steps),
        optimizer="sgd", learning_rate=given.learning_rate, engine="process",
        privacy=Privacy(clip=given.clip, epsilon=given.epsilon, delta=given.delta),
    )  # fmt: skip


def point(whole: Dataset, chosen: FederationOptions, epsilon: float, delta: float) -> Point:
    """Train one number of clients without privacy and with it."""
    began, clients = time.monotonic(), chosen.clients or 0
    privacy = Privacy(clip=chosen.privacy.clip if chosen.privacy else 1.0, epsilon=epsilon, delta=delta)
    schedule = accounting.clients(clients, clients, chosen.rounds, delta)
    noise = accounting.calibrate(privacy, schedule)
    without = federated(whole, chosen, NoisyMean(NO_CLIP, 0.0, clients, SEED))
    private = federated(whole, chosen, NoisyMean(privacy.clip, noise, clients, SEED))
    params = network(whole.task.input_shape, len(whole.task.classes)).count_params()
    return Point(
        clients, len(whole.train) // clients, noise, accounting.spent(noise, schedule), params, without, private,
        time.monotonic() - began,
    )  # fmt: skip


def federated(whole: Dataset, chosen: FederationOptions, mechanism: NoisyMean) -> float:
    """Train all rounds; gives the test accuracy of what comes out."""
    backend.seed_everything(SEED)
    start = network_of(network(whole.task.input_shape, len(whole.task.classes)))
    job = Job(chosen.model_copy(update={"privacy": None}), SEED, start, whole.task)
    training = whole.for_training()
    dealt = partition.deal(whole.train, chosen, SEED)
    parts = {name: partition.share(training, rows) for name, rows in dealt.items()}
    arrays = compiled_job.first_weights(job)
    for number in range(1, chosen.rounds + 1):
        # One client at a time: a thousand updates need not lie in memory at once.
        updates = (local_training.train(job, arrays, number, name, part).arrays for name, part in parts.items())
        arrays = mechanism.mean(updates, arrays, number)
    return compiled_job.accuracy_of(job, arrays, whole.test)


def network(input_shape: tuple[int, ...], classes: int) -> Any:
    """Build two convolutions that halve the image each, and a layer of logits: 3.8 k parameters at 14x14."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(8, 3, 2, "same", activation="relu", name="first")(image)
    x = layers.Conv2D(16, 3, 2, "same", activation="relu", name="second")(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(layers.Flatten(name="flat")(x)), name="small")


def row(each: Point) -> str:
    return (
        f"| {each.clients:,} | {each.examples:,} | {each.noise:.2f} | {each.noise_norm:.2f} | {each.without:.2%} "
        f"| {each.private:.2%} | {-each.loss * 100:+.2f} pp | {each.seconds:.0f} |"
    )


def verdict(points: list[Point], epsilon: float) -> str:
    """Say from how many clients on every point loses less than what is bearable."""
    ordered = sorted(points, key=lambda each: each.clients)
    paying: list[Point] = []
    for each in reversed(ordered):
        if each.loss >= BEARABLE:
            break
        paying.insert(0, each)
    said = f"less than {BEARABLE * 100:g} pp at epsilon = {epsilon:g}"
    if not paying:
        return f"up to {ordered[-1].clients:,} clients, none loses {said}"
    if len(paying) == len(ordered):
        return f"{ordered[0].clients:,} clients already lose {said}"
    below = ordered[len(ordered) - len(paying) - 1]
    return (
        f"from {paying[0].clients:,} clients on it loses {said}; with {below.clients:,} it loses "
        f"{below.loss * 100:.1f} pp"
    )


if __name__ == "__main__":
    main()
