"""What a child does with a hostile network: as a user would, by a command, or as Keras itself would."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from support.hostile.ground import Ground

Deed = Callable[[Ground, dict[str, Any]], int]
RECIPE = "hostile.toml"


def plan(_: Ground, __: dict[str, Any]) -> int:
    """`tinyc plan` of a recipe whose source is the network."""
    from tinyc import cli

    return cli.invoke(["plan", RECIPE])


def read(ground: Ground, job: dict[str, Any]) -> int:
    """The reader itself; gives 0 where it takes the network."""
    from tinyc.network import sources

    return told(lambda: sources.read_network(ground.network(job["form"]), "source.file"))


def stored(ground: Ground, job: dict[str, Any]) -> int:
    """A finished step of a run."""
    from tinyc.core import run_folder
    from tinyc.run import stored

    step = ground.run / "01-prune-abc"
    run_folder.store(step, {"state": {"kind": "net"}}, {stored.NET: ground.network(job["form"]).read_bytes()})
    return told(lambda: stored.load_state(step, task(), dict))


def federated(ground: Ground, job: dict[str, Any]) -> int:
    """The network of a job, as a terminal gets it: the architecture that the file has, with weights of safetensors."""
    import h5py
    from safetensors.numpy import save

    from tinyc.federation.job import Job, Network, read_network
    from tinyc.spec.federation import FederationOptions

    with h5py.File(ground.network(job["form"])) as file:
        given = file.attrs["model_config"]
    network = Network(given.decode() if isinstance(given, bytes) else given, save({}))
    options = FederationOptions.model_validate(job["options"])
    return told(lambda: read_network(Job.from_bytes(Job(options, 1, network, task()).to_bytes())))


def federated_file(ground: Ground, job: dict[str, Any]) -> int:
    """A job whose weights are the file itself."""
    from tinyc.federation.job import Job, Network, read_network
    from tinyc.spec.federation import FederationOptions

    network = Network('{"class_name": "Functional", "config": {}}', ground.network(job["form"]).read_bytes())
    options = FederationOptions.model_validate(job["options"])
    return told(lambda: read_network(Job.from_bytes(Job(options, 1, network, task()).to_bytes())))


def weights(ground: Ground, job: dict[str, Any]) -> int:
    """`weights` of a network that a builder makes."""
    from support.hostile.graphs import plain
    from tinyc.network import sources

    return told(lambda: sources.load_weights(plain(), ground.run / job["weights"], "source.weights"))


def load(ground: Ground, job: dict[str, Any]) -> int:
    """Keras, with nothing in front of it; where the file is of no use is no matter here."""
    from tinyc.network import backend

    sys.path.insert(0, str(ground.canary))
    try:
        backend.keras().models.load_model(ground.network(job["form"]), compile=False)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
    return 0


def write(ground: Ground, job: dict[str, Any]) -> int:
    """Write a network that only TensorFlow can write."""
    from support.hostile.corpus import CASES

    CASES[job["case"]].write(ground, job["form"])
    return 0


def template(ground: Ground, _: dict[str, Any]) -> int:
    """Write the SavedModel that others are made of, and what its metadata hold as JSON beside it."""
    from tf_keras.protobuf import saved_metadata_pb2

    from support.hostile.graphs import plain

    folder = ground.folder / "plain"
    plain().save(folder, save_format="tf", save_traces=False)
    told = saved_metadata_pb2.SavedMetadata.FromString((folder / "keras_metadata.pb").read_bytes())
    nodes = [{"path": node.node_path, "identifier": node.identifier, "metadata": node.metadata} for node in told.nodes]
    (ground.folder / "nodes.json").write_text(json.dumps(nodes))
    return 0


def task() -> Any:
    from tinyc.data.task import Task

    return Task(("a", "b", "c"), (8, 8, 1))


def told(deed: Callable[[], Any]) -> int:
    """Do it, and end as the command would."""
    from tinyc.cli.ending import explain

    try:
        deed()
    except Exception as error:
        return explain(error)
    return 0


DEEDS: dict[str, Deed] = {
    each.__name__: each for each in (plan, read, stored, federated, federated_file, weights, load, write, template)
}
