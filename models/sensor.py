"""Residual networks over time: ResNet-18 as a source, and small ones that fit a microcontroller.

Every builder is `def name(input_shape, classes, **options) -> tf_keras.Model` with logits out; copy and change freely.
An example is a window (time, 1, channels), and every convolution is (size, 1): int8 kernels and training under int8
rounding know convolutions over images only.
"""

import tf_keras
from tf_keras import layers

MOMENTUM = 0.9  # of the moving averages of batch normalization


def resnet18(input_shape: tuple[int, ...], classes: int, width: int = 64) -> tf_keras.Model:
    """ResNet-18 (He et al. 2015) over time: a stem, then four stages of two blocks of width, 2x, 4x and 8x channels.

    At width 64 and six channels it has 3.85 M parameters.
    """
    window = tf_keras.Input(input_shape, name="window")
    x = convolve(window, width, 7, 2, "stem")
    x = layers.MaxPooling2D((3, 1), (2, 1), "same", name="stem_pool")(x)
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage and not block else 1
            x = residual(x, width * 2**stage, 3, stride, f"stage{stage + 1}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(window, layers.Dense(classes, name="logits")(x), name="resnet18")


def resnet8(input_shape: tuple[int, ...], classes: int, width: int = 16, size: int = 5) -> tf_keras.Model:
    """ResNet-8 over time: a stem that halves the rate, then three stages of one block of width, 2x and 4x channels.

    At width 16 and size 5 it has 45 k parameters.
    """
    window = tf_keras.Input(input_shape, name="window")
    x = convolve(window, width, size, 2, "stem")
    for stage, stride in enumerate((1, 2, 2)):
        x = residual(x, width * 2**stage, size, stride, f"stage{stage + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(window, layers.Dense(classes, name="logits")(x), name="resnet8")


def residual(x, channels: int, size: int, stride: int, name: str):
    """Two convolutions beside a shortcut, which is a convolution of one step where the shape changes."""
    y = convolve(x, channels, size, stride, f"{name}_a")
    y = convolve(y, channels, size, 1, f"{name}_b", activation=False)
    if stride != 1 or x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1, (stride, 1), "same", name=f"{name}_shortcut")(x)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def convolve(x, channels: int, size: int, stride: int, name: str, activation: bool = True):
    """Convolution over time without bias, batch normalization, and ReLU where asked."""
    x = layers.Conv2D(
        channels, (size, 1), (stride, 1), "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activation else x
