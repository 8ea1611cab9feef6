"""The tokenizer in C, compiled with sanitizers: the same ids as the library for real sentences and for any bytes."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinyc
from tinyc.codegen.tokenizer_c import tokenizer_source
from tinyc.core.errors import UserError
from tinyc.data.tokens import SPECIAL, Tokenizer, from_vocabulary

REVIEWS = Path(tinyc.__file__).parent / "data" / "embedded" / "movie-sentiment.tsv"
LENGTH = 12
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILERS = {"c": ("gcc", "-std=c99"), "cc": ("g++", "-std=c++17", "-x", "c++")}

SENTENCES = (
    "Emerges as something rare, an issue movie that's so honest and keenly observed that it doesn't feel like one.",
    "The gorgeously elaborate continuation of ''The Lord of the Rings'' trilogy is huge; words can't describe it!",
    "Crème brûlée à la façade — naïve, über-coöperative Çédille ŁÓDŹ İstanbul ﬁne Straße ΣΊΣΥΦΟΣ",
    "Москва слезам не верит, ЁЛКИ! Україна, їжак",
    "我爱你中国 — 日本語のテキスト、カタカナ ガ 한국어 영화는 정말 좋았다 ไทยก็ดี हिन्दी में עִבְרִית العربيّة",
    "100% \u2260 5\u20ac \u00a9 1\u00bd \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u0065\u0301",
    "\u212b \u2126 \uf900 x\u00a0y\u3000z",
    "[CLS] raw [SEP][SEP]tokens[MASK]here [sep] [UNK [PAD]] [MASK",
    "a\0b\ufffdc\u200bd\u00ade\tf\r\ng\u2028h\x1fi\x7fj\u0085k",
)
NASTY = st.sampled_from(
    [
        *"aZé'ß\u0130\u0131ﬁǅ\u1e9e\u2126\u212a\u212b\u0301\u0307\u0338\u0378\u0345\u20dd\u302e\u3099\u094d\u200d\u200b",
        *"\u00ad\ufeff\ufffd\ufffe\x00\t\n\x7f\x85\u00a0\u2028\u3000,#[]\u037e\u1fef≠가각ᆨ힣一豈\U0002f800\U0001d15e\U0010ffff",
        *SPECIAL, "[SEP", "[cls]", "##s",
    ]
).map(str.encode)  # fmt: skip
BROKEN = st.sampled_from(
    [
        b"\xff", b"\x80", b"\xc0\xaf", b"\xc3", b"\xe2\x82", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xb0\x80",
        b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"[SE\xc2P]", b"\xe2[SEP]",
    ]
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.binary(max_size=20), st.text(max_size=15).map(str.encode), NASTY, BROKEN), max_size=12
).map(b"".join)

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "tokenizer.h"
int main(void) {
  uint32_t bytes;
  while (fread(&bytes, sizeof bytes, 1, stdin) == 1) {
    char* text = (char*)malloc(bytes);
    int32_t ids[1 + MODEL_TOKENS];
    if (bytes > 0 && fread(text, 1, bytes, stdin) != bytes) return 1;
    ids[0] = (int32_t)model_tokenize(text, bytes, ids + 1);
    fwrite(ids, sizeof ids, 1, stdout);
    free(text);
  }
  return 0;
}
"""


def vocabulary() -> list[str]:
    """Every character of the sentences as a piece that begins and one that continues words, and some whole words."""
    folded = tuple(sentence.lower() for sentence in SENTENCES)
    spread = [*SENTENCES, *folded, *(unicodedata.normalize("NFD", text) for text in (*SENTENCES, *folded))]
    words = Counter(word for text in spread for word in re.findall(r"\w+", text))
    held = [word for word in words if len(word) > 2][::2]
    # Some letters are left out, so that words become unknown.
    chars = sorted({char for text in spread for char in text if not char.isspace()} - set("qzgvxQФлก"))
    endings = ["##s", "##ing", "##ly", "##ed", "##ский", "##ᅡᆫ"]
    return list(dict.fromkeys([*SPECIAL, *chars, *(f"##{char}" for char in chars), *held, *endings, "[unused1]"]))


def definition(**normalizer: bool | None) -> str:
    found = json.loads(from_vocabulary(vocabulary(), True, "test"))
    found["normalizer"].update(normalizer)
    return json.dumps(found)


@dataclass(frozen=True)
class Compiled:
    program: Path
    tokenizer: Tokenizer

    def ids(self, texts: list[bytes]) -> NDArray[Any]:
        given = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        done = subprocess.run([self.program], input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[:3000]
        return np.frombuffer(done.stdout, np.int32).reshape(len(texts), 1 + self.tokenizer.length)

    def check(self, texts: list[bytes]) -> None:
        """Compare with what the library makes of the same texts."""
        read = [text.decode("utf-8", errors="replace") for text in texts]
        found = self.ids(texts)
        np.testing.assert_array_equal(found[:, 1:], self.tokenizer.encode(read))
        expected = np.minimum(self.tokenizer.lengths(read), self.tokenizer.length)
        np.testing.assert_array_equal(found[:, 0], expected)


def build(folder: Path, text: str, length: int = LENGTH, compiler: tuple[str, ...] = COMPILERS["c"]) -> Compiled:
    tokenizer = Tokenizer(text, length)
    for name, data in tokenizer_source(tokenizer, "model").files.items():
        (folder / name).write_bytes(data)
    (folder / "main.c").write_text(PROGRAM)
    command = [*compiler, *STRICT, *SANITIZED, "main.c", "tokenizer.c", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return Compiled(folder / "program", tokenizer)


FLAGS = {
    "uncased": {},
    "cased": {"lowercase": False},
    "accents": {"lowercase": True, "strip_accents": False},
    "stripped": {"lowercase": False, "strip_accents": True, "handle_chinese_chars": False},
    "unclean": {"clean_text": False},
}


@pytest.fixture(scope="module", params=FLAGS)
def compiled(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp(request.param), definition(**FLAGS[request.param]))


def test_sentences(compiled):
    texts = [word for sentence in SENTENCES for word in sentence.split(" ")]
    compiled.check([text.encode() for text in (*SENTENCES, *texts)])
    unknown = compiled.tokenizer.vocabulary.index("[UNK]")
    found = compiled.ids([text.encode() for text in texts])[:, 2]
    assert 0.02 < np.mean(found == unknown) < 0.5


def test_every_character(compiled):
    dense = [*range(0x3500), *range(0xABC0, 0xAD00), *range(0xF8F0, 0x10000), *range(0x2F7F0, 0x2FA30)]
    spread = [point for point in range(0, 0x110000, 31) if not 0xD800 <= point < 0xE000]
    points = [*dense, *range(0x10000, 0x12000), *range(0x1D100, 0x1D800), *spread, 0xD7A3, 0xD7A4, 0xE000, 0x10FFFF]
    chunks = ["".join(f"a{chr(point)}s" for point in points[at : at + 3]) for at in range(0, len(points), 3)]
    compiled.check([chunk.encode() for chunk in chunks])


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, min_size=20, max_size=40))
def test_any_bytes(compiled, texts):
    compiled.check(texts)


@pytest.mark.parametrize("compiler", COMPILERS.values(), ids=COMPILERS)
def test_the_ends_of_everything(compiler, tmp_path):
    long = build(tmp_path, definition(), 300, compiler)
    words = [
        "a" * 99,
        "a" * 100,
        "a" * 101,
        "é" * 100,
        "é" * 101,
        "각" * 33 + "a",
        "각" * 33 + "aa",
        "\u0301" * 200 + "a",
    ]
    long.check([b"", b" ", b"\0", *(word.encode() for word in words), b"ab, " * 25_000, b"a" * 100_000, b"\xff" * 999])
    long.check([("the " * count + "sing").encode() for count in range(294, 302)])
    assert long.ids([b"a" * 100])[0, 0] == 102
    assert long.ids([b"a" * 101])[0, 0] == 3


def test_all_embedded_sentences(tmp_path):
    lines = REVIEWS.read_text(encoding="utf-8").splitlines()
    words = Counter(word for line in lines for word in re.findall(r"\w+", line.lower()))
    frequent = [word for word, count in words.most_common(2000) if len(word) > 1]
    pieces = list(dict.fromkeys([*vocabulary(), *frequent, *(f"##{word}" for word in frequent[:300])]))
    made = build(tmp_path, from_vocabulary(pieces, True, "test"), 40)
    made.check([line.encode() for line in lines])
    assert len(lines) > 10_000


def test_two_tokens_leave_no_room(tmp_path):
    found = build(tmp_path, definition(), 3).ids([b"the the", b"[SEP]", b""])
    (first, sep) = (SPECIAL.index(each) for each in ("[CLS]", "[SEP]"))
    assert found[:, 0].tolist() == [3, 3, 2]
    assert found[1:, 1:].tolist() == [[first, sep, sep], [first, sep, 0]]


def test_tables_weigh_what_the_compiler_lays_down(tmp_path):
    source = tokenizer_source(Tokenizer(definition(), LENGTH), "model")
    (tmp_path / "tokenizer.h").write_bytes(source.files["tokenizer.h"])
    (tmp_path / "tokenizer.c").write_bytes(source.files["tokenizer.c"])
    subprocess.run([*COMPILERS["c"], *STRICT, "-c", "tokenizer.c"], cwd=tmp_path, check=True)
    symbols = subprocess.run(["nm", "-S", "tokenizer.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    sizes = {name: int(size, 16) for size, name in re.findall(r"\S+ (\S+) r (\w+)", symbols.stdout)}
    assert source.tables["tokenizer"] == sizes.pop("g_characters") + sizes.pop("g_specials")
    assert source.tables["vocabulary"] == sum(sizes.values())
    assert set(sizes) == {"g_pieces", "g_ids", "g_counts"}


def test_nothing_is_taken_from_outside(tmp_path):
    """No malloc, no tables of the C library's: only to copy, fill and compare memory."""
    for name, data in tokenizer_source(Tokenizer(definition(), LENGTH), "model").files.items():
        (tmp_path / name).write_bytes(data)
    subprocess.run([*COMPILERS["c"], "-fno-stack-protector", "-c", "tokenizer.c"], cwd=tmp_path, check=True)
    wanted = subprocess.run(["nm", "-u", "tokenizer.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert set(re.findall(r"U (\w+)", wanted.stdout)) <= {"memcmp", "memset", "memcpy"}


def test_a_smaller_alphabet_takes_smaller_tables():
    english = from_vocabulary([*SPECIAL, *"abcdefghijklmnopqrstuvwxyz.,", "##ing", "##a"], True, "test")
    small, large = (tokenizer_source(Tokenizer(text, LENGTH), "model").tables for text in (english, definition()))
    assert small["tokenizer"] < large["tokenizer"]
    # 28 characters, "ing" and "a", ids of 2 bytes, and how many there are of 0 to 3 bytes.
    assert small["vocabulary"] == (28 + 3 + 1) + 2 * 30 + 2 * 2 * 4


def changed(part: str, **keys: object) -> str:
    found = json.loads(definition())
    if keys:
        found[part].update(keys)
    else:
        found[part] = None
    return json.dumps(found)


def token(**keys: object) -> str:
    found = json.loads(definition())
    found["added_tokens"][3] |= keys
    return json.dumps(found)


REFUSED = [
    (changed("normalizer"), "tokenizer.normalizer: is none; C code is written for BertNormalizer"),
    (json.dumps({**json.loads(definition()), "normalizer": {"type": "Lowercase"}}), "is Lowercase"),
    (json.dumps({**json.loads(definition()), "pre_tokenizer": {"type": "Whitespace"}}), "pre_tokenizer: is Whitespace"),
    (changed("post_processor"), "post_processor: none puts 0 tokens around a sentence"),
    (changed("model", continuing_subword_prefix="@@"), "'@@', not '##'"),
    (changed("model", max_input_chars_per_word=5000), "is 5000, beyond 1000"),
    (token(lstrip=True), r"'\[SEP\]' has the flag lstrip"),
    (token(normalized=True), "has the flag normalized"),
    (from_vocabulary([*SPECIAL, "A"], True, "test"), "no piece that any text can produce"),
    (
        from_vocabulary([*SPECIAL, "\u302e", "\U0001d165"], True, "test"),
        r"U\+302E and U\+1D165, which Unicode normalization reorders",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_c_cannot_follow_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        tokenizer_source(Tokenizer(text, LENGTH), "model")
