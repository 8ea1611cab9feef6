"""Advice as it is shown: what was measured, the change to write, what it costs, and whether the run has tried it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

NOTHING_KNOWN = "this run shows nothing that would help"


@dataclass(frozen=True)
class Change:
    """One change of a recipe.

    Attributes:
        do: "set" a key, "add" a pass before the one that stands at the place, or "remove" that pass.
        key: the path of the key, passes counted from 1: "data.scale", "pass.2.fraction"; "pass.2" to add or remove.
        value: what the key is set to (None: it is left out), or the table of the pass that is added.
    """

    do: Literal["set", "add", "remove"]
    key: str
    value: Any = None


@dataclass(frozen=True)
class Advice:
    """One piece of advice.

    Attributes:
        because: what was measured.
        write: the change in words, as it stands in a recipe or is made elsewhere; empty where it is a finding alone.
        cost: what it takes or gives up, as far as this run has measured it; empty where nothing is known.
        tried: what came of the change where this run has tried it; empty where it is only worth trying.
        changes: the same change for machines; empty where no key of the recipe is changed.
    """

    because: str
    write: str = ""
    cost: str = ""
    tried: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Remark:
    """What is said of one state or one missed bound, and what could be done about it, the likeliest first.

    `follows` says that the state before has the same fault, where the advice stands.
    """

    about: str
    says: str
    advice: tuple[Advice, ...] = ()
    follows: bool = False


def sentence(advice: Advice) -> str:
    """Write one piece of advice in one line, without a full stop."""
    if not advice.write:
        return advice.because
    cost = f" (cost: {advice.cost})" if advice.cost else ""
    if advice.tried:
        return f"{advice.because}; tried: with {advice.write}, {advice.tried}{cost}"
    return f"{advice.because}; worth trying: {advice.write}{cost}"


def sentences(told: Remark) -> tuple[str, ...]:
    """Write all advice, a line each; that nothing is known where there is none."""
    return tuple(map(sentence, told.advice)) or (() if told.follows else (NOTHING_KNOWN,))


def spelled(change: Change, uses: Sequence[str]) -> str:
    """Write a change as people would: "fraction = 0.5 in pass 2 (prune)"; `uses` names the recipe's passes in order."""
    place, _, key = change.key.removeprefix("pass.").partition(".")
    if change.do == "remove":
        return f"no {uses[int(place) - 1]} (pass {place})"
    if change.do == "add":
        return f"{pass_on_one_line(change.value)} {where_added(int(place), uses)}"
    if not change.key.startswith("pass."):
        section, _, key = change.key.rpartition(".")
        return f"{line(key, change.value)} in [{section.partition('.')[0]}]{inside(section)}"
    return f"{line(key, change.value)} in pass {place} ({uses[int(place) - 1]})"


def inside(section: str) -> str:
    """Name the table within a section that a key belongs to."""
    inner = section.partition(".")[2]
    return f" {inner}" if inner else ""


def line(key: str, value: Any) -> str:
    """Write one key; one that goes is said to go."""
    return f"no {key}" if value is None else f"{key} = {literal(value)}"


def where_added(place: int, uses: Sequence[str]) -> str:
    """Say where a pass is added."""
    return f"before {uses[place - 1]} (pass {place})" if place <= len(uses) else "at the end"


def pass_on_one_line(entry: Mapping[str, Any]) -> str:
    """Write a pass on one line."""
    return "a pass { " + ", ".join(line(key, value) for key, value in entry.items()) + " }"


def literal(value: Any) -> str:
    """Write a TOML value on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(line(str(key), item) for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False)
