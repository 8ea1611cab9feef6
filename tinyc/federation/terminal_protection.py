"""What a terminal does to its update before it leaves: what the job asks for, with the keys of this terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.federation.certificates import SEALING_PRIVATE

if TYPE_CHECKING:
    from tinyc.federation.job import Job
    from tinyc.federation.protection import Outgoing


def protections(job: Job, keys: Path) -> tuple[Outgoing, ...]:
    """Give the chain of protections: clipping and noise first, encryption last.

    Raises:
        UserError: the job asks for a key that this terminal does not have.
    """
    from tinyc.federation import assembly

    return assembly.chain(job, sealing_key(keys) if job.options.aggregation == "homomorphic" else None)


def sealing_key(keys: Path) -> bytes:
    """Read this terminal's key for encryption.

    Raises:
        UserError: there is none, or it opens nothing.
    """
    from tinyc.federation import ciphertexts

    path = keys / SEALING_PRIVATE
    if not path.exists():
        remedy = "make keys with `tinyc federate keys DIR --clients N --encryption`; all terminals get the same one"
        raise UserError(str(path), "is not there, and the server asks for encrypted updates", remedy)
    content = files.read(path, limits.SEALING_KEY_BYTES)
    if not ciphertexts.read_key(content, str(path)).opens:
        raise UserError(str(path), "is the server's key, which opens nothing", f"take the terminal's {SEALING_PRIVATE}")
    return content
