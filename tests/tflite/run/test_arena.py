"""The reported arena starts TFLM, and 16 bytes less do not: tried by a program that shares no code with tinyc."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import few_values
from support.random_networks import FAMILIES

from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.arena import ALIGNMENT, smallest
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.tables import compact, gains

TRY = """
import json, os, sys
import numpy as np
from tflite_micro import runtime

def runs(content, size):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=size)
        for place in range(int(sys.argv[2])):
            details = interpreter.get_input_details(place)
            interpreter.set_input(np.zeros(details["shape"], details["dtype"]), place)
        interpreter.invoke()
        os._exit(0)
    except BaseException:
        os._exit(1)

content = open(sys.argv[1], "rb").read()
print(json.dumps([runs(content, int(size)) for size in sys.argv[3:]]))
"""


def tried(content: bytes, folder: Path, sizes: list[int], inputs: int = 1) -> list[bool]:
    """Whether TFLM starts and runs a file in each of some arenas, in a process that knows nothing of tinyc."""
    path = folder / "net.tflite"
    path.write_bytes(content)
    command = [sys.executable, "-c", TRY, str(path), str(inputs), *map(str, sizes)]
    found = subprocess.run(command, capture_output=True, check=True, text=True, cwd=folder)
    answers: list[bool] = json.loads(found.stdout)
    return answers


def is_least(content: bytes, pool: Pool, folder: Path, inputs: int = 1) -> None:
    size = pool.arena_bytes(content)
    assert size % ALIGNMENT == 0
    assert tried(content, folder, [size - ALIGNMENT, size, 2 * size], inputs) == [False, True, True]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 20))])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_reported_arena_starts_and_16_bytes_less_do_not(family: str, seed: int, pool: Pool, tmp_path: Path) -> None:
    content = FAMILIES[family](np.random.default_rng([seed, *family.encode()]))
    is_least(content, pool, tmp_path, inputs_of(content))


def inputs_of(content: bytes) -> int:
    return len(describe(content).inputs)


def test_weights_in_tables_are_decoded_inside_it(pool: Pool, tmp_path: Path) -> None:
    content = strip(few_values.content())
    is_least(compact(content, tuple(gain for gain in gains(content) if gain.saved_bytes > 0)), pool, tmp_path)


def test_where_activations_are_small_the_planner_needs_more_than_the_total(pool: Pool, tmp_path: Path) -> None:
    """What `print_allocations` says of this one does not start."""
    content = FAMILIES["dense"](np.random.default_rng(5))
    size = pool.arena_bytes(content)
    assert tried(content, tmp_path, [reported(content, tmp_path)]) == [False]
    assert size > reported(content, tmp_path)


REPORT = """
import sys
import numpy as np
from tflite_micro import runtime

interpreter = runtime.Interpreter.from_bytes(open(sys.argv[1], "rb").read(), arena_size=1 << 22)
details = interpreter.get_input_details(0)
interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
interpreter.invoke()
interpreter.print_allocations()
"""


def reported(content: bytes, folder: Path) -> int:
    path = folder / "net.tflite"
    path.write_bytes(content)
    said = subprocess.run([sys.executable, "-c", REPORT, str(path)], capture_output=True, check=True, text=True).stderr
    line = next(line for line in said.splitlines() if "Arena allocation total" in line)
    return int(line.split("total ")[1].split()[0])


@pytest.mark.parametrize("least", [16, 32, 48, 1024, 1040, 33_712, 1 << 20])
@pytest.mark.parametrize("start", [16, 1024, 25_616, 1 << 21])
def test_the_search_finds_the_least_from_either_side(least: int, start: int) -> None:
    asked: list[int] = []
    assert smallest(lambda size: asked.append(size) or size >= least, start) == least
    assert all(size % ALIGNMENT == 0 and size > 0 for size in asked)
    assert len(asked) < 40
