"""Functions in a user's file: found, fingerprinted with what they import, and their failures named by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tinyc.builders import Builder
from tinyc.errors import UserError


def builder(text: object) -> Builder:
    return Builder.model_validate(text)


def test_options_reach_the_function(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(a, width=1): return a * width")
    made = builder({"build": "f.py:f", "width": 3})
    assert made.call(lambda name: tmp_path / name, 2) == 6


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
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
