"""Intel HEX: there and back, at any address that fits."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intelhex import IntelHex

from tinyc.codegen.hex import to_hex

GOLDEN = b""":020000040804EE
:10000000000102030405060708090A0B0C0D0E0F78
:0300100054464C07
:00000001FF
"""


def from_hex(text):
    """The bytes, and the address of the first."""
    image = IntelHex(io.StringIO(text.decode("ascii")))
    return image.tobinstr(), image.minaddr()


def test_golden():
    assert to_hex(bytes(range(16)) + b"TFL", 0x0804_0000) == GOLDEN


@settings(max_examples=60, deadline=None)
@given(content=st.binary(min_size=1, max_size=300), block=st.integers(0, (1 << 28) - 20))
def test_round_trip(content, block):
    assert from_hex(to_hex(content, block * 16)) == (content, block * 16)


def test_a_file_across_a_64_kib_border_comes_back():
    content = bytes(range(256)) * 300
    assert from_hex(to_hex(content, 0x0800_FFF0)) == (content, 0x0800_FFF0)


@pytest.mark.parametrize(
    ("base", "size", "problem"),
    [(8, 4, "0x8 is not a multiple of 16"), (-16, 4, "not a multiple"), (0xFFFF_FFF0, 17, "end beyond 32 bits")],
)
def test_addresses_that_do_not_fit(base, size, problem):
    with pytest.raises(ValueError, match=problem):
        to_hex(bytes(size), base)
