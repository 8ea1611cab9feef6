"""Content keys of the source and of every step: equal keys, equal bytes. Needs no TensorFlow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import tinyc
from tinyc.core import cache
from tinyc.network.checkpoint import BUILDER, fingerprinted
from tinyc.spec.builders import Builder, Find
from tinyc.spec.passes import ROWS
from tinyc.spec.recipe import Recipe
from tinyc.spec.references import references
from tinyc.spec.training import TRAINING
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.runtimes import Runtime

SOURCE = 2
"""How a source is read or built: raised when it changes, as `computed` in the row of a pass."""
MEASURED = 4
"""What the ledger and the report's figures say of the same state: raised when that changes."""
VERSIONED = ("tensorflow", "tensorflow-model-optimization")
INTERPRETERS: tuple[Runtime, ...] = ("tflm", "reference", "fast")


@dataclass(frozen=True)
class Keys:
    """The keys of a run: of the trained source in the user cache, and of each step's folder, state 0 first."""

    source: str
    steps: tuple[str, ...]


def of_recipe(recipe: Recipe, data_digest: str, find: Find, checkpoint: Path | None = None) -> Keys:
    """Compute every key of a run; `checkpoint` is the folder of the source's own, None where it has none."""
    source = source_key(recipe, data_digest, find, checkpoint)
    return Keys(source, tuple(step_keys(recipe, source, find)))


def source_key(recipe: Recipe, data_digest: str, find: Find, checkpoint: Path | None = None) -> str:
    """Key of the trained source: data, network, training, seed and versions."""
    data = recipe.data.model_dump(mode="json", exclude={"metric"})
    parts = [versions(), data_digest, data, recipe.seed, *contents(recipe.source, find)]
    return digest(parts + (checkpoint_parts(checkpoint, find) if checkpoint else []))


def checkpoint_parts(folder: Path, find: Find) -> list[Any]:
    """Return what a source from a checkpoint depends on: its files, and the builder of its network."""
    files = [[path.name, cache.content_key(path)] for path in fingerprinted(folder)]
    return [files, Builder(build=BUILDER).fingerprint(find)]


def step_keys(recipe: Recipe, source: str, find: Find) -> list[str]:
    """Key of each step, state 0 first: the step before, the pass with its fields and files, and who measures it how."""
    keys = [digest([source, recipe.data.metric, numbers("source")])]
    for index, step in enumerate(recipe.steps, start=1):
        use = step.transform.use
        measured = measuring(recipe, index) if step.transform.gives == "flat" else []
        device = device_parts(recipe) if step.transform.effects.for_device else []
        keys.append(digest([keys[-1], use, numbers(use), *contents(step.transform, find), *measured, *device]))
    return keys


def device_parts(recipe: Recipe) -> list[Any]:
    """Return what files depend on that are written for a device: all that is known of it."""
    device = recipe.device
    found = (device.board, device.runtime) if device else ()
    return [each.model_dump(mode="json") for each in found if each]


def numbers(use: str) -> dict[str, int]:
    """Return the versions that a step of this pass is made by now; a step of other versions is done again."""
    return {"computed": ROWS[use].computed if use in ROWS else SOURCE, "measured": MEASURED}


def measuring(recipe: Recipe, index: int) -> list[Any]:
    """Return what an artifact's figures depend on beside its bytes: whether it is the last, and the interpreters."""
    return [recipe.is_last(index), {runtime: runtimes.version(runtime) for runtime in INTERPRETERS}]


def contents(model: Any, find: Find) -> list[Any]:
    """Return the fields of a schema, with a hash in place of each file that they name."""
    return [model.model_dump(mode="json"), *(file_hash(value, find) for value in references(model))]


def file_hash(value: Builder | str, find: Find) -> str:
    """SHA-256 of what a reference leads to."""
    return value.fingerprint(find) if isinstance(value, Builder) else cache.content_key(find(value))


def versions() -> dict[str, str]:
    """Return the versions that the bytes of a trained source depend on."""
    return {"tinyc": TRAINING, **{name: metadata.version(name) for name in VERSIONED}}


def digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def all_versions() -> dict[str, str]:
    """Return the versions of everything that a figure of the report may depend on."""
    interpreting = ("tflite-runtime", "ai-edge-litert", "tflite-micro", "tokenizers")
    names = (*VERSIONED, "tf_keras", "numpy", *interpreting, "scipy", "scikit-learn", "PyWavelets")
    found = {name: installed(name) for name in names}
    return {"tinyc": tinyc.__version__, **{name: version for name, version in found.items() if version}}


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
