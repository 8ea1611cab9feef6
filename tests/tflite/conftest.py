"""The rooms' shared pieces: tiny files beside this one, and one pool for all tests that do not break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinyc.tflite.run.pool import Pool


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made
