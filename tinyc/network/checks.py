"""What a network must be before anything is done with it; every refusal says what to do instead."""

from __future__ import annotations

import math
from typing import Any

from tinyc.core.errors import UserError
from tinyc.core.scope import beyond
from tinyc.data.task import Task
from tinyc.network import backend

Shape = tuple[int | None, ...]

TABLES = ("TokenEmbedding", "Embedding")
CODE = ("Lambda",)
"""Layers whose configuration is Python bytecode, or runs some."""


def is_network(built: Any, where: str) -> None:
    """Refuse what is not a Keras 2 network."""
    if isinstance(built, backend.keras().Model):
        return
    classes = [f"{kind.__module__}.{kind.__name__}" for kind in type(built).__mro__]
    if any(name.startswith(("keras.", "keras_core.")) for name in classes):
        raise UserError(
            where,
            "it gives a Keras 3 model, which the passes cannot change",
            "write `import tf_keras as keras` in the file",
        )
    given = "nothing (a `return` is missing?)" if built is None else f"a {type(built).__name__}"
    raise UserError(where, f"it gives {given} instead of a Keras network", "return a tf_keras.Model")


def of_a_library(module: str) -> bool:
    """Say whether a class or function of this module comes with tinyc or what it is built on, not with a recipe."""
    return module.partition(".")[0] in ("tinyc", "keras", "tf_keras", "tensorflow", "tensorflow_model_optimization")


def has_graph(model: Any) -> bool:
    """Say whether a network is functional or sequential, so that its layers can be reached one by one."""
    # A subclass of Model whose __init__ calls super().__init__(inputs, outputs) has a graph as well.
    return bool(getattr(model, "_is_graph_network", False)) and bool(getattr(model, "inputs", None))


def require_functional(model: Any) -> None:
    """Refuse a network whose layers are not known as a graph."""
    if not getattr(model, "_is_graph_network", False):
        raise UserError(
            f"network {getattr(model, 'name', model)!r}",
            f"pruning needs a functional network; {type(model).__name__} computes in its own call()",
            'build it as tf_keras.Model(inputs, outputs), or quantize it with how = "ptq" alone',
        )


def id_tables(model: Any) -> list[Any]:
    """Find the layers that look the network's input up in a table of vectors."""
    nodes = [node for level in model._nodes_by_depth.values() for node in level if not node.is_input]
    readers = [node.layer for node in nodes if any(tensor is model.inputs[0] for tensor in node.keras_inputs)]
    return [layer for layer in readers if type(layer).__name__ in TABLES]


def fit_to_words(model: Any, task: Task, where: str) -> None:
    """Refuse a network for sentences that cannot take every token id: an id beyond a table has no vector."""
    if task.tokenizer is None or not has_graph(model):
        return
    pieces, tables = len(task.tokenizer.vocabulary), id_tables(model)
    small = next((table for table in tables if table.embeddings.shape[0] < pieces), None)
    if small is not None:
        problem = f"layer {small.name!r} has {small.embeddings.shape[0]} rows, and the tokenizer {pieces} pieces"
        raise UserError(where, problem, "give it a row a piece; a builder with the option `vocabulary` is given them")
    if not tables and not model.inputs[0].dtype.is_integer:
        problem = f"the network takes {model.inputs[0].dtype.name}, and sentences are token ids"
        raise UserError(where, problem, 'give its Input dtype = "int32", and look the ids up in a table')


def one_each(model: Any, where: str) -> None:
    """Refuse a network of several inputs or outputs."""
    for tensors, what in ((model.inputs, "inputs"), (model.outputs, "outputs")):
        if len(tensors) != 1:
            names = ", ".join(repr(tensor.node.layer.name) for tensor in tensors)
            raise beyond(where, f"the network has {len(tensors)} {what} ({names})")


def unlike(where: str, taken: Shape, given: Shape, classes: int) -> UserError:
    """Say how an output differs from one score for each class."""
    problem = f"the network gives {given}, and the data has {classes} classes"
    if None not in given and given[-1:] == (classes,) and classes == math.prod(side or 0 for side in given):
        return UserError(where, problem, "end the network in a Flatten layer, and save it again")
    if len(given) != 1 or given == (1,):
        return beyond(where, problem)
    if given == taken:
        return beyond(where, f"{problem}; it gives as many values as it takes, as an autoencoder does")
    return UserError(
        where, problem, "give a network with one output for each class of the data, or the data that it was trained on"
    )


def fit_to_task(model: Any, task: Task, where: str) -> Any:
    """Give the network back, or refuse it: its input must be one example's shape, its output one number a class."""
    one_each(model, where)
    taken, given = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])
    example, classes = tuple(task.input_shape), len(task.classes)
    fits = (side in (None, wanted) for side, wanted in zip(taken, example, strict=False))
    if len(taken) != len(example) or not all(fits):
        remedy = "resize the data, or build anew"
        if example == (*taken, 1):
            remedy = (
                f"begin with Reshape({taken})(Input(input_shape)): examples of two axes get a third, as grey images"
            )
        raise UserError(where, f"the network takes {taken}, and an example is {example}", remedy)
    if given != (classes,):
        raise unlike(where, taken, given, classes)
    fit_to_words(model, task, where)
    return model


def refuse_code(model: Any, where: str) -> None:
    """Refuse layers that carry code: they can be neither copied nor stored safely."""
    for module in [model, *model.submodules]:
        if type(module).__name__ in CODE:
            raise code_error(where, str(module.name))


def code_error(where: str, layer: str) -> UserError:
    return UserError(
        where,
        f"layer {layer!r} is a Lambda, which carries code",
        "write it with Keras layers (Rescaling, Reshape, Activation, ...), or as a Layer class in the builder's file",
    )
