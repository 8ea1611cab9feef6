"""What follows for a recipe from the device that it names: defaults, refusals, and bounds on flash and arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.devices.abilities import lack
from tinyc.devices.board import Board
from tinyc.spec import device_files
from tinyc.spec.bounds import Bound
from tinyc.spec.builder_layers import OPERATORS, layers
from tinyc.spec.builders import Builder
from tinyc.spec.data import DataSpec
from tinyc.spec.device import Device
from tinyc.spec.document import Document
from tinyc.spec.recipe import Recipe, Step
from tinyc.spec.references import references

ATTENTION = OPERATORS["Attention"]


def require_abilities(steps: Sequence[Step], device: Device) -> None:
    """Refuse passes that end in what the runtime lacks.

    Raises:
        UserError: the first one, with what to write instead.
    """
    for step in steps:
        for need in step.transform.effects.needs:
            problem = lack(device.runtime, need.ability)
            if problem:
                said = f"{step.transform.use} {need.problem}, and {device.runtime.name} {problem}"
                raise UserError(step.where, said, f"{need.remedy}, or choose another `runtime` in [device]")


def with_defaults(given: tuple[Bound, ...], device: Device, doc: Document) -> tuple[Bound, ...]:
    """Add the board's bounds on flash and arena where the recipe has none of its own.

    Raises:
        UserError: a bound of the recipe allows more than the board has.
    """
    if device.board is None:
        return given
    for bound in given:
        most = whole(device.board).get(bound.metric)
        if most is not None and bound.sign == "<=" and bound.limit > most:
            problem = f"{bound.text!r} is more than the {units.show(most, 'bytes')} of {device.board.title}"
            raise UserError(doc.where(("targets", bound.metric)), problem, "write less, or leave it out")
    named = {bound.metric for bound in given if bound.sign == "<="}
    return (*given, *(bound for bound in defaults(device.board) if bound.metric not in named))


def whole(board: Board) -> dict[str, int | None]:
    """Give all that a board has, in bytes: its flash, and its largest bank of RAM, on the chip or not."""
    return {"flash": board.flash_bytes, "arena": max(bank.bytes for bank in board.ram)}


def defaults(board: Board) -> Iterator[Bound]:
    """Yield what a model may have of a board, in whole KiB."""
    for metric, share in (("flash", board.model_flash_bytes), ("arena", board.model_ram_bytes)):
        if share is not None:
            yield replace(Bound.parse(metric, f"<= {share // 1024} KiB"), default=board.name)


def on_device(step: Step, device: Device, data: DataSpec) -> Step:
    """Give a pass with the defaults that suit the device's runtime, and the data."""
    return replace(step, transform=step.transform.on(device.runtime, data))


def require_operators(recipe: Recipe, device: Device) -> None:
    """Refuse a network whose builder surely makes a layer for which the runtime has no operator.

    Raises:
        UserError: names the builder's line, the operator and the runtime.
    """
    where, builder = last_network(recipe)
    if recipe.source.checkpoint is not None and builder is None and ATTENTION not in device.runtime.operators:
        raise missing(where, "a BERT's attention", ATTENTION, device)
    if builder is None:
        return
    path = recipe.find(builder.file)
    for layer in layers(path, builder.function):
        if layer.operator not in device.runtime.operators:
            raise missing(where, f"{layer.name} ({path.name}:{layer.line})", layer.operator, device)


def last_network(recipe: Recipe) -> tuple[str, Builder | None]:
    """Give the place and the builder of the network that is exported: of the last student, else of the source."""
    for step in reversed(recipe.steps):
        if step.transform.effects.leaves("student"):
            return step.where, next(each for each in references(step.transform) if isinstance(each, Builder))
    builder = next((each for each in references(recipe.source) if isinstance(each, Builder)), None)
    return f"{recipe.path}: source", builder


def missing(where: str, what: str, operator: str, device: Device) -> UserError:
    """Say that a runtime has no operator for what a network is made of."""
    problem = f"{what} becomes {operator}, which {device.runtime.name} does not have"
    having = [each.name for each in device_files.offered(device.board) if operator in each.operators]
    other = f", or choose a `runtime` that has it: {', '.join(having)}" if having else ""
    return UserError(where, problem, f"build it without{other}")
