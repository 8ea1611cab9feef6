"""State 0: the network to compress, built or read, with its weights, trained where the recipe says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyc import data
from tinyc.analysis.advice import inputs
from tinyc.analysis.advice.guessing import beats_guessing, chance
from tinyc.analysis.advice.told import Advice, sentence, spelled
from tinyc.core.progress import Progress
from tinyc.data.dataset import Dataset
from tinyc.network import backend, checkpoint, sources
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.run import symptoms
from tinyc.run.bench import Bench
from tinyc.spec.recipe import Recipe
from tinyc.training import source as training
from tinyc.training.predict import predictor


def examples(recipe: Recipe, cache: Path, shown: Progress) -> tuple[Dataset, Path | None]:
    """Load the data, in the words of the source's checkpoint where it has one; give the checkpoint's folder too.

    Raises:
        UserError, MachineError: the data or the checkpoint cannot be used.
    """
    name = recipe.source.checkpoint
    folder = sources.locate(name, recipe.find, cache, shown.say) if name else None
    language = sources.language(folder) if folder else None
    dataset = data.load(recipe.data, recipe.find, cache, recipe.seed, language)
    return as_taken(dataset, recipe), folder


def as_taken(dataset: Dataset, recipe: Recipe) -> Dataset:
    """Take a grey image's channel off again where the source's file takes (time, channels)."""
    file, shape = recipe.source.file, dataset.task.input_shape
    if file is None or len(shape) != 3 or shape[-1] != 1:
        return dataset
    taken = sources.input_shape(recipe.find(file), f"{recipe.path}: source")
    return dataset.without_channel() if taken is not None and len(taken) == 2 else dataset


@dataclass(frozen=True)
class Opened:
    """The source network with its weights; `training` are the facts of its training, None where there was none."""

    net: Net
    training: Mapping[str, Any] | None = None


def open_source(bench: Bench, key: str, context: Context) -> Opened:
    """Give the source network with its weights; training it is done once for each content key.

    Raises:
        UserError: the network is none, or does not fit the data.
    """
    net = untrained(bench)
    spec = bench.recipe.source
    if spec.weights:
        sources.load_weights(net.model, bench.recipe.find(spec.weights), str(bench.recipe.path))
    if not spec.train:
        return Opened(net)
    if not training.is_known(bench.cache, key):
        say_scale(net, bench)
    return Opened(net, training.train(net, spec.train, replace(context, source=net), bench.cache, key))


def say_scale(net: Net, bench: Bench) -> None:
    """Say, before the training, that its first layers see values on which it hardly moves; weights know better."""
    spec, examples, task = bench.recipe.source, bench.dataset.for_training(), net.task
    seen, others = symptoms.inputs_seen(net, examples, is_loaded=False)
    other = inputs.better(seen, others) if seen else None
    if seen is None or other is None:
        return
    if spec.file or spec.weights:
        drawn = symptoms.drawn(examples.train)
        known = symptoms.right(predictor(net.model), drawn, task)
        if beats_guessing(known.right, known.examples, chance("accuracy", drawn.y, len(task.classes))):
            return
    uses = [step.transform.use for step in bench.recipe.steps]
    write = ", ".join(spelled(each, uses) for each in inputs.changes(other, task.scale, task.offset))
    bench.progress.say(f"before the training: {sentence(Advice(inputs.unscaled(seen), write))}")


def untrained(bench: Bench) -> Net:
    """Build or read the network, and check it against the data."""
    spec = bench.recipe.source
    task = bench.dataset.task
    where = f"{bench.recipe.path}: source"
    if spec.file:  # before TensorFlow is imported, which seeding does
        sources.examine(bench.recipe.find(spec.file), where)
    backend.seed_everything(bench.recipe.seed)
    if spec.build:
        return Net(sources.network(spec.build, task, bench.recipe.find, bench.progress.say), task)
    if spec.checkpoint:
        return Net(checkpoint.network(bench.checkpoint or Path(), task, spec.pool, bench.recipe.find), task)
    read = sources.read(bench.recipe.find(spec.file or ""), where, say=bench.progress.say)
    model = sources.fit_to_task(read, task, where)
    sized = sources.at_size(model, tuple(task.input_shape), where)
    return Net(sized if sized is model else sources.in_layers(sized, bench.progress.say), task)
