"""Data that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyc.core.errors import UserError
from tinyc.data.loading import load_dataset
from tinyc.data.tokens import Language
from tinyc.spec.data import DataSpec


def refused(folder: Path, language: Language | None = None, **keys: object) -> str:
    """What is said of data with these keys of `[data]`, with a remedy."""
    with pytest.raises(UserError) as caught:
        load_dataset(DataSpec.model_validate(keys), folder.joinpath, folder / "cache", 7, language)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    return str(caught.value)
