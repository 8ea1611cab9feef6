"""Every order of two passes, and some of more, on tiny networks: what `check` says of each, and what really happens.

`make orders` writes docs/orders.md anew from what it finds; tests/spec/test_composition.py compares.
"""

from __future__ import annotations

import gc
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from support import artifacts, shipped, small, texts, waves
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Flat, Net, State
from tinyc.spec.builders import load_module
from tinyc.spec.order import check_order, makers, warnings
from tinyc.spec.passes import PASSES, apply
from tinyc.spec.recipe import Step
from tinyc.tflite.run.pool import Pool

DOCUMENT = Path(__file__).parents[2] / "docs" / "orders.md"
TRAINED = {"epochs": 1, "batch": 50, "learning_rate": 0.01}
NAMES = (
    "preprocess", "distill", "trim_vocabulary", "factorize", "prune: channels", "prune: heads", "prune: magnitude",
    "cluster", "federate", "quantize", "compact", "export", "verify",
)  # fmt: skip
Kind = Literal["images", "text", "windows"]
NEEDS: Mapping[str, Kind] = {"trim_vocabulary": "text", "prune: heads": "text", "preprocess": "windows"}
"""The examples that a pass is for; all others take any."""
MAKES_FLAT, TAKES_FLAT = "quantize", ("compact", "export", "verify")
CHAINS = (
    ("distill", "prune: channels", "cluster", "quantize", "compact", "export", "verify"),
    ("prune: magnitude", "cluster", "prune: channels", "quantize", "compact", "export", "verify"),
    ("factorize", "prune: magnitude", "cluster", "quantize", "compact", "export", "verify"),
    ("cluster", "factorize", "quantize", "compact", "export", "verify"),
    ("prune: channels", "distill", "cluster", "quantize", "compact", "export", "verify"),
    ("trim_vocabulary", "distill", "cluster", "quantize", "compact", "export", "verify"),
    ("prune: heads", "factorize", "trim_vocabulary", "quantize", "export", "verify"),
    ("preprocess", "distill", "prune: channels", "federate", "quantize", "export", "verify"),
    ("prune: magnitude", "cluster", "federate", "quantize", "compact", "export", "verify"),
    ("cluster", "quantize", "export", "compact"),
    ("cluster", "prune: magnitude", "quantize", "compact"),
    ("distill", "quantize", "prune: channels", "export"),
)
"""Orders of more than two, the legal ones down to a verified artifact."""
POOL = Pool(1)


@dataclass(frozen=True)
class Found:
    """What one order gives: refused by `check`, or run; `why`, or what is wasted; what is left of earlier work."""

    verdict: str
    why: str = ""
    kept: str = ""


@dataclass
class House:
    """One kind of network, and the states that passes made of it, by the passes' names."""

    folder: Path
    kind: Kind
    made: dict[tuple[str, ...], Any] = field(default_factory=dict)
    facts: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def start(self) -> Net:
        if self.kind == "text":
            return texts.net(width=32, inner=128)
        if self.kind == "windows":
            return Net(waves.network(width=32), waves.TASK)
        backend.seed_everything(3)
        return Net(load_module(self.folder / "net.py").net((14, 14, 1), 10, 16), artifacts.TASK)

    def context(self, task: Any) -> Context:
        rooms = {"text": texts, "windows": waves, "images": artifacts}
        lent: Context = rooms[self.kind].context(self.folder, self.made[()])
        return replace(lent, data=replace(lent.data, task=task), find=lambda name: self.folder / name)

    def after(self, names: tuple[str, ...]) -> Any:
        """The state after these passes, each applied once however many orders begin with it."""
        if () not in self.made:
            self.made[()] = self.start()
        if names not in self.made:
            before = self.after(names[:-1])
            outcome = apply(transform(names, self.kind), before, self.context(before.task))
            self.made[names], self.facts[names] = outcome.state, outcome.facts
            # All networks are kept; looking through them again in each garbage collection would take long.
            gc.collect()
            gc.freeze()
        return self.made[names]


def transform(names: Sequence[str], kind: Kind = "images") -> Any:
    """The last of these passes, with keys that suit a tiny network; it trains where there is something to keep."""
    use, _, how = names[-1].partition(": ")
    keeps = bool({"cluster", "prune: magnitude"} & set(names[:-1]))
    own = OPTIONS[names[-1]](kind) | ({"how": how} if how else {})
    training = TRAINED if keeps else {"epochs": 0}
    if use in ("factorize", "prune", "cluster", "distill"):
        own |= training
    if use == "quantize" and keeps and kind != "text":
        own |= {"how": "qat", **TRAINED}
    return PASSES[use].model_validate({"use": use, **own})


STUDENTS: Mapping[Kind, dict[str, Any]] = {
    "text": {"build": f"{shipped.BERT}:tiny_bert", "width": 32, "depth": 1, "inner": 128},
    "images": {"build": "net.py:net", "width": 16},
    "windows": {"build": "student.py:net", "width": 24},
}
OPTIONS: dict[str, Callable[[Kind], dict[str, Any]]] = {
    "preprocess": lambda _: {"steps": [{"op": "denoise", "how": "moving_average"}]},
    "distill": lambda kind: {"student": STUDENTS[kind], "views": 1},
    "trim_vocabulary": lambda _: {"count": 2},
    "factorize": lambda kind: {"params": 0.7, "only": ["*_inner" if kind == "text" else "neck"]},
    "prune: channels": lambda _: {"fraction": 0.25},
    "prune: heads": lambda _: {"fraction": 0.5},
    "prune: magnitude": lambda _: {"sparsity": 0.5},
    "cluster": lambda _: {"clusters": 4},
    "federate": lambda _: {"engine": "process", "clients": 2, "rounds": 1, "batch": 50, "learning_rate": 0.01},
    "quantize": lambda _: {},
    "compact": lambda _: {},
    "export": lambda _: {"formats": ["tflite"]},
    "verify": lambda _: {},
}


def pairs() -> Iterator[tuple[str, str]]:
    yield from ((first, second) for first in NAMES for second in NAMES)


def explore(folder: Path) -> dict[tuple[str, ...], Found]:
    """Check and run every pair and every chain."""
    (folder / "net.py").write_text(small.NET)
    waves.student(folder)
    houses = {kind: House(folder, kind) for kind in STUDENTS}
    return {names: judge(names, houses) for names in (*pairs(), *CHAINS)}


def judge(names: tuple[str, ...], houses: Mapping[Kind, House]) -> Found:
    """Ask `check`, and run what it lets through; anything raised then is a defect.

    But for passes that are for other examples each: there the run itself refuses, as `check` does that knows the data.
    """
    recipe = names if len(names) > 2 else (*lead(names[0]), *names)
    passes = [transform(recipe[: place + 1]) for place in range(len(recipe))]
    steps = [Step(each, (), "here") for each in passes]
    try:
        check_order(steps)
    except UserError as error:
        return Found("refused", general(error.problem, names))
    kinds = sorted({NEEDS[name] for name in names if name in NEEDS})
    house = houses[kinds[0] if kinds else "images"]
    if len(kinds) > 1:
        with pytest.raises(UserError) as caught:
            house.after(recipe)
        return Found("refused", caught.value.problem)
    assert computes(house.after(recipe)), recipe
    said = [general(text, names) for text in warnings([*steps, *rest(recipe, passes)])]
    return Found("wasteful" if said else "runs", "; ".join(said), kept(house, recipe))


def lead(first: str) -> tuple[str, ...]:
    """The passes that must stand before the first of a pair."""
    return {
        "compact": ("cluster", "quantize"), "export": ("quantize",), "verify": ("quantize",),
    }.get(first, ())  # fmt: skip


def rest(recipe: tuple[str, ...], passes: Sequence[Any]) -> list[Step]:
    """What a recipe of Keras networks would go on with, so that only the pair itself is warned of."""
    if set(recipe) & set(TAKES_FLAT):
        return []
    wanted = ("quantize", "compact") if next(makers(passes, "tables"), None) else ("quantize",)
    return [Step(transform((name,)), (), "") for name in wanted if name not in recipe]


def general(text: str, names: tuple[str, ...]) -> str:
    """Say it of "the first" and "the second", where it is about a pair."""
    text = re.sub(r" \(pass \d+\)", "", text)
    if len(names) != 2:
        return text
    uses = [name.partition(":")[0] for name in names]
    for use, word in zip(reversed(uses), ("the second", "the first"), strict=True):
        text = re.sub(rf"\b{use}\b", word, text, count=1)
    return text


def kept(house: House, recipe: tuple[str, ...]) -> str:
    """What the last pass left of the zeros or tables of the pass before it, or of the tables that `compact` wrote."""
    if "compact" in recipe and recipe[-1] != "compact":
        made = house.facts[recipe[: recipe.index("compact") + 1]]["tables"]
        return "with tables" if made else "without tables"
    if len(recipe) < 2 or recipe[-2] not in KEPT or recipe[-1] in TAKES_FLAT:
        return ""
    what, count = KEPT[recipe[-2]]
    before, after = (count(house.after(names)) for names in (recipe[:-1], recipe))
    return f"{what} kept" if after >= before else f"{what} lost in {before - after} of {before} layers"


def tabled(state: Any) -> int:
    """Count the layers whose channels have at most 4 values, which a table holds in fewer bytes."""
    if isinstance(state, Net):
        from tinyc.compression.clustering.keep import tables

        return len(tables(state.model))
    from tinyc.tflite.write.tables import gains

    return sum(gain.bits <= 2 and gain.saved_bytes > 0 for gain in gains(state.content))


def sparse(state: Any) -> int:
    """Count the layers of which at least 30 % is zero."""
    if isinstance(state, Net):
        from tinyc.compression.clustering.kernels import kernels

        found = [kernel.read(state.model) for kernel in kernels(state.model)]
    else:
        from tinyc.tflite.read.flatbuffer import describe

        model = artifacts.opened(state.content)
        held = [each for each in describe(state.content).tensors if each.dtype == "int8" and each.stored_bytes]
        found = [model.buffers[each.buffer].data for each in held if len(each.shape) > 1]
    return sum(bool(np.mean(each == 0) > 0.3) for each in found)


KEPT: dict[str, tuple[str, Callable[[Any], int]]] = {
    "cluster": ("tables", tabled),
    "prune: magnitude": ("zeros", sparse),
}


def computes(state: State) -> bool:
    """Say whether a network gives finite scores for its own examples, an artifact under TensorFlow Lite Micro."""
    data = {True: texts, False: artifacts}[bool(state.task.tokenizer)].data()
    if state.task.stream:
        data = waves.data()
    x = inputs(data.train.x[:4], state.task)
    scores = POOL.run(state.content, x, "tflm").outputs if isinstance(state, Flat) else state.model(x, training=False)
    return bool(np.isfinite(np.asarray(scores)).all())


def render(found: Mapping[tuple[str, ...], Found]) -> str:
    """Write the document."""
    reasons = list(dict.fromkeys(each.why for names, each in found.items() if len(names) == 2 and each.why))
    lines = [
        "# Orders of passes",
        "",
        "`tinyc check` refuses an order that cannot run, with the reason and an order of the same passes that can, and",
        "says of a legal one what of it is wasted. Every cell below is what `make orders` found by checking that order",
        "and, where it is legal, running it; a test compares.",
        "",
        "## Two passes, one right after the other",
        "",
        "The row stands first, the column second. Numbers are explained below.",
        "",
        "| | " + " | ".join(f"`{name}`" for name in NAMES) + " |",
        "|---" * (len(NAMES) + 1) + "|",
        *(
            f"| `{first}` | " + " | ".join(cell(found[first, second], reasons) for second in NAMES) + " |"
            for first in NAMES
        ),
        "",
        *(f"{number}. {reason}." for number, reason in enumerate(reasons, 1)),
        "",
        "## More than two",
        "",
        "| order | |",
        "|---|---|",
        *(f"| {' → '.join(f'`{name}`' for name in chain)} | {outcome(found[chain])} |" for chain in CHAINS),
    ]
    return "\n".join(lines) + "\n"


def cell(found: Found, reasons: list[str]) -> str:
    number = f" ({reasons.index(found.why) + 1})" if found.why else ""
    return f"{found.verdict}{number}" + (f", {found.kept}" if found.kept else "")


def outcome(found: Found) -> str:
    return found.verdict + (f", {found.kept}" if found.kept else "") + (f": {found.why}" if found.why else "")


def main() -> None:
    """Explore, and write the document."""
    with tempfile.TemporaryDirectory() as folder:
        DOCUMENT.write_text(render(explore(Path(folder))))


if __name__ == "__main__":
    main()
