"""The layers that Keras wrote into a SavedModel, and its variables; the graphs beside them are left unread.

To load a SavedModel is to run its initializer, and its graphs can write files and load libraries. But Keras 2 writes
the configuration of its layers beside the graph, so that the network can be built of Keras' own layers instead.

keras_metadata.pb is a protocol buffer, `SavedMetadata { repeated SavedObject nodes = 1; }`, of
`SavedObject { int32 node_id = 2; string node_path = 3; string identifier = 4; string metadata = 5; }`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tinyc.core import files, limits, units
from tinyc.core.errors import UserError
from tinyc.network.gate import json_text

METADATA = "keras_metadata.pb"
VARIABLES = "variables"
NODES, NODE_PATH, NODE_IDENTIFIER, NODE_METADATA = 1, 3, 4, 5
VARINT, LENGTH = 0, 2
FIXED_BYTES = {1: 8, 5: 4}
KEPT = ("class_name", "module", "registered_name", "config")
METRIC = b"_tf_keras_metric"
AGAIN = "save the network from Keras as .keras or .h5"
Copy = Callable[[Path, Path, str], Path]


def network(path: Path, scratch: Path, copy: Copy, place: str) -> Any:
    """Copy a SavedModel's layers and variables into `scratch`, and give its network's `class_name` and `config`.

    Raises:
        UserError: it is not a SavedModel of Keras 2, a part of it is a link, or it is damaged.
    """
    if not (path / "saved_model.pb").is_file():
        raise UserError(place, "is a folder without saved_model.pb", "give a SavedModel folder, or a .keras file")
    if not (path / METADATA).is_file():
        raise UserError(place, "holds a graph without Keras layers", AGAIN)
    variables = path / VARIABLES
    parts = [path / METADATA, *sorted(variables.glob("variables.*"))]
    for part in (path / "saved_model.pb", variables, *parts):
        if part.is_symlink():
            raise UserError(place, f"its {part.name} is a link to another place", "copy the folder with `cp -rL`")
    files.size(path / METADATA, limits.JSON_BYTES, f"{place}: {METADATA}")
    if len(parts) > limits.VARIABLE_FILES:
        raise UserError(place, f"has {len(parts):,} files; at most {limits.VARIABLE_FILES:,} are read", AGAIN)
    total = sum(files.size(part, limits.NETWORK_BYTES, f"{place}: {part.name}") for part in parts)
    if total > limits.NETWORK_BYTES:
        raise files.too_large(place, units.show_bytes(total), limits.NETWORK_BYTES)
    (scratch / VARIABLES).mkdir()
    for part in parts:
        copy(part, scratch / part.relative_to(path), place)
    try:
        table = json_text.parse(root((scratch / METADATA).read_bytes()))
        return {"config": table["config"]} | {key: table[key] for key in KEPT if key in table}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(place, f"is damaged: {METADATA} describes no network ({error})", AGAIN) from error


def layers(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the table of each layer by its place in the network, such as `root.layer_with_weights-0`; no metrics.

    Raises:
        ValueError: a part of the metadata is not JSON.
    """
    found = {}
    for number, content in fields((folder / METADATA).read_bytes()):
        node = dict(fields(content)) if number == NODES else {}
        table = json_text.parse(node[NODE_METADATA]) if node.get(NODE_METADATA) else None
        if isinstance(table, dict) and node.get(NODE_IDENTIFIER) != METRIC:
            found[node.get(NODE_PATH, b"").decode(errors="replace")] = table
    return found


def root(content: bytes) -> bytes:
    """Find the JSON of the network itself among those of all its layers."""
    found, nodes = [], (node for number, node in fields(content) if number == NODES)
    for count, each in enumerate(nodes):
        if count > limits.SAVED_OBJECTS:
            raise ValueError(f"it lists over {limits.SAVED_OBJECTS:,} objects")
        node = dict(fields(each))
        if node.get(NODE_PATH) == b"root":
            found.append(node.get(NODE_METADATA, b""))
    if len(found) != 1:
        raise ValueError(f"{len(found)} of its nodes are called 'root'")
    return found[0]


def fields(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of a protocol buffer that hold bytes, with their numbers; other fields are passed over.

    Of a field that comes twice the last counts, as in all such buffers.

    Raises:
        ValueError: it is cut off, or is not a protocol buffer.
    """
    at = 0
    while at < len(content):
        tag, at = varint(content, at)
        kind = tag & 7
        if kind == VARINT:
            _, at = varint(content, at)
            continue
        if kind not in (LENGTH, *FIXED_BYTES):
            raise ValueError("it is not a protocol buffer")
        size, at = varint(content, at) if kind == LENGTH else (FIXED_BYTES[kind], at)
        if at + size > len(content):
            raise ValueError("it is cut off")
        if kind == LENGTH:
            yield tag >> 3, content[at : at + size]
        at += size


def varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a whole number of 7 bits a byte, the lowest first; give it and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("it is cut off")
