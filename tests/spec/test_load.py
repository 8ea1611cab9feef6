"""Recipes: every way one can be wrong, with its message, and what extends, vars and --set make of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinyc.core.errors import UserError
from tinyc.spec import gallery
from tinyc.spec.load import load

GOOD = """
name = "small"
seed = 3

[source]
build = "net.py:net"
train = { epochs = 1 }

[data]
name = "fashion-mnist"

[targets]
params_reduction = ">= 90 %"

[[pass]]
use = "prune"
how = "channels"
fraction = 0.5
epochs = 1

[[pass]]
use = "quantize"
"""

BAD = [
    ("name = ", "name = = ", "broken TOML", 2),
    ("seed = 3", 'seed = "3"', "seed", 3),
    ("seed = 3", "seed = -1", "greater than or equal to 0", 3),
    ("seed = 3", "seeds = 3", "did you mean 'seed'", 3),
    ("[targets]", "[target]", "did you mean 'targets'", 12),
    ('name = "small"', 'name = "a/b"', "name", 2),
    ("train = { epochs = 1 }", "train = { epoch = 1 }", "did you mean 'epochs'", 7),
    ("train = { epochs = 1 }", "train = { epochs = 0 }", "epochs", 7),
    ("train = { epochs = 1 }", "train = { epochs = 1.5 }", "integer", 7),
    ("train = { epochs = 1 }", "", "no weights", 5),
    ('build = "net.py:net"', 'build = "net.py"', "file.py:function", 6),
    ('build = "net.py:net"', 'build = "net.py:net"\nfile = "x.h5"', "exactly one", 5),
    ('name = "fashion-mnist"', 'path = "a.npz"\nload = "b.py:c"', "exactly one", 9),
    ('params_reduction = ">= 90 %"', 'param_reduction = ">= 90 %"', "did you mean 'params_reduction'", 13),
    ('params_reduction = ">= 90 %"', 'params_reduction = "90 %"', "is not a bound", 13),
    ('params_reduction = ">= 90 %"', 'params_reduction = ">= 90 KiB"', "unknown unit", 13),
    ('params_reduction = ">= 90 %"', "params_reduction = 0.9", "is not a bound", 13),
    ('use = "prune"', 'use = "prone"', "did you mean 'prune'", 16),
    ("fraction = 0.5", "fraction = 1.5", "fraction", 18),
    ("fraction = 0.5", 'fraction = "half"', "fraction", 18),
    ("fraction = 0.5", "fractoin = 0.5", "did you mean 'fraction'", 18),
    ("fraction = 0.5", 'fraction = 0.5\nonly = [{ match = "a", fractoin = 0.5 }]', "did you mean 'fraction'", 19),
    ("fraction = 0.5", "fraction = 0.5\nonly = [{ match = 3 }]", "only.1.match: input should be a valid string", 19),
    ("fraction = 0.5", "sparsity = 0.5", "`sparsity` belongs to how", 15),
    ("fraction = 0.5", "fraction = nan", "nan is not a number", 18),
    ("fraction = 0.5", "fraction = 1e999", "inf is not a number", 18),
    ("fraction = 0.5", "fraction = [0, { a = 2020-01-01 }]", "fraction.2.a: 2020-01-01 is a date", 18),
    ("fraction = 0.5", f"fraction = 0x{'f' * 5000}", "an integer of over 64 bits", 18),
    ("seed = 3", 'seed = 3\nextends = ""', "'' is not a path", 4),
    ("seed = 3", "seed = 3\nextends = 5", "5 is not a path", 4),
    ("[targets]", f"[source{' ' * 200_000}.x]", "unknown key 'x'", 12),
    ("seed = 3", "seed = 3\n[device]\nboard = 'x'", "boards are not built yet", 4),
    ('use = "quantize"', 'use = "quantize"\n[[pass]]\nuse = "prune"\nhow = "channels"\nfraction = 0.5',
     "prune takes a Keras network, but quantize gives a .tflite", 23),
    ('use = "quantize"', 'use = "quantize"\n[[pass]]\nuse = "verify"\n[[pass]]\nuse = "export"', "after export", 23),
    ('use = "quantize"', 'use = "verify"', "put a quantize pass before it", 21),
    ("fraction = 0.5", 'fraction = 0.5\nexpect = { accuracy_drop = "<= 2 KiB" }', "unknown unit", 19),
    ("fraction = 0.5", "fraction = ${amount}", "broken TOML", 18),
    ("fraction = 0.5", 'fraction = "${amount}"', "unknown variable ${amount}", 18),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "line"), BAD)
def test_bad_recipe_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str, line: int) -> None:
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert message in str(caught.value)
    assert f"{path}:{line}" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_recipe_without_passes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    path.write_text(GOOD.split("[[pass]]", maxsplit=1)[0])
    with pytest.raises(UserError, match=r"no \[\[pass\]\]"):
        load(str(path))


@pytest.mark.parametrize("name", gallery.names())
def test_shipped_recipes_load(name: str) -> None:
    assert load(name).name == name


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'resnet50-tiny'"):
        load("resnet50-tini")


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_extends_merges_tables_and_replaces_the_list_of_passes(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", GOOD)
    child = write(tmp_path, "child.toml", """
        extends = "base.toml"
        seed = 9
        [targets]
        flash = "<= 1 KiB"
        [[pass]]
        use = "quantize"
    """)  # fmt: skip
    recipe = load(child)
    assert recipe.name == "small"
    assert recipe.seed == 9
    assert [bound.metric for bound in recipe.targets] == ["params_reduction", "flash"]
    assert [step.transform.use for step in recipe.steps] == ["quantize"]


def test_an_error_in_what_is_extended_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", GOOD.replace("fraction = 0.5", "fraction = 2.0"))
    child = write(tmp_path, "child.toml", 'extends = "base.toml"\nseed = 9\n')
    with pytest.raises(UserError, match=r"base\.toml:18"):
        load(child)


def test_extends_in_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", 'extends = "b.toml"')
    with pytest.raises(UserError, match=r"a\.toml -> b\.toml -> a\.toml"):
        load(write(tmp_path, "b.toml", 'extends = "a.toml"').replace("b.toml", "a.toml"))


def test_a_variable_keeps_its_type_when_it_stands_alone(tmp_path: Path) -> None:
    text = GOOD.replace("fraction = 0.5", 'fraction = "${amount}"').replace('"small"', '"small-${amount}"')
    recipe = load(write(tmp_path, "v.toml", text + "\n[vars]\namount = 0.25\n"))
    assert recipe.name == "small-0.25"
    assert recipe.steps[0].transform.model_dump()["fraction"] == 0.25


@pytest.mark.parametrize(
    ("text", "value"),
    [("pass.1.fraction=0.75", 0.75), ("pass.prune.fraction=0.75", 0.75), ("pass.prune.fraction = 0.75", 0.75)],
)
def test_set_changes_one_key(tmp_path: Path, text: str, value: float) -> None:
    recipe = load(write(tmp_path, "s.toml", GOOD), [text])
    assert recipe.steps[0].transform.model_dump()["fraction"] == value


def test_set_takes_a_bound_without_spaces(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, "s.toml", GOOD), ["targets.flash=<=96KiB"])
    assert recipe.targets[-1].limit == 96 * 1024


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", "KEY=VALUE"),
        ("pass.7.fraction=1", "there is no pass 7"),
        ("pass.distill.epochs=1", "0 passes named 'distill'"),
        ("seed.x=1", "seed is not a table"),
    ],
)
def test_bad_set_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write(tmp_path, "s.toml", GOOD), [text])


def test_name_and_targets_do_not_change_the_resolved_passes(tmp_path: Path) -> None:
    one = load(write(tmp_path, "a.toml", GOOD))
    two = load(write(tmp_path, "b.toml", GOOD.replace("90 %", "95 %")))
    assert one.sha256 != two.sha256
    assert one.steps[0].transform == two.steps[0].transform


def test_light_commands_import_neither_tensorflow_nor_matplotlib() -> None:
    code = (
        "import sys; from tinyc.cli import invoke\n"
        "for arguments in (['--help'], ['check', 'resnet50-tiny'], ['passes'], ['passes', 'prune']):\n"
        "    code = invoke(arguments)\n"
        "    heavy = {'tensorflow', 'tf_keras', 'matplotlib', 'scipy', 'pandas'} & set(sys.modules)\n"
        "    if heavy or code: sys.exit(f'{arguments} imported {heavy}, exit {code}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed = 3", f"seed = {'9' * 5000}"),
        ("seed = 3", 'seed = 3\nextends = "~no_such_user/base.toml"'),
        ("seed = 3", 'seed = 3\nextends = "~\\u0000/base.toml"'),
    ],
)
def test_what_python_itself_refuses_is_a_message(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path, "huge.toml", GOOD.replace(old, new))
    with pytest.raises(UserError, match=r"huge\.toml"):
        load(path)


def test_a_set_that_python_itself_refuses_is_text(tmp_path: Path) -> None:
    path = write(tmp_path, "good.toml", GOOD)
    with pytest.raises(UserError, match="seed"):
        load(path, [f"seed={'9' * 5000}"])
