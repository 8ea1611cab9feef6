"""One small sound input of each kind, written into a folder; what is damaged are copies of it."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np

SHAPE = (8, 8, 1)
NAMES = ("a", "b", "c")
BUILDER = "def net(input_shape, classes, width=8):\n    return None\n"
RECIPE = """\
name = "fuzz"
description = "a recipe that is damaged"
seed = 3
extends = "base.toml"

[vars]
share = 0.25
much = "${share}"

[source]
build = "net.py:net"
train = { epochs = 2, augment = ["flip"] }

[data]
path = "data.npz"
scale = 0.00392156862745098
validation = 6

[targets]
params_reduction = ">= 50 %"
accuracy_drop = "<= 1 pp"

[[pass]]
use = "distill"
student = { build = "net.py:net", width = 4 }
epochs = 2

[[pass]]
use = "prune"
how = "channels"
fraction = "${share}"
only = [{ match = "type:Conv2D", fraction = 0.5 }, { match = "re:a.*" }]

[[pass]]
use = "quantize"

[[pass]]
use = "export"
formats = ["tflite", "c"]

[[pass]]
use = "verify"
"""


def recipe(folder: Path) -> None:
    (folder / "fuzz.toml").write_text(RECIPE)
    (folder / "base.toml").write_text('description = "what others extend"\n[vars]\nshare = 0.5\n')
    (folder / "net.py").write_text(BUILDER)
    (folder / "set.txt").write_text("pass.2.fraction=0.5")
    arrays(folder)


def arrays(folder: Path) -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 255, (30, *SHAPE), np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(30) % 3, class_names=np.array(NAMES))
    np.save(folder / "example.npy", x[0])


def rows(folder: Path) -> None:
    random = np.random.default_rng(0)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["one", "two", "kind"])
        writer.writerows([*random.normal(size=2).round(3), NAMES[index % 3]] for index in range(30))
    (folder / "example.csv").write_text("1, 2.5, -3\n")


def sentences(folder: Path) -> None:
    pairs = [(f"a {'good' if index % 2 else 'bad'} film, number {index}", index % 2) for index in range(30)]
    (folder / "words.tsv").write_text("text\tkind\n" + "".join(f"{words}\t{kind}\n" for words, kind in pairs))
    lines = (json.dumps({"text": words, "kind": kind}) for words, kind in pairs)
    (folder / "words.jsonl").write_text("\n".join(lines))
    vocabulary(folder)


def vocabulary(folder: Path) -> None:
    from support import checkpoints

    (folder / "vocab.txt").write_text("\n".join(checkpoints.PIECES) + "\n")
    from tinyc.data.tokens import from_vocabulary

    (folder / "words.json").write_text(from_vocabulary(checkpoints.PIECES, True, "vocab.txt"))


def recordings(folder: Path) -> None:
    """Rows in the order of time, of six recordings by three people."""
    random = np.random.default_rng(0)
    lines = [
        f"{a:.3f},{b:.3f},r{part},p{part % 3},{NAMES[part % 2]}"
        for part in range(6)
        for a, b in random.normal(size=(12, 2))
    ]
    (folder / "sensor.csv").write_text("\n".join(["one,two,part,person,kind", *lines]) + "\n")


FUNCTION = """\
import numpy as np

import more


def make(count=30):
    x = np.random.default_rng(0).normal(size=(count, 4))
    return {"x": x, "y": np.arange(count) % 3, "class_names": more.NAMES, "person": [f"p{i % 5}" for i in range(count)]}
"""


def function(folder: Path) -> None:
    (folder / "data.py").write_text(FUNCTION)
    (folder / "more.py").write_text('NAMES = ("a", "b", "c")\n')


def idx(folder: Path) -> None:
    from tinyc.data.images.fashion_mnist import FILES

    content = b"\0\0\x08\x03" + b"".join(side.to_bytes(4, "big") for side in (20, 28, 28)) + bytes(20 * 28 * 28)
    (folder / FILES[0]).write_bytes(gzip.compress(content, mtime=0))


def images(folder: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for index in range(24):
        place = folder / "images" / NAMES[index % 3]
        place.mkdir(parents=True, exist_ok=True)
        suffix = ("png", "jpg", "bmp")[index % 3]
        Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8)).save(place / f"{index}.{suffix}")


def checkpoint(folder: Path) -> None:
    from support import checkpoints

    checkpoints.write(folder / "bert")
    vocabulary(folder)
    (folder / "bert" / "tokenizer.json").write_bytes((folder / "words.json").read_bytes())


def report(folder: Path) -> None:
    from support import example

    from tinyc.report.write import write_all

    (folder / "run").mkdir()
    write_all(example.REPORT, example.VIEWS, folder / "run")


def network(folder: Path) -> None:
    """A network as .h5, .keras and SavedModel; a job that carries it; and what it is as a .tflite."""
    from support import clients

    from tinyc.network.storing import h5_bytes

    model = clients.network()
    (folder / "net.h5").write_bytes(h5_bytes(model))
    model.save(folder / "net.keras")
    model.save(folder / "saved", save_format="tf", save_traces=False)
    model.save_weights(folder / "weights.h5")
    (folder / "job.bin").write_bytes(clients.job().to_bytes())


def flat(folder: Path) -> None:
    from support import clients

    from tinyc.quantization.convert import to_int8_tflite

    x = clients.examples(20).x.astype(np.float32)
    (folder / "net.tflite").write_bytes(to_int8_tflite(clients.network(), x))


def step(folder: Path) -> None:
    from support import example

    from tinyc.core import run_folder
    from tinyc.run.stored import SCORES

    table = {
        "key": "k" * 64, "numbers": {"prune": 1}, "seconds": 1.5, "ledger": example.PRUNED.to_json(),
        "facts": {"kept": 3}, "skipped": [{"layer": "a", "why": "b"}], "layers": [], "files": [],
        "state": {"kind": "net"},
    }  # fmt: skip
    np.save(folder / "scores.npy", np.zeros((3, 3), np.float32))
    run_folder.store(folder / "01-prune-kkk", table, {SCORES: (folder / "scores.npy").read_bytes()})


def keys(folder: Path) -> None:
    from tinyc.federation.terminals.keys import make

    make(folder / "keys", 1, encryption=True)


def front(folder: Path) -> None:
    from tinyc.data.signals.front import Front
    from tinyc.data.signals.operations import Affine, Filter, Median, Project, Wavelet

    operations = (
        Affine((1.0, 2.0), (0.1, 0.1)), Filter((0.25, 0.5, 0.25)), Median(3), Wavelet("db2", 2, "bayes"),
        Project((0.5, 0.5), ((1.0, 0.0), (0.6, 0.8))),
    )  # fmt: skip
    (folder / "preprocess.json").write_text(Front((48, 1, 2), operations).to_json())


def sensitivity(folder: Path) -> None:
    from tinyc.spec.sensitivity_file import CutScore, GroupCuts, LayerBits, Score, Sensitivity, Skip

    cuts = (CutScore(0.25, 0.9, 0.1), CutScore(0.5, 0.8, 0.2))
    found = Sensitivity(
        schema=1, recipe="fuzz", examples=512, split="validation", base=Score(0.9, 0.3),
        groups=(GroupCuts(("a", "b"), 16, 1200, 60_000, cuts),), int8=(LayerBits("a", 4, 0.85, 0.4),),
        skipped=(Skip("logits", "it gives the network's output"),),
    )  # fmt: skip
    (folder / "sensitivity.json").write_text(found.to_json())


def measurement(folder: Path) -> None:
    from support import timings

    (folder / "measured.json").write_text(json.dumps(timings.document()))


def ran(folder: Path) -> None:
    """The folder of a run, whose recipe is run from there."""
    from tinyc.spec import origin

    recipe(folder)
    (folder / "run").mkdir()
    (folder / "run" / "recipe.toml").write_bytes((folder / "fuzz.toml").read_bytes())
    (folder / "run" / "base.toml").write_bytes((folder / "base.toml").read_bytes())
    (folder / "run" / "origin.json").write_text(origin.origin_json("a" * 64, folder / "fuzz.toml", folder / "run"))
