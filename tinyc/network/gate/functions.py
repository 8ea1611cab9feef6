"""The functions of TensorFlow that a layer of a saved network may call, each by the exact name that Keras stores.

They compute on tensors. None reads or writes a file, loads a library, runs Python, connects, prints, or takes a
function. Keras stores TensorFlow's canonical name: of `tf.shape(x)` that is `compat.v1.shape`, of `x // 2`
`compat.v1.floor_div`; so what exists in both spellings stands in both.
"""

from __future__ import annotations


def with_prefix(prefix: str, names: str) -> frozenset[str]:
    return frozenset(f"{prefix}{name}" for name in names.split())


ARRAYS = with_prefix(
    "",
    """
    argsort batch_to_space bitcast boolean_mask broadcast_dynamic_shape broadcast_static_shape broadcast_to cast
    clip_by_global_norm clip_by_norm clip_by_value concat constant conv convert_to_tensor dynamic_partition
    dynamic_stitch einsum ensure_shape expand_dims extract_volume_patches eye fftnd fill gather gather_nd
    guarantee_const histogram_fixed_width histogram_fixed_width_bins identity identity_n ifftnd irfftnd linspace
    meshgrid norm one_hot ones ones_like pad parallel_stack range rank realdiv repeat
    required_space_to_batch_paddings reshape reverse reverse_sequence rfftnd roll scatter_nd searchsorted
    sequence_mask shape shape_n size slice sort space_to_batch space_to_batch_nd split squeeze stack stop_gradient
    strided_slice tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tensordot tile transpose truncatediv truncatemod unique unique_with_counts
    unravel_index unstack where zeros zeros_like
    """,
)
OPERATORS = with_prefix("__operators__.", "add eq getitem ne ragged_getitem")
SLICES = frozenset({"__operators__.getitem", "__operators__.ragged_getitem", "boolean_mask", "compat.v1.boolean_mask"})
"""Those that Keras wraps as SlicingOpLambda."""
MATH = with_prefix(
    "math.",
    """
    abs accumulate_n acos acosh add add_n angle approx_max_k approx_min_k argmax argmin asin asinh atan atan2 atanh
    bessel_i0 bessel_i0e bessel_i1 bessel_i1e betainc bincount ceil confusion_matrix conj cos cosh count_nonzero
    cumprod cumsum cumulative_logsumexp digamma divide divide_no_nan equal erf erfc erfcinv erfinv exp expm1 floor
    floordiv floormod greater greater_equal igamma igammac imag in_top_k invert_permutation is_finite is_inf is_nan
    is_non_decreasing is_strictly_increasing l2_normalize lbeta less less_equal lgamma log log1p log_sigmoid
    logical_and logical_not logical_or logical_xor maximum minimum multiply multiply_no_nan ndtri negative nextafter
    not_equal polygamma polyval pow real reciprocal reciprocal_no_nan reduce_all reduce_any reduce_euclidean_norm
    reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum reduce_variance rint round
    rsqrt scalar_mul segment_max segment_mean segment_min segment_prod segment_sum sigmoid sign sin sinh softplus
    sqrt square squared_difference subtract tan tanh top_k truediv unsorted_segment_max unsorted_segment_mean
    unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum xdivy xlog1py xlogy
    zero_fraction zeta
    """,
)
NN = with_prefix(
    "nn.",
    """
    atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d avg_pool3d
    batch_norm_with_global_normalization batch_normalization bias_add conv1d conv1d_transpose conv2d
    conv2d_transpose conv3d conv3d_transpose conv_transpose convolution crelu depth_to_space depthwise_conv2d
    dilation2d dropout elu embedding_lookup erosion2d gelu l2_loss leaky_relu local_response_normalization
    log_poisson_loss log_softmax max_pool max_pool1d max_pool2d max_pool3d max_pool_with_argmax moments
    normalize_moments pool relu relu6 selu separable_conv2d sigmoid_cross_entropy_with_logits silu softmax
    softmax_cross_entropy_with_logits softsign space_to_depth sparse_softmax_cross_entropy_with_logits
    sufficient_statistics weighted_cross_entropy_with_logits weighted_moments with_space_to_batch
    """,
)
LINALG = with_prefix(
    "linalg.",
    """
    adjoint band_part cross det diag diag_part eigh eigvalsh global_norm inv logdet matmul matrix_transpose matvec
    normalize pinv qr set_diag slogdet solve svd tensor_diag tensor_diag_part trace triangular_solve
    """,
)
IMAGE = with_prefix(
    "image.",
    """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop convert_image_dtype
    crop_and_resize crop_to_bounding_box extract_patches flip_left_right flip_up_down grayscale_to_rgb hsv_to_rgb
    image_gradients pad_to_bounding_box per_image_standardization psnr resize resize_with_crop_or_pad
    resize_with_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90 sobel_edges ssim total_variation
    transpose yiq_to_rgb yuv_to_rgb
    """,
)
SIGNAL = with_prefix(
    "signal.",
    """
    dct fft fft2d fft3d fftshift frame hamming_window hann_window idct ifft ifft2d ifft3d ifftshift irfft irfft2d
    irfft3d kaiser_bessel_derived_window kaiser_window linear_to_mel_weight_matrix mfccs_from_log_mel_spectrograms
    overlap_and_add rfft rfft2d rfft3d vorbis_window
    """,
)
OTHERS = (
    with_prefix("bitwise.", "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift")
    | with_prefix("dtypes.", "complex saturate_cast")
    | with_prefix("quantization.", "dequantize quantize quantize_and_dequantize quantize_and_dequantize_v2")
    | with_prefix("quantization.", "fake_quant_with_min_max_args fake_quant_with_min_max_vars")
    | with_prefix("quantization.", "fake_quant_with_min_max_vars_per_channel")
    | with_prefix(
        "random.", "categorical gamma normal poisson shuffle stateless_normal stateless_uniform truncated_normal"
    )
    | with_prefix("random.", "uniform")
)
KERAS = with_prefix(
    "keras.activations.",
    "elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh",
) | with_prefix(
    "keras.backend.",
    """
    abs all any argmax argmin batch_dot batch_flatten batch_normalization bias_add cast clip concatenate constant
    conv1d conv2d conv2d_transpose conv3d cos cumprod cumsum depthwise_conv2d dot dropout elu equal exp expand_dims
    flatten gather greater greater_equal hard_sigmoid l2_normalize less less_equal log max maximum mean min minimum
    not_equal one_hot ones_like permute_dimensions pool2d pool3d pow prod relu repeat repeat_elements reshape
    resize_images resize_volumes reverse round separable_conv2d shape sigmoid sign sin softmax softplus softsign
    spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum tanh temporal_padding tile
    transpose var zeros_like
    """,
)
FIRST = (
    with_prefix(
        "compat.v1.",
        """
        arg_max arg_min batch_gather boolean_mask clip_by_average_norm constant convert_to_tensor div
        expand_dims floor_div gather gather_nd ones_like pad reverse_sequence setdiff1d shape size squeeze
        to_double to_float to_int32 to_int64 transpose where zeros_like
        """,
    )
    | with_prefix(
        "compat.v1.math.",
        """
        argmax argmin bincount confusion_matrix count_nonzero in_top_k reduce_all reduce_any reduce_logsumexp
        reduce_max reduce_mean reduce_min reduce_prod reduce_sum scalar_mul
        """,
    )
    | with_prefix(
        "compat.v1.nn.",
        """
        avg_pool conv1d conv2d conv2d_transpose conv3d conv3d_transpose convolution crelu depth_to_space
        depthwise_conv2d depthwise_conv2d_native dilation2d dropout embedding_lookup erosion2d fused_batch_norm
        log_softmax max_pool max_pool_with_argmax moments pool relu_layer separable_conv2d softmax
        space_to_batch space_to_depth sufficient_statistics weighted_moments xw_plus_b
        """,
    )
    | with_prefix(
        "compat.v1.image.",
        """
        crop_and_resize extract_image_patches resize_area resize_bicubic resize_bilinear resize_image_with_pad
        resize_images resize_nearest_neighbor
        """,
    )
)
FUNCTIONS = ARRAYS | OPERATORS | MATH | NN | LINALG | IMAGE | SIGNAL | OTHERS | KERAS | FIRST
