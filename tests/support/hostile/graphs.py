"""SavedModels: graphs that run when they are read, and folders that lead elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.hostile.blank import Network, identity
from support.hostile.case import Case, edited
from support.hostile.classes import writing
from support.hostile.ground import Ground
from support.hostile.writing import saved_metadata, written

innocent = written(lambda _: Network(identity()))
hostile = written(lambda ground: Network(writing(ground)))


def traced(attach: Callable[[Any, Any, Ground], Any]) -> Callable[[Ground, str], None]:
    """A network that Keras saves with a resource that its graph initializes."""

    def write(ground: Ground, form: str) -> None:
        from tinyc.network import backend

        model = plain()
        model.attached = attach(backend.tensorflow(), model, ground)
        model.save(ground.network(form), save_format="tf", save_traces=False)

    return write


def plain() -> Any:
    """The innocent network, built by Keras."""
    from tinyc.network import backend

    keras, tf = backend.keras(), backend.tensorflow()
    image = keras.Input((8, 8, 1), name="image")
    flat = keras.layers.Flatten(name="flatten")(tf.identity(image))
    return keras.Model(image, keras.layers.Dense(3, name="logits")(flat), name="net")


def deed(tf: Any, _: Any, ground: Ground) -> Any:
    """A resource whose initializer writes a file."""

    class Writing(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="x")

        def _initialize(self) -> None:
            tf.io.write_file(str(ground.marker), "x")

    return Writing()


def reading(tf: Any, _: Any, ground: Ground) -> Any:
    """A table that is filled from a file, which the folder then carries."""
    form = tf.lookup.TextFileInitializer(
        str(ground.secret), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    return tf.lookup.StaticHashTable(form, -1)


def elsewhere(ground: Ground, form: str) -> None:
    """The same, but the folder says that the file lies outside of it."""
    from tensorflow.core.protobuf import saved_model_pb2

    traced(reading)(ground, form)
    path = ground.network(form) / "saved_model.pb"
    told = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    told.meta_graphs[0].asset_file_def[0].filename = "../../../canary/secret"
    path.write_bytes(told.SerializeToString())
    shutil.rmtree(ground.network(form) / "assets")


def as_text(ground: Ground, form: str) -> None:
    """The graph as saved_model.pbtxt alone."""
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    traced(deed)(ground, form)
    path = ground.network(form) / "saved_model.pb"
    told = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    path.with_suffix(".pbtxt").write_text(text_format.MessageToString(told))
    path.unlink()


def both_ways(ground: Ground, form: str) -> None:
    """A harmless saved_model.pb with a hostile saved_model.pbtxt beside it."""
    as_text(ground, form)
    shutil.copy(ground.templates / "plain" / "saved_model.pb", ground.network(form) / "saved_model.pb")


def linked(member: str, target: Callable[[Ground], Path]) -> Callable[[Path, Ground], None]:
    def edit(path: Path, ground: Ground) -> None:
        place = path / member
        if place.is_dir():
            place.rename(ground.canary / "moved")
        elif place.exists():
            place.unlink()
        place.symlink_to(target(ground))

    return edit


def bad_metadata(ground: Ground) -> Path:
    """Hostile metadata that lies outside of the folder."""
    path = ground.canary / "metadata.pb"
    path.write_bytes(saved_metadata(Network(writing(ground)), ground.templates))
    return path


def more_shards(path: Path, ground: Ground) -> None:
    """The variables' index says that a second file holds them, and that one is a link."""
    index = path / "variables" / "variables.index"
    content = index.read_bytes()
    data = path / "variables" / "variables.data-00000-of-00001"
    data.rename(path / "variables" / "variables.data-00000-of-00002")
    (path / "variables" / "variables.data-00001-of-00002").symlink_to(ground.secret)
    index.write_bytes(content.replace(b"\x08\x01\x1a\x02\x08\x01", b"\x08\x02\x1a\x02\x08\x01", 1))


def cut(path: Path, _: Ground) -> None:
    metadata = path / "keras_metadata.pb"
    metadata.write_bytes(metadata.read_bytes()[:-40])


def without_metadata(path: Path, _: Ground) -> None:
    (path / "keras_metadata.pb").unlink()


def two_nodes(path: Path, ground: Ground) -> None:
    """Every node twice: an innocent network's, then a hostile one's."""
    metadata = path / "keras_metadata.pb"
    metadata.write_bytes(metadata.read_bytes() + bad_metadata(ground).read_bytes())
    (ground.canary / "metadata.pb").unlink()


def child_alone(ground: Ground, form: str) -> None:
    """The network's own table is innocent; the layer's node, which Keras builds from, is not."""
    from support.hostile.writing import chunk

    innocent(ground, form)
    path = ground.network(form) / "keras_metadata.pb"
    nodes = split(path.read_bytes())
    nodes[2] = split(saved_metadata(Network(writing(ground)), ground.templates))[2]
    path.write_bytes(b"".join(chunk(1, node) for node in nodes))


def split(content: bytes) -> list[bytes]:
    """The nodes of SavedMetadata."""
    nodes, place = [], 0
    while place < len(content):
        length, shift, place = 0, 0, place + 1
        while True:
            length |= (content[place] & 127) << shift
            shift, place = shift + 7, place + 1
            if content[place - 1] < 128:
                break
        nodes.append(content[place : place + length])
        place += length
    return nodes


SAVED = ("saved",)
GRAPHS = (
    Case("initializer", "its graph writes a file when it is read", traced(deed),
         "", SAVED, SAVED, harmless=True, tensorflow=True),
    Case("asset", "its graph reads a file of the folder", traced(reading), "", SAVED, harmless=True, tensorflow=True),
    Case("asset_elsewhere", "its graph reads a file outside of the folder", elsewhere, "",
         SAVED, SAVED, harmless=True, tensorflow=True),
    Case("pbtxt", "the graph as text, which writes a file", as_text, "saved_model.pb", SAVED, SAVED, tensorflow=True),
    Case("pbtxt_beside", "a second graph as text", both_ways, "", SAVED, harmless=True, tensorflow=True),
    Case("child_alone", "a hostile layer that the network's own table does not show", child_alone, "write_file", SAVED),
    Case("two_nodes", "two sets of nodes, the second hostile", edited(innocent, two_nodes), "nodes are called",
         SAVED, SAVED),
    Case("metadata_link", "metadata that lies elsewhere", edited(innocent, linked("keras_metadata.pb", bad_metadata)),
         "keras_metadata.pb is a link", SAVED, SAVED),
    Case("variables_link", "variables that lie elsewhere", edited(innocent, linked(
        "variables/variables.data-00000-of-00001", lambda ground: ground.secret)), "variables.* is a link", SAVED),
    Case("folder_link", "a folder that lies elsewhere", edited(innocent, linked(
        "variables", lambda ground: ground.canary / "moved")), "variables.* is a link", SAVED),
    Case("index_link", "an index that lies elsewhere", edited(innocent, linked(
        "variables/variables.index", lambda ground: ground.secret)), "variables.* is a link", SAVED),
    Case("graph_link", "a graph that lies elsewhere", edited(innocent, linked(
        "saved_model.pb", lambda ground: ground.secret)), "saved_model.pb is a link", SAVED),
    Case("shards", "an index that points to a second file", edited(innocent, more_shards), "variables.* is a link",
         SAVED),
    Case("cut_metadata", "metadata that ends early", edited(hostile, cut), "keras_metadata.*cut off", SAVED),
    Case("no_metadata", "no metadata of Keras", edited(hostile, without_metadata), "without Keras layers", SAVED),
)  # fmt: skip
