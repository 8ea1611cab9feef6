"""An artifact held against the device that a recipe names."""

from __future__ import annotations

from tinyc.devices import fitting
from tinyc.devices.arena import Need, scratch
from tinyc.spec import device_files
from tinyc.spec.device import Device
from tinyc.tflite.read.description import Description
from tinyc.tflite.works import works


def require(described: Description, device: Device) -> None:
    """Refuse an artifact that the device's runtime refuses or computes wrongly.

    Raises:
        UserError: names the operator and the runtime, and what to write instead.
    """
    fitting.require(works(described), device.runtime, device.board, device_files.offered(device.board))


def scratch_of(described: Description, device: Device) -> Need:
    """Give the scratch memory that the kernels of the device's runtime ask beside what the host's asked."""
    return scratch(works(described), device.runtime, device.board)


def arena_bytes(described: Description, host_bytes: int | None, device: Device | None) -> int | None:
    """Give the arena that a device needs: the least on the host, and its own kernels' scratch memory."""
    if host_bytes is None or device is None:
        return host_bytes
    return host_bytes + scratch_of(described, device).bytes
