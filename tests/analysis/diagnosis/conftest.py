"""The rooms' shared pieces: networks broken on purpose, and one pool for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinyc.tflite.run.pool import Pool


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(1) as made:
        yield made
