"""Which layers an operator's output is named after, where the converter joined several."""

from __future__ import annotations

import pytest

from tinyc.quantization.exclusion import sources


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("net/relu/Relu;net/conv/Conv2D", {"relu", "conv"}),
        ("net/block/inner/Conv2D", {"block"}),
        ("conv/Conv2D", {"conv"}),
        ("logits", {"logits"}),
        ("net/relu/Relu;", {"relu"}),
        ("", set()),
    ],
)
def test_the_layers_that_a_name_is_made_of(name: str, layers: set[str]) -> None:
    assert sources(name) == layers
