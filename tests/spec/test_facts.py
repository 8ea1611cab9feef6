"""The declared types of facts: what is under a key, its unit, what fits, and parts that are found by their type."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

import pytest

from tinyc.core.units import Bytes, Seconds
from tinyc.spec.facts import fits, inside, part, unit

Inner = TypedDict("Inner", {"held": Bytes, "from": str})
Told = TypedDict("Told", {
    "agreed": bool, "count": int, "share": float, "kind": Literal["a", "b"], "deep": Inner | str,
    "files": dict[str, Inner], "took": NotRequired[Seconds | None], "list": list[Bytes], "any": Any,
})  # fmt: skip
Other = TypedDict("Other", {"agreed": bool})
INNER = {"held": 1, "from": "store"}
WHOLE = {
    "agreed": True, "count": 3, "share": 1, "kind": "a", "deep": INNER, "files": {"a": INNER}, "list": [1, 2],
    "any": None,
}  # fmt: skip


def test_units_stand_in_the_type() -> None:
    assert unit(inside(Told, "took")) == "seconds"
    assert unit(inside(inside(Told, "deep"), "held")) == "bytes"
    assert unit(inside(inside(inside(Told, "files"), "model.tflite"), "held")) == "bytes"
    assert unit(inside(inside(Told, "list"))) == "bytes"
    assert unit(inside((dict, Told), "took")) == "seconds"
    assert unit(inside(Told, "count")) is None
    assert unit(inside(Told, "no such key")) is None
    assert inside(None, "took") is None


@pytest.mark.parametrize(
    ("key", "value", "good"),
    [
        ("agreed", False, True),
        ("agreed", 1, False),
        ("agreed", "yes", False),
        ("count", True, False),
        ("count", 1.5, False),
        ("share", 0.5, True),
        ("share", True, False),
        ("share", None, False),
        ("kind", "c", False),
        ("deep", "could not be made", True),
        ("deep", {"held": "1", "from": ""}, False),
        ("deep", {"held": 1}, False),
        ("files", {}, True),
        ("files", {"a": 3}, False),
        ("took", None, True),
        ("took", "3 s", False),
        ("list", (3, 4), True),
        ("list", 3, False),
        ("list", [None], False),
        ("any", {"what": "ever"}, True),
        ("more", 3, True),
    ],
)
def test_what_fits(key: str, value: Any, good: bool) -> None:
    assert fits(WHOLE, Told)
    assert fits({**WHOLE, key: value}, Told) is good


def test_what_is_missing_does_not_fit() -> None:
    assert all(not fits({key: value for key, value in WHOLE.items() if key != left}, Told) for left in WHOLE)
    assert not fits(None, Told)
    assert not fits([WHOLE], Told)


def test_a_part_is_found_by_its_type_and_only_where_it_fits() -> None:
    assert part(Inner, WHOLE, Told) == INNER
    assert part(Inner, {**WHOLE, "deep": "could not be made"}, Told) is None
    assert part(Inner, {**WHOLE, "deep": {"held": True}}, (dict, Told)) is None
    assert part(Inner, WHOLE, dict) is None
    assert part(Other, WHOLE, Told) == WHOLE, "the facts themselves have its keys"
    assert part(Other, {"agreed": "no"}, Told) is None
