"""Clients get all examples, each once, by a column, evenly or by Dirichlet; the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clients

from tinyc.core.errors import UserError
from tinyc.data import partition
from tinyc.data.dataset import Split

KINDS = [{"partition": "iid"}, {"partition": "dirichlet", "alpha": 0.1}, {"partition": "dirichlet", "alpha": 100}]


@pytest.mark.parametrize("keys", [*KINDS, {"partition": "column", "column": "subject", "clients": None}])
def test_each_example_once_and_the_same_each_time(keys):
    split, options = clients.examples(200), clients.options(**{"clients": 6, **keys})
    dealt, again = (partition.deal(split, options, 5) for _ in range(2))
    assert sorted(np.concatenate(list(dealt.values())).tolist()) == list(range(200))
    assert list(dealt) == list(again)
    assert all((dealt[name] == again[name]).all() for name in dealt)
    assert min(map(len, dealt.values())) >= partition.LEAST


def test_a_column_makes_its_values_clients():
    split = clients.examples(200)
    dealt = partition.deal(split, clients.options(partition="column", column="subject"), 5)
    assert list(dealt) == ["1", "2", "3", "4", "5"]
    assert all(set(split.groups["subject"][rows]) == {name} for name, rows in dealt.items())


def test_seeds_and_alpha_matter():
    split = clients.examples(400)

    def unlike(alpha: float, seed: int = 5) -> tuple[float, list[list[int]]]:
        options = clients.options(partition="dirichlet", alpha=alpha, clients=5)
        counts = partition.facts(split, partition.deal(split, options, seed), ("a", "b", "c"))["client_classes"]
        rows = [[count[name] for name in "abc"] for count in counts.values()]
        shares = np.array(rows) / np.maximum(1, np.sum(rows, axis=1, keepdims=True))
        return float(shares.max(axis=1).mean()), rows

    assert unlike(0.1)[0] > 0.7
    assert unlike(100)[0] < 0.45
    assert unlike(0.5, 5)[1] != unlike(0.5, 6)[1]


@given(st.integers(2, 12), st.floats(0.01, 10), st.integers(0, 9))
def test_no_client_is_empty_however_unlike(count, alpha, seed):
    options = clients.options(partition="dirichlet", alpha=alpha, clients=count)
    dealt = partition.deal(clients.examples(40), options, seed)
    assert len(dealt) == count
    assert min(map(len, dealt.values())) >= partition.LEAST
    assert sum(map(len, dealt.values())) == 40


def test_what_cannot_be_dealt():
    split = clients.examples(20)
    with pytest.raises(UserError, match="no column 'subjct'") as caught:
        partition.deal(split, clients.options(partition="column", column="subjct"), 1)
    assert "did you mean 'subject'?" in caught.value.remedy
    with pytest.raises(UserError, match="too few for 11 clients") as caught:
        partition.deal(split, clients.options(clients=11), 1)
    assert "at most 10" in caught.value.remedy
    bare = Split(split.x, split.y, split.ids)
    with pytest.raises(UserError, match="no column") as caught:
        partition.deal(bare, clients.options(partition="column", column="subject"), 1)
    assert "iid" in caught.value.remedy
    alone = Split(split.x, split.y, split.ids, {"site": np.zeros(20, int)})
    with pytest.raises(UserError, match="all training examples have site '0'"):
        partition.deal(alone, clients.options(partition="column", column="site"), 1)


def test_a_share_holds_its_rows_alone():
    whole = clients.data(60, validation=10)
    own = partition.share(whole, np.array([3, 5, 8]))
    assert own.train.ids.tolist() == [3, 5, 8]
    assert own.train.groups["subject"].tolist() == whole.train.groups["subject"][[3, 5, 8]].tolist()
    assert len(own.validation) == len(own.calibration) == 0
