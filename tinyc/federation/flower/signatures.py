"""How a terminal's request says whose it is, as Flower writes and checks it."""

from __future__ import annotations

import binascii
import datetime

from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

KEY, TIME, SIGNATURE = (
    name.lower().encode() for name in (FLEET_HTTP_PUBLIC_KEY_HEADER, TIMESTAMP_HEADER, FLEET_HTTP_SIGNATURE_HEADER)
)
"""The fields of a request's head."""


def valid(key: bytes, time: bytes, signature: bytes) -> bool:
    """Say whether a terminal signed this time, and whether it is now, as Flower judges it."""
    try:
        signed_at = datetime.datetime.fromisoformat(time.decode("ascii"))
        age = (datetime.datetime.now(datetime.UTC) - signed_at).total_seconds()
        if not -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE:
            return False
        return bool(verify_signature(bytes_to_public_key(key), time, signature))
    except (ValueError, TypeError, OverflowError, UnicodeError, binascii.Error):
        return False
