"""Functions in a user's file: found, fingerprinted with what they import, and their failures named by line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from tinyc.core.errors import UserError
from tinyc.spec.builders import PREFIX, Builder


def builder(text: object) -> Builder:
    return Builder.model_validate(text)


def test_options_reach_the_function(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(a, width=1): return a * width")
    made = builder({"build": "f.py:f", "width": 3})
    assert made.call(lambda name: tmp_path / name, 2) == 6


def test_what_a_function_takes_is_offered_to_it(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(vocabulary=1): return vocabulary\ndef g(): return 0")
    assert builder("f.py:f").call(lambda name: tmp_path / name, vocabulary=40) == 40
    assert builder({"build": "f.py:f", "vocabulary": 7}).call(lambda name: tmp_path / name, vocabulary=40) == 7
    assert builder("f.py:g").call(lambda name: tmp_path / name, vocabulary=40) == 0


def test_local_imports_work_and_enter_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("from parts.deep import N\ndef f(): return N")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "deep.py").write_text("N = 1")
    made = builder("f.py:f")
    before = made.fingerprint(lambda name: tmp_path / name)
    assert made.call(lambda name: tmp_path / name) == 1
    (tmp_path / "parts" / "deep.py").write_text("N = 2")
    assert made.fingerprint(lambda name: tmp_path / name) != before


def test_relative_imports_inside_a_package_enter_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("from blocks import N\ndef f(): return N")
    (tmp_path / "blocks" / "inner").mkdir(parents=True)
    (tmp_path / "blocks" / "__init__.py").write_text("from .inner.deep import N")
    (tmp_path / "blocks" / "inner" / "__init__.py").write_text("")
    (tmp_path / "blocks" / "inner" / "deep.py").write_text("from ..base import N")
    (tmp_path / "blocks" / "base.py").write_text("N = 1")
    made = builder("f.py:f")
    before = made.fingerprint(lambda name: tmp_path / name)
    for changed in ("inner/__init__.py", "inner/deep.py", "base.py"):
        path = tmp_path / "blocks" / changed
        path.write_text(path.read_text() + "\n# changed")
        after = made.fingerprint(lambda name: tmp_path / name)
        assert after != before, changed
        before = after


def test_a_local_import_inside_the_function_works(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f():\n    from late_part import N\n    return N")
    (tmp_path / "late_part.py").write_text("N = 5")
    assert builder("f.py:f").call(lambda name: tmp_path / name) == 5


def test_two_folders_with_a_module_of_one_name_each_get_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "blocks_of").mkdir(parents=True)
        (tmp_path / name / "f.py").write_text("from namesake import N\nfrom blocks_of import M\ndef f(): return N + M")
        (tmp_path / name / "namesake.py").write_text(f"N = '{name}'")
        (tmp_path / name / "blocks_of" / "__init__.py").write_text(f"M = '{name}'")
    found = [builder(f"{name}/f.py:f").call(lambda path: tmp_path / path) for name in ("a", "b", "a")]
    assert found == ["aa", "bb", "aa"]


def test_another_thread_may_import_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of a federation imports beside it; here the import happens in the middle of each look at a module."""

    class Importing(ModuleType):
        imported = 0

        def __getattribute__(self, name: str) -> Any:
            if name != "__file__":
                return super().__getattribute__(name)
            Importing.imported += 1
            monkeypatch.setitem(sys.modules, f"meanwhile{Importing.imported}", ModuleType("meanwhile"))
            return "elsewhere/f.py"

    monkeypatch.setitem(sys.modules, f"{PREFIX}other", Importing("other"))
    monkeypatch.setitem(sys.modules, "after", ModuleType("after"))
    (tmp_path / "f.py").write_text("def f(): return 1")
    assert builder("f.py:f").call(lambda name: tmp_path / name) == 1
    assert Importing.imported


def test_what_user_code_prints_is_not_among_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.py").write_text("print('loaded')\ndef f(): print('called')")
    builder("f.py:f").call(lambda name: tmp_path / name)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "loaded\ncalled\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f():\n    import sys\n    sys.exit('no')", r"f\.py:3: f raised SystemExit: no"),
        ("import sys\nsys.exit(0)", r"f\.py:2: the module raised SystemExit"),
        ("def f():\n    raise KeyError('x')", r"f\.py:2: f raised KeyError"),
        ("import nowhere_at_all\ndef f(): ...", r"f\.py:1: the module raised ModuleNotFoundError"),
        ("def f(:\n", r"f\.py:1: the module raised SyntaxError"),
        ("def g(): ...", "has no function 'f'"),
    ],
)
def test_user_code_that_fails_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.py").write_text(text)
    with pytest.raises(UserError, match=message):
        builder("f.py:f").call(lambda name: tmp_path / name)


@pytest.mark.parametrize("text", ["f.py", "f:g", "f.py:", "f.py:1x"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"file\.py:function"):
        builder(text)


def test_a_module_that_has_moved_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("import os\nfrom tinyc.blocks import Attention\ndef f(): return Attention")
    with pytest.raises(UserError, match=r"f\.py:2: imports tinyc\.blocks, which is tinyc\.network\.blocks now"):
        builder("f.py:f").call(lambda name: tmp_path / name)
