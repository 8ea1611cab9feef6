"""Networks within networks made one flat graph, since TFMOT takes no nested ones; names and weights stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.checks import has_graph

SHORT = ("float16", "bfloat16")


def flat(model: Any, where: str) -> Any:
    """Give a functional network without nested ones, in float32; `model` itself where it is one already.

    A layer keeps its name; where two nested networks use the same, the later one's is prefixed with its network's name.
    A network that was trained in mixed precision computes in float32 afterwards, as TensorFlow Lite has it.

    Raises:
        UserError: a layer cannot be copied.
    """
    keras = backend.keras()
    if not is_nested(model) and not isinstance(model, keras.Sequential) and not any(map(is_short, model.layers)):
        return model
    copy = Copy(where)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name_of(tensor)) for tensor in model.inputs
    ]
    copy.names.update(tensor.node.layer.name for tensor in inputs)
    outputs = replay(model, inputs, copy, prefix="", training=None)
    result = keras.Model(inputs, outputs, name=model.name)
    for old, new in copy.layers.values():
        new.set_weights(old.get_weights())
    return result


def at_size(model: Any, input_shape: tuple[int, ...], where: str) -> Any:
    """Give a flat network that takes images of any size the size of the examples: its MACs and arena depend on it.

    Raises:
        UserError: it cannot be called on examples of this size.
    """
    given = model.inputs[0]
    if None not in given.shape[1:]:
        return model
    keras = backend.keras()
    image = keras.Input(input_shape, dtype=given.dtype, name=name_of(given))
    try:
        sized = keras.Model(image, model(image), name=model.name)
    except ValueError as error:
        raise UserError(
            where, f"cannot be called on {input_shape}: {error}", "resize the data, or build anew"
        ) from error
    return flat(sized, where)


def is_nested(model: Any) -> bool:
    return any(isinstance(layer, backend.keras().Model) and has_graph(layer) for layer in model.layers)


def is_short(layer: Any) -> bool:
    """Say whether a layer computes in floats of 16 bits."""
    return getattr(layer, "compute_dtype", None) in SHORT


def name_of(tensor: Any) -> str:
    return str(tensor.node.layer.name)


@dataclass
class Copy:
    """The copies made so far: by the old layer's identity, so that a shared layer stays shared."""

    where: str
    layers: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def of(self, layer: Any, prefix: str) -> Any:
        """Return the copy of a layer, which is made at its first use."""
        if id(layer) not in self.layers:
            self.layers[id(layer)] = (layer, self.make(layer, prefix))
        return self.layers[id(layer)][1]

    def called(self, node: Any, prefix: str, arguments: Any, keywords: Any) -> Any:
        """Repeat one call of a layer on new tensors."""
        return self.of(node.layer, prefix)(*arguments, **keywords)

    def make(self, layer: Any, prefix: str) -> Any:
        name = layer.name if layer.name not in self.names else f"{prefix}{layer.name}"
        self.names.add(name)
        dtype = {"dtype": "float32"} if is_short(layer) else {}
        try:
            return type(layer).from_config({**layer.get_config(), "name": name, **dtype})
        except Exception as error:
            raise UserError(
                f"{self.where}, layer {layer.name!r}",
                f"its class {type(layer).__name__} cannot be copied: {error}",
                "give the class a get_config() that returns all arguments of its __init__",
            ) from error


def replay(model: Any, inputs: list[Any], copy: Copy, prefix: str, training: bool | None) -> list[Any]:
    """Call copies of a network's layers on `inputs` in the network's order; gives its outputs.

    `training` is what an outer call fixed for the whole network, such as `body(x, training=False)`.
    """
    tensors: dict[str, list[Any]] = {}
    uses = model._tensor_usage_count

    def keep(key: str, tensor: Any) -> None:
        tensors[key] = [tensor] * max(1, uses[key])

    for old, new in zip(model.inputs, inputs, strict=True):
        keep(str(id(old)), new)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input or any(key not in tensors for key in node.flat_input_ids):
                continue
            results = call(node, tensors, copy, prefix, training)
            for key, tensor in zip(node.flat_output_ids, results, strict=True):
                keep(key, tensor)
    return [tensors[str(id(output))][0] for output in model.outputs]


def call(node: Any, tensors: dict[str, list[Any]], copy: Copy, prefix: str, training: bool | None) -> list[Any]:
    """Repeat one call of a layer, or of each layer of a nested network."""
    nest = backend.tensorflow().nest
    arguments, keywords = node.map_arguments(tensors)
    layer = node.layer
    if isinstance(layer, backend.keras().Model) and has_graph(layer):
        fixed = keywords.get("training")
        inner = training if fixed is None else fixed
        return replay(layer, nest.flatten([arguments, without_flags(keywords)]), copy, f"{prefix}{layer.name}_", inner)
    if training is not None and layer._expects_training_arg:
        keywords = {**keywords, "training": training}
    return list(nest.flatten(copy.called(node, prefix, arguments, keywords)))


def without_flags(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if name not in ("training", "mask")}
