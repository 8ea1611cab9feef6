"""The rooms' shared pieces: networks broken on purpose, and one pool for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyc.tflite.run.pool import Pool

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(1) as made:
        yield made
