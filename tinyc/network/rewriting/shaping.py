"""Functions that join, part, move or pool as layers: each of SHAPING gives the result, or None where it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.network import backend
from tinyc.network.arithmetic import Elementwise, Rearrangement, Reduction, Slice
from tinyc.network.rewriting.calculating import Form, layer
from tinyc.network.use import Use, all_tensors, as_array, is_tensor

POOLS = {"max": "Max", "mean": "Average"}
ALL = slice(None)


def reshape(use: Use) -> Any:
    """Reshape, squeeze, expand_dims: elements keep their order; the shape may be computed from the batch's size."""
    return use.reshaped(use.x)


def transpose(use: Use) -> Any:
    """Turn a permutation that leaves the batch first into a layer."""
    order = as_array(use.arguments.get("perm"))
    if order is None or use.arguments.get("conjugate") or order.ndim != 1 or order[0] != 0:
        return None
    return layer("Permute", use, tuple(map(int, order[1:])))(use.x)


def concat(use: Use) -> Any:
    """Tensors of one rank, one behind another."""
    if not all_tensors(use.x):
        return None
    axis = use.axis(use.arguments.get("axis"), len(use.x[0].shape))
    if axis is None:
        return None
    return use.x[0] if len(use.x) == 1 else layer("Concatenate", use, axis)(list(use.x))


def stack(use: Use) -> Any:
    """Tensors of one shape, one behind another along a new axis."""
    shape = use.shapes[0]
    axis = use.axis(use.arguments.get("axis"), len(shape))
    if axis is None or not all_tensors(use.x) or len(use.x) < 2:
        return None
    each = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [use.reshaped(x, use.beside(str(number)), each) for number, x in enumerate(use.x)]
    return None if any(part is None for part in parts) else layer("Concatenate", use, axis)(parts)


def sliced(use: Use, x: Any, by_axis: dict[int, slice], name: str) -> Any:
    """Take parts of the axes, which have a fixed size and are no batch; None where there is nothing but the whole."""
    spans = [by_axis.get(axis, ALL).indices(size) for axis, size in enumerate(x.shape[1:], start=1)]
    begin, end, stride = (list(each) for each in zip(*spans, strict=True))
    return Slice(begin, end, stride, name=name)(x)


def split(use: Use) -> Any:
    """Parts of an axis, each a slice."""
    axis = use.axis(use.arguments.get("axis"))
    if axis is None or None in use.x.shape[1:]:
        return None
    parts, begin = [], 0
    for number, shape in enumerate(use.shapes):
        end = begin + (shape[axis] or 0)
        parts.append(sliced(use, use.x, {axis: slice(begin, end)}, use.beside(str(number))))
        begin = end
    return parts if begin == use.x.shape[axis] else None


def unstack(use: Use) -> Any:
    """Slices of one place each, without the axis."""
    axis = use.axis(use.arguments.get("axis"))
    if axis is None or None in use.x.shape[1:]:
        return None
    places = range(use.x.shape[axis])
    cut = [sliced(use, use.x, {axis: slice(at, at + 1)}, use.beside(f"{at}_cut")) for at in places]
    return [use.reshaped(each, use.beside(str(at))) for at, each in zip(places, cut, strict=True)]


def cut(use: Use) -> Any:
    """tf.slice: a constant beginning and size."""
    begin, size = as_array(use.arguments.get("begin")), as_array(use.arguments.get("size"))
    whole_batch = begin is not None and size is not None and begin[0] == 0 and size[0] == -1
    if not whole_batch or None in use.x.shape[1:]:
        return None
    ends = np.where(size < 0, [side or 0 for side in use.x.shape], begin + size)
    spans = zip(begin[1:].tolist(), ends[1:].tolist(), strict=True)
    return sliced(use, use.x, {axis: slice(*span) for axis, span in enumerate(spans, start=1)}, use.name)


def getitem(use: Use) -> Any:
    """x[:, 1:, ::2, 3, ..., None]: a slice, and a reshape where axes go or come."""
    spec = use.arguments.get("slice_spec")
    spans = by_axis(spec if isinstance(spec, list | tuple) else [spec], len(use.x.shape))
    if spans is None or None in use.x.shape[1:] or spans.pop(0, ALL) not in (ALL, slice(0, None), slice(0, None, 1)):
        return None
    whole = all(span.indices(use.x.shape[axis]) == (0, use.x.shape[axis], 1) for axis, span in spans.items())
    same = len(use.shapes[0]) == len(use.x.shape)
    if whole:
        return use.x if same else use.reshaped(use.x)
    cut = sliced(use, use.x, spans, use.name if same else use.beside("cut"))
    return cut if same else use.reshaped(cut)


def by_axis(spec: Any, rank: int) -> dict[int, slice] | None:
    """Read what stands between brackets; None where it is computed, or runs backwards."""
    named = [each for each in spec if each is not None]
    found: dict[int, slice] = {}
    axis = 0
    for each in named:
        if each is Ellipsis:
            axis += rank - (len(named) - 1)
            continue
        span = span_of(each)
        if span is None:
            return None
        found[axis] = span
        axis += 1
    return found


def span_of(each: Any) -> slice | None:
    """Return one axis: a slice, which Keras keeps as a table, or one place."""
    parts = [each[key] for key in ("start", "stop", "step")] if isinstance(each, dict) else None
    if isinstance(each, slice):
        parts = [each.start, each.stop, each.step]
    if parts is None:
        at = as_array(each)
        # The place before the last ends at the axis' end: -1 is -1:None.
        return None if at is None or at.ndim else slice(int(at), int(at) + 1 or None)
    numbers = [None if part is None else as_array(part) for part in parts]
    if any(part is not None and (number is None or number.ndim) for part, number in zip(parts, numbers, strict=True)):
        return None
    span = slice(*(None if number is None else int(number) for number in numbers))
    return span if span.step is None or span.step > 0 else None


def pad(use: Use) -> Any:
    """Zeros around height and width, or time; anything else padded as it is written."""
    widths = as_array(use.arguments.get("paddings"))
    mode, value = str(use.arguments.get("mode")).upper(), as_array(use.arguments.get("constant_values"))
    if widths is None or value is None or value.ndim or widths[0].any():
        return None
    rank, pairs = len(widths), [tuple(map(int, pair)) for pair in widths[1:]]
    if mode == "CONSTANT" and value == 0 and rank in (3, 4) and not widths[-1].any():
        return layer(
            "ZeroPadding2D" if rank == 4 else "ZeroPadding1D", use, tuple(pairs[:-1]) if rank == 4 else pairs[0]
        )(use.x)
    settings = {"paddings": widths.tolist(), "mode": mode, "constant_values": float(value)}
    return rearranged(use, "pad", settings)


def rearranged(use: Use, function: str, settings: dict[str, Any]) -> Any:
    return Rearrangement(function, settings, name=use.name)(use.x)


def blocks_of(function: str) -> Form:
    """depth_to_space, space_to_depth."""

    def form(use: Use) -> Any:
        size = as_array(use.arguments.get("block_size"))
        if size is None or use.arguments.get("data_format") not in (None, "NHWC"):
            return None
        return rearranged(use, function, {"block_size": int(size)})

    return form


def gather(use: Use) -> Any:
    """Constant places of one axis."""
    indices, batch = as_array(use.arguments.get("indices")), use.arguments.get("batch_dims")
    axis = None if use.arguments.get("axis") is None else use.axis(use.arguments["axis"])
    if indices is None or indices.dtype.kind not in "iu" or batch or axis is None or not is_tensor(use.x):
        return None
    return rearranged(use, "gather", {"indices": indices.tolist(), "axis": axis})


def reduced(function: str) -> Form:
    """Turn a mean or maximum over height and width, or time, into a global pooling; any other one into a reduction."""

    def form(use: Use) -> Any:
        axes, rank = use.axes(use.arguments.get("axis")), len(use.x.shape)
        keepdims = bool(use.arguments.get("keepdims"))
        if axes is None:
            return None
        if function in POOLS and axes == list(range(1, rank - 1)) and rank in (3, 4):
            return layer(f"Global{POOLS[function]}Pooling{rank - 2}D", use, keepdims=keepdims)(use.x)
        return Reduction(function, axes, keepdims, name=use.name)(use.x)

    return form


def deviation(root: bool) -> Form:
    """reduce_variance, reduce_std: the mean of squares about the mean."""

    def form(use: Use) -> Any:
        axes = use.axes(use.arguments.get("axis"))
        if axes is None:
            return None
        layers, keepdims = backend.keras().layers, bool(use.arguments.get("keepdims"))
        mean = Reduction("mean", axes, True, name=use.beside("mean"))(use.x)
        away = layers.Subtract(name=use.beside("difference"))([use.x, mean])
        squares = layers.Multiply(name=use.beside("square"))([away, away])
        name = use.beside("variance") if root else use.name
        variance = Reduction("mean", axes, keepdims, name=name)(squares)
        return Elementwise("sqrt", name=use.name)(variance) if root else variance

    return form


def pool(kind: str) -> Form:
    """Pooling over height and width."""

    def form(use: Use) -> Any:
        size, stride = (pair(use.arguments.get(key)) for key in ("ksize", "strides"))
        padding, format_ = use.arguments.get("padding"), use.arguments.get("data_format")
        known = isinstance(padding, str) and padding in ("SAME", "VALID") and format_ in (None, "NHWC")
        if not known or size is None or stride is None or len(use.x.shape) != 4:
            return None
        return layer(f"{kind}Pooling2D", use, size, stride, str(padding).lower())(use.x)

    return form


def pair(value: Any) -> tuple[int, int] | None:
    """Read a window or a stride: one number, two, or four of which the outer are 1."""
    numbers = as_array(value)
    if numbers is None:
        return None
    flat = [int(number) for number in numbers.reshape(-1)]
    flat = flat[1:3] if len(flat) == 4 and flat[0] == flat[3] == 1 else flat
    return (flat[0], flat[-1]) if len(flat) in (1, 2) else None


def resize(use: Use) -> Any:
    """Turn an enlargement by a whole factor into Keras' upsampling; any other one stays a resize."""
    size, method = as_array(use.arguments.get("size")), use.arguments.get("method")
    odd = use.arguments.get("antialias") or use.arguments.get("preserve_aspect_ratio")
    if odd or size is None or method not in ("nearest", "bilinear") or len(use.x.shape) != 4:
        return None
    given, wanted = tuple(use.x.shape[1:3]), tuple(map(int, size))
    if None in given:
        return None
    if all(big % small == 0 for big, small in zip(wanted, given, strict=True)):
        factors = tuple(big // small for big, small in zip(wanted, given, strict=True))
        return layer("UpSampling2D", use, factors, interpolation=method)(use.x)
    return rearranged(use, "resize", {"size": wanted, "method": method})


SHAPING: dict[str, Form] = {
    "reshape": reshape,
    "squeeze": reshape,
    "expand_dims": reshape,
    "transpose": transpose,
    "concat": concat,
    "stack": stack,
    "split": split,
    "unstack": unstack,
    "getitem": getitem,
    "slice": cut,
    "pad": pad,
    "gather": gather,
    "depth_to_space": blocks_of("depth_to_space"),
    "space_to_depth": blocks_of("space_to_depth"),
    "reduce_variance": deviation(root=False),
    "reduce_std": deviation(root=True),
    **{f"reduce_{name}": reduced(name) for name in ("mean", "max", "min", "sum")},
    "max_pool": pool("Max"),
    "max_pool2d": pool("Max"),
    "avg_pool": pool("Average"),
    "avg_pool2d": pool("Average"),
    "resize": resize,
}
