"""The test suite itself: every run collects the same tests, or parallel workers refuse to start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COLLECT_LATER = """
import sys, time
now = time.time
time.time = lambda: now() + 86_400
import pytest
options = ["--collect-only", "-q", "-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider"]
sys.exit(pytest.main([*options, *sys.argv[1:]]))
"""


def test_names_depend_neither_on_the_clock_nor_on_hashing(request: pytest.FixtureRequest) -> None:
    collected = {item.nodeid for item in request.session.items}
    files = sorted({name.partition("::")[0] for name in collected})
    done = subprocess.run(
        [sys.executable, "-c", COLLECT_LATER, *files],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(collected - set(done.stdout.splitlines())) == []
