"""A Keras network as the bytes of an .h5, made in memory, so that HDF5 words no error of a disk."""

from __future__ import annotations

import io
from typing import Any

import h5py

from tinyc.core.quiet import hushed


def h5_bytes(model: Any) -> bytes:
    """Write a network down, without its optimizer.

    Raises:
        NotImplementedError, TypeError, ValueError: a layer of it cannot be stored.
    """
    stream = io.BytesIO()
    with hushed(), h5py.File(stream, "w") as file:
        model.save(file, save_format="h5", include_optimizer=False)
    return stream.getvalue()
