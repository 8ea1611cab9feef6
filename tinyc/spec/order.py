"""In which order passes may stand: what is refused, with an order that is legal, and what is legal but wasteful.

preprocess                                             at most once, best before distill
distill, trim_vocabulary, factorize, prune, cluster,   in any order, but for zeros before tables; what one pass undoes
federate                                               of another is said; batchnorm = "local" makes nothing to export
quantize                                               once: from a Keras network to a .tflite
compact                                                at most once, before the file is written
export                                                 at most once: it writes the last bytes
verify                                                 last: it checks the last bytes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinyc.core.errors import UserError
from tinyc.spec.contract import Pass
from tinyc.spec.recipe import Step

PHASES = {"quantize": 1, "compact": 2, "export": 3, "verify": 4}
"""Where the passes stand that have a place of their own; all others stand before them, in the writer's order."""
KINDS = {"net": "a Keras network", "flat": "a .tflite"}


def check_order(steps: Sequence[Step]) -> None:
    """Refuse passes whose input is not what the pass before gives, any change of final bytes, and broken tables.

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
    use, kind = current.use, before[-1].gives if before else "net"
    earlier = [each.use for each in before]
    if current.takes != kind:
        remedy = "put a quantize pass before it" if kind == "net" else "move it before quantize"
        if use in earlier and use in PHASES:
            remedy = f"leave one {use} out"
        giver = earlier[-1] if earlier else "the source"
        return f"{use} takes {KINDS[current.takes]}, but {giver} gives {KINDS[kind]}", remedy
    if "export" in earlier and use != "verify":
        remedy = f"leave one {use} out" if use == "export" else "move it before export"
        return f"{use} stands after export, which writes the last bytes", remedy
    if use == "compact" and use in earlier:
        return "compact stands twice; the first has written every table that makes the file smaller", "leave one out"
    if use == "preprocess" and use in earlier:
        return "preprocess stands twice; the signal is described once", "put all steps into the first, in order"
    if use == "verify":
        return early(passes[index + 1 :])
    return breaking(current, before)


def breaking(current: Pass, before: Sequence[Pass]) -> tuple[str, str] | None:
    """Say how a pass would break the tables of an earlier `cluster`, which it would refuse when it runs."""
    if current.use == "quantize" and getattr(current, "equalize", False) and any(e.use == "cluster" for e in before):
        problem = "quantize has equalize = true after cluster, and a factor for each channel would break its tables"
        return problem, "remove `equalize`, or the cluster pass"
    if current.use == "quantize" and any(getattr(each, "batchnorm", "") == "local" for each in since_student(before)):
        problem = 'quantize stands after federate batchnorm = "local", where every client has a network of its own'
        return problem, 'write batchnorm = "frozen", or end the recipe there'
    if zeroes_all(current) and clustered(before):
        problem = 'prune how = "magnitude" stands after cluster, and single zeros would break its tables'
        return problem, "move it before cluster, which keeps the zeros"
    return None


def early(later: Sequence[Pass]) -> tuple[str, str] | None:
    """Say which pass still changes the bytes that `verify` has checked."""
    use = next((each.use for each in later if each.use != "verify"), None)
    return (
        (
            f"verify stands before {use}, which changes the bytes",
            f"move it after {use}, so that it checks the last bytes",
        )
        if use
        else None
    )


def legal_order(passes: Sequence[Pass]) -> list[Pass | str]:
    """Give the same passes in an order that is legal, the writer's own where any will do.

    A pass that may stand once is listed once, and "quantize" is added where a pass needs its .tflite.
    """
    ordered: list[Pass | str] = []
    for each in sorted(passes, key=lambda each: PHASES.get(each.use, 0)):
        if each.use in (*PHASES, "preprocess") and each.use in map(named, ordered):
            continue
        if PHASES.get(each.use, 0) > PHASES["quantize"] and "quantize" not in map(named, ordered):
            ordered.append("quantize")
        ordered.insert(table_start(ordered) if zeroes_all(each) else len(ordered), each)
    return ordered


def table_start(ordered: Sequence[Pass | str]) -> int:
    """The place of the first cluster pass whose tables are still there; the end where there is none."""
    student = max((place for place, each in enumerate(ordered) if named(each) == "distill"), default=-1)
    return next((place for place, each in enumerate(ordered) if place > student and named(each) == "cluster"),
                len(ordered))  # fmt: skip


def named(each: Pass | str) -> str:
    return each if isinstance(each, str) else each.use


def shown(each: Pass | str) -> str:
    """Name a pass for people; `prune` stands in recipes twice, one way and the other."""
    how = getattr(each, "how", None) if named(each) == "prune" else None
    return f"{named(each)} ({how})" if how else named(each)


def zeroes_all(current: Pass) -> bool:
    """Say whether a pass sets single weights to zero in every layer; one with selectors may miss those with tables."""
    magnitude = getattr(current, "how", None) == "magnitude"
    return magnitude and not getattr(current, "only", ()) and not getattr(current, "skip", ())


def warnings(steps: Sequence[Step]) -> list[str]:
    """Say what is legal but wasteful: passes that undo the work of earlier ones, or work that saves no byte."""
    passes = [entry.transform for entry in steps]
    said = (undone, ranges_lost, unused, unprotected)
    return [text for index in range(len(passes)) for each in said for text in each(passes, index)]


def undone(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """What pass `index` throws away of the work before it."""
    current, before = passes[index], passes[:index]
    lost = list(dict.fromkeys(each.use for each in before if each.use not in ("trim_vocabulary", "preprocess")))
    if current.use == "distill" and lost:
        yield (
            f"distill (pass {index + 1}) starts a fresh student, so that the work of {' and '.join(lost)} before it "
            "is thrown away; put distill first"
        )
    if current.use == "factorize":
        for what, there in (("zeros of prune", sparse(before)), ("tables of cluster", clustered(before))):
            if there:
                yield (
                    f"factorize (pass {index + 1}) computes new weights: the {what} before it are lost in the layers "
                    "that it splits; put factorize first"
                )


def ranges_lost(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """What becomes of the ranges that `federate` trained within: they are for the very next pass, a `quantize`."""
    if not getattr(passes[index], "fake_quantize", False):
        return
    following = next((each for each in passes[index + 1 :] if each.use != "federate"), None)
    if following is None or (following.use == "quantize" and getattr(following, "how", "") == "qat"):
        return
    why = "takes ranges of its own" if following.use == "quantize" else "changes the network that they were taken on"
    yield (
        f"federate (pass {index + 1}) has fake_quantize = true, and {following.use} {why}: put "
        'quantize how = "qat" with epochs = 0 right after it'
    )


def unused(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """What pass `index` does that saves no byte."""
    use, later = passes[index].use, [each.use for each in passes[index + 1 :]]
    if use == "preprocess" and "distill" not in later and rescales(passes[index]):
        yield (
            f"preprocess (pass {index + 1}) scales or projects, and without a distill pass after it the network keeps "
            "layers that undo it; put distill after it, whose student sees the reduced signal"
        )
    if use == "cluster" and not {"compact", "distill"} & set(later):
        yield (
            f"cluster (pass {index + 1}) leaves few values a tensor, which save no byte of flash without a compact "
            "pass after quantize"
        )
    if use == "quantize":
        yield from untabled(passes, index)
    if use == "compact" and not clustered(passes[:index]) and not searched(passes[:index]):
        yield (
            f"compact (pass {index + 1}) makes tables of tensors with few values, and no cluster pass made such; only "
            "those that have few by themselves get smaller"
        )


def unprotected(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """What pass `index` does to the privacy that an earlier one has accounted for: it trains on the same examples."""
    current = passes[index]
    for number, each in enumerate(passes[:index], 1):
        if getattr(each, "privacy", None) is not None and trains(current):
            yield (
                f"{current.use} (pass {index + 1}) trains on the examples that {each.use} (pass {number}) protects, "
                f"and its epsilon does not cover that; put {current.use} before it, or give {current.use} epochs = 0"
            )


def trains(current: Pass) -> bool:
    """Say whether a pass trains on the training examples."""
    if current.use == "quantize" and getattr(current, "how", None) == "ptq":
        return False
    return getattr(current, "epochs", 0) > 0 or current.use == "federate"


def untabled(passes: Sequence[Pass], index: int) -> Iterator[str]:
    """What `quantize` does to tables, made or to come, that no byte is saved by."""
    current, later = passes[index], [each.use for each in passes[index + 1 :]]
    if getattr(current, "weights", "int8") == "int4" and clustered(passes[:index]):
        yield (
            f'quantize (pass {index + 1}) has weights = "int4" after cluster: four bits take the place of the tables; '
            "leave one of the two out"
        )
    if searched([current]) and "compact" not in later:
        yield (
            f'quantize (pass {index + 1}) has precision = "auto", which counts on tables: without a compact pass after '
            "it they save no byte, and `flash` is missed"
        )


def rescales(current: Pass) -> bool:
    """Say whether `preprocess` changes scales or channels, which a network that came before it must undo."""
    steps = getattr(current, "steps", ()) if current.use == "preprocess" else ()
    return any(getattr(step, "op", None) in ("normalize", "pca") for step in steps)


def sparse(passes: Sequence[Pass]) -> bool:
    """Say whether magnitude pruning has set weights to zero that are still there."""
    return any(getattr(each, "how", None) == "magnitude" for each in since_student(passes))


def clustered(passes: Sequence[Pass]) -> bool:
    """Say whether a cluster pass has left tables that are still there."""
    return any(each.use == "cluster" for each in since_student(passes))


def searched(passes: Sequence[Pass]) -> bool:
    """Say whether quantize chose bits layer by layer, tables among them."""
    return any(getattr(each, "precision", "uniform") == "auto" for each in passes)


def since_student(passes: Sequence[Pass]) -> Sequence[Pass]:
    """The passes that changed the network that is at hand: those after the last distillation."""
    starts = [place for place, each in enumerate(passes) if each.use == "distill"]
    return passes[starts[-1] + 1 :] if starts else passes
