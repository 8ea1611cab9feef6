"""Layers that carry code, take classes from anywhere, or read files."""

from __future__ import annotations

import base64
import marshal
from collections.abc import Callable
from typing import Any

from support.hostile.blank import FROM_IMAGE, Network, Table, identity, image, inner, layer
from support.hostile.case import FORMS, Case
from support.hostile.functions import op
from support.hostile.ground import Ground
from support.hostile.writing import written

MODULE = "hostile_module"
"""Stands in the canary, and writes the marker where it is imported."""


def held(
    name: str, reason: str, build: Callable[[Ground], Network], says: str, *fires: str, harmless: bool = False,
    forms: tuple[str, ...] = FORMS,
) -> Case:  # fmt: skip
    return Case(name, reason, written(build), says, forms, fires, harmless)


def code(ground: Ground) -> list[Any]:
    """A function that writes the marker, as Keras 2 stores one."""
    text = f"lambda x: (open({str(ground.marker)!r}, 'w').close(), x)[1]"
    return [base64.encodebytes(marshal.dumps(eval(text).__code__)).decode(), None, None]


def carrying(ground: Ground) -> Table:
    """The settings of a Lambda as an HDF5 file and a SavedModel hold them."""
    return {
        "function": code(ground), "function_type": "lambda", "module": "builtins", "arguments": {},
        "output_shape": [8, 8, 1], "output_shape_type": "raw", "output_shape_module": None,
    }  # fmt: skip


def newer(ground: Ground) -> Table:
    """The settings of a Lambda as a .keras holds them."""
    function = {"class_name": "__lambda__", "config": {"value": code(ground)}}
    return {"function": function, "arguments": {}, "output_shape": [8, 8, 1]}


def writing(ground: Ground) -> Table:
    return op("io.write_file", str(ground.marker), {"contents": "x"})


def nested(bad: Callable[[Ground], Table]) -> Callable[[Ground], Network]:
    """A whole network as a layer, with a bad layer in it."""

    def build(ground: Ground) -> Network:
        wrong = bad(ground)
        config = {
            "name": "victim", "trainable": True, "layers": [image("image"), wrong],
            "input_layers": [["image", 0, 0]], "output_layers": [[wrong["name"], 0, 0]],
        }  # fmt: skip
        return Network({"class_name": "Functional", "config": config, "name": "victim", "inbound_nodes": FROM_IMAGE})

    return build


def around(kind: str, key: str, bad: Callable[[Ground], Any], **config: Any) -> Callable[[Ground], Network]:
    """A layer whose configuration holds another one."""
    return lambda ground: Network(layer(kind, {key: bad(ground), **config}))


def lambda_within(ground: Ground) -> Table:
    return inner("Lambda", carrying(ground))


def sequence(ground: Ground) -> Table:
    config = {"layers": [image("image"), lambda_within(ground)]}
    return inner("Sequential", config)


def taken(kind: str, module: str, **more: Any) -> Callable[[Ground], Network]:
    """A layer of a class of any module."""
    return lambda _: Network(layer(kind, {}, module=module, **{"registered_name": None, **more}))


def words(kind: str, **config: Any) -> Callable[[Ground], Network]:
    return lambda ground: Network(layer(kind, {"vocabulary": str(ground.secret), **config}))


def method(kind: str, **config: Any) -> Callable[[Ground], Network]:
    return lambda ground: Network(layer(kind, config, [["_CONSTANT_VALUE", -1, [str(ground.marker)], {"kwargs": {}}]]))


LAYERS = (
    held("lambda", "carries bytecode", lambda g: Network(layer("Lambda", carrying(g))), "Lambda", "h5", "saved"),
    held("lambda_new", "carries bytecode", lambda g: Network(layer("Lambda", newer(g))), "Lambda|__lambda__"),
    held("lambda_nested", "in a network in a network", nested(lambda g: layer("Lambda", carrying(g))), "Lambda", "h5"),
    held("lambda_in_time", "in a wrapper", around("TimeDistributed", "layer", lambda_within), "Lambda", "h5", "saved"),
    held("lambda_both_ways", "in a wrapper", around("Bidirectional", "layer", lambda_within), "Lambda"),
    held(
        "lambda_backwards", "in the second layer of a wrapper",
        around("Bidirectional", "backward_layer", lambda_within, layer=inner("LSTM", {"units": 3})), "Lambda",
    ),
    held("lambda_wrapped", "in the bare wrapper", around("Wrapper", "layer", lambda_within), "Lambda|Wrapper"),
    held("lambda_cell", "as a cell", around("RNN", "cell", lambda_within), "Lambda"),
    held("lambda_in_sequence", "two networks deep", around("TimeDistributed", "layer", sequence), "Lambda",
         "h5", "saved"),
    held(
        "lambda_escaped", "its name is spelled in escapes, which a search for bytes does not find",
        lambda g: Network(layer("Lambda", carrying(g)), text=lambda text: text.replace('"Lambda"', '"\\u004cambda"')),
        "Lambda", "h5", "saved",
    ),
    held(
        "lambda_imports", "names a function of a module",
        lambda g: Network(layer("Lambda", {**carrying(g), "function": "system", "function_type": "function",
                                           "module": "os"})), "Lambda",
    ),
    held("op_nested", "a function, one network deeper", nested(writing), "io.write_file", *FORMS),
    held(
        "class_method", "calls any attribute of any class",
        method("ClassMethod", cls_symbol="io.TFRecordWriter", method_name="__call__"), "ClassMethod", *FORMS,
    ),
    held("instance_method", "calls any attribute", method("InstanceMethod", attr_name="__class__"), "InstanceMethod"),
    held("instance_property", "reads any attribute", method("InstanceProperty", attr_name="__class__"),
         "InstanceProperty"),
    held("os_system", "a class that is a command", taken("system", "os"), "system"),
    held("eval", "a class that is a function", taken("eval", "builtins"), "eval"),
    held("import", "a class that imports", taken("__import__", "builtins"), "__import__"),
    held("popen", "a class that starts a process", taken("Popen", "subprocess"), "Popen"),
    held("module", "imports a module of the user's folder", taken("Dense", MODULE), MODULE),
    held("mismatch", "an honest class of a wrong module", taken("Dense", "os"), "module 'os'"),
    held("get_file_class", "a function of Keras as a class", taken("get_file", "tf_keras.src.utils.data_utils"),
         "get_file"),
    held("saving_class", "reads any file", taken("load_model", "keras.src.saving.saving_lib"), "load_model"),
    held("qualified", "a class inside a class", taken("Layer.__class__", "tf_keras.src.engine.base_layer"),
         "__class__"),
    held("registered", "an honest class under somebody's name", taken("Dense", "keras.layers",
         registered_name="Custom>Evil"), "Custom>Evil"),
    held("registered_class", "somebody's class", taken("Custom>Evil", "keras.layers"), "Custom>Evil"),
    held("registered_without_module", "somebody's class", lambda _: Network(
        layer("Evil", {}, module=None, registered_name="Custom>Evil")), "Evil"),
    held("class_table", "a class name that is a table", lambda _: Network(
        {**identity(), "class_name": {"class_name": "TFOpLambda"}}), "without its class"),
    held("class_list", "a class name that is a list", lambda _: Network({**identity(), "class_name": ["Lambda"]}),
         "without its class"),
    held("lookup", "reads a file as its words", words("StringLookup"), "StringLookup"),
    held("integers", "reads a file as its numbers", words("IntegerLookup"), "IntegerLookup"),
    held("text", "reads a file as its words", words("TextVectorization"), "TextVectorization"),
    held(
        "lookup_url", "reads a file by a URL",
        lambda g: Network(layer("StringLookup", {"vocabulary": f"file://{g.secret}"})), "StringLookup",
    ),
    held(
        "lookup_nested", "one network deeper", nested(lambda g: layer("StringLookup", {"vocabulary": str(g.secret)})),
        "StringLookup",
    ),
    held(
        "lookup_one", "a list of one path",
        lambda g: Network(layer("StringLookup", {"vocabulary": {"class_name": "__tuple__", "items": str(g.secret)}})),
        "StringLookup",
    ),
)  # fmt: skip
