"""The classes that a saved network may name, each by its exact name; what is not here is refused.

Keras looks a name up in its own tables, then in any module that the file names. So a class is admitted by its name and
the module that Keras stores for it, and by nothing that is only like them.
"""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = names(
    """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization BatchNormalizationV1
    BatchNormalizationV2 Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose
    Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D Dense
    DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell
    GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization HashedCrossing Hashing Identity
    InputLayer IntegerLookup LSTM LSTMCell LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D
    Masking MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight
    RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
    SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract
    SyncBatchNormalization TextVectorization ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
REFUSED = {
    "AbstractRNNCell": "is not a whole layer",
    "ClassMethod": "calls a method that the file names",
    "DenseFeatures": "has columns whose vocabulary can be any file",
    "DeviceWrapper": "carries code",
    "DropoutWrapper": "carries code",
    "DynamicEmbedding": "keeps a table that changes as it is used",
    "InputSpec": "is not a layer",
    "InstanceMethod": "calls a method that the file names",
    "InstanceProperty": "reads a property that the file names",
    "Lambda": "carries code",
    "Layer": "is not a whole layer",
    "LinearModel": "has columns whose vocabulary can be any file",
    "ResidualWrapper": "carries code",
    "SequenceFeatures": "has columns whose vocabulary can be any file",
    "TFSMLayer": "runs a SavedModel",
    "TensorFlowOpLayer": "carries an operation of TensorFlow as bytes",
    "WideDeepModel": "has columns whose vocabulary can be any file",
    "Wrapper": "is not a whole layer",
}
"""Layers of Keras that no saved network may hold, and why."""
FUNCTION_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Layers around one function of TensorFlow, which `gate_functions` must list."""
LOSS_LAYERS = frozenset({"AddLoss", "AddMetric"})
NETWORKS = frozenset({"Functional", "Sequential", "Model"})
INITIALIZERS = names(
    """
    Constant ConstantV2 GlorotNormal GlorotNormalV2 GlorotUniform GlorotUniformV2 HeNormal HeNormalV2 HeUniform
    HeUniformV2 Identity IdentityV2 LecunNormal LecunNormalV2 LecunUniform LecunUniformV2 Ones OnesV2 Orthogonal
    OrthogonalV2 RandomNormal RandomNormalV2 RandomUniform RandomUniformV2 TruncatedNormal TruncatedNormalV2
    VarianceScaling VarianceScalingV2 Zeros ZerosV2 constant glorot_normal glorot_uniform he_normal he_uniform
    identity lecun_normal lecun_uniform normal one ones orthogonal random_normal random_uniform truncated_normal
    uniform variance_scaling zero zeros
    """
)
REGULARIZERS = names("L1 L1L2 L2 OrthogonalRegularizer l1 l1_l2 l2 orthogonal_regularizer")
CONSTRAINTS = names(
    """
    MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm maxnorm min_max_norm non_neg nonneg
    radial_constraint unit_norm unitnorm
    """
)
ACTIVATIONS = names(
    """
    ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU elu exponential gelu hard_sigmoid leaky_relu linear log_softmax
    mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """
)
LOSSES = names(
    """
    BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge
    CosineSimilarity Hinge Huber KLD KLDivergence LogCosh MAE MAPE MSE MSLE MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy
    SquaredHinge binary_crossentropy binary_focal_crossentropy categorical_crossentropy
    categorical_focal_crossentropy categorical_hinge cosine_similarity hinge huber kl_divergence kld
    kullback_leibler_divergence log_cosh logcosh mae mape mean_absolute_error mean_absolute_percentage_error
    mean_squared_error mean_squared_logarithmic_error mse msle poisson sparse_categorical_crossentropy squared_hinge
    """
)
METRICS = names(
    """
    AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy CategoricalCrossentropy
    CategoricalHinge CosineSimilarity F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLD KLDivergence
    LogCoshError MAE MAPE MSE MSLE Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper
    MeanRelativeError MeanSquaredError MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU Poisson Precision
    PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError SensitivityAtSpecificity
    SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpecificityAtSensitivity
    SquaredHinge Sum TopKCategoricalAccuracy TrueNegatives TruePositives acc accuracy binary_accuracy
    binary_crossentropy categorical_accuracy categorical_crossentropy categorical_hinge cosine_similarity
    crossentropy hinge kl_divergence log_cosh mae mape mean_absolute_error mean_absolute_percentage_error
    mean_squared_error mean_squared_logarithmic_error mse msle poisson sparse_categorical_accuracy
    sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy
    """
)
OPTIMIZERS = names(
    """
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lion LossScaleOptimizer Nadam RMSprop SGD adadelta adagrad
    adam adamax adamw ftrl lion nadam rmsprop sgd
    """
)
SCHEDULES = names(
    """
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay PolynomialDecay
    """
)
POLICIES = frozenset({"Policy", "DTypePolicy"})
MODULES = {
    "keras": NETWORKS | POLICIES,
    "keras.models": NETWORKS,
    "keras.src.engine.functional": frozenset({"Functional"}),
    "keras.src.engine.sequential": frozenset({"Sequential"}),
    "keras.src.engine.training": frozenset({"Model"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.layers": LAYERS,
    "keras.layers.experimental": frozenset({"SyncBatchNormalization", "EinsumDense"}),
    "keras.layers.experimental.preprocessing": LAYERS,
    "keras.src.layers.core.tf_op_layer": FUNCTION_LAYERS,
    "keras.src.engine.base_layer": LOSS_LAYERS,
    "keras.initializers": INITIALIZERS,
    "tensorflow.python.ops.init_ops_v2": INITIALIZERS,
    "keras.regularizers": REGULARIZERS,
    "keras.constraints": CONSTRAINTS,
    "keras.losses": LOSSES,
    "keras.metrics": METRICS,
    "keras.optimizers": OPTIMIZERS,
    "keras.optimizers.legacy": OPTIMIZERS,
    "keras.optimizers.schedules": SCHEDULES,
    "keras.mixed_precision": POLICIES | {"LossScaleOptimizer"},
}
"""The classes of each module, as Keras writes the two into a file; `tf_keras` stands for `keras` in some."""
CLASSES = frozenset().union(*MODULES.values())
"""What an older file may name without a module, which Keras then looks up in its own tables alone."""
FUNCTION_MODULES = {
    "builtins": ACTIVATIONS | LOSSES | METRICS | INITIALIZERS,
    "keras.activations": ACTIVATIONS,
    "keras.losses": LOSSES,
    "keras.metrics": METRICS,
    "keras.initializers": INITIALIZERS,
}
"""The functions that a file may name as such. Keras looks those of `builtins` up among its own, by these names."""
REGISTERED = frozenset(
    {
        "Custom>CustomScaleLayer",
        "tinyc>Attention",
        "tinyc>Elementwise",
        "tinyc>Gelu",
        "tinyc>HardSwish",
        "tinyc>LayerNorm",
        "tinyc>MatMul",
        "tinyc>PaddingMask",
        "tinyc>PositionEmbedding",
        "tinyc>Rearrangement",
        "tinyc>Reduction",
        "tinyc>Slice",
        "tinyc>TokenEmbedding",
        "tinyc>TokenPool",
        "tinyc>WithConstant",
    }
)
"""Classes that are registered by name: our own layers, and the scaled sum of Keras' InceptionResNetV2."""
