"""Every byte of a file is counted once, under the kind that a change of that kind moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
from tiny import Plan, by_hand, schema

from tinyc.errors import UserError
from tinyc.interpreters.anatomy import anatomy
from tinyc.interpreters.flatbuffer import describe
from tinyc.lowering.strip import strip


def kinds(content: bytes) -> dict[str, int]:
    found = anatomy(content, describe(content))
    assert sum(found.values()) == len(content)
    return found


def changed(content: bytes, change: Any) -> bytes:
    tree = schema().ModelT.InitFromPackedBuf(content, 0)
    change(tree)
    return tiny.pack(tree)


def test_the_kinds_add_up_and_agree_with_the_description() -> None:
    for content in (tiny.mixed(), tiny.mixed_float(), tiny.with_gelu(), strip(tiny.mixed())):
        found, described = kinds(content), describe(content)
        assert sum(found.get(kind, 0) for kind in ("weights", "weight tables", "biases")) == described.weight_bytes
        assert "unknown" not in found
        assert found["alignment padding"] < 500


def test_biases_and_weights_are_told_apart() -> None:
    biases = 4 + 4 + 4 + 5
    found = kinds(tiny.mixed())
    assert found["biases"] == 4 * biases
    assert found["weights"] == describe(tiny.mixed()).params - biases


def test_a_stripped_file_has_no_names_and_notes() -> None:
    before, after = kinds(tiny.mixed()), kinds(strip(tiny.mixed()))
    assert {"names", "metadata", "description"} <= set(before)
    assert not {"names", "metadata", "description", "signatures", "calibrated ranges"} & set(after)
    assert after["weights"] == before["weights"]


def name_tensors(tree: Any) -> None:
    for tensor in tree.subgraphs[0].tensors:
        tensor.name = b"n" * 400


def add_ranges(tree: Any) -> None:
    for place, tensor in enumerate(tree.subgraphs[0].tensors):
        tensor.quantization = tensor.quantization or schema().QuantizationParametersT()
        tensor.quantization.min = np.full(100, place, np.float32)


def describe_it(tree: Any) -> None:
    tree.description = b"d" * 400


def add_signature(tree: Any) -> None:
    tree.signatureDefs = [schema().SignatureDefT()]
    tree.signatureDefs[0].signatureKey = b"s" * 400


def add_metadata(tree: Any) -> None:
    note = schema().MetadataT()
    note.name, note.buffer = b"mine", len(tree.buffers)
    tree.metadata = [note]
    tree.buffers.append(schema().BufferT(data=np.full(400, 7, np.uint8)))


def add_unread(tree: Any) -> None:
    tree.buffers.append(schema().BufferT(data=np.full(400, 7, np.uint8)))


def add_options(tree: Any) -> None:
    tree.subgraphs[0].operators[0].customOptions = np.full(400, 7, np.uint8)


@pytest.mark.parametrize(
    ("kind", "change", "least"),
    [
        ("names", name_tensors, 3 * 400), ("calibrated ranges", add_ranges, 3 * 400), ("description", describe_it, 400),
        ("signatures", add_signature, 400), ("metadata", add_metadata, 400), ("unread buffers", add_unread, 400),
        ("operators and options", add_options, 400),
    ],
)  # fmt: skip
def test_what_is_added_is_counted_under_its_kind(kind: str, change: Any, least: int) -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(range(8))), Plan((1, 2))]
    content = by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])
    before, after = kinds(content), kinds(changed(content, change))
    assert after.get(kind, 0) - before.get(kind, 0) >= least
    others = {name: size for name, size in after.items() if name != kind}
    assert sum(others.values()) < sum(before.values()) + 120


def test_bytes_that_nothing_refers_to_are_unknown() -> None:
    content = tiny.mixed()
    found = anatomy(content + b"x" * 100, describe(content + b"x" * 100))
    assert found["unknown"] == 100


def test_a_reference_out_of_the_file_is_an_error_of_the_file() -> None:
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(200):
        damaged = bytearray(tiny.mixed())
        for place in random.integers(0, len(damaged), 8):
            damaged[place] = random.integers(256)
        try:
            described = describe(bytes(damaged))
            assert sum(anatomy(bytes(damaged), described, "mine").values()) == len(damaged)
        except UserError:
            refused += 1
    assert 0 < refused < 200
