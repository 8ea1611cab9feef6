"""The work of the pass `trim_vocabulary`: a smaller tokenizer, a smaller table, and how sentences are spelled after."""

from __future__ import annotations

from dataclasses import replace

from tinyc.compression.vocabulary import pieces, rows
from tinyc.compression.vocabulary.definition import Kept, restricted
from tinyc.core.errors import UserError
from tinyc.data.dataset import Split
from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer
from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Net
from tinyc.spec.passes.trim_vocabulary import Spelt, TrimFacts, TrimVocabulary
from tinyc.training.predict import accuracy, predictor


def trim_vocabulary(options: TrimVocabulary, state: Net, context: Context) -> Outcome:
    """Trim the tokenizer, and give a network whose table has a row for each piece that stays.

    Raises:
        UserError: the network reads no text, no table of it takes the ids, or `size` is too small.
    """
    tokenizer = state.task.tokenizer
    if tokenizer is None:
        raise UserError(options.use, "the network reads no text", "use it with sentences, or leave the pass out")
    tables = rows.id_tables(state.model, len(tokenizer.vocabulary), options.use)
    amount = pieces.Amount(options.coverage, options.size, options.count)
    kept = pieces.kept_pieces(tokenizer.definition, context.data.train.x, amount, options.use)
    smaller = Tokenizer(restricted(tokenizer.definition, kept, options.use), tokenizer.length, origin(tokenizer, kept))
    trimmed = replace(
        state, model=rows.keep_rows(state.model, tables, kept), task=replace(state.task, tokenizer=smaller)
    )
    facts: TrimFacts = {
        **sizes(state, trimmed, kept),
        "training_coverage": share(tokenizer, kept, context.data.train),
        "training": spellings(tokenizer, smaller, context.data.train),
        "validation": spellings(tokenizer, smaller, context.data.validation),
        **source_accuracies(trimmed.task, context),
    }
    return Outcome(trimmed, facts)


def origin(tokenizer: Tokenizer, kept: Kept) -> tuple[int, ...]:
    """Say which id of the source's vocabulary each kept piece has."""
    old = [index for index, stays in enumerate(kept.tolist()) if stays]
    return tuple(old if tokenizer.origin is None else (tokenizer.origin[index] for index in old))


def sizes(before: Net, after: Net, kept: Kept) -> TrimFacts:
    params = [state.model.count_params() for state in (before, after)]
    return {
        "pieces_before": len(kept),
        "pieces_after": int(kept.sum()),
        "params_before": params[0],
        "params_after": params[1],
        "params_saved": params[0] - params[1],
    }


def share(tokenizer: Tokenizer, kept: Kept, split: Split) -> float | None:
    """Give the fraction of a split's tokens, as they were spelled before, whose piece stays."""
    tally = pieces.counts(tokenizer.definition, split.x)
    return round(float(tally[kept].sum() / tally.sum()), 6) if tally.any() else None


def spellings(before: Tokenizer, after: Tokenizer, split: Split) -> Spelt:
    """Compare how a split's sentences are spelled."""
    old, new = (pieces.spelling(tokenizer, split.x) for tokenizer in (before, after))
    return {
        "unknown_before_fraction": six_digits(old.unknown_fraction),
        "tokens_a_sentence_before": six_digits(old.tokens_a_sentence),
        "sentences_cut_before": old.cut,
        "unknown_after_fraction": six_digits(new.unknown_fraction),
        "tokens_a_sentence_after": six_digits(new.tokens_a_sentence),
        "sentences_cut_after": new.cut,
    }


def six_digits(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def source_accuracies(task: Task, context: Context) -> TrimFacts:
    """Return the source's validation accuracies, fed its own pieces, and fed the trimmed ones mapped back.

    A teacher of a later distillation sees the second. Both are None in a rehearsal, which trains no source.
    """
    tokenizer, split = task.tokenizer, context.data.validation
    if context.rehearse is not None or tokenizer is None or not len(split):
        return {"source_accuracy": None, "source_accuracy_on_trimmed": None}
    predict = predictor(context.source.model)
    own = accuracy(predict, split, context.source.task)
    mapped = accuracy(lambda ids: predict(tokenizer.to_source(ids)), split, task)
    return {"source_accuracy": round(own, 6), "source_accuracy_on_trimmed": round(mapped, 6)}
