"""What an inference holds at once: by hand, and never above what TFLM takes."""

from __future__ import annotations

import numpy as np
from support import tiny
from support.tiny import Plan, by_hand

from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.lifetimes import lifetimes
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool


def test_a_tensor_lives_from_its_maker_to_its_last_reader() -> None:
    # 0 -> A -> 2 -> B -> 3 -> C(3, 2) -> 4; tensor 1 is a constant
    plans = [Plan((1, 16)), Plan((16,), data=bytes(range(16))), Plan((1, 40)), Plan((1, 16)), Plan((1, 100))]
    content = by_hand(plans, [("ADD", (0, 1), (2,)), ("RELU", (2,), (3,)), ("ADD", (3, 2), (4,))])
    found = lifetimes(describe(content))
    spans = {each.tensor: (each.first, each.last, each.bytes) for each in found.lifetimes}
    assert spans == {0: (0, 0, 16), 2: (0, 2, 48), 3: (1, 2, 16), 4: (2, 2, 112)}
    assert found.live == (64, 64, 176)
    assert (found.peak, found.peak_bytes) == (2, 176)


def test_an_input_that_is_read_late_is_held_until_then() -> None:
    plans = [Plan((1, 16)), Plan((1, 16)), Plan((1, 16)), Plan((1, 16))]
    content = by_hand(plans, [("RELU", (0,), (1,)), ("RELU", (1,), (2,)), ("ADD", (2, 0), (3,))])
    found = lifetimes(describe(content))
    assert next(each for each in found.lifetimes if each.tensor == 0).last == 2
    assert found.live == (32, 48, 48)


def test_what_is_held_at_once_is_below_the_arena_of_tflm(pool: Pool) -> None:
    for content in (tiny.plain(), tiny.mixed()):
        found = lifetimes(describe(content))
        arena = pool.run(content, tiny.examples(1), "tflm").arena_bytes
        assert arena is not None
        assert max(each.bytes for each in found.lifetimes) <= found.peak_bytes <= arena


def test_dimensions_left_open_count_as_one() -> None:
    s = schema()
    tree = s.ModelT.InitFromPackedBuf(tiny.plain(), 0)
    fixed = lifetimes(describe(tiny.pack(tree)))
    for tensor in tree.subgraphs[0].tensors:
        if len(tensor.shape) == 4 and not tree.buffers[tensor.buffer].data is not None:
            tensor.shape = np.array([-1, *tensor.shape[1:]], np.int32)
    described = describe(tiny.pack(tree))
    assert described.inputs[0].shape[0] == -1
    assert described.macs == describe(tiny.plain()).macs
    assert lifetimes(described).live == fixed.live
