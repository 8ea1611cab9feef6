"""A transformer of tinyc's blocks: counted as Keras counts it, and run on token ids by every runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import sentences
from support.optional import not_none

from tinyc.core.errors import UserError
from tinyc.network.float_tflite import to_float_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.strip import align, strip

TOKENS, WIDTH, INNER = sentences.TOKENS, 16, 32
PROJECTIONS = ("layer0_query", "layer0_key", "layer0_value", "layer0_output")


def test_params_are_those_of_the_keras_network() -> None:
    for content in (sentences.content(), sentences.content(True), to_float_tflite(sentences.network())):
        assert describe(content).params == sentences.network().count_params()


def test_each_layer_is_weighed_and_its_multiplications_are_counted() -> None:
    ops = describe(sentences.content()).ops
    dense = {op.layer: (op.params, op.macs) for op in ops if op.name == "FULLY_CONNECTED"}
    square = (WIDTH * WIDTH + WIDTH, TOKENS * WIDTH * WIDTH)
    assert dense == {
        **dict.fromkeys(PROJECTIONS, square),
        "layer0_inner": (WIDTH * INNER + INNER, TOKENS * WIDTH * INNER),
        "layer0_outer": (WIDTH * INNER + WIDTH, TOKENS * WIDTH * INNER),
        "logits": (2 * WIDTH + 2, 2 * WIDTH),
    }
    # Every token with every token, by 2 heads of half the width; then the mean over tokens.
    products = [(op.layer, op.macs) for op in ops if op.name == "BATCH_MATMUL"]
    assert products == [("layer0_attention", TOKENS * TOKENS * WIDTH)] * 2 + [("pool", TOKENS * WIDTH)]
    assert sum(not_none(op.macs) for op in ops) == describe(sentences.content()).macs


def test_the_table_counts_and_what_masks_padding_does_not() -> None:
    params = {(op.layer, op.name): op.params for op in describe(sentences.content()).ops}
    assert params["mask", "GATHER"] == params["mask", "MINIMUM"] == 0
    assert params["tokens", "GATHER"] == len(sentences.PIECES) * WIDTH
    assert params["positions", "ADD"] == TOKENS * WIDTH


@pytest.mark.parametrize("runtime", ["tflm", "reference", "fast"])
def test_ids_run_under_every_runtime(pool: Pool, runtime: Any) -> None:
    ids = sentences.ids(70, seed=5)
    expected = sentences.network()(ids).numpy()
    run = pool.run(sentences.content(), ids, runtime)
    assert run.raw.dtype == np.int8
    assert np.corrcoef(run.outputs.ravel(), expected.ravel())[0, 1] > 0.99
    # One at a time gives the same: what is baked into a shape is not read for a whole batch.
    alone = [pool.run(sentences.content(), ids[i : i + 1], runtime).raw[0] for i in (0, 69)]
    np.testing.assert_array_equal(run.raw[[0, 69]], alone)


def test_one_scale_for_each_dense_layer_lets_two_runtimes_agree(pool: Pool) -> None:
    ids = sentences.ids(70, seed=5)
    tflm, reference = (pool.run(sentences.content(), ids, runtime).raw for runtime in ("tflm", "reference"))
    np.testing.assert_array_equal(tflm, reference)


@pytest.mark.parametrize("per_channel", [True, False])
def test_stripping_changes_no_output(pool: Pool, per_channel: bool) -> None:
    ids, content = sentences.ids(20, seed=6), sentences.content(per_channel)
    for rewrite in (strip, align):
        smaller = rewrite(content)
        assert describe(smaller).params == describe(content).params
        for runtime in ("tflm", "reference"):
            expected = pool.run(content, ids, runtime).raw
            np.testing.assert_array_equal(pool.run(smaller, ids, runtime).raw, expected)
    assert len(strip(content)) < len(content)


def test_sentences_of_another_length_are_refused(pool: Pool) -> None:
    with pytest.raises(UserError, match=r"takes examples of shape \(12,\) and was given \(9,\)"):
        pool.run(sentences.content(), sentences.ids(2)[:, :9], "tflm")
