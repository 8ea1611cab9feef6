"""The work of the pass `distill`: a student is built, imitates its first teacher, and is trained by all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinyc.core import units
from tinyc.network import backend, sources
from tinyc.network.contract import Context, Outcome
from tinyc.network.grafting import front_of, grafted
from tinyc.network.state import Net
from tinyc.spec.passes.distill import Begun, Distill, DistillFacts, Hinted
from tinyc.spec.training import FitOptions, Trained, fit_options
from tinyc.training import distillation, hints
from tinyc.training.imitation_stage import ImitationOptions, start_weights, train_imitation
from tinyc.training.private.fit import fit_within
from tinyc.training.resume import resumable_fit
from tinyc.training.teachers import find_teacher


def distill(options: Distill, state: Net, context: Context) -> Outcome:
    """Build the student, train it, and give it in the network's place.

    Raises:
        UserError: the student cannot be built or taught, or its training diverges.
        MachineError: the cache cannot hold the soft labels or the checkpoints.
    """
    backend.seed_everything(context.seed)
    student = state.with_model(build(options, state, context))
    fitting = fit_options(options)
    begun: Begun = {"student": options.student.build, "student_options": options.student.options}
    if options.start == "source" or options.imitate:
        take_after(begun, options, student, fitting, context)
        student = student.clone()
    if options.hints:
        begun["hints"] = take_hints(options, student, fitting, context)
        student = student.clone()
    facts: DistillFacts = {**begun, **teach(options, student, fitting, context)}
    return Outcome(student, facts)


def build(options: Distill, state: Net, context: Context) -> Any:
    """Build the student; where the network begins with preprocessing, on what that gives and behind it."""
    front = front_of(state.model)
    if front is None:
        return sources.network(options.student, state.task, context.find)
    reduced = replace(state.task, input_shape=tuple(front.output_shape[1:]))
    return grafted(front, sources.network(options.student, reduced, context.find))


def take_after(facts: Begun, options: Distill, student: Net, fitting: FitOptions, context: Context) -> None:
    """Slice the student from the source, and let it imitate the first teacher's insides; say so in `facts`."""
    basis: Any = None
    if options.start == "source":
        basis, facts["start"] = start_weights(student.model, options.layer_map, context)
    if options.imitate:
        keys = options.model_dump(mode="json", include={"imitate", "attention", "layer_map", "teachers"})
        room = int(units.parse(options.store_limit, "bytes"))
        wanted = ImitationOptions(options.imitate, options.attention, options.layer_map, room)
        shorter = fitting.model_copy(update={"epochs": options.imitate_epochs, "augment": ()})
        teacher = find_teacher(options.teachers[0], context)
        facts["imitate"] = train_imitation(wanted, student.model, teacher, basis, shorter, context, [keys])


def take_hints(options: Distill, student: Net, fitting: FitOptions, context: Context) -> Hinted:
    """Match the hint layers, and train the student up to them."""
    teacher = find_teacher(options.teachers[0], context).model
    pairs = hints.pair_layers(options.hints, student.model, teacher)
    shorter = fitting.model_copy(update={"epochs": options.hint_epochs})
    trained = hints.train_hints(pairs, student.model, teacher, shorter, context)
    layers = [{"student": pair.student.name, "teacher": pair.teacher.name} for pair in pairs]
    return {"layers": layers, "epochs": trained["epochs"], "loss": trained["loss"]}


def teach(options: Distill, student: Net, fitting: FitOptions, context: Context) -> Trained:
    """Train the student by its teachers, or by labels alone."""
    panel = distillation.panel_of(options, context)
    if context.rehearse is not None:
        panel = None
    objective, facts = distillation.objective(options, panel, fitting, context)
    if panel:
        facts["teacher_validation_accuracy"] = distillation.validation_accuracy(panel, context)
    details = [options.model_dump(mode="json"), context.source_key]
    if options.privacy is not None:
        trained = fit_within(
            student.model, options.privacy, options.batchnorm, fitting, objective, context, "distill", details=details
        )
    else:
        trained = resumable_fit(student.model, fitting, objective, context, "distill", details=details)
    return {**facts, **trained}
