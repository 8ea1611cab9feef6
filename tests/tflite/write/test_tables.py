"""Weight tables: what they save, and that TensorFlow Lite Micro computes the same with them, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import artifacts, few_values
from support.optional import not_none

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.blocks import TokenEmbedding
from tinyc.quantization.convert import to_int8_tflite
from tinyc.tflite.read import operators, values
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import Reader, describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.proved import exact, prove
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.table_writing import Table, encode, expand, write_tables
from tinyc.tflite.write.tables import compact, gains

KINDS = ("per channel", "per tensor", "float")


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


def paying(content: bytes):
    return tuple(gain for gain in gains(content) if gain.saved_bytes > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_stay_the_same_and_the_gains_foretell_the_size(kind, pool):
    content = few_values.content(kind)
    stripped, chosen = strip(content), paying(content)
    compacted = compact(stripped, chosen)
    expected = pool.run(stripped, artifacts.samples(12), "tflm")
    got = pool.run(compacted, artifacts.samples(12), "tflm")
    np.testing.assert_array_equal(got.raw, expected.raw)
    assert got.arena_bytes > expected.arena_bytes
    foretold = len(stripped) - sum(gain.saved_bytes for gain in chosen)
    assert len(compacted) == pytest.approx(foretold, rel=0.01)
    assert len(compacted) < 0.7 * len(stripped)


def test_tables_go_with_the_scales():
    found = {gain.layer: gain for gain in paying(few_values.content())}
    assert set(found) >= {"dense", "larger", "wide"}
    assert all(gain.per_channel and gain.bits == 4 and gain.values == 16 for gain in found.values())
    assert not any(gain.per_channel for gain in paying(few_values.content("float")))
    dense = {gain.layer: gain for gain in paying(few_values.content("per tensor"))}["dense"]
    assert (dense.per_channel, dense.bits, dense.values) == (False, 4, 16)


def test_a_depthwise_kernel_has_its_tables_along_the_last_axis(pool):
    stripped = strip(few_values.content())
    depthwise = next(gain for gain in gains(few_values.content()) if gain.op == "DEPTHWISE_CONV_2D" and gain.axis)
    assert depthwise.axis == 3
    expected = pool.run(stripped, artifacts.samples(4), "tflm").raw
    np.testing.assert_array_equal(pool.run(compact(stripped, [depthwise]), artifacts.samples(4), "tflm").raw, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_back_it_is_the_file_that_it_was(kind, pool):
    stripped = strip(few_values.content(kind))
    compacted = compact(stripped, paying(stripped))
    back = expand(compacted)
    assert operators.tflm_only(describe(compacted))
    assert not operators.tflm_only(describe(back))
    assert [op.name for op in describe(back).ops] == [op.name for op in describe(stripped).ops]
    for was, now in zip(describe(stripped).ops, describe(back).ops, strict=True):
        for slot in operators.weight_slots(was.name):
            one, other = (held(content, op.inputs[slot]) for content, op in ((stripped, was), (back, now)))
            np.testing.assert_array_equal(one, other)
    for runtime in ("reference", "tflm"):
        expected = pool.run(stripped, artifacts.samples(4), runtime).raw
        np.testing.assert_array_equal(pool.run(back, artifacts.samples(4), runtime).raw, expected)
    assert expand(back) == back


def held(content: bytes, index: int):
    tensor = describe(content).tensors[index]
    return values.stored_values(tensor, Reader(content).data(tensor.buffer)) if tensor.stored_bytes else None


def test_a_file_with_tables_counts_as_without():
    stripped = strip(few_values.content())
    before, after = describe(stripped), describe(compact(stripped, paying(stripped)))
    assert (after.params, after.nonzero_params, after.macs) == (before.params, before.nonzero_params, before.macs)
    assert after.weight_bytes < before.weight_bytes


def test_what_is_in_tables_is_not_offered_again():
    stripped = strip(few_values.content())
    compacted = compact(stripped, paying(stripped))
    assert paying(compacted) == ()
    assert compact(compacted, ()) == compacted
    assert strip(compacted) == compacted


def test_an_old_converters_file(pool):
    stripped = strip(few_values.content())
    model = artifacts.opened(stripped)
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    old = pack(model)
    assert gains(old) == gains(stripped)
    assert strip(old) == stripped
    expected = pool.run(stripped, artifacts.samples(4), "tflm").raw
    np.testing.assert_array_equal(pool.run(compact(old, paying(old)), artifacts.samples(4), "tflm").raw, expected)


def test_tflms_own_compressor_gives_the_same_outputs_and_a_larger_file(pool):
    from tflite_micro.tensorflow.lite.micro.compression import compress, spec

    stripped = strip(few_values.content())
    chosen = paying(stripped)
    specs = [
        spec.Tensor(0, gain.tensor, [spec.LookUpTableCompression(gain.bits, spec.PerChannel(gain.axis))])
        for gain in chosen
    ]
    theirs = bytes(compress(stripped, specs))
    ours = compact(stripped, chosen)
    assert len(ours) < len(theirs)
    np.testing.assert_array_equal(
        pool.run(ours, artifacts.samples(4), "tflm").raw, pool.run(theirs, artifacts.samples(4), "tflm").raw
    )


def test_drawn_weights_fit_no_table_that_pays():
    found = gains(artifacts.content())
    assert all(gain.saved_bytes <= 0 or gain.bits == 7 for gain in found)


def test_a_tensor_that_shares_its_bytes_or_is_read_early_is_left_out():
    model = artifacts.opened(strip(few_values.content()))
    wide = next(gain for gain in gains(strip(few_values.content())) if gain.bytes_before > 4000)
    model.subgraphs[0].tensors.append(
        schema().TensorT(shape=np.array([wide.bytes_before], np.int32), type=9, buffer=model.subgraphs[0].tensors[
            wide.tensor].buffer)
    )  # fmt: skip
    assert wide.tensor not in {gain.tensor for gain in gains(pack(model))}
    reshape = next(op for op in describe(few_values.content()).ops if op.name == "RESHAPE")
    assert reshape.inputs[1] not in {gain.tensor for gain in gains(few_values.content())}


def others() -> bytes:
    """Ids through a lookup, then constants added to, subtracted from and multiplied with what was looked up."""
    keras = backend.keras()
    backend.seed_everything(4)
    draw = np.random.default_rng(4)
    ids = keras.Input((8,), dtype="int32")
    table = TokenEmbedding(40, 32, name="table")
    x = table(ids)
    grids = [few_values.spaced(draw.normal(size=(1, 8, 32)).astype(np.float32), 4, None) for _ in range(3)]
    x = (keras.layers.ReLU()(x + grids[0]) - grids[1]) * grids[2]
    model = keras.Model(ids, keras.layers.Dense(5, name="logits")(keras.layers.Flatten()(x)))
    table.set_weights([few_values.spaced(draw.normal(size=(40, 32)).astype(np.float32), 8, None)])
    return to_int8_tflite(model, draw.integers(0, 40, (20, 8)).astype(np.int32))


def test_lookups_and_operands_in_tables(pool):
    stripped = strip(others())
    chosen = [gain for gain in gains(stripped) if gain.op != "FULLY_CONNECTED" and gain.bytes_before > 200]
    assert {gain.op for gain in chosen} >= {"GATHER", "ADD", "MUL"}
    ids = np.random.default_rng(5).integers(0, 40, (20, 8)).astype(np.int32)
    expected = pool.run(stripped, ids, "tflm").raw
    assert len(np.unique(expected)) > 5
    for gain in chosen:
        np.testing.assert_array_equal(pool.run(compact(stripped, [gain]), ids, "tflm").raw, expected, gain.op)


def parted_dense(content: bytes) -> int:
    """The dense kernel with one scale, of which each channel has 16 values of its own."""
    described = describe(content)
    kernels = [described.tensors[op.inputs[1]] for op in described.ops if op.name == "FULLY_CONNECTED"]
    return next(kernel.index for kernel in kernels if kernel.stored_bytes > 10_000 and len(kernel.scales) == 1)


def test_a_table_that_changes_outputs_is_dropped_and_the_others_stay(pool):
    stripped = strip(few_values.content("parted"))
    right = paying(stripped)
    wrong = replace(right[0], tensor=parted_dense(stripped), axis=0)
    told = list[Any]()
    proved = prove(stripped, [wrong, *right], artifacts.samples(4), pool, told.append)
    assert proved.dropped == (wrong,)
    assert proved.kept == right
    assert proved.content == compact(stripped, right)
    np.testing.assert_array_equal(proved.after.raw, proved.before.raw)
    assert sum(told) > 0


def test_culprits_are_found_by_halves():
    found = gains(few_values.content())
    tried = []

    def holds(chosen):
        tried.append(chosen)
        return found[2] not in chosen and not {found[5], found[6]} <= set(chosen)

    kept = exact(found, holds)
    assert holds(kept)
    assert found[2] not in kept
    assert len(kept) >= 4
    assert exact((), holds) == ()


def test_another_encoding_is_refused():
    stripped = strip(few_values.content())
    model = artifacts.opened(compact(stripped, paying(stripped)[:1]))
    decoder = next(op for op in model.subgraphs[0].operators if model.operatorCodes[op.opcodeIndex].customCode)
    ancillary = model.subgraphs[0].tensors[decoder.inputs[1]]
    changed = model.buffers[ancillary.buffer].data.copy()
    changed[0] = 2
    model.buffers[ancillary.buffer].data = changed
    with pytest.raises(UserError, match="in no look-up table"):
        expand(pack(model))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 100), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([1, 2, 4, 8]), st.data()
)
def test_what_is_encoded_decodes_to_the_same(most, shape, size, data):
    draw = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    axis = data.draw(st.sampled_from([None, 0, len(shape) - 1]))
    kind = np.dtype(f"i{size}")
    limits = np.iinfo(kind)
    pool = draw.integers(limits.min, limits.max, most, kind, endpoint=True)
    stored = draw.choice(pool, shape).astype(kind)
    model = schema().ModelT(buffers=[schema().BufferT(), schema().BufferT(data=stored.ravel().view(np.uint8))])
    tensor = schema().TensorT(shape=np.array(shape, np.int32), buffer=1)
    slices = [stored] if axis is None else list(np.moveaxis(stored, axis, 0))
    bits = max(1, (max(len(np.unique(each)) for each in slices) - 1).bit_length())
    made = encode(tensor, model, kind.name, Table(bits, axis))
    assert len(made.indices) == -(-stored.size * bits // 8)
    decoded = Tensor(0, "", tuple(shape), kind.name, 0, 0)
    np.testing.assert_array_equal(not_none(values.looked_up(made.indices, made.ancillary, decoded)), stored)


def test_tflm_divides_tables_as_the_scales_are_whatever_the_file_says(pool):
    """The reason why no other tables are offered; when this fails, TFLM has learnt to read the axis."""
    stripped = strip(few_values.content("parted"))
    expected = pool.run(stripped, artifacts.samples(4), "tflm").raw
    divided = write_tables(stripped, {parted_dense(stripped): Table(4, 0)})
    assert not np.array_equal(pool.run(divided, artifacts.samples(4), "tflm").raw, expected)
    np.testing.assert_array_equal(pool.run(expand(divided), artifacts.samples(4), "tflm").raw, expected)
