"""Finished steps on disk: what is read back, and what counts as damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core import run_folder
from tinyc.data.task import Task
from tinyc.network import sources
from tinyc.network.state import Net
from tinyc.run import stored
from tinyc.spec import builders
from tinyc.spec.builders import Builder

TASK = Task(("a", "b", "c"), (8, 8, 1))
OWN = """import tf_keras as keras
from part import Times

@keras.utils.register_keras_serializable("mine")
class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2.0

def net(shape, classes):
    images = keras.Input(shape)
    x = Times(3.0, name="times")(Twice(name="twice")(keras.layers.Flatten()(images)))
    return keras.Model(images, keras.layers.Dense(classes, name="head")(x))
"""
PART = """import tf_keras

class Times(tf_keras.layers.Layer):
    def __init__(self, by=1.0, **more):
        super().__init__(**more)
        self.by = by
    def call(self, x):
        return x * self.by
    def get_config(self):
        return {**super().get_config(), "by": self.by}
"""


@pytest.mark.parametrize("manifest", [{}, {"key": "k"}, {"key": "k", "ledger": {"params": 1}}])
def test_a_manifest_of_another_make_is_no_finished_step(tmp_path: Path, manifest: dict[str, Any]) -> None:
    run_folder.store(tmp_path / "01-prune-abc", manifest, {})
    assert stored.load_step(tmp_path / "01-prune-abc") is None


def test_a_network_with_layers_of_the_users_own_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(OWN)
    (tmp_path / "part.py").write_text(PART)
    net = Net(sources.network(Builder(build="net.py:net"), TASK, tmp_path.joinpath), TASK)
    step = tmp_path / "01-distill-abc"
    run_folder.store(step, {"state": stored.describe(net)}, stored.state_files(net))
    found: Any = stored.load_state(step, TASK, lambda: builders.classes(tmp_path / "net.py"))
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype(np.float32)
    assert np.array_equal(found.model(images), net.model(images))


def test_ranges_of_a_training_under_rounding_are_read_back(tmp_path: Path) -> None:
    from support import clients

    net = Net(clients.network(), clients.TASK, ranges={"first/output": (-1.25, 2.0), "input/0": (0.0, 0.1)})
    step = tmp_path / "01-federate-abc"
    run_folder.store(step, {"state": stored.describe(net)}, stored.state_files(net))
    found = stored.load_state(step, clients.TASK, dict)
    assert isinstance(found, Net)
    assert found.ranges == net.ranges
    assert "ranges" not in (stored.describe(Net(net.model, clients.TASK)) or {})
