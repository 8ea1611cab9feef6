"""The machine that tinyc runs on: its cores, and what a reader must know of it to judge seconds and bytes."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import TypedDict

from tinyc.core.units import Bytes

Machine = TypedDict("Machine", {
    "system": str, "processor": str, "cores": int, "memory_bytes": Bytes, "python": str, "peak_bytes": Bytes,
})  # fmt: skip


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> Machine:
    """Describe the machine, as a reader must know it to judge the seconds."""
    return {
        "system": platform.platform(terse=True),
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "peak_bytes": peak(),
    }


def peak() -> int:
    """Return the most memory that this process has held, in bytes; the interpreters' workers are not in it."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if platform.system() == "Darwin" else kilobytes * 1024


def processor() -> str:
    """Return the processor's name as the kernel gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
