"""Load a Keras 3 network in a process of its own, and write down what it is: run as a script, with Keras 3.

    python keras3_dump.py NETWORK OUT.npz HELD WEIGHTS VALUES

It is refused before memory is taken for it where it asks for more than HELD numbers, which the file has, and WEIGHTS
more, or where a layer gives more than VALUES numbers for one example. OUT holds `config` (JSON), the weights as
`<layer>|<index>` (a nested network's as `<network>/<layer>|<index>`), and `probe_input`, `probe_output`: random inputs
with what the network makes of them. Lambda layers are refused by Keras.
"""

import json
import math
import os
import sys
import zipfile
from collections.abc import Iterator
from typing import Any


def main(network: str, out: str, held: str, spare: str, values: str) -> None:
    import keras  # in a process of its own, under Keras 3
    import numpy as np  # as Keras

    rehearse(network, int(held), int(spare), int(values))
    model = keras.saving.load_model(network, compile=False, safe_mode=True)
    if not isinstance(model, keras.Sequential) and type(model).__name__ != "Functional":
        raise TypeError("a subclassed model, whose code is not in the file")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise TypeError(f"a network with {len(model.inputs)} inputs and {len(model.outputs)} outputs")
    shape = [side or 8 for side in model.inputs[0].shape[1:]]
    probe = np.random.default_rng(0).standard_normal((4, *shape)).astype("float32")
    arrays = dict(weights(model, ""))
    text = np.frombuffer(model.to_json().encode(), np.uint8)
    output = np.asarray(model(probe, training=False))
    np.savez(out, config=text, probe_input=probe, probe_output=output, **arrays)


def built(network: str) -> Any:
    """Build the network by its configuration alone, of either format."""
    import keras  # in a process of its own, under Keras 3

    if zipfile.is_zipfile(network):
        with zipfile.ZipFile(network) as archive:
            return keras.models.model_from_json(archive.read("config.json").decode())
    import h5py  # as Keras
    from keras.src.legacy.saving import saving_utils  # as Keras

    with h5py.File(network, "r") as file:
        return saving_utils.model_from_config(json.loads(file.attrs["model_config"]))


def rehearse(network: str, held: int, spare: int, values: int) -> None:
    """Build the network without its weights, and end the process where it asks for too much.

    Within a stateless scope Keras only notes which weights there will be; it would make them when the scope is left.
    """
    import keras  # in a process of its own, under Keras 3

    with keras.StatelessScope():
        try:
            found = too_large(built(network), held, spare, values)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            print(found, file=sys.stderr, flush=True)
            os._exit(1)


def too_large(model: Any, held: int, spare: int, values: int) -> str | None:
    """Say which weight or tensor of a network is beyond the limits."""
    made = 0
    for weight in model.weights:
        made += math.prod(weight.shape)
        if made > held + spare:
            shape = tuple(weight.shape)
            return (
                f"ValueError: its layers ask for the weight {weight.path!r} of shape {shape}, and the whole file "
                f"holds {held:,} numbers"
            )
    for layer in [model, *model._flatten_layers()]:
        for node in layer._inbound_nodes:
            for tensor in node.outputs:
                shape = tuple(tensor.shape)
                if math.prod(side for side in shape if side) > values:
                    return f"ValueError: layer {layer.name!r} gives {shape}; at most {values:,} numbers are computed"
    return None


def weights(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of each layer, by the path of its names."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "inputs"):
            yield from weights(layer, f"{prefix}{layer.name}/")
            continue
        for index, array in enumerate(layer.get_weights()):
            yield f"{prefix}{layer.name}|{index}", array


if __name__ == "__main__":
    main(*sys.argv[1:])
