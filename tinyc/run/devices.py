"""The artifact of a run on the recipe's device, and under every runtime that tinyc knows."""

from __future__ import annotations

from collections.abc import Sequence

from tinyc.devices.arena import scratch
from tinyc.devices.fitting import problems
from tinyc.devices.runtime import Runtime
from tinyc.devices.work import Work
from tinyc.measure.device_latency import latency_of
from tinyc.report.device_record import DeviceRecord, RuntimeRecord
from tinyc.run.stored import Done
from tinyc.spec import device_files
from tinyc.spec.device import Device
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.works import works


def device_record(device: Device | None, done: Done) -> DeviceRecord | None:
    """Say what the artifact takes of the recipe's device; None where there is no artifact or no device."""
    content = done.artifact()
    if device is None or content is None or done.ledger.flash_bytes is None:
        return None
    found = works(describe(content))
    asked = scratch(found, device.runtime, device.board)
    board, host = device.board, done.ledger.arena_bytes
    return DeviceRecord(
        board=board.name if board else None,
        board_title=board.title if board else None,
        runtime=device.runtime.name,
        runtime_title=device.runtime.title,
        flash_bytes=done.ledger.flash_bytes,
        flash_room=board.model_flash_bytes if board else None,
        flash_whole=board.flash_bytes if board else None,
        arena_bytes=None if host is None else host + asked.bytes,
        arena_host_bytes=host,
        scratch_bytes=asked.bytes,
        assumed=asked.assumed,
        arena_room=board.model_ram_bytes if board else None,
        arena_whole=board.largest_bank_bytes if board else None,
        latency=latency_of(content, found, device, None if host is None else host + asked.bytes),
    )


def runtime_records(device: Device | None, done: Done) -> tuple[RuntimeRecord, ...]:
    """Say what each runtime makes of the artifact: the recipe's own first, where it is none of tinyc's."""
    content = done.artifact()
    if content is None:
        return ()
    found, known = works(describe(content)), device_files.everything(Runtime)
    own = [device.runtime] if device and device.runtime not in known else []
    return tuple(runtime_record(found, runtime) for runtime in (*own, *known))


def runtime_record(found: Sequence[Work], runtime: Runtime) -> RuntimeRecord:
    """Say what one runtime makes of the artifact."""
    faults = problems(found, runtime)
    verdict = faults[0].severity if faults else "runs"
    return RuntimeRecord(
        runtime.name, runtime.title, runtime.read, verdict, tuple(f"{each.sentence}: {each.remedy}" for each in faults)
    )
