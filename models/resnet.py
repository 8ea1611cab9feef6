"""Residual networks: ResNet-50 as a source, and small ones that fit a microcontroller.

Every builder is `def name(input_shape, classes, **options) -> tf_keras.Model` with logits out; copy and change freely.
"""

import tf_keras
from tf_keras import layers

MOMENTUM = 0.9  # of the moving averages of batch normalization


def resnet50(input_shape: tuple[int, ...], classes: int) -> tf_keras.Model:
    """ResNet-50 (He et al. 2015), 23.6 M parameters, for images of (height, width, channels).

    Images under 32x32 are zero-padded to 32, the smallest that the architecture takes. Each residual branch starts at
    zero (Goyal et al. 2017, section 5.1), and the batch statistics follow fast: short trainings then get far.
    """
    images = tf_keras.Input(input_shape, name="image")
    padded = images
    rows, columns = (max(0, 32 - side) for side in input_shape[:2])
    if rows or columns:
        margin = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
        padded = layers.ZeroPadding2D(margin, name="pad_to_32")(images)
    body = tf_keras.applications.ResNet50(include_top=False, weights=None, input_tensor=padded, pooling="avg")
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
        if layer.name.endswith("_3_bn"):
            layer.gamma.assign(tf_keras.backend.zeros(layer.gamma.shape))
    logits = layers.Dense(classes, name="logits")(body.output)
    return tf_keras.Model(images, logits, name="resnet50")


def resnet8(input_shape: tuple[int, ...], classes: int, width: int = 16) -> tf_keras.Model:
    """ResNet-8 of MLPerf Tiny (Banbury et al. 2021): three residual stages of width, 2x and 4x width channels.

    At width 16 and ten classes it has 78 k parameters.
    """
    images = tf_keras.Input(input_shape, name="image")
    x = convolve(images, width, 3, 1, "stem")
    for stage, stride in enumerate((1, 2, 2)):
        x = residual(x, width * 2**stage, stride, f"stage{stage + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(classes, name="logits")(x)
    return tf_keras.Model(images, logits, name="resnet8")


def residual(x, channels: int, stride: int, name: str):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""
    y = convolve(x, channels, 3, stride, f"{name}_a")
    y = convolve(y, channels, 3, 1, f"{name}_b", activation=False)
    if stride != 1 or x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1, stride, "same", kernel_initializer="he_normal", name=f"{name}_shortcut")(x)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def convolve(x, channels: int, size: int, stride: int, name: str, activation: bool = True):
    """Convolution without bias, batch normalization, and ReLU where asked."""
    x = layers.Conv2D(
        channels, size, stride, "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activation else x
