"""Make tinyc/data/embedded/movie-sentiment.tsv again from the source archive of vaderSentiment.

    python benchmarks/embed_movie_sentiment.py vaderSentiment-3.3.2.tar.gz [OUT]

`pip download --no-deps --no-binary :all: vaderSentiment==3.3.2` fetches the archive. A sentence is positive where its
mean human rating is above zero and negative below; zeros are left out, and of sentences that differ in case, spaces
or punctuation alone the first is kept. The test sentences are those of each class whose SHA-256 is lowest, so that
the split hangs on nothing but the words. The same archive gives the same bytes, and its licence beside them.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
from pathlib import Path

from tinyc.data.known_datasets import EMBEDDED

INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
SENTENCES = "movieReviewSnippets_GroundTruth.txt"
LICENCE = "LICENSE.txt"
TEST = 2_000
NOTE = """movie-sentiment.tsv holds sentences of movie reviews with the sign of their mean human rating, from
vaderSentiment (https://github.com/cjhutto/vaderSentiment), under this licence:

"""
NAMES = ("negative", "positive")


def embed(archive: Path, out: Path) -> str:
    """Write the sentences and their licence; give the file's SHA-256."""
    with tarfile.open(archive) as outer:
        licence = member(outer, LICENCE)
        with tarfile.open(fileobj=io.BytesIO(member(outer, INNER))) as inner:
            content = member(inner, SENTENCES)
    found = labelled(content.decode())
    chosen = test_words(found)
    rows = [f"{'test' if words in chosen else 'train'}\t{label}\t{text}\n" for words, (label, text) in found.items()]
    out.write_bytes(("split\tlabel\ttext\n" + "".join(rows)).encode())
    out.with_suffix(".LICENSE").write_bytes(NOTE.encode() + licence.replace(b"\r\n", b"\n"))
    return hashlib.sha256(out.read_bytes()).hexdigest()


def member(archive: tarfile.TarFile, name: str) -> bytes:
    """Read the file of an archive whose path ends in `name`."""
    path = next(each for each in archive.getnames() if each == name or each.endswith(f"/{name}"))
    file = archive.extractfile(path)
    if file is None:
        raise ValueError(f"{path} is no file")
    return file.read()


def labelled(content: str) -> dict[str, tuple[str, str]]:
    """Give (label, sentence) by the sentence's bare words, in the order of the source: id, mean rating, text."""
    found: dict[str, tuple[str, str]] = {}
    for line in content.splitlines():
        _, rating, text = line.split("\t")
        words = " ".join(re.findall(r"\w+", text.casefold()))
        if float(rating) and words:
            found.setdefault(words, (NAMES[float(rating) > 0], text.strip()))
    return found


def test_words(found: dict[str, tuple[str, str]]) -> set[str]:
    """Choose exactly TEST sentences, each class in proportion."""
    classes = [
        sorted(
            (words for words, (label, _) in found.items() if label == name),
            key=lambda words: hashlib.sha256(words.encode()).digest(),
        )
        for name in NAMES
    ]
    first = round(TEST * len(classes[0]) / len(found))
    return {*classes[0][:first], *classes[1][: TEST - first]}


if __name__ == "__main__":
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else EMBEDDED / "movie-sentiment.tsv"
    print(embed(Path(sys.argv[1]), out), f"{out.stat().st_size:,} bytes", out)
