"""Everything that reads what a user or a stranger gives: by what it is asked, and which file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz import mutations, network_seeds, seeds
from fuzz.mutations import Mutation

TESTS = Path(__file__).parents[1]
Read = Callable[[], object]


@dataclass(frozen=True)
class Reader:
    """One way in.

    Attributes:
        target: the file that is damaged, in the folder that `seed` fills.
        read: reads it, in that folder; gives a command's exit code, or anything, and raises as tinyc does.
        share: how many of a hundred inputs come this way, about.
        heavy: it needs TensorFlow; the others run where it cannot be imported.
        workers: it starts processes of its own.
    """

    seed: Callable[[Path], None]
    target: str
    mutation: Mutation
    read: Read
    share: float = 3
    heavy: bool = False
    workers: bool = False


def command(*words: str) -> Callable[[], int]:
    """A whole command, as a user gives it."""

    def run() -> int:
        from tinyc import cli

        return cli.invoke(list(words))

    return run


def setting() -> int:
    text = Path("set.txt").read_bytes().replace(b"\0", b"").decode("utf-8", "surrogateescape")
    return command("check", "fuzz.toml", "--set", text)()


def source() -> object:
    """A user's file of Python, as the keys of a run and the import of its modules read it, without running it."""
    from tinyc.spec import gallery
    from tinyc.spec.builders import Builder

    return Builder(build="net.py:net").fingerprint(lambda name: gallery.find(name, Path(), "fuzz.toml"))


def lent() -> object:
    """A finished step that a run beside it takes up."""
    from tinyc.core import run_folder

    Path("other").mkdir(exist_ok=True)
    return run_folder.borrow(run_folder.RunFolder(Path("other")), Path("other/01-prune-kkk"))


def data(**keys: Any) -> Read:
    """The examples of a recipe, as its run reads them."""

    def run() -> object:
        from tinyc.data import loading
        from tinyc.spec.data import DataSpec

        return loading.load_dataset(DataSpec(**keys), Path, Path("cache"), 1)

    return run


def idx() -> object:
    from tinyc.data.images import fashion_mnist

    return fashion_mnist.read_idx(Path(fashion_mnist.FILES[0]))


def vocabulary(name: str) -> Read:
    def run() -> object:
        from tinyc.data.text import tokenizing
        from tinyc.data.tokens import Tokenizer

        return Tokenizer(tokenizing.read_tokenizer(name, Path), 8).encode(["a good film", ""])

    return run


def language() -> object:
    from tinyc.data.tokens import Tokenizer
    from tinyc.network import sources

    return Tokenizer(sources.language(Path("bert")).definition, 8).encode(["a good film", ""])


def weights() -> object:
    from tinyc.network import checkpoint

    return checkpoint.read_arrays(Path("bert"))


def example(name: str, *shape: int) -> Read:
    def run() -> object:
        from tinyc.run.commands.predict import load_example

        return load_example(Path(name), shape)

    return run


def examined(name: str) -> Read:
    def run() -> object:
        from tinyc.network import sources

        return sources.examine(Path(name), "source.file")

    return run


def opened(name: str) -> Read:
    def run() -> object:
        from tinyc.network import sources

        return sources.read_network(Path(name), "source.file")

    return run


def loaded_weights() -> object:
    from support import clients

    from tinyc.network import sources

    return sources.load_weights(clients.network(), Path("weights.h5"), "source.weights")


def dissected() -> object:
    """A .tflite looked at from all sides, without running it."""
    from tinyc.analysis.savings import savings
    from tinyc.core import files, limits
    from tinyc.tflite.read import graphs, multiplications
    from tinyc.tflite.read.anatomy import anatomy
    from tinyc.tflite.read.constants import constants
    from tinyc.tflite.read.flatbuffer import open_tflite
    from tinyc.tflite.read.lifetimes import lifetimes

    content = files.read(Path("net.tflite"), limits.NETWORK_BYTES)
    _, described = open_tflite(content, "net.tflite")
    return (
        constants(described), anatomy(content, described, "net.tflite"), savings(content, described),
        lifetimes(described), graphs, multiplications,
    )  # fmt: skip


def step() -> object:
    from tinyc.run import stored

    return stored.load_step(Path("01-prune-kkk")), stored.stored_numbers(Path("01-prune-kkk"))


def job() -> object:
    from tinyc.core import files, limits
    from tinyc.federation.job import Job
    from tinyc.federation.terminals import job_rules

    found = Job.from_bytes(files.read(Path("job.bin"), limits.JOB_BYTES))
    job_rules.accept(found)
    return found


def job_network() -> object:
    from tinyc.core import files, limits
    from tinyc.federation.job import Job, read_network

    return read_network(Job.from_bytes(files.read(Path("job.bin"), limits.JOB_BYTES)))


def encoder() -> object:
    """The network of a checkpoint, as its config asks for it."""
    from dataclasses import replace

    from support import clients

    from tinyc.network import checkpoint

    task = replace(clients.job().task, input_shape=(8,))
    return checkpoint.network(Path("bert"), task, "mean", lambda name: TESTS.parent / name)


def server_keys() -> object:
    from tinyc.federation.terminals import keys

    return keys.read_server(Path("keys"))


def client_keys() -> object:
    from tinyc.federation.terminals import keys

    return keys.read_client(Path("keys/client-1"))


def sealing_key() -> object:
    from tinyc.core import files, limits
    from tinyc.federation.privacy import ciphertexts

    path = Path("keys/client-1/encryption.key")
    return ciphertexts.read_key(files.read(path, limits.SEALING_KEY_BYTES), str(path))


def front() -> object:
    from tinyc.run.fronts import front_beside

    return front_beside(Path("net.tflite"), (48, 1, 2))


def sensitivity() -> object:
    from tinyc.spec import sensitivity_file

    return sensitivity_file.load_sensitivity(Path("sensitivity.json"))


def measurement() -> object:
    from tinyc.core import files, limits
    from tinyc.measure import timings

    return timings.read_timings(files.read_text(Path("measured.json"), limits.MEASUREMENT_BYTES), "measured.json")


NO_FILES = ("--set", "job", "job's network")
"""What comes from a command line or a server, and is no file of a user's."""
TEXT = {"text": "text", "label": "kind", "prepare": {"tokens": 8, "tokenizer": "vocab.txt"}}
WINDOW = {"op": "window", "length": 4, "stride": 2, "by": "person"}
SENSOR = {"path": "sensor.csv", "label": "kind", "recording": "part", "prepare": [WINDOW]}
NPZ = mutations.archive(mutations.array)
KERAS = mutations.archive(mutations.table)
READERS = {
    "recipe": Reader(seeds.recipe, "fuzz.toml", mutations.text, command("check", "fuzz.toml"), 14),
    "extended recipe": Reader(seeds.recipe, "base.toml", mutations.text, command("check", "fuzz.toml"), 3),
    "--set": Reader(seeds.recipe, "set.txt", mutations.text, setting, 3),
    "builder's file": Reader(seeds.recipe, "net.py", mutations.text, command("check", "fuzz.toml"), 3),
    "Python source": Reader(seeds.recipe, "net.py", mutations.text, source, 3),
    "arrays": Reader(seeds.arrays, "data.npz", NPZ, data(path="data.npz"), 10),
    "rows": Reader(seeds.rows, "rows.csv", mutations.text, data(path="rows.csv", label="kind"), 5),
    "recordings": Reader(seeds.recordings, "sensor.csv", mutations.text, data(**SENSOR), 2),
    "function of data": Reader(seeds.function, "data.py", mutations.text, data(load="data.py:make"), 2),
    "packed images": Reader(seeds.idx, "train-images-idx3-ubyte.gz", mutations.packed, idx, 1),
    "tabbed sentences": Reader(seeds.sentences, "words.tsv", mutations.text, data(path="words.tsv", **TEXT)),
    "sentences in JSON": Reader(seeds.sentences, "words.jsonl", mutations.text, data(path="words.jsonl", **TEXT)),
    "png": Reader(seeds.images, "images/a/0.png", mutations.damage, data(path="images"), 2),
    "bmp": Reader(seeds.images, "images/c/2.bmp", mutations.damage, data(path="images"), 1),
    "jpg": Reader(seeds.images, "images/b/1.jpg", mutations.damage, data(path="images"), 2),
    "vocabulary": Reader(seeds.vocabulary, "vocab.txt", mutations.text, vocabulary("vocab.txt")),
    "tokenizer.json": Reader(seeds.vocabulary, "words.json", mutations.table, vocabulary("words.json")),
    "example as array": Reader(seeds.arrays, "example.npy", mutations.array, example("example.npy", 8, 8, 1), 2),
    "example as row": Reader(seeds.rows, "example.csv", mutations.text, example("example.csv", 3), 2),
    "checkpoint's tokenizer": Reader(seeds.checkpoint, "bert/tokenizer.json", mutations.table, language, 2),
    "checkpoint's config": Reader(seeds.checkpoint, "bert/config.json", mutations.table, language, 2),
    "checkpoint's weights": Reader(seeds.checkpoint, "bert/model.safetensors", mutations.safetensors, weights, 3),
    "examined h5": Reader(seeds.network, "net.h5", mutations.hdf5, examined("net.h5"), 5),
    "examined keras": Reader(seeds.network, "net.keras", KERAS, examined("net.keras"), 5),
    "examined SavedModel": Reader(seeds.network, "saved/keras_metadata.pb", mutations.damage, examined("saved"), 2),
    "examined network within": Reader(network_seeds.within, "net.h5", mutations.hdf5, examined("net.h5"), 2),
    "examined Keras 3": Reader(network_seeds.of_keras_3, "net.keras", KERAS, examined("net.keras"), 3),
    "dissected loop": Reader(network_seeds.loop, "net.tflite", mutations.tflite, dissected, 3),
    "dissected tables": Reader(seeds.flat, "net.tflite", mutations.tflite, dissected, 4),
    "dissected tflite": Reader(seeds.flat, "net.tflite", mutations.damage, dissected, 8),
    "report": Reader(seeds.report, "run/report.json", mutations.table, command("report", "run"), 4),
    "compared report": Reader(seeds.report, "run/report.json", mutations.table, command("compare", "run", "run"), 2),
    "step": Reader(seeds.step, "01-prune-kkk/step.json", mutations.table, step, 3),
    "lent step": Reader(seeds.step, "01-prune-kkk/scores.npy", mutations.damage, lent, 1),
    "run's own recipe": Reader(seeds.ran, "run/recipe.toml", mutations.text, command("check", "run/recipe.toml"), 1),
    "run's origin": Reader(seeds.ran, "run/origin.json", mutations.table, command("check", "run/recipe.toml"), 1),
    "measurement": Reader(seeds.measurement, "measured.json", mutations.table, measurement, 2),
    "sensitivity": Reader(seeds.sensitivity, "sensitivity.json", mutations.table, sensitivity, 2),
    "front": Reader(seeds.front, "preprocess.json", mutations.table, front, 2),
    "job": Reader(seeds.network, "job.bin", mutations.job, job, 4),
    "server's certificate": Reader(seeds.keys, "keys/server/server.pem", mutations.text, server_keys, 1),
    "terminal's key": Reader(seeds.keys, "keys/client-1/client-1.key", mutations.text, client_keys, 1),
    "encryption's key": Reader(seeds.keys, "keys/client-1/encryption.key", mutations.damage, sealing_key, 1),
    "opened h5": Reader(seeds.network, "net.h5", mutations.hdf5, opened("net.h5"), 4, heavy=True),
    "opened keras": Reader(seeds.network, "net.keras", KERAS, opened("net.keras"), 4, heavy=True),
    "opened network within": Reader(network_seeds.within, "net.h5", mutations.hdf5, opened("net.h5"), 2, heavy=True),
    "checkpoint's network": Reader(seeds.checkpoint, "bert/config.json", mutations.table, encoder, 2, heavy=True),
    "opened metadata": Reader(
        seeds.network, "saved/keras_metadata.pb", mutations.damage, opened("saved"), 1, heavy=True
    ),
    "opened SavedModel": Reader(
        seeds.network, "saved/variables/variables.index", mutations.damage, opened("saved"), 1, heavy=True
    ),
    "loaded weights": Reader(seeds.network, "weights.h5", mutations.damage, loaded_weights, 2, heavy=True),
    "job's network": Reader(seeds.network, "job.bin", mutations.job, job_network, 3, heavy=True),
    "verified tflite": Reader(
        seeds.flat, "net.tflite", mutations.tflite, command("verify", "net.tflite"), 2, workers=True
    ),
    "inspected tflite": Reader(
        seeds.flat, "net.tflite", mutations.damage, command("inspect", "net.tflite"), 1, workers=True
    ),
}
