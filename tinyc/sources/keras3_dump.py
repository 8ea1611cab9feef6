"""Load a Keras 3 network in a process of its own, and write down what it is: run as a script, with Keras 3.

    python keras3_dump.py NETWORK OUT.npz

OUT holds `config` (JSON), the weights as `<layer>|<index>` (a nested network's as `<network>/<layer>|<index>`), and
`probe_input`, `probe_output`: random inputs with what the network makes of them. Lambda layers are refused by Keras.
"""

import sys
from collections.abc import Iterator
from typing import Any


def main(network: str, out: str) -> None:
    import keras
    import numpy as np

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


def weights(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The arrays of each layer, by the path of its names."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "inputs"):
            yield from weights(layer, f"{prefix}{layer.name}/")
            continue
        for index, array in enumerate(layer.get_weights()):
            yield f"{prefix}{layer.name}|{index}", array


if __name__ == "__main__":
    main(*sys.argv[1:])
