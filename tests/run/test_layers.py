"""Bytes by group of layers."""

from __future__ import annotations

from dataclasses import replace

from support import example

from tinyc.report.views import Layer
from tinyc.run.layers import kilobytes


def test_preprocessing_is_a_group_and_what_undoes_it_another() -> None:
    names = ("tinyc_front_mix", "tinyc_front_filter", "tinyc_back_mix", "stem_conv", "stem.bn", "_odd")
    layers = tuple(Layer(name, "Conv2D", 2**place, 1, None) for place, name in enumerate(names))
    found = kilobytes(1, replace(example.PRUNED), layers, None)
    assert found.groups == {"tinyc_front": 3, "tinyc_back": 4, "stem": 24, "_odd": 32}
