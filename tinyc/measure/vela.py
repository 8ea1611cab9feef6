"""What ethos-u-vela, Arm's compiler for Ethos-U processors, estimates of an artifact's latency, in its name."""

from __future__ import annotations

import csv
import importlib.util
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tinyc.core.errors import MachineError, UserError

PATIENCE_SECONDS = 180
LONGEST_REASON = 200
LEFT_TO_CPU = re.compile(r"^CPU operators = (\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class VelaEstimate:
    """Vela's estimate of one inference, for the clock and the memories of the system that it assumes, not the board's.

    `cpu_operators` are those that it leaves to the CPU; its cycles are without them.
    """

    npu: str
    system: str
    memory_mode: str
    clock_mhz: float
    cycles: int
    npu_cycles: int
    ms: float
    cpu_operators: int

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        beside = f", and {self.cpu_operators} operators that it leaves to the CPU" if self.cpu_operators else ""
        return (
            f"Vela's estimate: {self.ms:.3g} ms on {self.npu} at {self.clock_mhz:g} MHz "
            f"({self.system}, {self.memory_mode}){beside}"
        )


def vela_estimate(content: bytes, npu: str, place: str) -> VelaEstimate:
    """Have Vela compile an artifact in a process of its own, and read its figures.

    Args:
        content: the .tflite.
        npu: the processor, as Vela names it, e.g. ethos-u55-128.
        place: the artifact, for messages.

    Raises:
        MachineError: Vela is not installed, hangs or dies.
        UserError: it does not compile the artifact, or knows no such processor.
    """
    if importlib.util.find_spec("ethosu") is None:
        raise MachineError(npu, "needs ethos-u-vela, which is not installed", 'pip install "tinyc[ethos-u]"')
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.tflite"
        network.write_bytes(content)
        said = compiled(network, npu, place)
        summary = next(Path(folder).glob("network_summary_*.csv"), None)
        if summary is None:
            raise UserError(place, "Vela compiles it, and gives no figures", "no operator of it runs on the processor")
        with summary.open(encoding="utf-8", newline="") as file:
            return figures(next(csv.DictReader(file)), said, npu)


def compiled(network: Path, npu: str, place: str) -> str:
    """Run Vela, and return what it prints."""
    command = [
        sys.executable, "-P", "-m", "ethosu.vela", "--accelerator-config", npu, "--output-dir", str(network.parent),
        str(network),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=network.parent, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(place, f"Vela failed: {error}", "try again") from error
    if done.returncode < 0:
        raise MachineError(place, f"Vela died of signal {-done.returncode}", "try another version of ethos-u-vela")
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        raise UserError(place, f"Vela does not compile it for {npu}: {lines[-1][:LONGEST_REASON]}")
    return done.stdout


def figures(row: dict[str, str], said: str, npu: str) -> VelaEstimate:
    """Read the summary that Vela writes."""
    left = LEFT_TO_CPU.search(said)
    return VelaEstimate(
        npu,
        row["system_config"],
        row["memory_mode"],
        float(row["core_clock"]) / 1e6,
        int(float(row["cycles_total"])),
        int(float(row["cycles_npu"])),
        float(row["inference_time"]) * 1000,
        int(left[1]) if left else 0,
    )
