"""What example-level privacy bought, seen by an attack: one small network without noise, at epsilon 8 and at epsilon 1.

Run it as `python benchmarks/attack_privacy.py`. A dense network of 64 units learns 1,000 of the embedded Fashion-MNIST
images from labels alone, which it can learn by heart; the three runs differ in `privacy`, and in the optimizer that
suits each. `tinyc attack` then asks each artifact about its training examples and about 1,000 test images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tinyc import cli
from tinyc.core import cache
from tinyc.data import known_datasets

NETWORK = """
import tf_keras
from tf_keras import layers


def net(input_shape, classes):
    images = tf_keras.Input(input_shape)
    x = layers.Dense(64, activation="relu", name="wide")(layers.Flatten(name="flatten")(images))
    return tf_keras.Model(images, layers.Dense(classes, name="logits")(x))
"""
RECIPE = """
name = "{name}"
seed = 5
source = {{ build = "net.py:net", train = {{ epochs = 1, batch = 50, learning_rate = 1e-9 }} }}
data = {{ path = "images.npz", scale = 0.00392156862745098, validation = 100, calibration = 100 }}

[[pass]]
use = "distill"
student = "net.py:net"
alpha = 0.0
epochs = 40
batch = 50
schedule = "constant"
warmup = 0.0
{keys}

[[pass]]
use = "quantize"
"""
PRIVATE = """optimizer = "sgd"
learning_rate = 0.1
batchnorm = "frozen"
privacy = {{ level = "example", clip = 1.0, epsilon = {epsilon}, delta = 1e-4 }}"""
RUNS = {
    "plain": 'optimizer = "adam"\nlearning_rate = 2e-3',
    "epsilon-8": PRIVATE.format(epsilon=8),
    "epsilon-1": PRIVATE.format(epsilon=1),
}
TRAINING = 1100  # a hundred of them validate


def main() -> None:
    """Train, attack and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shadows", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("runs/attack-privacy"))
    options = parser.parse_args()
    write_data(options.out)
    found = {name: run(name, keys, options.out, options.shadows) for name, keys in RUNS.items()}
    print("\n| run | accuracy | loss threshold | LiRA | the most that the promise allows |\n|---|---|---|---|---|")
    for name, (accuracy, attack) in found.items():
        by_name = {each["name"]: shown(each["auc"]) for each in attack["attacks"]}
        most = f"{attack['promise']['auc']:.3f}" if attack["promise"] else "-"
        print(f"| {name} | {accuracy:.1%} | {by_name['loss']} | {by_name.get('lira', 'not run')} | {most} |")


def write_data(folder: Path) -> None:
    """Write the network, and 1,100 training and 1,000 test images."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(NETWORK)
    with np.load(known_datasets.files("fashion-mnist", cache.folder())[0], allow_pickle=False) as whole:
        train = {name: whole[name][:TRAINING] for name in ("x_train", "y_train")}
        test = {name: whole[name][:1000] for name in ("x_test", "y_test")}
    np.savez(folder / "images.npz", **train, **test)


def run(name: str, keys: str, folder: Path, shadows: int) -> tuple[float, dict[str, Any]]:
    """Compress and attack; gives the artifact's test accuracy, and what attack.json holds."""
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.format(name=name, keys=keys))
    made = folder / "runs" / name
    for arguments in (
        ["compress", str(path), "--out", str(made.parent)],
        ["attack", str(made), "--shadows", str(shadows)],
    ):
        if cli.invoke(arguments):
            raise SystemExit(f"{' '.join(arguments)} failed")
    report = json.loads((made / "report.json").read_text())
    return report["final"]["accuracy"], json.loads((made / "attack.json").read_text())


def shown(auc: dict[str, float]) -> str:
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"


if __name__ == "__main__":
    main()
