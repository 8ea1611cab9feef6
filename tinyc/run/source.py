"""State 0: the network to compress, built or read, with its weights, trained where the recipe says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tinyc.analysis.advice import inputs
from tinyc.analysis.advice.guessing import beats_guessing, chance
from tinyc.analysis.advice.remarks import Advice, sentence, spelled
from tinyc.network import backend, checkpoint, sources
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.run import symptoms
from tinyc.run.opening import OpenedSource, Run
from tinyc.training import source as training
from tinyc.training.predict import predictor


def open_source(run: Run, key: str, context: Context) -> OpenedSource:
    """Give the source network with its weights; training it is done once for each content key.

    Raises:
        UserError: the network is none, or does not fit the data.
    """
    net = untrained(run)
    spec = run.recipe.source
    if spec.weights:
        sources.load_weights(net.model, run.recipe.find(spec.weights), str(run.recipe.path))
    if not spec.train:
        return OpenedSource(net)
    if not training.is_known(run.cache, key):
        say_scale(net, run)
    return OpenedSource(net, training.train(net, spec.train, replace(context, source=net), run.cache, key))


def say_scale(net: Net, run: Run) -> None:
    """Say, before the training, that its first layers see values on which it hardly moves; weights know better."""
    spec, examples, task = run.recipe.source, run.dataset.for_training(), net.task
    seen, others = symptoms.inputs_seen(net, examples, is_loaded=False)
    other = inputs.better(seen, others) if seen else None
    if seen is None or other is None:
        return
    if spec.file or spec.weights:
        drawn = symptoms.drawn(examples.train)
        known = symptoms.right(predictor(net.model), drawn, task)
        if beats_guessing(known.right, known.examples, chance("accuracy", drawn.y, len(task.classes))):
            return
    uses = [step.transform.use for step in run.recipe.steps]
    write = ", ".join(spelled(each, uses) for each in inputs.changes(other, task.scale, task.offset))
    run.progress.say(f"before the training: {sentence(Advice(inputs.unscaled(seen), write))}")


def untrained(run: Run) -> Net:
    """Build or read the network, and check it against the data."""
    spec = run.recipe.source
    task = run.dataset.task
    where = f"{run.recipe.path}: source"
    if spec.file:  # before TensorFlow is imported, which seeding does
        sources.examine(run.recipe.find(spec.file), where)
    backend.seed_everything(run.recipe.seed)
    if spec.build:
        return Net(sources.network(spec.build, task, run.recipe.find, run.progress.say), task)
    if spec.checkpoint:
        return Net(checkpoint.network(run.checkpoint or Path(), task, spec.pool, run.recipe.find), task)
    read = sources.read_network(run.recipe.find(spec.file or ""), where, say=run.progress.say)
    model = sources.fit_to_task(read, task, where)
    sized = sources.at_size(model, tuple(task.input_shape), where)
    return Net(sized if sized is model else sources.in_layers(sized, run.progress.say), task)
