"""What an HDF5 file must not hold: a way to other files, code to unpack it, or more than it weighs.

HDF5 can take a dataset's bytes from another file (external storage, virtual datasets, links), and looks for a library
to load where a filter is not its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py
from h5py import h5pl

from tinyc.core import limits

NUMBERS = "fiub"
"""Kinds of NumPy's types that weights have."""
ATTRIBUTES = "fiubSUO"
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError, RecursionError)
"""What h5py raises of a damaged file."""


def count_numbers(path: Path) -> int:
    """Count the numbers of all arrays of an HDF5 file that can be read safely.

    Raises:
        ValueError: it cannot, or is damaged; says why.
    """
    try:
        with open_hdf5(path) as file:
            found = of_objects(file, path.stat().st_size)
            refuse_repeats(file, found)
            return found
    except Unsafe:
        raise
    except DAMAGE as error:
        raise Unsafe(f"is damaged: {error}") from error


class Unsafe(ValueError):
    """A file that cannot be read safely."""


def texts(path: Path, *names: str) -> list[str | None]:
    """Read attributes of the whole file, as Keras does: text, or the bytes of UTF-8; None for anything else.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with open_hdf5(path) as file:
            return [decoded(file.attrs.get(name)) for name in names]
    except DAMAGE as error:
        raise Unsafe(f"is damaged: {error}") from error


def decoded(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else None


def open_hdf5(path: Path) -> h5py.File:
    """Open a file to read; HDF5 is left no folder to load filters from."""
    for _ in range(h5pl.size()):
        h5pl.remove(0)
    return h5py.File(path, "r")


def of_objects(file: Any, size: int) -> int:
    """Look at every group and dataset once, however they are linked, and count the numbers."""
    seen, waiting, names = set(), [("/", file)], 0
    unpacked = stored = count = 0
    while waiting:
        name, item = waiting.pop()
        number = h5py.h5o.get_info(item.id).addr
        if number in seen:
            continue
        seen.add(number)
        names += len(item.attrs) + (len(item) if isinstance(item, h5py.Group) else 0)
        if names > limits.HDF5_NAMES:
            raise Unsafe(f"has over {limits.HDF5_NAMES:,} links and attributes")
        found = of_attributes(item) or (None if isinstance(item, h5py.Group) else of_dataset(name, item))
        if found:
            raise Unsafe(found)
        if isinstance(item, h5py.Dataset):
            count += prod(item.shape or ())
            unpacked += item.dtype.itemsize * max(prod(item.shape or ()), prod(item.chunks or ()))
            stored += item.id.get_storage_size()
            continue
        for below in item:
            if not isinstance(item.get(below, getlink=True), h5py.HardLink):
                raise Unsafe(f"holds the link {below!r} to another place")
            waiting.append((below, item[below]))
    if unpacked > limits.UNPACKED_RATIO * size + limits.UNPACKED_SPARE_BYTES:
        raise Unsafe(f"unpacks to {unpacked} bytes, and the file has {size}")
    if size - stored > limits.HDF5_BESIDE_BYTES:
        raise Unsafe(f"has {size - stored} bytes beside its arrays; at most {limits.HDF5_BESIDE_BYTES} are read")
    return count


def refuse_repeats(file: Any, count: int) -> None:
    """Refuse a file that lists the same weights for many layers: Keras reads all of them before it looks at one.

    A list that is too long for one attribute is continued in others: `weight_names`, or `weight_names0` and so on.
    """
    group, listed = file.get("model_weights", file), 0
    if not isinstance(group, h5py.Group):
        return
    for layer in [*names(group, "layer_names"), "top_level_model_weights"]:
        held = group.get(layer)
        for weight in names(held, "weight_names") if isinstance(held, h5py.Group) else ():
            found = held.get(weight)
            listed += prod(found.shape or ()) if isinstance(found, h5py.Dataset) else 0
            if listed > count:
                raise Unsafe("lists the same weights for several layers")


def names(group: Any, attribute: str) -> Iterator[str]:
    """Yield the names that an attribute lists, and those that continue it."""
    keys = [key for key in group.attrs if key == attribute or key.removeprefix(attribute).isdigit()]
    for key in keys:
        for each in group.attrs[key] if getattr(group.attrs[key], "ndim", 0) == 1 else ():
            yield str(decoded(each))


def of_dataset(name: str, item: Any) -> str | None:
    """Say why a dataset is not one of plain numbers that lie in the file."""
    if not isinstance(item, h5py.Dataset):
        return f"holds {name!r}, which is neither a group nor numbers"
    if item.external or item.is_virtual:
        return f"holds {name!r}, whose content lies in another file"
    if item.dtype.kind not in NUMBERS or h5py.check_dtype(ref=item.dtype) is not None:
        return f"holds {name!r}, which is not an array of numbers"
    known = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
    unknown = [number for number in filters(item) if number not in known]
    return f"holds {name!r}, packed by filter {unknown[0]}, which needs a library of its own" if unknown else None


def filters(item: Any) -> Iterator[int]:
    """Yield the numbers of the filters that a dataset is packed by."""
    described = item.id.get_create_plist()
    for index in range(described.get_nfilters()):
        yield described.get_filter(index)[0]


def of_attributes(item: Any) -> str | None:
    """Say which attribute is neither text nor numbers, or too long."""
    for name in item.attrs:
        kept = item.attrs.get_id(name)
        kind = kept.dtype
        if kind.kind not in ATTRIBUTES or (kind.kind == "O" and h5py.check_string_dtype(kind) is None):
            return f"holds the attribute {name!r}, which is neither text nor numbers"
        size = prod(kept.shape or ()) * kind.itemsize
        if size > limits.JSON_BYTES:
            return f"holds the attribute {name!r} of {size} bytes"
    return None
