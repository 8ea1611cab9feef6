"""The gate's tables against Keras and TensorFlow: every name is one of theirs, and none of theirs is forgotten."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from tinyc.network import backend
from tinyc.network.gate import classes, functions
from tinyc.network.gate.network import WORDS, last_word

INSIDE = {
    "BaseRandomLayer", "BatchNormalizationBase", "CuDNNGRU", "CuDNNLSTM", "GRUCellV1", "GRUCellV2", "GRUV1", "GRUV2",
    "LSTMCellV1", "LSTMCellV2", "LSTMV1", "LSTMV2", "_RNNCellWrapper",
}  # fmt: skip
"""Classes that Keras builds its layers on, and layers of TensorFlow 1; nobody stores one under these names."""
TAKING_FUNCTIONS = re.compile(r"(^|_)(fn|func|function|callable|file|filename|path|url)($|_)")
SETTINGS = classes.names(
    """
    adjustment alpha args attention_axes axes axis backward_layer batch_size beta_constraint beta_initializer
    bias_axes bin_boundaries cell cells center crop_to_aspect_ratio cropping data_format depth_multiplier
    dilation_rate dims dropout dtype dynamic epsilon equation factor fill_mode fill_value filters force_generator
    fused go_backwards groups height height_factor idf_weights implementation input_dim input_length input_shape
    input_tensor interpolation invert keepdims kernel_size key_dim kwargs l1 l2 layer mask_token mask_value mask_zero
    max_tokens max_value mean merge_mode mode momentum n name negative_slope ngrams noise_shape normalize num_bins
    num_heads num_oov_indices num_tokens offset oov_token output_dim output_mode output_padding output_sequence_length
    output_shape pad_to_max_tokens padding pool_size power_iterations ragged rank rate recurrent_dropout renorm
    renorm_clipping renorm_momentum reset_after return_sequences return_state rng_type salt scale score_mode seed self
    shared_axes size sparse stateful stddev strides synchronized target_shape theta threshold time_major trainable
    type_spec unit_forget_bias units unroll use_bias use_scale value_dim value_range variance virtual_batch_size
    vocabulary vocabulary_dtype weights width width_factor
    """
)
"""What the constructors of admitted layers take, but for words that are looked up: numbers, shapes, layers."""
GIVEN_BY_THE_CLASS = {"conv_op", "pool_function"}
"""Arguments of base classes alone, which no admitted class passes on."""


def canonical(symbol: Any) -> Any:
    from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

    named = get_canonical_name_for_symbol
    return named(symbol, add_prefix_to_v1_names=True) or named(symbol, api_name="keras", add_prefix_to_v1_names=True)


def test_every_function_is_one_by_the_name_that_keras_stores() -> None:
    backend.keras()
    from tensorflow.python.util.tf_export import get_symbol_from_name

    for name in functions.FUNCTIONS | functions.SLICES:
        symbol = get_symbol_from_name(name)
        assert callable(symbol), f"{name} is no function"
        assert canonical(symbol) == name
        taken = inspect.signature(symbol).parameters
        assert not [each for each in taken if TAKING_FUNCTIONS.search(each)], f"{name} takes a function or a file"


DEEDS = [
    "io.write_file", "io.read_file", "load_library", "load_op_library", "py_function", "numpy_function", "print",
    "map_fn", "while_loop", "cond", "saved_model.load", "keras.utils.get_file", "compat.v1.py_func", "io.gfile.rmtree",
    "debugging.assert_equal", "vectorized_map", "function", "custom_gradient", "keras.models.load_model",
    "raw_ops.WriteFile",
    "io.decode_image", "strings.as_string", "timestamp", "keras.backend.set_floatx", "random.set_seed", "Variable",
]  # fmt: skip


@pytest.mark.parametrize("name", DEEDS)
def test_functions_that_do_something_are_not_among_them(name: str) -> None:
    assert name not in functions.FUNCTIONS | functions.SLICES


def known_layers() -> dict[str, type]:
    """Every class that Keras' layers module shows, and that Keras looks up for a layer."""
    keras = backend.keras()
    from tf_keras.src.layers import serialization

    serialization.populate_deserializable_objects()
    modules = (keras.layers, keras.layers.experimental, keras.layers.experimental.preprocessing)
    shown = {name: item for module in modules for name, item in vars(module).items()}
    found = {**shown, **serialization.LOCAL.ALL_OBJECTS}
    return {name: item for name, item in found.items() if isinstance(item, type)}


def test_every_layer_is_admitted_or_refused_for_a_reason() -> None:
    known = known_layers()
    admitted = classes.LAYERS | classes.FUNCTION_LAYERS | classes.LOSS_LAYERS | classes.NETWORKS
    assert admitted - set(known) == set()
    assert set(known) - admitted - set(classes.REFUSED) - INSIDE == OTHERS
    assert not admitted & set(classes.REFUSED)


OTHERS = {"DynamicLookup", "PreprocessingLayer", "RandomFourierFeatures"}
"""Experiments, which are refused as what is in no table, and the base of layers that adapt to data."""


def test_every_layer_stands_in_the_module_that_keras_stores_for_it() -> None:
    from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

    known = known_layers()
    for name in classes.LAYERS - {"BatchNormalizationV1", "BatchNormalizationV2"}:
        stored = get_canonical_name_for_symbol(known[name], api_name="keras")
        module, _, kind = str(stored).rpartition(".")
        assert kind in classes.MODULES[module], f"{name} is stored as {stored}"


def test_what_layers_take_is_known() -> None:
    """A setting that takes a function or a file would have to stand among those that are looked at."""
    known = known_layers()
    for name in classes.LAYERS:
        for kind in known[name].__mro__:
            if "__init__" not in vars(kind) or not kind.__module__.startswith("tf_keras"):
                continue
            taken = set(inspect.signature(vars(kind)["__init__"]).parameters)
            plain = {each for each in taken if last_word(each) not in WORDS} - GIVEN_BY_THE_CLASS
            assert plain <= SETTINGS, f"{name} takes {plain - SETTINGS}"


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("activations", classes.ACTIVATIONS),
        ("initializers", classes.INITIALIZERS),
        ("regularizers", classes.REGULARIZERS),
        ("constraints", classes.CONSTRAINTS),
        ("losses", classes.LOSSES),
        ("metrics", classes.METRICS),
        ("optimizers", classes.OPTIMIZERS),
    ],
)
def test_every_word_is_one_that_keras_looks_up(module: str, table: frozenset[str]) -> None:
    keras = backend.keras()
    shown = getattr(keras, module)
    bases = {"Initializer", "Regularizer", "Constraint", "Loss", "Metric", "Optimizer", "Reduction", "MeanTensor"}
    public = {name for name, item in vars(shown).items() if callable(item) and not name.startswith("_")}
    assert public - table - bases - {"get", "serialize", "deserialize"} - NOT_STORED == set()
    for name in table - NOT_ALONE:
        assert shown.get(name) is not None, name


NOT_STORED = {
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "kld",
    "kullback_leibler_divergence",
    "logcosh",
}
"""Functions that are metrics as well, but that Keras stores as losses."""
NOT_ALONE = {
    "Adafactor",
    "Lion",
    "lion",
    "acc", "accuracy", "crossentropy", "BinaryIoU", "FBetaScore", "IoU", "MeanIoU", "MeanMetricWrapper",
    "MeanRelativeError", "OneHotIoU", "OneHotMeanIoU", "PrecisionAtRecall", "RecallAtPrecision",
    "SensitivityAtSpecificity", "SpecificityAtSensitivity", "LossScaleOptimizer", "KLD", "MAE", "MAPE", "MSE", "MSLE",
}  # fmt: skip
"""Words that only a network being compiled understands, and classes that need more than their name."""


def test_registered_classes_are_those_of_our_blocks_and_arithmetic() -> None:
    import tinyc.network.arithmetic  # noqa: F401

    known = backend.keras().saving.get_custom_objects()
    assert set(known) >= classes.REGISTERED
    assert {name for name in known if name.startswith("tinyc>")} <= classes.REGISTERED


def test_functions_may_be_named_only_from_keras_own_tables() -> None:
    """`builtins` is Keras' word for its own; Python's are not looked up for these names."""
    import builtins

    assert not classes.FUNCTION_MODULES["builtins"] & set(dir(builtins))
