"""Every place of a configuration where Keras looks something up by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import saved_tables as tables
from support.saved_tables import Table, layer, operation
from support.saved_tables import network as saved

from tinyc.core.errors import UserError
from tinyc.network.gate import json_text, network
from tinyc.network.gate.names import Rules

OWN = frozenset({"Times", "mine>Twice", "mine>StringLookup", "mine>swirl"})


def check(table: Any, **rules: Any) -> None:
    network.check_network(table, Rules("here", **rules))


def thing(module: Any, kind: Any, **config: Any) -> Table:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def function(module: Any, name: Any, registered: Any = "function") -> Table:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered}


def within(kind: str, **config: Any) -> Table:
    return saved(layer(kind, config))


def headed(**config: Any) -> Table:
    return saved(operation("identity"), config)


def given(keywords: Table) -> Table:
    return saved(layer("TFOpLambda", {"function": "identity"}, nodes=[["image", 0, 0, keywords]]))


WRITING = operation("io.write_file")
BAD: dict[str, tuple[Table, str]] = {
    "function": (saved(WRITING), r"'middle' is a TFOpLambda that calls 'io\.write_file'"),
    "other case": (saved(operation("Math.abs")), r"calls 'Math\.abs'"),
    "blank": (saved(operation("math.abs ")), r"calls 'math\.abs '"),
    "package": (saved(operation("tf.math.abs")), r"calls 'tf\.math\.abs'"),
    "other letter": (saved(operation("m\u0430th.abs")), "a TFOpLambda that calls"),
    "no text": (saved(operation(["identity"])), "that calls"),
    "none": (saved(layer("TFOpLambda")), "that calls 'None'"),
    "sliced": (saved(operation("math.abs", "SlicingOpLambda")), r"SlicingOpLambda that calls 'math\.abs'"),
    "nested": (within("TimeDistributed", layer=WRITING), "io.write_file"),
    "backward": (within("Bidirectional", layer=layer("LSTM"), backward_layer=WRITING), "io.write_file"),
    "cells": (within("RNN", cell=thing("keras.layers", "StackedRNNCells", cells=[WRITING])), "io.write_file"),
    "network": (saved({**saved(WRITING), "name": "middle", "inbound_nodes": []}), "io.write_file"),
    "old sequence": (saved({**layer("Sequential"), "config": [WRITING]}), "io.write_file"),
    "lambda": (within("Lambda", function=["4wAA", None, None]), "'middle' is a Lambda, which carries code"),
    "operation as bytes": (within("TensorFlowOpLayer", node_def="x"), "as bytes"),
    "method": (within("ClassMethod", cls_symbol="io.TFRecordWriter", method_name="write"), "calls a method"),
    "columns": (within("DenseFeatures", feature_columns=[]), "vocabulary can be any file"),
    "wrapper of cells": (within("ResidualWrapper"), "carries code"),
    "class of a module": (saved({**layer("Dense"), "module": "os"}), "the class 'Dense' of the module 'os'"),
    "class of Keras' inside": (
        saved({**layer("get_file"), "module": "keras.utils"}),
        "'get_file' of the module 'keras.utils'",
    ),
    "class beside": (
        saved({**layer("load_model"), "module": "keras.layers"}),
        "'load_model' of the module 'keras.layers'",
    ),
    "any class": (saved(layer("Popen")), "names the class 'Popen'"),
    "registered": (
        saved({**layer("Dense"), "module": "keras.layers", "registered_name": "Custom>Evil"}),
        "registered as 'Custom>Evil'",
    ),
    "registered, a table": (saved({**layer("Dense"), "module": None, "registered_name": {}}), "registered as '{}'"),
    "no class": (saved({**layer("Dense"), "class_name": ["Dense"]}), "without its class"),
    "module alone": (headed(units={"module": "os"}), "without its class"),
    "activation": (headed(activation="get_file"), "layer 'head' has activation 'get_file'"),
    "activation of the module": (headed(activation="deserialize"), "has activation 'deserialize'"),
    "activation of os": (headed(activation=function("os", "system")), r"names the function 'os\.system'"),
    "activation eval": (headed(activation=function("builtins", "eval")), r"'builtins\.eval'"),
    "activation of utils": (headed(activation=function("keras.utils", "get_file")), "get_file"),
    "activation, registered": (headed(activation=function("keras.activations", "relu", "deserialize")), "relu"),
    "activation without module": (headed(activation=function(None, "relu")), "relu"),
    "bytecode": (headed(activation={"class_name": "__lambda__", "config": {"value": "x"}}), "__lambda__"),
    "initializer": (headed(kernel_initializer="serialize"), "has kernel_initializer 'serialize'"),
    "initializer of os": (headed(bias_initializer=thing("os", "system")), "layer 'head' names the class 'system' of"),
    "regularizer": (headed(kernel_regularizer="get"), "has kernel_regularizer 'get'"),
    "constraint": (headed(kernel_constraint="keras_export"), "has kernel_constraint 'keras_export'"),
    "type": (headed(dtype=thing("os", "Policy", name="float32")), "'Policy' of the module 'os'"),
    "specification": (
        within("InputLayer", type_spec={"class_name": "__typespec__", "spec_name": "X", "module": "os", "config": []}),
        "__typespec__",
    ),
    "old specification": (
        given({"x": {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []}}),
        "TypeSpec",
    ),
    "parts": (given({"x": [{"_TYPE": "COMPOSITE"}, "{}"]}), "tensor of several parts"),
    "array of tables": (
        given({"x": {"class_name": "__numpy__", "config": {"value": [{"class_name": "x"}], "dtype": "f4"}}}),
        "not a list of numbers",
    ),
    "tuple with more": (given({"x": {"class_name": "__tuple__", "items": [], "module": "os"}}), "other settings"),
    "within a tuple": (given({"x": {"class_name": "__tuple__", "items": [thing("os", "system")]}}), "'system'"),
    "keyword": (given({"mask": thing("os", "system")}), "'system' of the module 'os'"),
    "build": (saved({**layer("Dense"), "build_config": {"input_shape": thing("os", "system")}}), "'system'"),
    "compiled within": (
        saved({**saved(WRITING), "compile_config": {"loss": function("os", "system")}}),
        "io.write_file|os.system",
    ),
    "optimizer": (saved({**layer("Dense"), "compile_config": {"optimizer": "evil"}}), "has optimizer 'evil'"),
    "metrics": (saved({**layer("Dense"), "compile_config": {"metrics": ["mse", "evil"]}}), "has metrics 'evil'"),
    "losses": (saved({**layer("Dense"), "compile_config": {"loss": {"a": "evil"}}}), "has loss 'evil'"),
    "words in a file": (within("StringLookup", vocabulary="/etc/passwd"), "is a StringLookup that takes its"),
    "numbers in a file": (within("IntegerLookup", vocabulary="a.txt"), "is a IntegerLookup that takes"),
    "text in a file": (within("TextVectorization", vocabulary="a.txt"), "is a TextVectorization that takes"),
    "letters as a tuple": (
        within("StringLookup", vocabulary={"class_name": "__tuple__", "items": "/etc/passwd"}),
        "is a StringLookup",
    ),
    "codec": (within("StringLookup", vocabulary=["a"], encoding="evil"), "has encoding 'evil'"),
    "standardize": (within("TextVectorization", vocabulary=["a"], standardize=function("os", "system")), "system"),
    "the network's class": ({**saved(WRITING), "class_name": "Popen"}, "a subclassed model"),
    "the network's module": ({**saved(operation("identity")), "module": "os"}, "'Functional' of the module 'os'"),
    "own class, not here": (saved(layer("mine>Twice")), "names the class 'mine>Twice'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_in_no_table_is_refused(name: str) -> None:
    table, said = BAD[name]
    with pytest.raises(UserError, match=said) as caught:
        check(json.loads(json.dumps(table)))
    assert caught.value.remedy


GOOD: dict[str, Table] = {
    "functions": saved(operation("math.reduce_mean")),
    "older name": saved(operation("compat.v1.shape")),
    "slice": saved(operation("__operators__.getitem", "SlicingOpLambda")),
    "words": within("StringLookup", vocabulary=["a", "/etc/passwd"], encoding="utf-8"),
    "no words yet": within("StringLookup", vocabulary=None),
    "numbers": within("IntegerLookup", vocabulary=[1, 2]),
    "text": within("TextVectorization", vocabulary=["a"], standardize="lower", split="whitespace"),
    "tuple": within("Reshape", target_shape={"class_name": "__tuple__", "items": [-1, 3]}),
    "activation": headed(activation=function("builtins", "relu")),
    "activation layer": headed(activation=thing("keras.layers", "LeakyReLU", alpha=0.1)),
    "policy": headed(dtype=thing("keras.mixed_precision", "Policy", name="mixed_float16")),
    "initializer": headed(kernel_initializer={"class_name": "VarianceScalingV2", "config": {"scale": 1.0}}),
    "initializer of TensorFlow": headed(bias_initializer=thing("tensorflow.python.ops.init_ops_v2", "Constant")),
    "our block": saved(layer("tinyc>TokenPool", {"by": "mean"})),
    "tf_keras": saved({**layer("Dense"), "module": "tf_keras.layers", "registered_name": None}),
    "compiled anyhow": {**saved(operation("identity")), "compile_config": {"loss": function("__main__", "mine")}},
    "compiled within": saved({**layer("Dense"), "compile_config": {"optimizer": "adam", "loss": "mse"}}),
    "minus infinity": given({"y": float("-inf")}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_real_networks_hold_comes_through(name: str) -> None:
    check(json.loads(json.dumps(GOOD[name])))


def test_own_classes_come_through_by_their_exact_names() -> None:
    """A stored network may hold what the recipe's own code has registered, and nothing else for that."""
    own = [
        saved(layer("Times", {"split": "half", "encoding": "sinus", "activation": "anything", "vocabulary": "mine"})),
        saved(layer("mine>Twice")),
        saved({**layer("Twice"), "module": "net", "registered_name": "mine>Twice"}),
        headed(activation="mine>swirl"),
        headed(activation=function("net", "mine>swirl", "function")),
    ]
    for table in own:
        check(table, own=OWN)
    bad = [
        (saved(layer("Times", {"inner": thing("os", "system")})), "'system' of the module 'os'"),
        (saved(layer("Twice")), "names the class 'Twice'"),
        (
            saved({**layer("TFOpLambda", {"function": "io.write_file"}), "registered_name": "mine>Twice"}),
            "write_file",
        ),
        (saved({**layer("Dense"), "module": "os", "registered_name": "mine>Twice"}), "of the module 'os'"),
        # Keras has a class of that name, and some of its readers do not look at where a class is registered.
        (
            saved({**layer("StringLookup", {"vocabulary": "a"}), "registered_name": "mine>StringLookup"}),
            "is a StringLookup that takes its vocabulary from the file",
        ),
        (saved({**layer("Lambda"), "registered_name": "mine>Twice"}), "carries code"),
    ]
    for table, said in bad:
        with pytest.raises(UserError, match=said):
            check(table, own=OWN)


def test_keras_3_has_its_own_words_for_it() -> None:
    add = {**layer("Add"), "module": "keras.src.ops.numpy"}
    with pytest.raises(UserError, match=r"is a Add of keras\.src\.ops\.numpy, which Keras 2 does not have"):
        check(saved(add), newer=True)
    kept = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": ["image", 0, 0]}}
    check(saved(layer("Dense", nodes=[{"args": [kept], "kwargs": {}}])), newer=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "gives 'c' twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": NaN}', "holds a NaN"),
        ('{"a": ' + "9" * 5000 + "}", "more than 64 bits"),
        ('{"a": 9223372036854775808}', "more than 64 bits"),
        ('{"a": ', "Expecting value"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        json_text.parse(text)
    assert json_text.parse('{"a": [-9223372036854775808, 1.5, -Infinity]}')["a"][2] == float("-inf")


def test_depth_ends_in_a_refusal_and_not_in_a_crash() -> None:
    deep: Any = WRITING
    for _ in range(900):
        deep = {"class_name": "TimeDistributed", "config": {"layer": deep}}
    with pytest.raises(UserError, match="nested too deeply"):
        check(tables.network(layer("TimeDistributed", {"layer": deep})))
