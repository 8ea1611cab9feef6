"""The worker processes: same results in the same order on every path, and every failure said as what it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny
from support.optional import not_none

from tinyc.core.errors import MachineError, TinycError, UserError
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run import arena, runtimes, spread
from tinyc.tflite.run import pool as pools
from tinyc.tflite.run.output_difference import steps_apart
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime

FILES = {"plain": tiny.plain, "mixed": tiny.mixed, "fixed batch": tiny.fixed_batch}
# Enough examples under TFLM that a worker is certainly in the middle of them when it is struck.
MANY = 40_000


@pytest.mark.parametrize("name", FILES)
def test_tflm_equals_the_reference_and_the_fast_kernels_are_close(pool: Pool, name: str) -> None:
    content, x = FILES[name](), tiny.examples(150)
    tflm, reference, fast = (pool.run(content, x, runtime) for runtime in ("tflm", "reference", "fast"))
    assert tflm.raw.shape == (150, 5)
    assert tflm.raw.dtype == np.int8
    assert np.array_equal(tflm.raw, reference.raw)
    assert steps_apart(fast.raw, reference.raw).max() <= 2
    assert tflm.arena_bytes
    assert tflm.arena_bytes % 16 == 0
    assert fast.arena_bytes is reference.arena_bytes is None


@pytest.mark.parametrize("name", FILES)
def test_batches_give_what_single_examples_give(pool: Pool, name: str) -> None:
    content, x = FILES[name](), tiny.examples(70)
    alone = np.concatenate([pool.run(content, x[i : i + 1], "fast").raw for i in range(0, 70, 7)])
    assert np.array_equal(pool.run(content, x, "fast").raw[::7], alone)


@pytest.mark.parametrize(("content", "batch"), [(tiny.plain, 32), (tiny.mixed, 1), (tiny.mixed_float, 1)])
def test_files_with_the_batch_in_a_constant_are_not_resized(content: Callable[[], bytes], batch: int) -> None:
    described = describe(content())
    job = spread.Job(content(), tiny.examples(64), "fast", "x", described, 2, lambda _: None)
    assert job.batch == batch


def test_results_come_in_the_order_of_the_examples(pool: Pool) -> None:
    x = tiny.examples(700)
    whole = pool.run(tiny.plain(), x, "fast")
    turned = pool.run(tiny.plain(), x[::-1], "fast")
    assert len(np.unique(whole.raw, axis=0)) > 100
    assert np.array_equal(whole.raw, turned.raw[::-1])
    scale, zero = (describe(tiny.plain()).outputs[0].scales[0], describe(tiny.plain()).outputs[0].zero_points[0])
    assert np.allclose(whole.outputs, (whole.raw.astype(float) - zero) * scale)


def test_float_files_run_too(pool: Pool) -> None:
    x = tiny.examples(40)
    keras = tiny.mixed_network().predict(x, verbose=0)
    for runtime in ("tflm", "reference", "fast"):
        assert np.allclose(pool.run(tiny.mixed_float(), x, runtime).outputs, keras, atol=1e-4)


def test_progress_reaches_the_number_of_examples(pool: Pool) -> None:
    seen: list[int] = []
    pool.run(tiny.plain(), tiny.examples(300), "fast", advance=seen.append)
    assert sum(seen) == 300
    assert len(seen) > 2


def test_workers_are_reused_and_hold_no_tensorflow(pool: Pool) -> None:
    pool.run(tiny.plain(), tiny.examples(200), "fast")
    before = [link.process.pid for link in pool.links]
    pool.run(tiny.plain(), tiny.examples(200), "tflm")
    assert [link.process.pid for link in pool.links] == before
    assert len(before) == 2
    for pid in before:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "tflite_micro" in maps
        assert "libtensorflow" not in maps
        assert os.getsid(pid) == pid  # ctrl-C in the terminal goes to this process alone


def test_the_arena_grows_until_it_fits(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tiny.examples(3)
    generous = pool.run(tiny.mixed(), x, "tflm")
    monkeypatch.setattr(spread.Job, "arena_bytes", 4096)
    grown = pool.run(tiny.mixed(), x, "tflm")
    assert grown.arena_bytes == generous.arena_bytes
    assert not_none(grown.arena_bytes) > 4096
    assert np.array_equal(grown.raw, generous.raw)
    monkeypatch.setattr(spread.Job, "arena_bytes", arena.LIMIT + 1)
    with pytest.raises(UserError, match="arena of 1073741824 bytes is too small"):
        pool.run(tiny.mixed(), x, "tflm")


def test_an_operator_that_tflm_lacks_is_named_with_its_layer_and_a_way_out(pool: Pool) -> None:
    with pytest.raises(UserError, match=r"has no GELU, which is op 1 GELU \(layer bent\)") as caught:
        pool.run(tiny.with_gelu(), tiny.examples(2), "tflm", "net.tflite")
    assert caught.value.where == "net.tflite"
    assert "hard-swish" in caught.value.remedy
    assert pool.run(tiny.with_gelu(), tiny.examples(2), "fast").raw.shape == (2, 5)


def test_an_operator_that_stops_an_interpreter_is_named_with_its_layer(pool: Pool) -> None:
    content = tiny.by_hand([tiny.Plan((1, 4), "INT64"), tiny.Plan((1, 4), "INT32")], [("CAST", (0,), (1,))])
    with pytest.raises(UserError, match=r"stops at op 0 CAST: Input type INT64 \(4\) not supported") as caught:
        pool.arena_bytes(content, "net.tflite")
    assert "give the operator types that its kernel has" in caught.value.remedy


def test_files_of_old_converters_run_as_new_ones_do(pool: Pool) -> None:
    s = schema()
    tree = s.ModelT.InitFromObj(s.Model.GetRootAs(tiny.mixed(), 0))
    for code in tree.operatorCodes:
        code.builtinCode = 0
    x = tiny.examples(5)
    for runtime in ("tflm", "reference", "fast"):
        assert np.array_equal(pool.run(tiny.pack(tree), x, runtime).raw, pool.run(tiny.mixed(), x, runtime).raw)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (tiny.examples(2, (8, 8, 2)), "takes examples of shape"),
        (tiny.examples(0), "was given no examples"),
    ],
)
def test_examples_that_do_not_fit_are_refused(pool: Pool, x: NDArray[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        pool.run(tiny.plain(), x, "fast")


def test_a_truncated_file_is_refused_before_a_worker_sees_it(pool: Pool) -> None:
    with pytest.raises(UserError, match="is not a TensorFlow Lite file"):
        pool.run(tiny.plain()[:1000], tiny.examples(2), "fast")


def test_a_runtime_that_is_not_installed_is_said(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtimes.PACKAGES, "tflm", ("no_such_package",))
    with pytest.raises(MachineError, match="not installed here") as caught:
        pool.run(tiny.plain(), tiny.examples(2), "tflm")
    assert "tflite-micro" in caught.value.remedy


def struck(pool: Pool, strike: Callable[[int], None], runtime: Runtime = "tflm") -> TinycError:
    """Run many examples, strike one worker once the first answers have come, and give the failure."""
    answers = threading.Event()

    def hit() -> None:
        answers.wait(30)
        strike(pool.links[0].process.pid)

    thread = threading.Thread(target=hit)
    thread.start()
    with pytest.raises(TinycError) as caught:
        pool.run(tiny.mixed(), tiny.examples(MANY), runtime, "net.tflite", lambda _: answers.set())
    thread.join()
    return caught.value


def gone(pid: int) -> bool:
    """Neither running nor waiting to be reaped."""
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("sign", "words", "whose"),
    [(signal.SIGKILL, "was ended by SIGKILL", MachineError), (signal.SIGSEGV, "was ended by SIGSEGV", UserError)],
)
def test_a_crashed_worker_is_reported_and_the_pool_lives_on(
    sign: signal.Signals, words: str, whose: type[TinycError]
) -> None:
    with Pool(2) as pool:
        error = struck(pool, lambda pid: os.kill(pid, sign))
        assert type(error) is whose
        assert error.where == "net.tflite"
        assert words in error.problem
        assert "TensorFlow Lite Micro" in error.problem
        assert pool.run(tiny.mixed(), tiny.examples(3), "tflm").raw.shape == (3, 5)


def test_a_hung_worker_is_reported_and_ended() -> None:
    with Pool(2, patience=2.0) as pool:
        pool.start()
        first = pool.links[0].process.pid
        error = struck(pool, lambda pid: os.kill(pid, signal.SIGSTOP))
        assert isinstance(error, MachineError)
        assert "gave no answer in 2 s" in error.problem
        assert gone(first)
        assert pool.run(tiny.mixed(), tiny.examples(3), "fast").raw.shape == (3, 5)


def test_a_worker_that_does_not_read_is_hung_too() -> None:
    with Pool(1, patience=1.0) as pool:
        pool.start()
        os.kill(pool.links[0].process.pid, signal.SIGSTOP)
        padded = tiny.plain() + bytes(4 << 20)  # more than a socket holds
        with pytest.raises(MachineError, match="does not answer"):
            pool.run(padded, tiny.examples(3), "fast")


def test_a_worker_that_died_idle_is_replaced() -> None:
    with Pool(1) as pool:
        pool.run(tiny.plain(), tiny.examples(2), "fast")
        pool.links[0].process.kill()
        pool.links[0].process.wait()
        assert pool.run(tiny.plain(), tiny.examples(2), "fast").raw.shape == (2, 5)


def test_ctrl_c_ends_the_workers() -> None:
    pids: list[int] = []
    with Pool(2) as pool:

        def interrupt(_: int) -> None:
            pids.extend(link.process.pid for link in pool.links)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pool.run(tiny.mixed(), tiny.examples(MANY), "tflm", advance=interrupt)
        assert pids
        assert all(gone(pid) for pid in pids)


@pytest.fixture
def no_other_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of this test alone: the tests hold one open all the time."""
    monkeypatch.setattr(pools, "OPEN", weakref.WeakSet())
    monkeypatch.setattr(pools, "IDLE", [])


def test_workers_of_a_pool_that_closes_serve_the_next_until_the_last_is_closed(no_other_is_open: None) -> None:
    with Pool(1):
        with Pool(2) as first:
            first.start()
            left = [link.process.pid for link in first.links]
        with Pool(1, patience=30.0) as other:
            other.start()
            assert other.links[0].process.pid not in left
        os.kill(left[0], signal.SIGKILL)
        pools.IDLE[0].process.wait()
        with Pool(2) as second:
            assert second.run(tiny.plain(), tiny.examples(200), "fast").raw.shape == (200, 5)
            assert second.links[0].process.pid == left[1]
            assert len(second.links) == 2
        left = [link.process.pid for link in pools.IDLE]
        assert len(left) == 3
    assert pools.IDLE == []
    assert all(gone(pid) for pid in left)


def test_nothing_is_left_when_the_pool_closes_or_its_process_dies(no_other_is_open: None) -> None:
    with Pool(2) as pool:
        pool.start()
        pids = [link.process.pid for link in pool.links]
    assert all(gone(pid) for pid in pids)
    for ending in ("pass", "os.kill(os.getpid(), 9)"):
        code = (
            "import os; from tinyc.tflite.run.pool import Pool; p = Pool(2); p.start();"
            f"print(*[l.process.pid for l in p.links], flush=True); {ending}"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(Path(runtimes.__file__).parents[2])},
        )  # fmt: skip
        left = [int(pid) for pid in done.stdout.split()]
        assert len(left) == 2, done.stderr
        deadline = time.monotonic() + 20
        while not all(map(gone, left)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(map(gone, left))
