"""The schema of `[source]`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tinyc.spec.source import SourceSpec


@pytest.mark.parametrize(
    "table",
    [
        {"build": "net.py:net", "train": {"epochs": 2}},
        {"build": {"build": "net.py:net", "width": 4}, "weights": "w.h5"},
        {"build": "net.py:net", "weights": "w.h5", "train": {}},
        {"file": "net.keras"},
        {"checkpoint": "hf:org/name", "train": {"epochs": 3}},
        {"checkpoint": "folder", "pool": "first", "train": {}},
        {"file": "net.keras", "train": {"epochs": 1, "augment": ["flip"]}},
    ],
    ids=str,
)
def test_what_is_taken(table: dict[str, Any]) -> None:
    SourceSpec.model_validate(table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "none given"),
        ({"build": "net.py:net", "file": "a.h5", "train": {}}, "build and file given"),
        ({"checkpoint": "hf:org/name"}, "has no head for the task yet"),
        ({"checkpoint": "hf:org/name", "weights": "w.h5", "train": {}}, "`weights` belong to `build`"),
        ({"file": "a.h5", "pool": "first"}, "`pool` belongs to `checkpoint`"),
        ({"build": "net.py:net"}, "has no weights yet"),
        ({"file": "a.h5", "weights": "w.h5"}, "brings its own"),
        ({"build": "net.py"}, "not of the form"),
        ({"build": "net.py:net", "train": {"epochs": 0}}, "greater than or equal to 1"),
        ({"build": "net.py:net", "train": {"epoch": 2}}, "epoch"),
        ({"build": "net.py:net", "train": {"augment": ["spin"]}}, "unknown augmentation 'spin'; known: crop"),
    ],
)
def test_what_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceSpec.model_validate(table)
