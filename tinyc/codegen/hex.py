"""Intel HEX: an artifact at an address of a device's flash."""

from __future__ import annotations

import io

from intelhex import IntelHex

from tinyc.tflite.flash import ALIGNMENT

SPAN = 1 << 32


def fits(base_address: int, size: int) -> str | None:
    """Say why `size` bytes cannot lie at an address; None where they can."""
    if base_address < 0 or base_address % ALIGNMENT:
        return f"{base_address:#x} is not a multiple of {ALIGNMENT}, which TensorFlow Lite Micro needs"
    if base_address + size > SPAN:
        return f"{size} bytes at {base_address:#x} end beyond 32 bits"
    return None


def to_hex(content: bytes, base_address: int) -> bytes:
    """Write bytes as Intel HEX records that begin at a base address.

    Raises:
        ValueError: the address is not a multiple of 16, or the end lies beyond 32 bits.
    """
    problem = fits(base_address, len(content))
    if problem:
        raise ValueError(problem)
    image, text = IntelHex(), io.StringIO()
    image.frombytes(content, offset=base_address)
    image.write_hex_file(text, eolstyle="native")
    return text.getvalue().replace("\r\n", "\n").encode("ascii")
