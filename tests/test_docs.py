"""What README and the docs show is what the program takes."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import tomli_w
from pydantic import BaseModel, TypeAdapter
from support import pages, small

import tinyc
from tinyc import cli
from tinyc.cli import federation
from tinyc.spec import gallery
from tinyc.spec.data import DataSpec
from tinyc.spec.datasets import NAMED
from tinyc.spec.load import load
from tinyc.spec.metrics import bounded
from tinyc.spec.passes import PASSES
from tinyc.spec.preparation import Step
from tinyc.spec.sentences import Prepare
from tinyc.spec.source import SourceSpec, TrainSpec
from tinyc.tflite.run import bench

ROOT, README = pages.ROOT, pages.README
NAMES = ("data", "recipes", "commands", "results", "terminals")
DATA, RECIPES, COMMANDS, RESULTS, TERMINALS = (ROOT / "docs" / f"{name}.md" for name in NAMES)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text()


def named(page: Path, line: str) -> str:
    return f"{page.name}: {line}"


SHOWN = [pytest.param(line, id=named(page, line)) for page in pages.GUIDES for line in pages.lines(page)]
QUOTED = [
    pytest.param(span, id=named(page, span))
    for page in pages.GUIDES
    for span in dict.fromkeys(pages.spans(page))
    if re.match(r"(tinyc|make|python|pip) ", span)
]


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that some words name, and the words after its name."""
    command: click.Command = cli.group
    while isinstance(command, click.Group) and words:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def require_make(words: list[str]) -> None:
    for word in words:
        key, given, value = word.partition("=")
        if not given:
            assert re.search(rf"^{key}:", MAKEFILE, re.MULTILINE), key
        elif key == "RECIPE":
            load(value)
        else:
            assert f"$({key})" in MAKEFILE or f"$(foreach pair,$({key})" in MAKEFILE, key


def require_script(words: list[str]) -> None:
    """Scripts of `benchmarks/`, and the one that `tinyc bench --script` writes."""
    script = Path(bench.__file__ if words[0] == "bench.py" else ROOT / words[0]).read_text()
    for option in words[1:]:
        assert not option.startswith("--") or f'"{option}"' in script, option


def require_install(words: list[str]) -> None:
    assert words[0] == "install"
    for word in words[1:]:
        assert not word.endswith(".txt") or (ROOT / word).is_file(), word
        found = re.fullmatch(r"(?:\.|tinyc)\[([\w,]+)\]", word)
        assert set(found[1].split(",") if found else ()) <= set(EXTRAS), word


REQUIRE = {"make": require_make, "python": require_script, "pip": require_install}


@pytest.mark.parametrize("line", SHOWN)
def test_each_command_of_a_block_parses(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "tinyc":
        command, arguments = resolved(words)
        command.make_context(words[0], arguments)
    elif program == "cd":
        assert words == ["mine"]
    else:
        REQUIRE[program](words)


@pytest.mark.parametrize("span", QUOTED)
def test_each_command_within_a_sentence_has_its_options(span: str) -> None:
    program, *words = shlex.split(span)
    if program == "tinyc":
        command, arguments = resolved(words)
        known = {name for each in command.params for name in each.opts} | {"--help"}
        assert {word for word in arguments if word.startswith("-")} <= known
    else:
        REQUIRE[program](words)


@pytest.mark.parametrize("page", pages.GUIDES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    kinds = {"python"} if page.name == "add-a-pass.md" else {"sh", "toml"}  # tests/spec/passes/test_add_a_pass.py
    assert {kind for kind, _ in pages.FENCE.findall(page.read_text())} <= kinds


def test_every_recipe_loads_and_so_does_every_section_of_one(tmp_path: Path) -> None:
    """A section takes its place in the recipe of the README."""
    (recipe,) = (tomllib.loads(block) for block in pages.blocks(README, "toml"))
    for page in pages.GUIDES:
        for block in pages.blocks(page, "toml"):
            (tmp_path / "r.toml").write_text(tomli_w.dumps({**recipe, **tomllib.loads(block)}))
            assert [step.transform.use for step in load(str(tmp_path / "r.toml")).steps]


def test_every_pass_metric_and_command_is_named() -> None:
    for page in (README, RECIPES):
        for name in (*PASSES, *bounded()):
            assert f"`{name}`" in page.read_text(), (page.name, name)
    shown = {line.split()[1] for line in pages.lines(COMMANDS) if line.startswith("tinyc ")}
    assert shown | {"federate", "passes"} == set(cli.group.commands)
    terminals = {line.split()[2] for line in pages.lines(TERMINALS) if line.startswith("tinyc federate ")}
    assert terminals == set(federation.federate.commands)


def test_every_exit_code_is_named() -> None:
    codes = re.findall(r"\b(\d+) ", cli.group.epilog or "")
    assert codes[:3] == ["0", "1", "2"]
    (said,) = re.findall(r"Exit codes: ([^.]+)\.", README.read_text())
    assert [part.split()[0] for part in said.split(";")] == codes
    assert [row["code"] for row in pages.rows(pages.section(COMMANDS, "Exit codes"))] == codes


def test_the_readme_has_one_line_for_each_pass() -> None:
    table = [row for row in pages.rows(pages.section(README, "Passes and targets")) if "pass" in row]
    assert [row["pass"] for row in table] == [f"`{name}`" for name in PASSES]


@pytest.mark.parametrize(
    "row",
    [*pages.rows(pages.section(README, "Your own network and data"))],
    ids=lambda row: row["section"] + row["what you have"],
)
def test_what_the_readme_says_to_write_is_taken(row: dict[str, str]) -> None:
    _, section, written = row.values()
    schemas: dict[str, type[BaseModel]] = {"`[source]`": SourceSpec, "`[data]`": DataSpec}
    schemas[section].model_validate(tomllib.loads("\n".join(pages.SPAN.findall(written))))


def test_the_page_of_data_has_every_key_step_and_data_set() -> None:
    steps = list(pages.rows(pages.section(DATA, "`prepare`")))
    adapter: TypeAdapter[Step] = TypeAdapter(Step)
    made = [adapter.validate_python(tomllib.loads(f"step = {row['step'].strip('`')}")["step"]) for row in steps]
    spans = {word for span in pages.spans(DATA) for word in re.findall(r"\w+", span)}
    schemas: tuple[Any, ...] = (SourceSpec, TrainSpec, DataSpec, Prepare, *map(type, made))
    for schema in schemas:
        assert set(schema.model_fields) <= spans, schema
    assert {each.op for each in made} == {"window", "mfcc", "log_mel", "resize", "grayscale"}
    carried = [row["`name`"].strip("`") for row in pages.rows(pages.section(DATA, "Data sets that tinyc carries"))]
    assert {*carried, "fashion-mnist-full"} == set(NAMED)


def test_every_extra_that_is_named_exists() -> None:
    table = pages.rows(pages.section(COMMANDS, "Installing"))
    assert {row["extra"].strip("`") for row in table} <= set(EXTRAS)


def test_the_targets_of_the_readme_are_the_recipes() -> None:
    table = [row["target"] for row in pages.rows(pages.section(README, "Try it")) if "target" in row]
    assert table == [f"{bound.metric} {bound.text}" for bound in load("resnet50-tiny").targets]


def test_every_shipped_recipe_has_its_line_among_the_results() -> None:
    table = [row["recipe"].strip("`") for row in pages.rows(pages.section(RESULTS, "Results of the shipped recipes"))]
    assert sorted(table) == [name for name in gallery.names() if "bring-your-own" not in name]


@pytest.mark.parametrize(
    ("recipe", "page", "heading", "last"),
    [
        ("resnet50-tiny", README, "Try it", "verify"),
        ("resnet50-nano", ROOT / "docs" / "every-byte.md", "A ResNet-50 in 28 KiB", "export, verify"),
        (
            "resnet50-slim",
            ROOT / "docs" / "every-byte.md",
            "The ResNet-50 itself, without nine tenths",
            "export, verify",
        ),
    ],
)
def test_a_result_is_the_last_row_of_its_run(recipe: str, page: Path, heading: str, last: str) -> None:
    text = pages.section(RESULTS, "Images: resnet50-tiny, resnet50-nano, resnet50-slim")
    said = next(row for row in pages.rows(text) if row["recipe"] == recipe)
    (run,) = (row for row in pages.rows(pages.section(page, heading)) if row.get("") == last)
    both = set(said) & set(run)
    assert {"params", "file", "arena", "accuracy"} <= both
    assert {name: said[name].split(" (")[0] for name in both} == {name: run[name] for name in both}


def test_the_readme_is_short_and_the_changelog_of_this_version() -> None:
    assert len(README.read_text().splitlines()) <= 150
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert "\n## [Unreleased]\n" in changes
    assert tinyc.__version__ in changes


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
