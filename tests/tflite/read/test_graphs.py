"""How often graphs run in one inference: loops that count, loops that do not, branches, calls, and circles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, of_graphs, options

from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool

VECTOR = Plan((1, 3), "FLOAT32", scale=0)
WEIGHTS = Plan((3, 3), "FLOAT32", data=np.ones((3, 3), np.float32).tobytes(), scale=0)
OPEN = Plan((), "INT32", scale=0)
FLAG = Plan((), "BOOL", scale=0)
BODY_MACS = 9


def integer(value: int) -> Plan:
    return Plan((), "INT32", data=np.int32(value).tobytes(), scale=0)


def loop(start: Plan, step: int, limit: Plan | None, passed: Plan = OPEN, test: str = "LESS") -> bytes:
    """A loop over a product of a vector with a 3 x 3 matrix; where `limit` is None the bound is what is `passed`."""
    main = Graph(
        [VECTOR, start, passed, OPEN, OPEN, VECTOR], [0], [5],
        [("WHILE", (1, 2, 0), (3, 4, 5), options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2))],
    )  # fmt: skip
    bound = 3 if limit else 1
    condition = Graph([OPEN, OPEN, VECTOR, limit or OPEN, FLAG], [0, 1, 2], [4], [(test, (0, bound), (4,), None)])
    body = Graph(
        [OPEN, OPEN, VECTOR, integer(step), OPEN, WEIGHTS, VECTOR], [0, 1, 2], [4, 1, 6],
        [("ADD", (3, 0), (4,), options("AddOptions")),
         ("FULLY_CONNECTED", (2, 5, -1), (6,), options("FullyConnectedOptions"))],
    )  # fmt: skip
    return of_graphs(main, condition, body)


@pytest.mark.parametrize(
    ("start", "step", "limit", "runs"),
    [(0, 1, 32, 32), (1, 2, 7, 3), (1, 2, 8, 4), (-5, 1, 0, 5), (9, 1, 9, 0), (9, 1, 3, 0)],
)
def test_a_counted_loop_runs_as_often_as_its_counter_says(start: int, step: int, limit: int, runs: int) -> None:
    for described in (
        describe(loop(integer(start), step, integer(limit))),
        describe(loop(integer(start), step, None, integer(limit))),
    ):
        assert (described.macs, described.uncounted) == (runs * BODY_MACS, ())
        assert {op.name: op.macs for op in described.ops}["FULLY_CONNECTED"] == runs * BODY_MACS


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_tflm_runs_a_loop_so_often(pool: Pool, limit: int) -> None:
    """Each run multiplies a vector of ones by a matrix of ones: every element becomes three times what it was."""
    content = loop(integer(0), 1, integer(limit))
    found = pool.run(content, np.ones((1, 3), np.float32), "tflm").raw
    assert describe(content).macs == round(float(np.log(found[0, 0]) / np.log(3))) * BODY_MACS


@pytest.mark.parametrize(
    "content",
    [
        loop(OPEN, 1, integer(3)), loop(integer(0), 0, integer(3)), loop(integer(0), -1, integer(3)),
        loop(integer(0), 1, None), loop(integer(0), 1, integer(3), test="NOT_EQUAL"),
    ],
    ids=["start", "no step", "backwards", "limit", "another test"],
)  # fmt: skip
def test_a_loop_that_does_not_count_leaves_no_total(content: bytes) -> None:
    described = describe(content)
    assert (described.macs, described.uncounted) == (None, ("WHILE",))


def test_the_tests_of_a_loop_must_all_hold() -> None:
    def content(second: Plan) -> bytes:
        tree = schema().ModelT.InitFromPackedBuf(loop(integer(0), 1, integer(9)), 0)
        graph, s = tree.subgraphs[1], schema()
        for plan in (second, FLAG, FLAG):
            graph.tensors.append(tiny.hand_tensor(plan, tree.buffers))
        for name, inputs, made in (("LESS", [0, 5], 6), ("LOGICAL_AND", [4, 6], 7)):
            code, op = s.OperatorCodeT(), s.OperatorT()
            code.builtinCode = getattr(s.BuiltinOperator, name)
            op.opcodeIndex, op.inputs, op.outputs = len(tree.operatorCodes), inputs, [made]
            tree.operatorCodes.append(code)
            graph.operators.append(op)
        graph.outputs = [7]
        return tiny.pack(tree)

    assert describe(content(integer(4))).macs == 4 * BODY_MACS
    assert describe(content(OPEN)).macs is None


def dense(*called: tuple[str, Any]) -> Graph:
    """A graph of one product that then runs others."""
    ops = [("FULLY_CONNECTED", (0, 1), (2,), None), *((name, (0,), (2,), each) for name, each in called)]
    return Graph([VECTOR, WEIGHTS, VECTOR], [0], [2], ops)


def test_calls_add_up_and_branches_have_no_count() -> None:
    call = ("CALL", options("CallOptions", subgraph=1))
    once = ("CALL_ONCE", options("CallOnceOptions", initSubgraphIndex=1))
    branch = ("IF", options("IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=1))
    composite = ("STABLEHLO_COMPOSITE", options("StableHLOCompositeOptions", decompositionSubgraphIndex=1))
    assert describe(of_graphs(dense(), dense())).macs == BODY_MACS  # the second is another signature's
    assert describe(of_graphs(dense(call, call), dense())).macs == 3 * BODY_MACS
    assert describe(of_graphs(dense(composite), dense())).macs == 2 * BODY_MACS
    assert describe(of_graphs(dense(once), dense())).macs == BODY_MACS  # before the first inference
    described = describe(of_graphs(dense(branch), dense()))
    assert (described.macs, described.uncounted) == (None, ("IF",))
    nothing = Graph([VECTOR, VECTOR], [0], [1], [("ABS", (0,), (1,), None)])
    assert describe(of_graphs(dense(branch), nothing)).macs == BODY_MACS


def test_graphs_that_run_one_another_have_no_count() -> None:
    to = [("CALL", options("CallOptions", subgraph=each)) for each in range(3)]
    described = describe(of_graphs(dense(to[1]), dense(to[2]), dense(to[1])))
    assert (described.macs, described.uncounted) == (None, ("CALL",))


def test_an_operator_that_does_not_say_what_it_runs_leaves_no_total() -> None:
    assert describe(of_graphs(dense(("WHILE", None)))).uncounted == ("WHILE",)


def recurrent(*layers: Any) -> Any:
    keras = backend.keras()
    given = x = keras.Input((32, 3))
    for layer in layers:
        x = layer(x)
    return keras.Model(given, x)


def test_recurrent_networks_count_every_step() -> None:
    """Four gates of an LSTM, three of a GRU, each units x (inputs + units), 32 times."""
    layers = backend.keras().layers
    found = {
        "lstm": recurrent(layers.LSTM(12), layers.Dense(4)),
        "gru": recurrent(layers.GRU(12), layers.Dense(4)),
        "both ways": recurrent(layers.Bidirectional(layers.LSTM(12, return_sequences=True)), layers.SimpleRNN(5)),
    }
    expected = {
        "lstm": 32 * 4 * 12 * (3 + 12) + 48,
        "gru": 32 * 3 * 12 * (3 + 12) + 48,
        "both ways": 32 * (2 * 4 * 12 * (3 + 12) + 5 * (24 + 5)),
    }
    assert expected["lstm"] == 23_088
    assert {name: describe(to_float_tflite(model)).macs for name, model in found.items()} == expected
