"""A small residual network on real images, what it lowers to, and a context, for tests of what comes after training."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from support import contexts, datasets, shipped
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Flat, Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack

TASK = Task(("T-shirt/top", "trouser", "pullover", *"defghij"), (14, 14, 1), scale=1 / 255)


def images(count: int = 300) -> tuple[Any, Any]:
    x, y = datasets.clothes(count)
    return x[:, ::2, ::2], y


def data() -> TrainingData:
    return datasets.training(TASK, images(), slice(200), slice(200, 260), slice(40))


def samples(count: int = 40) -> Any:
    return inputs(images()[0][:count], TASK)


def network(width: int = 4, side: int = 14, sparse: bool = False) -> Any:
    """ResNet-8 with drawn biases and normalization; `sparse` sets the smaller half of each kernel to zero."""
    backend.seed_everything(7)
    model = shipped.resnet().resnet8((side, side, 1), 10, width=width)
    draw = np.random.default_rng(7)
    weights = [w + (0.2 * draw.random(w.shape) if w.ndim == 1 else 0) for w in model.get_weights()]
    if sparse:
        weights = [w * (np.abs(w) > np.median(np.abs(w))) if w.ndim > 1 else w for w in weights]
    model.set_weights(weights)
    return model


@functools.cache
def content(per_channel_dense: bool = False) -> bytes:
    return to_int8_tflite(network(), samples(), per_channel_dense)


def flat() -> Flat:
    return Flat(content(), TASK)


def net(sparse: bool = False) -> Net:
    return Net(network(sparse=sparse), TASK)


def context(folder: Path, source: Net | None = None, rehearse: Any = None) -> Context:
    return contexts.context(folder, data(), source or Net(None, TASK), rehearse)


def opened(content: bytes) -> Any:
    """The whole file as schema objects."""
    return schema().ModelT.InitFromPackedBuf(content, 0)


def by_hand() -> bytes:
    """The smallest artifact: three int8 logits and a softmax, 16-byte aligned constants absent."""
    fb = schema()

    def tensor(scale: float, zero_point: int, name: bytes) -> Any:
        quantization = fb.QuantizationParametersT(
            scale=np.array([scale], np.float32), zeroPoint=np.array([zero_point], np.int64)
        )
        return fb.TensorT(
            shape=np.array([1, 3], np.int32), type=fb.TensorType.INT8, name=name, quantization=quantization
        )

    operator = fb.OperatorT(
        inputs=np.array([0], np.int32), outputs=np.array([1], np.int32),
        builtinOptionsType=fb.BuiltinOptions.SoftmaxOptions, builtinOptions=fb.SoftmaxOptionsT(beta=1.0),
    )  # fmt: skip
    graph = fb.SubGraphT(
        tensors=[tensor(0.25, 3, b"logits"), tensor(1 / 256, -128, b"probabilities")],
        inputs=np.array([0], np.int32), outputs=np.array([1], np.int32), operators=[operator],
    )  # fmt: skip
    code = fb.OperatorCodeT(builtinCode=fb.BuiltinOperator.SOFTMAX, version=2)
    return pack(fb.ModelT(version=3, operatorCodes=[code], subgraphs=[graph], buffers=[fb.BufferT()]))
