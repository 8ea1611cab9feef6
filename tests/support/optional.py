"""Values that can be None, of which a test knows that they are there."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def not_none(value: T | None) -> T:
    """Give a value back; the test fails where there is none."""
    assert value is not None
    return value


def none_missing(*values: T | None) -> tuple[T, ...]:
    """Give values back; the test fails where one is missing."""
    return tuple(not_none(value) for value in values)
