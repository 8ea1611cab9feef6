"""End an int8 .tflite in probabilities instead of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.core.errors import UserError
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack

# The only quantization that int8 SOFTMAX kernels give: 256 steps from 0 to 255/256.
SCALE, ZERO_POINT = 1 / 256, -128


def append_softmax(content: bytes) -> bytes:
    """Add a SOFTMAX operator behind the only output, int8 with scale 1/256 and zero point -128.

    Raises:
        UserError: the artifact has several outputs, or one that is not int8.
    """
    fb = schema()
    model = fb.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    if len(graph.outputs) != 1 or graph.tensors[graph.outputs[0]].type != fb.TensorType.INT8:
        raise UserError("export", "softmax needs a single int8 output", "remove `softmax`, or quantize the network")
    logits = int(graph.outputs[0])
    graph.tensors.append(probabilities(graph.tensors[logits]))
    made = len(graph.tensors) - 1
    model.operatorCodes.append(fb.OperatorCodeT(builtinCode=fb.BuiltinOperator.SOFTMAX, version=2))
    model.operatorCodes[-1].deprecatedBuiltinCode = fb.BuiltinOperator.SOFTMAX
    graph.operators.append(operator(len(model.operatorCodes) - 1, logits, made))
    graph.outputs = np.array([made], np.int32)
    # The signature names the output that was; it serves no device.
    model.signatureDefs = None
    return pack(model)


def probabilities(logits: Any) -> Any:
    """Make the tensor behind the softmax, in the logits' shape."""
    fb = schema()
    quantization = fb.QuantizationParametersT(
        scale=np.array([SCALE], np.float32), zeroPoint=np.array([ZERO_POINT], np.int64)
    )
    return fb.TensorT(
        shape=logits.shape,
        shapeSignature=logits.shapeSignature,
        type=fb.TensorType.INT8,
        buffer=0,
        name=b"probabilities",
        quantization=quantization,
        hasRank=logits.hasRank,
    )


def operator(code: int, logits: int, made: int) -> Any:
    fb = schema()
    return fb.OperatorT(
        opcodeIndex=code,
        inputs=np.array([logits], np.int32),
        outputs=np.array([made], np.int32),
        builtinOptionsType=fb.BuiltinOptions.SoftmaxOptions,
        builtinOptions=fb.SoftmaxOptionsT(beta=1.0),
    )
