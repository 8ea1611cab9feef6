"""Layers that name a function of TensorFlow or Keras: at load, it is called with what stands beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from support.hostile.blank import Network, Table, layer
from support.hostile.case import FORMS, Case
from support.hostile.ground import Ground
from support.hostile.writing import written

Given = Callable[[Ground], tuple[Any, dict[str, Any]]]


def op(function: Any, value: Any, keys: dict[str, Any], kind: str = "TFOpLambda") -> Table:
    """A layer that calls `function(value, **keys)`."""
    return layer(kind, {"function": function}, [["_CONSTANT_VALUE", -1, value, keys]])


def called(
    name: str,
    reason: str,
    function: Any,
    given: Given,
    *,
    fires: bool = False,
    kind: str = "TFOpLambda",
    says: str = "",
) -> Case:
    def build(ground: Ground) -> Network:
        value, keys = given(ground)
        return Network(op(function, value, keys, kind))

    return Case(name, reason, written(build), says or re.escape(str(function)), fires=FORMS if fires else ())


def path(where: Callable[[Ground], Any], **keys: Any) -> Given:
    """One path, and keys; a key that is a function is given the ground."""

    def given(ground: Ground) -> tuple[Any, dict[str, Any]]:
        told = {key: str(value(ground)) if callable(value) else value for key, value in keys.items()}
        return str(where(ground)), told

    return given


def marker(ground: Ground) -> Any:
    return ground.marker


def library(ground: Ground) -> Any:
    return ground.library


def secret(ground: Ground) -> Any:
    return ground.secret


def victim(ground: Ground) -> Any:
    return ground.victim


def second(ground: Ground) -> Any:
    """A second network, hostile as well, that lies somewhere else."""
    other = ground.canary / "second.h5"
    if not other.exists():
        from support.hostile.writing import write_h5

        write_h5(other, Network(op("io.write_file", str(ground.marker), {"contents": "x"})), ground)
    return other


def hidden(ground: Ground) -> tuple[Any, dict[str, Any]]:
    """A network with a hostile layer, whole inside a string, where no reader of tables looks."""
    import json

    from support.hostile.blank import configuration

    hostile = Network(op("io.write_file", str(ground.marker), {"contents": "x"}))
    return json.dumps(configuration(hostile)), {}


def listener(scheme: str) -> Given:
    return lambda ground: (f"{scheme}://127.0.0.1:{ground.port}", {})


WRITING = path(marker, contents="x")
FUNCTIONS = (
    called("load_library", "runs native code", "load_library", path(library), fires=True),
    called("load_op_library", "runs native code", "load_op_library", path(library), fires=True),
    called("v1_load_library", "the same by its old name", "compat.v1.load_library", path(library), fires=True),
    called("filesystem", "runs native code", "experimental.register_filesystem_plugin", path(library), fires=True),
    called("write_file", "writes any file", "io.write_file", WRITING, fires=True),
    called("v1_write_file", "the same by its old name", "compat.v1.write_file", WRITING, fires=True),
    called("read_file", "reads any file", "io.read_file", path(secret), fires=True),
    called("raw_write", "the kernel itself", "raw_ops.WriteFile", WRITING),
    called("raw_read", "the kernel itself", "raw_ops.ReadFile", path(secret)),
    called("rmtree", "removes a folder", "io.gfile.rmtree", path(victim), fires=True),
    called("v1_rmtree", "the same by its old name", "compat.v1.gfile.DeleteRecursively", path(victim), fires=True),
    called("remove", "removes a file", "io.gfile.remove", path(secret), fires=True),
    called("copy", "copies a secret", "io.gfile.copy", path(secret, dst=marker), fires=True),
    called("rename", "takes a file away", "io.gfile.rename", path(secret, dst=marker), fires=True),
    called("makedirs", "makes folders", "io.gfile.makedirs", path(marker), fires=True),
    called("gfile", "opens a file to write", "io.gfile.GFile", path(marker, mode="w")),
    called("records", "opens a file to write", "io.TFRecordWriter", path(marker), fires=True),
    called("glob", "lists folders", "io.gfile.glob", path(victim)),
    called(
        "get_file", "downloads to any place", "keras.utils.get_file",
        lambda ground: (str(ground.marker), {"origin": f"file://{ground.secret}"}), fires=True,
    ),
    called("connect", "connects to a machine", "config.experimental_connect_to_host", listener("grpc")),
    called("cluster", "starts a server", "distribute.Server", listener("grpc")),
    called("profiler", "opens a port", "profiler.experimental.server.start", lambda ground: (0, {}), fires=True),
    called("profile", "writes a folder", "profiler.experimental.start", path(marker)),
    called("load_model", "reads a second network, unseen", "keras.models.load_model", path(second), fires=True),
    called("from_json", "a network in a string", "keras.models.model_from_json", hidden, fires=True),
    called("saved_model", "runs a second network's initializer", "saved_model.load", path(victim)),
    called("py_function", "calls Python", "py_function", path(marker, inp=[], Tout="float32")),
    called("numpy_function", "calls Python", "numpy_function", path(marker, inp=[], Tout="float32")),
    called(
        "print", "prints into a file", "print",
        lambda ground: ("x", {"output_stream": f"file://{ground.marker}"}), fires=True,
    ),
    called("summary", "writes a folder", "summary.create_file_writer", path(marker), fires=True),
    called("dump", "writes a folder", "debugging.experimental.enable_dump_debug_info", path(marker), fires=True),
    called("write_graph", "writes a file", "io.write_graph", lambda ground: (
        "x", {"logdir": str(ground.victim), "name": "x"})),
    called("csv", "reads any file", "data.experimental.make_csv_dataset", path(secret, batch_size=1)),
    called("datasets", "downloads", "keras.datasets.mnist.load_data", path(marker)),
    called("images", "lists folders", "keras.utils.image_dataset_from_directory", path(victim), fires=True),
    called("eagerly", "changes the process", "config.run_functions_eagerly", lambda _: (True, {})),
    called("slicing", "another class, the same deed", "io.write_file", WRITING, kind="SlicingOpLambda", fires=True),
    called("internal", "a name without a promise", "__internal__.saved_model.parse_saved_model", path(victim)),
    called("operators", "no operator, though it looks like one", "__operators__.__class__", path(marker)),
    called("globals", "an attribute of an operator", "__operators__.add.__globals__", path(marker)),
    called("other_case", "an allowed name in other case", "Math.Reduce_Mean", path(marker)),
    called("space", "a name with a space", "io.write_file ", WRITING, says="write_file"),
    called("inner_space", "a name with a space", "io. write_file", WRITING, says="write_file"),
    called("wide_dot", "a dot that is none", "io\uff0ewrite_file", WRITING, says="write_file"),
    called("lookalike", "a Cyrillic letter in an allowed name", "m\u0430th.reduce_mean", path(marker),
           says="th.reduce_mean"),
    called("zero_byte", "an allowed name with a tail", "math.reduce_mean\0io", path(marker), says="math.reduce_mean"),
    called("prefix", "an allowed name with a tail", "math.abs.io.write_file", WRITING),
    called("full_name", "with the package in front", "tensorflow.io.write_file", WRITING),
    called("newline", "an allowed name with a line's end", "identity\n", path(marker), says="identity"),
    called("list", "a function that is a list", ["io.write_file"], WRITING, says="write_file"),
    called(
        "table", "a function that is a table", {"class_name": "function", "module": "os", "config": "system"},
        path(marker), says="system",
    ),
    called("none", "no function", None, path(marker), says="TFOpLambda that calls 'None'"),
)  # fmt: skip
