"""The order of passes: an illegal one is refused with an order that is legal, a wasteful one is said."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tinyc.core.errors import UserError
from tinyc.run import plan
from tinyc.run.commands import attack
from tinyc.spec import effects, order
from tinyc.spec.contract import Pass
from tinyc.spec.load import load
from tinyc.spec.order import check_order, legal_order, warnings
from tinyc.spec.passes import PASSES
from tinyc.spec.passes.federate import Federate
from tinyc.spec.passes.preprocess import Preprocess
from tinyc.spec.recipe import Step

USES = (
    "preprocess", "distill", "trim_vocabulary", "factorize", "prune:channels", "prune:magnitude", "cluster",
    "quantize", "compact", "export", "verify",
)  # fmt: skip
BARE: dict[str, dict[str, Any]] = {
    "preprocess": {"steps": [{"op": "denoise", "how": "median"}]},
    "distill": {"student": "net.py:net"},
    "trim_vocabulary": {"count": 2},
    "factorize": {"rank": 2},
    "prune": {"how": "channels", "fraction": 0.1},
    "prune:channels": {"how": "channels", "fraction": 0.1},
    "prune:magnitude": {"how": "magnitude", "sparsity": 0.5},
    "cluster": {"clusters": 4},
    "quantize:qat": {"how": "qat"},
    "quantize:equalize": {"equalize": True},
    "quantize:auto": {"precision": "auto", "flash": "9 KiB"},
    "quantize:int4": {"weights": "int4"},
}
"""The least that a pass needs to be written, by its name and what the question is about."""


def steps(text: str) -> list[Step]:
    """Read "prune:magnitude quantize export"."""
    return [Step(read(word), (), f"recipe:{line}") for line, word in enumerate(text.split(), 1)]


def read(word: str) -> Pass:
    use = word.partition(":")[0]
    return PASSES[use].model_validate({"use": use, **BARE.get(word, {})})


@pytest.mark.parametrize(
    ("text", "line", "problem", "remedy", "order"),
    [
        ("quantize prune", 2, "prune takes a Keras network, but quantize gives a .tflite", "move it before quantize",
         "prune (channels) -> quantize"),
        ("prune export", 2, "export takes a .tflite, but prune gives a Keras network", "put a quantize pass before it",
         "prune (channels) -> quantize -> export"),
        ("compact cluster quantize", 1, "compact takes a .tflite, but the source gives", "put a quantize pass before",
         "cluster -> quantize -> compact"),
        ("quantize quantize", 2, "quantize takes a Keras network, but quantize gives", "leave one quantize out",
         "quantize"),
        ("cluster quantize export compact", 4, "compact stands after export, which writes the last bytes",
         "move it before export", "cluster -> quantize -> compact -> export"),
        ("quantize export export", 3, "export stands after export", "leave one export out", "quantize -> export"),
        ("quantize compact compact export", 3, "compact stands twice", "leave one out",
         "quantize -> compact -> export"),
        ("quantize verify export", 2, "verify stands before export", "move it after export",
         "quantize -> export -> verify"),
        ("quantize verify compact", 2, "verify stands before compact", "move it after compact",
         "quantize -> compact -> verify"),
        ("cluster prune:magnitude prune:channels quantize", 2,
         'prune how = "magnitude" stands after cluster, and single zeros would break its tables',
         "move it before cluster, which keeps the zeros",
         "prune (magnitude) -> cluster -> prune (channels) -> quantize"),
        ("preprocess distill preprocess quantize", 3, "preprocess stands twice", "put all steps into the first",
         "preprocess -> distill -> quantize"),
        ("distill quantize preprocess", 3, "preprocess takes a Keras network", "move it before quantize",
         "distill -> preprocess -> quantize"),
        ("quantize cluster prune export", 2, "cluster takes a Keras network", "move it before quantize",
         "cluster -> prune (channels) -> quantize -> export"),
    ],
)  # fmt: skip
def test_an_illegal_order_is_refused_with_a_legal_one(
    text: str, line: int, problem: str, remedy: str, order: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_order(steps(text))
    message = str(caught.value)
    assert f"recipe:{line}" in message
    assert problem in message
    assert remedy in message
    assert message.endswith(f"a legal order is {order}")


def test_a_key_that_no_order_helps_is_refused_without_one() -> None:
    with pytest.raises(UserError, match=r"equalize = true after cluster.*\n?.*remove `equalize`, or the cluster pass$"):
        check_order(steps("cluster quantize:equalize"))
    check_order(steps("cluster quantize"))
    check_order(steps("cluster distill quantize:equalize"))


@given(some.lists(some.sampled_from(USES), min_size=1, max_size=8))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_the_order_in_the_remedy_is_legal_and_a_legal_one_stays(words: list[str]) -> None:
    given_passes = [read(word) for word in words]
    offered = [read(each) if isinstance(each, str) else each for each in legal_order(given_passes)]
    check_order([Step(each, (), "") for each in offered])
    assert {each.use for each in offered} - {"quantize"} == {each.use for each in given_passes} - {"quantize"}
    try:
        check_order([Step(each, (), "") for each in given_passes])
    except UserError:
        return
    assert offered == [
        each for place, each in enumerate(given_passes) if each.use != "verify" or each not in given_passes[:place]
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("distill prune:channels cluster quantize compact export verify", ()),
        ("trim_vocabulary distill quantize", ()),
        ("preprocess distill quantize", ()),
        ("distill preprocess quantize", ()),
        ("prune:channels cluster distill quantize", ("distill (pass 3) starts a fresh student, so that the work of "
         "prune and cluster before it is thrown away",)),
        ("cluster factorize quantize compact", ("factorize (pass 2) computes new weights: the tables of cluster",)),
        ("prune:magnitude factorize quantize", ("factorize (pass 2) computes new weights: the zeros of prune",)),
        ("prune:magnitude distill factorize quantize", ("distill (pass 2)",)),
        ("prune:channels factorize quantize", ()),
        ("cluster quantize export", ("cluster (pass 1) leaves few values a tensor, which save no byte",)),
        ("quantize compact export", ("compact (pass 2) makes tables of tensors with few values",)),
        ("quantize:auto compact", ()),
        ("quantize:auto export", ("quantize (pass 1) has precision = \"auto\", which counts on tables",)),
        ("cluster quantize:int4 compact", ("quantize (pass 2) has weights = \"int4\" after cluster",)),
        ("cluster distill quantize:int4", ("distill (pass 2)",)),
        ("cluster distill prune:magnitude quantize", ("distill (pass 2)",)),
    ],
)  # fmt: skip
def test_wasted_work_is_said(text: str, said: tuple[str, ...]) -> None:
    found = warnings(steps(text))
    assert len(found) == len(said)
    for part in said:
        assert any(part in each for each in found), found


def test_check_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support import small

    from tinyc import cli

    sparse = '[[pass]]\nuse = "prune"\nhow = "magnitude"\nsparsity = 0.5\n\n[[pass]]\nuse = "distill"'
    recipe = small.write(tmp_path, small.RECIPE.replace('[[pass]]\nuse = "distill"', sparse))
    assert cli.invoke(["check", str(recipe)]) == 0
    assert "note: distill (pass 2) starts a fresh student" in capsys.readouterr().out


def test_scales_without_a_student_are_said_to_be_undone() -> None:
    transform = Preprocess.model_validate({"use": "preprocess", "steps": [{"op": "normalize"}]})
    last, first = (
        (Step(transform, (), "here"), *steps("quantize")),
        (Step(transform, (), "here"), *steps("distill quantize")),
    )
    assert [said for said in warnings(last) if said.startswith("preprocess (pass 1) scales or projects")]
    assert not warnings(first)


def federate(**keys: Any) -> Step:
    return Step(Federate.model_validate({"use": "federate", "clients": 3, **keys}), (), "here")


def test_networks_of_clients_of_their_own_are_not_exported() -> None:
    local = federate(batchnorm="local")
    with pytest.raises(UserError, match="every client has a network of its own") as caught:
        check_order([local, *steps("prune:channels quantize export")])
    assert 'write batchnorm = "frozen"' in str(caught.value)
    check_order([local])
    check_order([local, *steps("distill quantize")])
    check_order([federate(), *steps("quantize")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quantize:qat export", None),
        ("quantize:ptq export", "takes ranges of its own"),
        ("cluster quantize:qat compact", "changes the network that they were taken on"),
    ],
)
def test_ranges_that_nobody_takes_are_said(text: str, said: str | None) -> None:
    found = [each for each in warnings([federate(fake_quantize=True), *steps(text)]) if "fake_quantize" in each]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
    assert not [each for each in warnings([federate(), *steps(text)]) if "fake_quantize" in each]


def test_only_preprocess_changes_scales() -> None:
    of_shipped = [step.transform for step in load("imu-federated").steps]
    assert [each.use for each in of_shipped if each.effects.fits] == ["preprocess"]


@pytest.mark.parametrize("module", [effects, order, plan, attack], ids=lambda module: module.__name__)
def test_what_is_computed_from_effects_names_no_pass(module: ModuleType) -> None:
    """Neither in a comparison nor in a table: a new pass must not have to be added there."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not words & set(PASSES)
