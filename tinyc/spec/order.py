"""In which order passes may stand: what is refused, with an order that is legal, and what is legal but wasteful.

All of it is computed from what each pass declares (`spec.effects`); no pass is known here by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinyc.core.errors import UserError
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Made, Place, Trace
from tinyc.spec.passes import PASSES
from tinyc.spec.recipe import Step

CONVERTER = next(use for use, schema in PASSES.items() if (schema.takes, schema.gives) == ("net", "flat"))
"""The pass that makes a .tflite of a network, for remedies."""
KINDS: dict[Kind, str] = {"net": "a Keras network", "flat": "a .tflite"}


def check_order(steps: Sequence[Step]) -> None:
    """Refuse passes whose input is not what the pass before gives, any change of final bytes, and broken traces.

    Raises:
        UserError: the first pass that cannot stand where it does; the remedy ends with a legal order of the recipe's
            own passes.
    """
    passes = [entry.transform for entry in steps]
    for index, entry in enumerate(steps):
        found = trouble(passes, index)
        if found:
            problem, remedy = found
            ordered = legal_order(passes)
            # Where the writer's own order is offered, no order would help: it is a key that does not go.
            order = f"; a legal order is {' -> '.join(map(shown, ordered))}" if ordered != passes else ""
            raise UserError(entry.where, problem, remedy + order)


def trouble(passes: Sequence[Pass], index: int) -> tuple[str, str] | None:
    """Say what is wrong with the place of one pass, and what to do about it."""
    current, before = passes[index], passes[:index]
    kind = before[-1].gives if before else "net"
    earlier = [each.use for each in before]
    if current.takes != kind:
        remedy = f"put a {CONVERTER} pass before it" if kind == "net" else f"move it before {CONVERTER}"
        if current.use in earlier and current.effects.place > Place.NETWORK:
            remedy = f"leave one {current.use} out"
        giver = earlier[-1] if earlier else "the source"
        return f"{current.use} takes {KINDS[current.takes]}, but {giver} gives {KINDS[kind]}", remedy
    return after_writing(current, before) or doubled(current, before) or early(current, passes[index + 1 :]) or (
        breaking(current, before)
    )  # fmt: skip


def after_writing(current: Pass, before: Sequence[Pass]) -> tuple[str, str] | None:
    """Refuse what would change the bytes that were written last."""
    writer = next((each for each in before if each.effects.place == Place.WRITE), None)
    if writer is None or current.effects.place == Place.CHECK:
        return None
    remedy = f"leave one {current.use} out" if current.use == writer.use else f"move it before {writer.use}"
    return f"{current.use} stands after {writer.use}, which writes the last bytes", remedy


def doubled(current: Pass, before: Sequence[Pass]) -> tuple[str, str] | None:
    """Refuse the second of a pass that stands once."""
    once = current.effects.once
    if once is None or all(each.use != current.use for each in before):
        return None
    return f"{current.use} stands twice; {once.why}", once.remedy


def early(current: Pass, later: Sequence[Pass]) -> tuple[str, str] | None:
    """Say which pass still changes the bytes that a check has seen."""
    use = next((each.use for each in later if each.effects.place != Place.CHECK), None)
    if current.effects.place != Place.CHECK or use is None:
        return None
    problem = f"{current.use} stands before {use}, which changes the bytes"
    return problem, f"move it after {use}, so that it checks the last bytes"


def breaking(current: Pass, before: Sequence[Pass]) -> tuple[str, str] | None:
    """Say how a pass would break what an earlier one has left, which it would refuse when it runs."""
    for rule in current.effects.breaks:
        for maker, made in makers(before, rule.trace):
            return f"{current.use} {filled(rule.problem, maker, made)}", filled(rule.remedy, maker, made)
    return None


def filled(text: str, maker: Pass, made: Made) -> str:
    """Put the earlier pass's own words into a rule's."""
    return text.format(maker=maker.use, said=made.said, instead=made.instead)


def makers(before: Sequence[Pass], trace: Trace) -> Iterator[tuple[Pass, Made]]:
    """Yield the passes whose trace is still there, each with what it says of it, in their order."""
    for each in since_student(before):
        yield from ((each, made) for made in each.effects.makes if made.trace == trace)


def since_student(passes: Sequence[Pass]) -> Sequence[Pass]:
    """Return the passes that changed the network that is at hand: those after the last that began a new one."""
    starts = [place for place, each in enumerate(passes) if each.effects.leaves("student")]
    return passes[starts[-1] + 1 :] if starts else passes


def legal_order(passes: Sequence[Pass]) -> list[Pass | str]:
    """Give the same passes in an order that is legal, the writer's own where any will do.

    A pass that may stand once is listed once, and the converter is added where a pass needs its .tflite.
    """
    ordered: list[Pass | str] = []
    for each in sorted(passes, key=lambda each: each.effects.place):
        place = each.effects.place
        if (place > Place.NETWORK or each.effects.once) and each.use in map(use_of, ordered):
            continue
        if place > Place.CONVERT and CONVERTER not in map(use_of, ordered):
            ordered.append(CONVERTER)
        ordered.insert(start_of_broken(each, ordered), each)
    return ordered


def start_of_broken(current: Pass, ordered: Sequence[Pass | str]) -> int:
    """Return the place before the first trace that a pass would break; the end if it breaks none, or all."""
    broken = [rule.trace for rule in current.effects.breaks]
    known = [each for each in ordered if isinstance(each, Pass)]
    made = [maker for trace in broken for maker, _ in makers(known, trace)]
    first = min((known.index(each) for each in made), default=len(ordered))
    return first if current.effects.place == Place.NETWORK else len(ordered)


def use_of(each: Pass | str) -> str:
    return each if isinstance(each, str) else each.use


def shown(each: Pass | str) -> str:
    """Name a pass for people; some stand in recipes twice, one way and the other."""
    return each if isinstance(each, str) else each.effects.label or each.use


def warnings(steps: Sequence[Step]) -> list[str]:
    """Say what is legal but wasteful: passes that undo the work of earlier ones, or work that saves no byte."""
    passes = [entry.transform for entry in steps]
    said = (thrown_away, lost, ranges_lost, wasted, unprotected)
    return [text for index in range(len(passes)) for each in said for text in each(passes, index)]


def numbered(passes: Sequence[Pass], index: int) -> str:
    """Name a pass with its number, from 1."""
    return f"{passes[index].use} (pass {index + 1})"


def thrown_away(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """Say what a new network leaves behind of the work before it."""
    current, before = passes[index], passes[:index]
    gone = list(dict.fromkeys(each.use for each in before if not each.effects.outlives))
    if current.effects.leaves("student") and gone:
        yield (
            f"{numbered(passes, index)} starts a fresh student, so that the work of {' and '.join(gone)} before it "
            f"is thrown away; put {current.use} first"
        )


def lost(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """Say what a pass loses of what earlier ones have left."""
    for rule in passes[index].effects.loses:
        found = next(makers(passes[:index], rule.trace), None)
        if found:
            yield f"{numbered(passes, index)} {filled(rule.problem, *found)}"


def ranges_lost(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """Say what becomes of ranges that a pass trained within: they are for the very next pass."""
    current = passes[index]
    made = next((made for made in current.effects.makes if made.trace == "ranges"), None)
    following = next((each for each in passes[index + 1 :] if each.use != current.use), None)
    if made is None or following is None or "ranges" in following.effects.uses:
        return
    converts = following.effects.place == Place.CONVERT
    why = "takes ranges of its own" if converts else "changes the network that they were taken on"
    yield f"{numbered(passes, index)} has {made.said}, and {following.use} {why}: {made.instead}"


def wasted(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """Say what a pass does that is of no use without another one."""
    for want in passes[index].effects.wants:
        others = since_student(passes[:index]) if want.stands == "before" else passes[index + 1 :]
        if not any(each.effects.leaves(trace) for each in others for trace in want.traces):
            yield f"{numbered(passes, index)} {want.otherwise}"


def unprotected(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """Say what a pass does to the privacy that an earlier one has accounted for: it trains on the same examples."""
    current = passes[index]
    for number, each in enumerate(passes[:index]):
        if each.effects.protects and current.effects.trains:
            yield (
                f"{numbered(passes, index)} trains on the examples that {numbered(passes, number)} protects, "
                f"and its epsilon does not cover that; put {current.use} before it, or give {current.use} epochs = 0"
            )
