"""What a recipe may ask of the machine that reads it: nesting, substitutions, other files, time."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.spec.bounds import Bound
from tinyc.spec.lines import Lines, bare
from tinyc.spec.load import load

GOOD = """name = "small"
seed = 3
[source]
build = "net.py:net"
train = { epochs = 1 }
[data]
name = "fashion-mnist"
[[pass]]
use = "quantize"
"""
HEAD, REST = GOOD.split("\n", maxsplit=1)


def refusal(folder: Path, text: str, sets: tuple[str, ...] = ()) -> str:
    """What is said of a recipe that is refused."""
    path = folder / "r.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load(str(path), sets)
    return str(caught.value)


def dotted(deep: int) -> str:
    return ".".join("a" for _ in range(deep))


FORMS: dict[str, Callable[[int], str]] = {
    "dotted key": lambda deep: f"{GOOD}{dotted(deep)} = 1",
    "quoted keys": lambda deep: f"{GOOD}" + " . ".join('"a.b"' for _ in range(deep)) + " = 1",
    "header": lambda deep: f"{GOOD}[{dotted(deep)}]",
    "header of a list": lambda deep: f"{GOOD}[[{dotted(deep)}]]",
    "lists": lambda deep: f"{GOOD}z = {'[' * deep}{']' * deep}",
    "inline tables": lambda deep: f"{GOOD}z = {'{a=' * deep}1{'}' * deep}",
    "dotted keys in inline tables": lambda deep: f"{GOOD}z = {('{' + dotted(40) + '=') * 40}1{'}' * 40} # {deep}",
}


@pytest.mark.parametrize("deep", [500, 100_000])
@pytest.mark.parametrize("form", FORMS)
def test_deep_nesting_is_refused_on_its_line(tmp_path: Path, form: str, deep: int) -> None:
    said = refusal(tmp_path, FORMS[form](deep))
    assert f"nests tables or lists over {limits.NESTING} deep" in said
    assert f"{tmp_path / 'r.toml'}:10" in said


@pytest.mark.parametrize(
    "text", [f"{dotted(500)}=1", f"seed={'[' * 500}{']' * 500}", f"source={'{a=' * 500}1{'}' * 500}"]
)
def test_a_deep_set_is_refused(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, GOOD, (text,))
    assert said.startswith("--set ")
    assert f"over {limits.NESTING} deep" in said


def test_dots_and_brackets_in_strings_and_comments_nest_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    quoted = f"""description = '''{dotted(500)} {"[" * 500} " \\ # '''' # {dotted(500)} {"[" * 500} ''' \n"""
    path.write_text(f"{HEAD}\n{quoted}{REST}")
    assert load(str(path)).description.startswith("a.a.a")


def test_deep_variables_nest_too(tmp_path: Path) -> None:
    deep = f"{'[' * 40}{']' * 40}"
    said = refusal(tmp_path, f"""{GOOD}z = {"[" * 40}"${{v}}"{"]" * 40}\n[vars]\nv = {deep}\n""")
    assert f"over {limits.NESTING} deep" in said


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('description = "' + "${v}" * 5000 + '"', '"' + "y" * 900_000 + '"'),
        ('description = "' + "${v}" * 100_000 + '"', "[" + "1," * 20_000 + "]"),
        ("z = [" + '"${v}",' * 50_000 + "]", "[" + "1," * 20_000 + "]"),
    ],
    ids=["text", "a list in text", "a list that keeps its type"],
)
def test_a_bomb_of_variables_is_refused_before_it_takes_memory(tmp_path: Path, line: str, value: str) -> None:
    tracemalloc.start()
    said = refusal(tmp_path, f"{HEAD}\n{line}\n{REST}[vars]\nv = {value}\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "${v} and the variables before it come to over 4.0 MiB where they are put in" in said
    assert ":2: " in said
    assert peak < 150 << 20


def test_a_large_recipe_is_refused_unread(tmp_path: Path) -> None:
    assert "at most 1.0 MiB are read" in refusal(tmp_path, "#" * (limits.RECIPE_BYTES + 1))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (".", "is a folder, not a regular file"),
        ("/", "is a folder, not a regular file"),
        ("/dev/zero", "is a device, not a regular file"),
        ("/proc/kmsg", "is a file of the system"),
        ("pipe", "is a pipe, not a regular file"),
        ("latin-1.toml", "is not UTF-8 text"),
        ("x" * 300, "does not exist"),
        ("x/" * 3000, "does not exist"),
        ("a\\u0000b", "does not exist"),
        ("loop", "does not exist"),
        ("r.toml/x", "does not exist"),
    ],
)
def test_what_cannot_be_extended_is_the_recipes_mistake(tmp_path: Path, base: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "latin-1.toml").write_bytes(b"name = '\xe9'")
    found = refusal(tmp_path, f'extends = "{base}"\n{GOOD}')
    assert found.startswith(f"{tmp_path / 'r.toml'}:1: extends")
    assert said in found


def test_a_long_chain_is_no_circle(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\n')
    found = refusal(tmp_path, f'extends = "0.toml"\n{GOOD}')
    assert f"at most {limits.EXTENDS} are followed" in found
    assert "runs in a circle" not in found


@pytest.mark.parametrize("name", [".", "/dev/zero", "/proc/self/mem", "x" * 300, "x/" * 3000, "a\0b", ""])
def test_what_is_no_recipe_is_the_command_lines_mistake(name: str) -> None:
    with pytest.raises(UserError):
        load(name)


def test_extends_is_not_set_on_the_command_line(tmp_path: Path) -> None:
    assert "extends is read before --set" in refusal(tmp_path, GOOD, ("extends='base.toml'",))


def test_a_set_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    assert "name: holds bytes that are not UTF-8 text" in refusal(tmp_path, GOOD, ("name=\udcff",))


@pytest.mark.parametrize("text", ["<= 1" + " " * 100_000 + "x", "<= " + "1" * 100_000 + "!"])
def test_long_bounds_take_no_time(text: str) -> None:
    """Both took minutes: their patterns tried every way to share out the spaces and the digits."""
    with pytest.raises(ValueError, match=r"."):
        Bound.parse("flash", text)


def test_long_words_are_compared_with_none() -> None:
    long = "a" * 100_000
    assert nearest(long, [long + "b"] * 100) == []
    assert nearest("fractoin", ["fraction", long]) == ["fraction"]


def test_lines_are_found_behind_strings_that_look_like_keys() -> None:
    text = (
        'a = """\nb = 1\n""""  # [c]\n'
        "\"d.e\" . f = [\n'g = 2',\n]\n"
        "[ h . 'i.j' ]  # k = 3\n"
        "l = '[' # \"\n"
        "[[m]]\nn = 4\n[[m]]\nn = 5\n"
    )
    assert dict(Lines.scan(Path("x"), text).numbers) == {
        ("a",): 1, ("d.e",): 4, ("d.e", "f"): 4, ("h",): 7, ("h", "i.j"): 7, ("h", "i.j", "l"): 8,
        ("m",): 9, ("m", 0): 9, ("m", 0, "n"): 10, ("m", 1): 11, ("m", 1, "n"): 12,
    }  # fmt: skip
    assert len(bare(text)) == len(text)
