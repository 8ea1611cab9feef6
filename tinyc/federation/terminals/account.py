"""A terminal's own count of what it trained, since a server's word is not taken for it.

Under example-level privacy every round that is trained is spent, whatever number the server gives it. So rounds are
counted here, and the count outlives the terminal:

    <the terminal's keys>/spent.json    {SHA-256 of the job: rounds begun}

It is written before a round is trained. Noise begins from the operating system's random bits: the server knows the
job's seed. A round that a restarted server asks for again, with the same weights, gets the answer that was made before,
so that it costs nothing more. Each job has a budget of its own; those of several jobs add up.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tinyc.core import cache, files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.data.dataset import TrainingData
from tinyc.federation import tensors
from tinyc.federation.client import local_training
from tinyc.federation.client.local_training import Trained
from tinyc.federation.job import Job
from tinyc.federation.updates import Arrays
from tinyc.training.private import example_budget

SPENT = "spent.json"
SECRET_BITS = 128
MOST_STEPS = 1_000_000
"""Steps of one round that a terminal trains at most."""


@dataclass
class Account:
    """What a terminal has trained; `path` is its file, `last` its last answer under example-level privacy."""

    path: Path
    last: dict[str, Trained] = field(default_factory=dict)

    def train(
        self, job: Job, arrays: Arrays, round: int, client: str, data: TrainingData, kept: Arrays | None = None
    ) -> Trained:
        """Train a round as `local_training.train` does, within what this terminal allows.

        Raises:
            UserError: the round is none of the job's, too long, or more than the examples' budget allows.
            MachineError: the count cannot be kept.
        """
        refuse_endless(job, round, len(data.train))
        privacy = job.options.privacy
        if privacy is None or privacy.level != "example":
            return local_training.train(job, arrays, round, client, data, kept)
        asked = hashlib.sha256(f"{job.sha256}/{round}/".encode() + tensors.packed(arrays)).hexdigest()
        if asked not in self.last:
            times = self.begin(job, len(data.train))
            seed = secrets.randbits(SECRET_BITS)
            self.last = {asked: local_training.train(job, arrays, round, client, data, kept, secret=seed, times=times)}
        return self.last[asked]

    def begin(self, job: Job, examples: int) -> int:
        """Count one more round of a job, if the budget allows it; give how many it are with this one."""
        spent = self.spent()
        times = spent.get(job.sha256, 0) + 1
        example_budget.refuse_spent(job.options, examples, times)
        text = json.dumps(spent | {job.sha256: times}, indent=1)
        cache.write(self.path, lambda file: file.write(text.encode()))
        return times

    def spent(self) -> dict[str, int]:
        """Give the rounds begun, by job.

        Raises:
            MachineError: the file cannot be read, so that nobody knows what was spent.
        """
        if not self.path.exists():
            return {}
        remedy = "put it back from a copy; without it nobody knows how much privacy was spent"
        try:
            table = json.loads(files.read_text(self.path, limits.JSON_BYTES))
            if not all(type(rounds) is int and rounds >= 0 for rounds in table.values()):
                raise ValueError("a number of rounds is none")
        except (UserError, MachineError) as error:
            raise MachineError(str(self.path), error.problem, remedy) from error
        except (ValueError, AttributeError, RecursionError) as error:
            raise MachineError(str(self.path), f"cannot be read: {error}", remedy) from error
        return dict(table)


def refuse_endless(job: Job, round: int, examples: int) -> None:
    """Refuse rounds that the job does not have, and such as hardly end."""
    options = job.options
    if not 1 <= round <= options.rounds:
        problem = f"asks for round {round} of {options.rounds}"
        raise UserError("federated job", problem, "an honest server never asks")
    steps = options.local_epochs * math.ceil(examples / options.batch)
    if steps > MOST_STEPS:
        problem = f"asks for {steps} steps a round of {examples} examples, and a terminal does {MOST_STEPS} at most"
        raise UserError("federated job", problem, "ask whoever runs the server for fewer `local_epochs`")
