"""What stands inside a layer or a network: activations, initializers, losses, types, and what builds and compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.hostile.blank import FROM_IMAGE, Network, Table, identity, image, layer
from support.hostile.classes import MODULE, held, newer
from support.hostile.ground import Ground


def named(module: str, name: str) -> Table:
    """A function of a module, as a .keras names one."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def thing(module: str, kind: str, **config: Any) -> Table:
    """A thing of a class of a module, as Keras names one."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def head(**changes: Any) -> Callable[[Ground], Network]:
    """An innocent network but for settings of its last layer."""
    return lambda _: Network(identity(), head=changes)


def compiled(**config: Any) -> Callable[[Ground], Network]:
    """A network in the network that says how it was compiled."""
    table = {
        "class_name": "Functional", "name": "victim", "inbound_nodes": FROM_IMAGE,
        "config": {
            "name": "victim", "trainable": True, "layers": [image(), identity("same")],
            "input_layers": [["image", 0, 0]], "output_layers": [["same", 0, 0]],
        },
        "compile_config": config,
    }  # fmt: skip
    return lambda _: Network(table)


def built(config: Any) -> Callable[[Ground], Network]:
    return lambda _: Network(layer("Dense", {"units": 3}, build_config=config))


PARTS = (
    held("activation_os", "a command as an activation", head(activation=named("os", "system")), "system"),
    held("activation_eval", "eval as an activation", head(activation=named("builtins", "eval")), "eval"),
    held("activation_exec", "exec as an activation", head(activation=thing("builtins", "exec")), "exec"),
    held("activation_import", "imports", head(activation=named("builtins", "__import__")), "__import__"),
    held("activation_keras", "get_file as an activation", head(activation=named("keras.utils", "get_file")),
         "get_file"),
    held(
        "activation_lambda", "bytecode as an activation",
        lambda g: Network(identity(), head={"activation": newer(g)["function"]}), "__lambda__",
    ),
    held("activation_string", "a function by its name", head(activation="io.write_file"), "io.write_file"),
    held("activation_module", "imports a module", head(activation=named(MODULE, "x")), MODULE),
    held("initializer_os", "a command as an initializer", head(kernel_initializer=thing("os", "system")), "system"),
    held("initializer_eval", "eval as an initializer", head(bias_initializer=thing("builtins", "eval")), "eval"),
    held("regularizer", "a process as a regularizer", head(kernel_regularizer=thing("subprocess", "Popen", args="id")),
         "Popen"),
    held("constraint", "a command as a constraint", head(kernel_constraint=thing("os", "popen")), "popen"),
    held("type_policy", "a type from a module", head(dtype=thing(MODULE, "Policy", name="float32")), MODULE),
    held("type_class", "a type that is a command", head(dtype=thing("os", "system", name="float32")), "system"),
    held(
        "type_spec", "a type from a module", lambda _: Network(layer("Dense", {"units": {
            "class_name": "__typespec__", "spec_name": "X", "module": MODULE, "registered_name": None, "config": [],
        }})), f"__typespec__|{MODULE}",
    ),
    held("compile_optimizer", "imports a module as an optimizer", compiled(optimizer=thing(MODULE, "X")), MODULE),
    held("compile_loss", "a command as a loss", compiled(optimizer="adam", loss=named("os", "system")), "system"),
    held("compile_metric", "imports a module as a metric", compiled(metrics=[thing(MODULE, "X")]), MODULE),
    held(
        "compile_top", "how the network itself was compiled, which need not be read",
        lambda _: Network(identity(), top={"compile_config": {"optimizer": thing(MODULE, "X"), "loss": "mse"}}),
        "", harmless=True, forms=("keras",),
    ),
    held("build_lambda", "bytecode as a shape", built({"input_shape": {"class_name": "__lambda__", "config": "x"}}),
         "__lambda__"),
    held("build_module", "imports a module as a shape", built({"input_shape": thing(MODULE, "X")}), MODULE),
    held("top_class", "the network itself is a command", lambda _: Network(
        identity(), top={"class_name": "system", "module": "os", "registered_name": None}), "system"),
    held("top_module", "the network's class from a module", lambda _: Network(
        identity(), top={"module": MODULE, "registered_name": None}), MODULE, "keras"),
    held("endless", "reads a call of a layer that never comes, for which Keras waits for ever", lambda _: Network(
        identity(), text=lambda text: text.replace('"victim", 0, 0', '"victim", 7, 0')), "victim|flatten"),
    held("input_class", "an input that is a function", lambda _: Network({**identity(), "inbound_nodes": [
        [["image", 0, 0, {"mask": thing(MODULE, "X")}]]]}), MODULE),
)  # fmt: skip
