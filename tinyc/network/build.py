"""The network that a user's function builds, made fit for its task."""

from __future__ import annotations

from typing import Any

from tinyc.core.errors import TinycError, UserError
from tinyc.data.task import Task
from tinyc.network import backend, checks
from tinyc.network.flatten import at_size, flat
from tinyc.network.gate import bounded
from tinyc.network.logits import cut_softmax, refuse_probabilities
from tinyc.network.rewriting.function_layers import Say
from tinyc.network.rewriting.functions import in_layers
from tinyc.spec.builders import Builder, Find, blamed


def network(builder: Builder, task: Task, find: Find, say: Say = lambda _: None) -> Any:
    """Call a builder with (input_shape, classes) and its options, and make what it gives a flat network of logits.

    For sentences a builder that has the option `vocabulary` gets the number of word pieces, unless the recipe sets it.

    A subclassed model is taken as one opaque layer, which post-training quantization alone
    can use.

    Args:
        say: told what became of functions of TensorFlow.

    Raises:
        UserError: the builder raises, or gives no Keras 2 network that maps one input of the task to its classes.
    """
    where = builder.build
    words = {"vocabulary": len(task.tokenizer.vocabulary)} if task.tokenizer else {}
    built = builder.call(find, tuple(task.input_shape), len(task.classes), **words)
    with blamed(find(builder.file), builder.function):
        return prepared(as_functional(built, task, where), task, where, say)


def prepared(model: Any, task: Task, where: str, say: Say) -> Any:
    """Make a network that was built flat, of the task's size, with logits out."""
    checks.refuse_code(model, where)
    checks.fit_to_task(model, task, where)
    model = at_size(flat(model, where), tuple(task.input_shape), where)
    bounded.refuse_large(model, where)
    model = cut_softmax(in_layers(model, say), where)
    refuse_probabilities(model, where)
    return model


def as_functional(built: Any, task: Task, where: str) -> Any:
    """Accept functional and sequential networks as they are, and wrap a subclassed one."""
    checks.is_network(built, where)
    if checks.has_graph(built):
        return built
    keras = backend.keras()
    try:
        image = keras.Input(tuple(task.input_shape), name="input")
        made = built(image)
        if not all(hasattr(each, "shape") for each in backend.tensorflow().nest.flatten(made)):
            raise UserError(where, "its model gives something else than a tensor", "return one from its `call`")
        return keras.Model(image, made, name=built.name)
    except TinycError:
        raise
    except Exception as error:
        problem = f"its model cannot be called on {task.input_shape}: {bounded.reason(error)}"
        raise UserError(where, problem, "build it for the data's shape") from error
