"""[device]: what it refuses, the bounds that it brings, and the keys that follow the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinyc import cli
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.blocks import Attention, TokenEmbedding
from tinyc.network.float_tflite import to_float_tflite
from tinyc.spec.builder_layers import OPERATORS
from tinyc.spec.load import load
from tinyc.spec.on_device import require_operators
from tinyc.spec.passes.quantize import Quantize
from tinyc.spec.recipe import Recipe
from tinyc.tflite.read.flatbuffer import describe

RECIPE = """
name = "small"
[source]
build = "net.py:net"
train = { epochs = 1 }
[data]
name = "fashion-mnist"
[targets]
accuracy = ">= 80 %"
[device]
board = "board.toml"
runtime = "runtime.toml"
[[pass]]
use = "quantize"
"""
BOARD = """
name = "mine"
title = "A board of mine"
core = "cortex-m4"
flash_bytes = 1048576
flash_address = 0
model_flash_bytes = 800000
model_ram_bytes = 150000
runtime = "own"
runtimes = ["own", "other"]
[[ram]]
name = "RAM"
bytes = 262144
"""
RUNTIME = """
name = "own"
title = "A runtime of mine"
per_channel_dense = "wrong"
int4 = []
[operators]
CONV_2D = ["int8"]
FULLY_CONNECTED = ["int8"]
"""
NET = "from tinyc.network.blocks import Attention\n\ndef net(input_shape, classes):\n    return inner(classes)\n"


def written(folder: Path, recipe: str = RECIPE, board: str = BOARD, runtime: str = RUNTIME) -> Path:
    (folder / "board.toml").write_text(board)
    (folder / "runtime.toml").write_text(runtime)
    path = folder / "small.toml"
    path.write_text(recipe)
    return path


def loaded(folder: Path, **texts: str) -> Recipe:
    return load(str(written(folder, **texts)))


RECIPES = [
    ('board = "board.toml"', 'board = "arduino-nano-33-bla"', "did you mean 'arduino-nano-33-ble'", 11),
    ('board = "board.toml"', 'board = "nothing-like-it-at-all"', "`tinyc boards` lists them", 11),
    ('board = "board.toml"', 'board = "none.toml"', "does not exist", 11),
    ('board = "board.toml"', 'board = ["a", "b"]', "valid string", 11),
    ('board = "board.toml"', 'board = ""', "at least 1 character", 11),
    ('board = "board.toml"\nruntime = "runtime.toml"', "", "neither a board nor a runtime", 10),
    ('board = "board.toml"', 'boards = "board.toml"', "did you mean 'board'", 11),
    ('runtime = "runtime.toml"', 'runtime = "zephyr-4.5"', "did you mean 'zephyr-4", 12),
    ('runtime = "runtime.toml"', 'runtime = "linux"', "linux is not known to run on mine", 12),
    ("[device]", '[device]\nboard = "twice"', "broken TOML", 12),
    ('accuracy = ">= 80 %"', 'flash = "<= 2 MiB"', "more than the 1.0 MiB of A board of mine", 9),
    ('accuracy = ">= 80 %"', 'arena = "<= 300 KiB"', "more than the 256.0 KiB of A board of mine", 9),
    ('use = "quantize"', 'use = "quantize"\nweights = "int4"', "own takes no weights of four bits", 13),
    ('use = "quantize"', 'use = "quantize"\nactivations = "int16"', "own has no kernels for int16", 13),
    ('use = "quantize"', 'use = "quantize"\nper_channel_dense = true', "wrongly, without an error", 13),
    ('use = "quantize"', 'use = "quantize"\n[[pass]]\nuse = "compact"', "own has no TFLM_DECODE", 15),
    ('use = "quantize"', 'use = "quantize"\nprecision = "auto"\nflash = "1 MiB"', "leave `precision` and", 13),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "line"), RECIPES)
def test_bad_sections(old: str, new: str, message: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, recipe=RECIPE.replace(old, new, 1))
    assert message in str(caught.value)
    assert f"small.toml:{line}" in str(caught.value)


BOARDS = [
    ("flash_bytes = 1048576", "flash_bytes = -1", "greater than 0", 5),
    ("flash_bytes = 1048576", 'flash_bytes = "1 MiB"', "valid integer", 5),
    ("flash_bytes = 1048576", "flash_byte = 1048576", "did you mean 'flash_bytes'", 5),
    ("flash_bytes = 1048576", "flash_bytes = 700000", "`model_flash_bytes` 800000 is more than `flash_bytes`", None),
    ("model_ram_bytes = 150000", "model_ram_bytes = 300000", "more than the largest bank", None),
    ('runtime = "own"', 'runtime = "third"', "is not among `runtimes`", None),
    ('name = "RAM"', 'name = "RAM"\naddress = 0', "`ram` 'RAM' and 'TCM' overlap", None),
    ("bytes = 262144", "bytes = 0", "greater than 0", 13),
    ('core = "cortex-m4"', 'core = "cortex-m99"', "core", 4),
    ('name = "mine"', 'name = "My board"', "should match pattern", 2),
    ('name = "mine"', 'name = "raspberry-pi-4"', "takes the name 'raspberry-pi-4' of one that tinyc has", None),
    ('core = "cortex-m4"', "", "core: is missing", None),
    ("[[ram]]", "[ram]", "valid array", 11),
    ('title = "A board of mine"', 'title = "A board of mine"\nclock_mhz = nan', "nan is not a number", 4),
    ('runtimes = ["own", "other"]', 'runtimes = ["own"]\n[region]\naddress = 100\nbytes = 4096\nerase_bytes = 4096',
     "does not begin and end on blocks", 11),
    ('runtimes = ["own", "other"]',
     'runtimes = ["own"]\n[region]\naddress = 1048576\nbytes = 4096\nerase_bytes = 4096',
     "`region` lies outside the flash", None),
]  # fmt: skip


SECOND_BANK = '[[ram]]\nname = "TCM"\nbytes = 1024\naddress = 64\n'


@pytest.mark.parametrize(("old", "new", "message", "line"), BOARDS)
def test_bad_boards(old: str, new: str, message: str, line: int | None, tmp_path: Path) -> None:
    board = BOARD.replace(old, new, 1) + (
        '[[ram]]\nname = "TCM"\nbytes = 1024\naddress = 64\n' if "address" in new else ""
    )
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, board=board)
    assert message in str(caught.value)
    assert "board.toml" + (f":{line}" if line else "") in str(caught.value)


RUNTIMES = [
    ('CONV_2D = ["int8"]', 'CONV_2D = ["int7"]', "CONV_2D", 7),
    ('CONV_2D = ["int8"]', "CONV_2D = []", "gives no type of values for CONV_2D", 6),
    ("int4 = []", 'int4 = ["ADD"]', "`int4` names ADD, which `operators` lacks", None),
    ('per_channel_dense = "wrong"', 'per_channel_dense = "maybe"', "per_channel_dense", 4),
    ('name = "own"', 'name = "own"\nrepo = "x"', "unknown key 'repo'", 3),
    ("int4 = []", 'int4 = []\n[sources]\nfoo = "x"\n', "`sources` names 'foo', which is no key", None),
]


@pytest.mark.parametrize(("old", "new", "message", "line"), RUNTIMES)
def test_bad_runtimes(old: str, new: str, message: str, line: int | None, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, runtime=RUNTIME.replace(old, new, 1))
    assert message in str(caught.value)
    assert "runtime.toml" + (f":{line}" if line else "") in str(caught.value)


def test_a_lower_bound_leaves_the_boards_own(tmp_path: Path) -> None:
    own = RECIPE.replace('accuracy = ">= 80 %"', 'arena = ">= 1 KiB"')
    assert [bound.default for bound in loaded(tmp_path, recipe=own).targets] == [None, "mine", "mine"]


def test_bounds_of_the_board_stand_beside_those_of_the_recipe(tmp_path: Path) -> None:
    found = {bound.metric: bound for bound in loaded(tmp_path).targets}
    assert (found["flash"].text, found["flash"].default) == ("<= 781 KiB", "mine")
    assert (found["arena"].text, found["arena"].default) == ("<= 146 KiB", "mine")
    assert found["accuracy"].default is None
    own = RECIPE.replace('accuracy = ">= 80 %"', 'arena = "<= 9 KiB"')
    tightened = {bound.metric: bound for bound in loaded(tmp_path, recipe=own).targets}
    assert (tightened["arena"].text, tightened["arena"].default) == ("<= 9 KiB", None)
    assert tightened["flash"].default == "mine"


@pytest.mark.parametrize(
    ("verdict", "said", "given"),
    [("right", "", True), ("wrong", "", None), ("refused", "", None), ("right", "per_channel_dense = false", False)],
)
def test_dense_layers_follow_the_runtime(verdict: str, said: str, given: bool | None, tmp_path: Path) -> None:
    runtime = RUNTIME.replace('"wrong"', f'"{verdict}"')
    recipe = loaded(tmp_path, recipe=f"{RECIPE}\n{said}\n", runtime=runtime)
    transform = recipe.steps[0].transform
    assert isinstance(transform, Quantize)
    assert transform.per_channel_dense is given


def test_dense_layers_over_sentences_keep_one_scale(tmp_path: Path) -> None:
    text = RECIPE.replace('name = "fashion-mnist"', 'name = "movie-sentiment"')
    recipe = loaded(tmp_path, recipe=text, runtime=RUNTIME.replace('"wrong"', '"right"'))
    transform = recipe.steps[0].transform
    assert isinstance(transform, Quantize)
    assert transform.per_channel_dense is None


BUILDERS = [
    ("def inner(classes):\n    return Attention(2)\n", True),
    ("def inner(classes):\n    for _ in range(2):\n        x = [Attention(2)]\n", True),
    ("from tinyc.network import blocks\n\ndef inner(classes):\n    return blocks.Attention(2)\n", True),
    ("def inner(classes):\n    if classes > 2:\n        return Attention(2)\n", False),
    ("def inner(classes):\n    return Attention(2) if classes else None\n", False),
    ("def other(classes):\n    return Attention(2)\n", False),
    ("def Attention(width):\n    return width\n\ndef inner(classes):\n    return Attention(2)\n", False),
    ("def inner(classes):\n    return inner(classes)\n", False),
    ("def inner(classes):\n    return classes and Attention(2)\n", False),
    ("def inner(classes):\n    return [Attention(2) for _ in range(classes)]\n", False),
    ("import mine\n\ndef inner(classes):\n    return mine.Attention(2)\n", False),
    ("def inner(classes:\n", False),
]


@pytest.mark.parametrize(("source", "refused"), BUILDERS)
def test_attention_is_seen_before_anything_is_built(source: str, refused: bool, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET + source)
    recipe = loaded(tmp_path)
    assert recipe.device is not None
    if not refused:
        require_operators(recipe, recipe.device)
        return
    with pytest.raises(UserError, match=r"Attention \(net.py:\d+\) becomes BATCH_MATMUL, which own does not have"):
        require_operators(recipe, recipe.device)


MINILM = """
extends = "recipes/minilm-tiny.toml"
name = "on-a-nano"
[device]
board = "arduino-nano-33-ble"
"""


@pytest.mark.parametrize(("more", "code"), [("", 2), ('runtime = "zephyr-4.4"\n', 0)])
def test_a_nano_runs_attention_under_a_recent_zephyr_alone(
    more: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nano.toml"
    path.write_text(MINILM + more)
    assert cli.invoke(["check", str(path)]) == code
    said = capsys.readouterr().err
    assert (code == 2) == ("Attention (bert.py:" in said and "BATCH_MATMUL, which chirale does not have" in said)


def of_layer(name: str, x: Any) -> Any:
    """What a layer of this name makes of an input: its own kind of it."""
    layers = backend.keras().layers
    made: dict[str, Callable[[Any], Any]] = {
        "Attention": lambda x: Attention(2, 4)([x, x, x]),
        "MultiHeadAttention": lambda x: layers.MultiHeadAttention(2, 4)(x, x),
        "Embedding": layers.Embedding(9, 4),
        "TokenEmbedding": TokenEmbedding(9, 4),
        "Conv2DTranspose": layers.Conv2DTranspose(3, 2),
    }
    assert set(made) == set(OPERATORS)
    return made[name](x)


@pytest.mark.parametrize("name", OPERATORS)
def test_each_layer_becomes_the_operator_that_is_said_of_it(name: str) -> None:
    keras = backend.keras()
    kinds = {"Embedding": ((4,), "int32"), "TokenEmbedding": ((4,), "int32"), "Conv2DTranspose": ((4, 4, 2), "float32")}
    shape, dtype = kinds.get(name, ((4, 8), "float32"))
    x = keras.Input(shape, dtype=dtype)
    content = to_float_tflite(keras.Model(x, of_layer(name, x)))
    assert OPERATORS[name] in {op.name for op in describe(content).ops}
