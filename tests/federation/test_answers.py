"""An answer that cannot be used is named and changes nothing, whatever bytes it is made of."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support import faking
from support.faking import Lines, options, same

WRONG = {
    "nan": (faking.nan, "NaN"),
    "infinite": (faking.infinite, "infinite"),
    "shape": (faking.shape, r"has shape \(2,\) instead of \(3, 2\)"),
    "kind": (faking.kind, "type float64 instead of float32"),
    "missing": (faking.missing, "b/bias is missing"),
    "foreign": (faking.foreign, "'c/kernel' was not asked for"),
    "gigantic": (faking.gigantic, "more than max_update"),
    "nothing": (faking.nothing, "trained on 0 examples"),
    "negative": (faking.negative, "trained on -3 examples"),
    "loss": (faking.loss, "loss is nan"),
    "list": (faking.list_of_metrics, "trained on"),
    "empty": (faking.empty, "no metrics"),
    "raising": (faking.raising, "the sensor is gone"),
    "garbage": (faking.garbage, "its weights cannot be read"),
    "lying": (faking.lying, "its weights cannot be read"),
    "sharing": (faking.sharing, "its weights cannot be read"),
    "beyond": (faking.beyond, "its weights cannot be read"),
    "header without end": (faking.header_without_end, "its weights cannot be read"),
    "large": (faking.large, "its weights have 4[0-9]{5} bytes, and at most [0-9]+ are read"),
    "several": (faking.several, "it has no weights"),
    "encrypted": (faking.encrypted, r"has shape \(24,\) instead of \(3, 2\)"),
    "crowd": (faking.crowd, "trained on 1000000000000000000 examples"),
    "bottomless": (faking.bottomless, "its loss is"),
    "talkative": (faking.talkative, "metrics"),
    "unsaid": (faking.unsaid, r"cannot be read: .*\?\[2J.*x+$"),
    "archive": (faking.archive, "cannot be read"),
    "half": (faking.half_an_archive, "cannot be read"),
    "nested": (faking.nested, "cannot be read"),
    "torn": (faking.torn, "cannot be read"),
    "slow": (faking.slow, "no answer within 1 s"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_client_is_named_and_changes_nothing(name):
    deed, why = WRONG[name]
    lines = Lines()
    found = faking.run(options(rounds=2, timeout=1), 4, {"client-4": deed}, progress=lines)
    without = faking.run(options(rounds=2), 3)
    assert same(found.weights, without.weights)
    for each in found.facts["rounds"]:
        assert each["answered"] == ["client-1", "client-2", "client-3"]
        (rejected,) = each["rejected"]
        assert rejected["client"] == "client-4"
        assert re.search(why, rejected["why"]), rejected
        assert rejected["why"].isprintable()
        assert len(rejected["why"]) <= 300
    assert sum("client-4 is left out" in line for line in lines.said) == 2


def test_an_update_within_the_bound_is_taken():
    close = {"client-4": lambda received: faking.answer({k: v * np.float32(3) for k, v in received.items()}, 5)}
    assert faking.run(options(rounds=1, max_update=2.1), 4, close).facts["rounds"][0]["rejected"] == []
    rejected = faking.run(options(rounds=1, max_update=1.9), 4, close).facts["rounds"][0]["rejected"]
    assert [each["client"] for each in rejected] == ["client-4"]


def test_the_bound_goes_by_the_weights_of_the_round():
    """Weights that have grown may move further than those that the training began with."""
    double = {
        name: lambda got: faking.answer({k: v * np.float32(2) for k, v in got.items()}, 1) for name in faking.names(2)
    }
    found = faking.run(options(rounds=4, max_update=1.01), 2, double)
    assert found.weights["a/kernel"].flat[0] == 16


def test_a_terminal_that_claims_most_examples_is_left_out():
    """Its word alone says what it weighs; a hundred medians is more than an honest federation has."""
    much = {"client-4": lambda received: faking.answer(received, 1000), "client-3": lambda got: faking.answer(got, 10)}
    found = faking.run(options(rounds=1, engine="deployment"), 4, much)
    (rejected,) = found.facts["rounds"][0]["rejected"]
    assert rejected == {
        "client": "client-4",
        "why": "it says 1000 examples, more than 100 times the round's median of 6",
    }
    assert not faking.run(options(rounds=1), 4, much).facts["rounds"][0]["rejected"]
