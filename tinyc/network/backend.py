"""The only door to TensorFlow, legacy Keras and TFMOT; importing this module imports none of them."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinyc.core.quiet import hushed

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1", "TF_ENABLE_ONEDNN_OPTS": "1"}


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Keep the garbage collector from what an import makes, which lives to the end: half a million objects.

    Looking through them takes a fifth of a second, in each of the collections that follow a conversion or a step.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()


@functools.cache
def tensorflow() -> Any:
    """Import TensorFlow quietly, on the CPU thread pools as they are, with deterministic kernels."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with hushed(), imported_for_good():
        import tensorflow as tf  # the one door: seconds, at the first call

    tf.get_logger().setLevel("ERROR")
    tf.config.experimental.enable_op_determinism()
    return tf


@functools.cache
def keras() -> Any:
    """Import Keras 2 (`tf_keras`), which TFMOT needs; never Keras 3."""
    tensorflow()
    with imported_for_good():
        import tf_keras  # after TensorFlow, with its environment set

    return tf_keras


@functools.cache
def lite() -> Any:
    """Import the converter's own module, whose steps after the conversion have no public name."""
    tensorflow()
    with imported_for_good():
        from tensorflow.lite.python import lite as module  # as above

    return module


@functools.cache
def tfmot() -> Any:
    """Import the TensorFlow Model Optimization Toolkit after legacy Keras has been chosen."""
    keras()
    with imported_for_good():
        import tensorflow_model_optimization  # as above

    return tensorflow_model_optimization


def loaded() -> bool:
    """Say whether this process has imported TensorFlow (tflite-runtime cannot live beside it)."""
    return "tensorflow" in sys.modules


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and TensorFlow, so that the same step gives the same bytes."""
    keras().utils.set_random_seed(seed % 2**31)
