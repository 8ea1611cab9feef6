"""What README and the docs show is what the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import small

from tinyc import cli
from tinyc.spec import gallery
from tinyc.spec.bounds import METRICS
from tinyc.spec.load import load
from tinyc.spec.passes import PASSES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.S)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("tinyc ")]


def test_the_recipe_in_the_readme_loads(tmp_path: Path) -> None:
    (recipe,) = blocks("toml")
    (tmp_path / "r.toml").write_text(recipe)
    assert [step.transform.use for step in load(str(tmp_path / "r.toml")).steps]


@pytest.mark.parametrize("line", commands())
def test_each_command_in_the_readme_parses(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = cli.group.commands[name]
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    command.make_context(name, arguments)


def test_the_readme_names_every_pass_metric_and_exit_code() -> None:
    for name in (*PASSES, *METRICS):
        assert f"`{name}`" in README, name
    for code in ("0", "1", "2", "3", "70", "130"):
        assert re.search(rf"\b{code} ", README)


def test_bring_your_own_runs_as_it_is_shipped(tmp_path: Path) -> None:
    """The recipe that the README teaches from, with a network and data of a user's, up to its first look."""
    from tinyc.network import backend
    from tinyc.spec.builders import Builder

    small.write(tmp_path, train=120, test=60)
    (tmp_path / "images.npz").rename(tmp_path / "data.npz")
    network = Builder(build="net.py:net").call(lambda name: tmp_path / name, (28, 28, 1), 10)
    network.save(tmp_path / "net.keras")
    assert backend.loaded()
    recipe = tmp_path / "bring-your-own.toml"
    recipe.write_text((gallery.root() / "recipes" / "bring-your-own.toml").read_text())
    shorter = [
        "--set",
        "pass.prune.epochs=1",
        "--set",
        "pass.quantize.epochs=1",
        "--set",
        "targets.params_reduction=>=20%",
    ]
    out = ["--out", str(tmp_path / "runs"), "--set", "pass.prune.expect={}", "--set", "targets.accuracy_drop=<=50pp"]
    assert cli.invoke(["compress", str(recipe), *shorter, *out]) == 0
    assert (tmp_path / "runs" / "bring-your-own" / "model.hex").exists()
