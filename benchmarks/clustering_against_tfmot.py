"""The pass `cluster` against TFMOT's `cluster_weights`: one trained network, the same examples, epochs and rates.

Run it as `python benchmarks/clustering_against_tfmot.py --epochs 2`. A ResNet-8 learns a part of the embedded
fashion-mnist; then each method gives its kernels few values and trains on. Accuracy is of the test split, in float;
seconds are of clustering and training together. TFMOT clusters per layer, or per channel in Conv2D alone.
Its wrapper is used directly: `cluster_weights` takes a convolution's last weight for its bias, and so leaves every
convolution without bias as it is when asked to cluster per channel, with a warning only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from tinyc import measure
from tinyc.compression.clustering.cluster import worthwhile
from tinyc.compression.clustering.kernels import Kernel, kernels
from tinyc.compression.clustering.tables import distinct
from tinyc.core.progress import Silent
from tinyc.data.dataset import Dataset, Split
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.spec.builders import load_module
from tinyc.spec.passes import apply
from tinyc.spec.passes.cluster import Cluster
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.training.fit import fit

ROOT = Path(__file__).parents[1]
EMBEDDED = ROOT / "tinyc" / "data" / "embedded" / "fashion-mnist.npz"
TASK = Task(tuple("0123456789"), (28, 28, 1), scale=1 / 255)
RATE = 5e-4
NAMES = ("train", "test")
Method = Callable[..., Net]
"""Clusters a network: (network, epochs, context)."""


def main() -> None:
    """Train the network once, cluster it every way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=2, help="of fine-tuning after clustering")
    parser.add_argument("--train-epochs", type=int, default=6, help="of the network before")
    parser.add_argument("--clusters", type=int, default=16)
    parser.add_argument("--width", type=int, default=8, help="of the ResNet-8")
    parser.add_argument("--examples", type=int, default=8000, help="of the training split")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    data = dataset(options.examples)
    context = lent(data, options.seed)
    backend.seed_everything(options.seed)
    model = load_module(ROOT / "models" / "resnet.py").resnet8((28, 28, 1), 10, width=options.width)
    fit(model, FitOptions(epochs=options.train_epochs, learning_rate=2e-3), labels(options.seed), context, "network")
    net = Net(model, TASK)
    print(f"\nResNet-8, width {options.width}, {options.examples:,} images; {options.epochs} epochs after clustering")
    print(f"before: {accuracy(net, data):.2%} of {len(data.test):,} test images\n")
    print("| method | accuracy before training | after | most values of a channel | seconds |\n|---|---|---|---|---|")
    chosen = clustered(net, options.clusters)
    for name, cluster in methods(options.clusters).items():
        run = partial(cluster, net, context=context)
        report(name, run, options.epochs, Judged(data, chosen))


@dataclass(frozen=True)
class Judged:
    """What a method is judged by: the data, and the weights that every method clusters."""

    data: Dataset
    kernels: list[Kernel]


def report(name: str, cluster: Callable[[int], Net], epochs: int, judged: Judged) -> None:
    """Cluster without and with training, and print one line."""
    data = judged.data
    start = accuracy(cluster(0), data)
    began = time.perf_counter()
    made = cluster(epochs)
    seconds = time.perf_counter() - began
    values = max(int(distinct(kernel.read(made.model), kernel.axis).max()) for kernel in judged.kernels)
    print(f"| {name} | {start:.2%} | {accuracy(made, data):.2%} | {values} | {seconds:.1f} |", flush=True)


def methods(clusters: int) -> dict[str, Method]:
    """Name every way to cluster: ours and TFMOT's, per channel and per layer, from two starts."""
    starts = {"kmeans++": "KMEANS_PLUS_PLUS", "density": "DENSITY_BASED"}
    found: dict[str, Method] = {"training alone": plain}
    for start, spelled in starts.items():
        for per in ("channel", "layer"):
            found[f"tinyc, per {per}, {start}"] = lambda net, epochs, context, per=per, start=start: ours(
                net, epochs, context, {"clusters": clusters, "per": per, "start": start}
            )
            found[f"TFMOT, per {per}, {start}"] = lambda net, epochs, context, per=per, spelled=spelled: theirs(
                net, epochs, context, (clusters, spelled, per == "channel")
            )
    return found


def clustered(net: Net, clusters: int) -> list[Kernel]:
    """List the weights that the pass takes: those for which a table saves bytes."""
    return list(worthwhile(net.model, dict.fromkeys(kernels(net.model), clusters))[0])


def plain(net: Net, epochs: int, context: Context) -> Net:
    """Train on without clustering."""
    made = net.clone()
    fit(made.model, FitOptions(epochs=epochs, learning_rate=RATE), labels(context.seed), context, "plain")
    return made


def ours(net: Net, epochs: int, context: Context, keys: dict[str, Any]) -> Net:
    """Run the pass as a recipe does."""
    made = apply(Cluster(epochs=epochs, learning_rate=RATE, **keys), net, context).state
    assert isinstance(made, Net)
    return made


def theirs(net: Net, epochs: int, context: Context, how: tuple[int, str, bool]) -> Net:
    """Cluster with TFMOT's wrapper around every layer that it takes, and train in the same loop."""
    from tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper import ClusterWeights

    clusters, start, by_channel = how
    chosen = {kernel.layer for kernel in clustered(net, clusters)}
    keras, tfmot, source = backend.keras(), backend.tfmot(), net.clone().model

    def dress(layer: Any) -> Any:
        if layer.name not in chosen:
            return layer
        each = by_channel and type(layer).__name__ == "Conv2D"
        return ClusterWeights(
            layer, clusters, getattr(tfmot.clustering.keras.CentroidInitialization, start), cluster_per_channel=each
        )

    wrapped = keras.models.clone_model(source, clone_function=dress)
    fit(wrapped, FitOptions(epochs=epochs, learning_rate=RATE), labels(context.seed), context, "TFMOT")
    return net.with_model(tfmot.clustering.keras.strip_clustering(wrapped))


def accuracy(net: Net, data: Dataset) -> float:
    """The fraction of test images that are right, in float."""
    return float(np.mean(measure.measure_net(net, data).correct))


def dataset(examples: int) -> Dataset:
    """Cut the embedded images into splits."""
    with np.load(EMBEDDED) as arrays:
        parts = [(arrays[f"x_{name}"].reshape(-1, 28, 28, 1), arrays[f"y_{name}"].astype(np.int64)) for name in NAMES]
    (x, y), (test_x, test_y) = parts
    ids = np.arange(len(y) + len(test_y))

    def split(rows: slice) -> Split:
        return Split(x[rows], y[rows], ids[: len(y)][rows])

    train, rest = slice(0, examples), slice(examples, examples + 1000)
    test = Split(test_x, test_y, ids[len(y) :])
    return Dataset("fashion-mnist", TASK, split(train), split(rest), split(slice(0, 200)), test, "benchmark")


def lent(data: Dataset, seed: int) -> Context:
    """Lend what a run would lend."""
    folder = Path(tempfile.mkdtemp())
    return Context(
        seed=seed, data=data.for_training(), source=Net(None, TASK), source_key="benchmark", earlier=(), cache=folder,
        find=Path, progress=Silent(), rehearse=None, compare=lambda flat: cast(Any, {}),
    )  # fmt: skip


if __name__ == "__main__":
    main()
