"""Views of sentences: pure functions of (seed, id, view), by the neighbours of words and by dropping some."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from support import datasets, movies

from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.augment import IDENTITY, suits, view
from tinyc.data.dataset import TrainingData
from tinyc.data.task import Task
from tinyc.data.text.lexicon import NEAREST, WORD, Lexicon, nearest
from tinyc.data.tokens import Language, Tokenizer
from tinyc.spec.augmentations import check_augmentations

TEXTS = np.array(movies.sentences(), object)
IDS = np.arange(len(TEXTS))
LEXICON = Lexicon(movies.language(), TEXTS)
OPS = [("words",), ("drop",), ("words", "drop"), ("mix",)]


def words(text: str) -> list[str]:
    return WORD.findall(text)


@pytest.mark.parametrize("ops", OPS)
class TestEveryView:
    def test_gives_other_sentences_and_keeps_its_input(self, ops: tuple[str, ...]) -> None:
        before = TEXTS.copy()
        out = view(TEXTS, IDS, 7, 0, ops, LEXICON)
        assert out.dtype == object
        assert out.shape == TEXTS.shape
        assert all(isinstance(text, str) and text for text in out)
        assert np.array_equal(before, TEXTS)
        assert (out != TEXTS).mean() > 0.7

    def test_does_not_depend_on_the_batch(self, ops: tuple[str, ...]) -> None:
        out = view(TEXTS, IDS, 7, 3, ops, LEXICON)
        order = np.random.default_rng(0).permutation(len(TEXTS))[:17]
        assert np.array_equal(view(TEXTS[order], IDS[order], 7, 3, ops, LEXICON), out[order])
        assert np.array_equal(view(TEXTS[5:6], IDS[5:6], 7, 3, ops, LEXICON), out[5:6])

    def test_depends_on_seed_and_view_and_id(self, ops: tuple[str, ...]) -> None:
        out = view(TEXTS, IDS, 7, 0, ops, LEXICON)
        assert np.array_equal(view(TEXTS, IDS, 7, 0, ops, LEXICON), out)
        for other in (
            view(TEXTS, IDS, 8, 0, ops, LEXICON),
            view(TEXTS, IDS, 7, 1, ops, LEXICON),
            view(TEXTS, IDS + 900, 7, 0, ops, LEXICON),
        ):
            assert (other != out).mean() > 0.7

    def test_identity(self, ops: tuple[str, ...]) -> None:
        assert np.array_equal(view(TEXTS, IDS, 7, IDENTITY, ops, LEXICON), TEXTS)


def test_two_fifths_of_the_words_become_one_of_their_nearest() -> None:
    near = LEXICON.neighbours
    known = changed = 0
    places = np.zeros(NEAREST, int)
    for old, new in zip(TEXTS, view(TEXTS, IDS, 7, 0, ("words",), LEXICON), strict=True):
        assert WORD.sub("_", old) == WORD.sub("_", new)  # what stands between words stays
        for before, after in zip(words(old), words(new), strict=True):
            if before not in near.rows:
                assert after == before
                continue
            known += 1
            if after != before:
                changed += 1
                others = [near.of(before, place) for place in range(NEAREST)]
                places[others.index(after.lower())] += 1
                assert after[0].isupper() == before[0].isupper()
    assert known > 1000
    assert changed / known == pytest.approx(0.4, abs=0.04)
    assert places.min() > 0.5 * places.mean()


def test_a_tenth_of_the_words_is_dropped_and_never_all() -> None:
    total = kept = 0
    for number in range(4):
        for old, new in zip(TEXTS, view(TEXTS, IDS, 7, number, ("drop",)), strict=True):
            total, kept = total + len(words(old)), kept + len(words(new))
            rest = iter(words(old))
            assert all(word in rest for word in words(new))  # in their order
            assert re.sub(r"[\w\s'\u2019]", "", old) == re.sub(r"[\w\s'\u2019]", "", new)
    assert 1 - kept / total == pytest.approx(0.1, abs=0.015)
    short = np.array(["Dull!", "So good", "???"] * 300, object)
    for old, new in zip(short, view(short, np.arange(900), 7, 0, ("drop",)), strict=True):
        assert bool(words(new)) == bool(words(old))


def test_the_nearest_are_those_of_a_full_search() -> None:
    near = LEXICON.neighbours
    pieces = movies.pieces()
    table = {piece: row for piece, row in zip(pieces, movies.vectors(), strict=True) if len(piece) > 1}
    whole = [piece for piece in table if piece.isalpha()]
    for word in ("film", "movie", "but"):
        cosine = {
            other: float(table[word] @ table[other] / np.linalg.norm(table[word]) / np.linalg.norm(table[other]))
            for other in whole
            if other != word
        }
        best = sorted(cosine, key=lambda other: -cosine[other])[:NEAREST]
        assert [near.of(word, place) for place in range(NEAREST)] == best
    assert near.of("zzzz", 0) is None


def test_spellings_follow_the_tokenizer() -> None:
    near = Lexicon(movies.language(), np.array(["The F\u00efLM isn't; don't 1999"], object)).neighbours
    assert set(near.rows) == {"The", "F\u00efLM"}
    assert near.of("F\u00efLM", 0) == LEXICON.neighbours.of("film", 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_words_have_few_neighbours(count: int) -> None:
    units = np.eye(max(count, 1), dtype=np.float32)[:count]
    assert nearest(units, np.arange(count)).shape == (count, max(0, count - 1))


def test_a_source_of_one_word_changes_nothing() -> None:
    definition = tokens.from_vocabulary((*tokens.SPECIAL, "film"), True, "vocab.txt")
    lexicon = Lexicon(Language(definition, lambda: np.ones((6, 4), np.float32)), TEXTS)
    assert np.array_equal(view(TEXTS, IDS, 7, 0, ("words",), lexicon), TEXTS)


def data(lexicon: Lexicon | None) -> TrainingData:
    task = Task(("a", "b"), (16,), tokenizer=Tokenizer(movies.definition(), 16))
    return replace(datasets.undivided(task, TEXTS, IDS % 2), lexicon=lexicon).for_training()


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (("flip",), "'flip' needs images (height, width, channels), and an example here is a sentence"),
        (
            ("noise",),
            "'noise' needs numbers, and an example here is a sentence\n  use words, drop, mix, or no augmentation",
        ),
        (("drop", "drop"), "'drop' is listed twice"),
        (("wrods",), "unknown augmentation 'wrods'"),
    ],
)
def test_refuses(ops: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as caught:
        suits(ops, data(LEXICON), "pass.1.augment")
    assert message in str(caught.value)
    assert caught.value.where == "pass.1.augment"
    with pytest.raises(UserError):
        view(TEXTS[:2], IDS[:2], 0, 0, ops, LEXICON)


def test_words_need_vectors() -> None:
    suits(("words", "drop"), data(LEXICON))
    suits(("drop",), data(None))
    with pytest.raises(UserError, match="'words' needs a checkpoint's knowledge of the training sentences"):
        suits(("words",), data(None))
    with pytest.raises(UserError, match="'words' needs a checkpoint's knowledge"):
        view(TEXTS, IDS, 0, 0, ("words",))
    with pytest.raises(UserError, match="'words' needs sentences"):
        check_augmentations(("words",), (28, 28, 1))


def test_batches_see_the_words_of_the_lexicon() -> None:
    from tinyc.data.inputs import inputs
    from tinyc.tasks.classification.objectives import labels
    from tinyc.training.batches import Feed, prepare

    held = data(LEXICON)
    feed = Feed(held, labels(3), ("words",), 3, 16)
    ids, _, _ = prepare(feed, np.arange(16), 1)
    wanted = view(TEXTS[:16], IDS[:16], 3, 1, ("words",), LEXICON)
    assert np.array_equal(ids, inputs(wanted, held.task))
    with pytest.raises(UserError, match="'words' needs a checkpoint's knowledge"):
        prepare(replace(feed, data=data(None)), np.arange(16), 1)


GOLDEN: dict[tuple[str, ...], tuple[str, str]] = {
    ("drop",): ("The Rock is to be the 21st Century's ''Conan''", "Too"),
    ("words",): ("The Rock almost destined don comedy more 21st Century's new ''Conan''", "Low reality"),
}


@pytest.mark.parametrize("ops", GOLDEN)
def test_the_sentences_stay_what_they_are(ops: tuple[str, ...]) -> None:
    """Stored soft labels belong to these very views: a change here must come with a new version."""
    given = np.array(["The Rock is destined to be the 21st Century's new ''Conan''", "Too dull"], object)
    ids = np.array([0, 12345])
    views = view(given, ids, 1, 3, ops, LEXICON)[0], view(given, ids, 1, 5, ops, LEXICON)[1]
    assert views == GOLDEN[ops]


def test_mixing_joins_a_stretch_of_each_sentence_to_one_of_another() -> None:
    spaced = [" ".join(text.split()) for text in TEXTS]
    for text, mixed in zip(spaced, view(TEXTS, IDS, 7, 0, ("mix",), LEXICON), strict=True):
        words_of = mixed.split()
        cuts = [
            cut
            for cut in range(1, len(words_of))
            if " ".join(words_of[:cut]) in text and any(" ".join(words_of[cut:]) in other for other in spaced)
        ]
        assert any(0.29 * len(text.split()) - 1 <= cut <= 0.71 * len(text.split()) + 1 for cut in cuts), mixed
