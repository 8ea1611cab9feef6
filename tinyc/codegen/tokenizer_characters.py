"""What a BERT normalizer and pre-tokenizer make of every code point, as runs for a table in C.

The library itself is asked about each code point, so that its edition of Unicode counts, and only what matters for a
vocabulary is written down: a character in no piece makes its word [UNK], whatever it is mapped to.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import IntEnum

from tinyc.core.errors import MachineError, UserError
from tinyc.data.tokens import compiled

CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)
SYLLABLES = range(0xAC00, 0xD7A4)
PROBE = "0"
"""Neither changed, dropped nor split by any BERT normalizer, and in no other character's decomposition."""
CUT, STRANGE = "\udc00", "\udc01"
"""In what becomes of a character: the end of a word, and any characters of which one is in no piece.

Surrogates, so that no text has them.
"""

Becomes = Mapping[int, str]


class Action(IntEnum):
    """What the C code does with a run of code points; the numbers stand in its table."""

    DROP = 0
    SPACE = 1
    ISOLATE = 2
    SHIFT = 3
    TO = 4
    SEVERAL = 5
    HANGUL = 6


@dataclass(frozen=True)
class Rule:
    """An action with its numbers: what SHIFT adds, what TO and SEVERAL put in the place."""

    action: Action
    numbers: tuple[int, ...] = ()


SIMPLE = {"": Rule(Action.DROP), CUT: Rule(Action.SPACE)}
ISOLATED = Rule(Action.ISOLATE)


@dataclass(frozen=True)
class Run:
    """Consecutive code points with one rule."""

    first: int
    count: int
    rule: Rule


@functools.lru_cache(maxsize=2)
def becomes(definition: str) -> Becomes:
    """Ask what becomes of each code point that does not simply stay: the text in its place, words separated by CUT."""
    tool = compiled(definition, None)
    points = [point for point in range(CODE_POINTS) if point not in SURROGATES and point != ord(PROBE)]
    found: dict[int, str] = {}
    for start in range(0, len(points), 4096):
        some = points[start : start + 4096]
        text = tool.normalizer.normalize_str(PROBE + PROBE.join(map(chr, some)) + PROBE)
        words = CUT.join(word for word, _ in tool.pre_tokenizer.pre_tokenize_str(text))
        parts = words.split(PROBE)[1:-1]
        found |= {point: part for point, part in zip(some, parts, strict=True) if part != chr(point)}
    return found


def lone(changed: Becomes) -> frozenset[str]:
    """Characters that can be a word by themselves only."""
    return frozenset(part for text in set(changed.values()) for part in text.split(CUT)[1:-1] if part)


def inside(char: str, changed: Becomes, mapped: Set[str]) -> bool:
    """Say whether a character can stand in a word beside others."""
    return ord(char) not in changed or char in mapped


def mapped(changed: Becomes) -> frozenset[str]:
    """Characters that others become, and that can stand in a word beside others."""
    ends = (text.split(CUT) for text in set(changed.values()))
    return frozenset(char for parts in ends for part in (parts[0], parts[-1]) for char in part)


def runs(definition: str, alphabet: Set[str], where: str) -> list[Run]:
    """Give the runs of code points that do not simply stay, in order, as far as an alphabet of pieces can tell.

    Raises:
        UserError: the order of two of the alphabet's characters depends on Unicode's reordering of marks.
        MachineError: the library maps a character to one that it maps further.
    """
    changed = becomes(definition)
    refuse_reordered(definition, alphabet, where)
    syllables = changed_syllables(changed, alphabet)
    rules: dict[int, Rule] = dict.fromkeys(syllables, Rule(Action.HANGUL))
    strange = next(p for p in range(CODE_POINTS - 1, 0, -1) if p not in changed and chr(p) not in alphabet)
    for point, text in changed.items():
        if point not in rules:
            rule = simple_rule(point, text) or rule_of(point, reduced(text, alphabet), changed, alphabet, strange)
            if rule:
                rules[point] = rule
    return list(joined(rules))


def changed_syllables(changed: Becomes, alphabet: Set[str]) -> range:
    """Give the Korean syllables if they are taken apart into letters that pieces have, as arithmetic does it."""
    if any(changed.get(point) != letters(point) for point in SYLLABLES):
        return range(0)
    return SYLLABLES if any(set(letters(point)) <= alphabet for point in SYLLABLES) else range(0)


def letters(syllable: int) -> str:
    """Take a Korean syllable apart (Unicode Standard 3.12): leading consonant, vowel, and maybe a trailing one."""
    index = syllable - SYLLABLES.start
    tail = index % 28
    return chr(0x1100 + index // 588) + chr(0x1161 + index % 588 // 28) + (chr(0x11A7 + tail) if tail else "")


def reduced(text: str, alphabet: Set[str]) -> str:
    """Put STRANGE for every stretch between word ends with a character that is in no piece."""
    return CUT.join(part if set(part) <= alphabet else STRANGE for part in text.split(CUT))


def simple_rule(point: int, text: str) -> Rule | None:
    """Find the rule for a code point that goes, ends a word or stands alone, whatever pieces hold; None for others."""
    if text in SIMPLE:
        return SIMPLE[text]
    return ISOLATED if text == f"{CUT}{chr(point)}{CUT}" else None


def rule_of(point: int, text: str, changed: Becomes, alphabet: Set[str], strange: int) -> Rule | None:
    """Find the rule for one code point; None where it may stay, being as strange as what it becomes."""
    if simple := simple_rule(point, text):
        return simple
    if chr(point) not in alphabet and text in (STRANGE, CUT + STRANGE + CUT):
        return ISOLATED if CUT in text else None
    targets = tuple(spelled(text, changed, strange))
    return Rule(Action.TO if len(targets) == 1 else Action.SEVERAL, targets)


def spelled(text: str, changed: Becomes, strange: int) -> Iterator[int]:
    """Find code points that stay or only end words, which read in order are worth `text`.

    Raises:
        MachineError: one is mapped further; the library changes nothing twice.
    """
    while text:
        if text[0] == STRANGE:
            part, point = STRANGE, strange
        elif text[0] == CUT and len(text) > 2 and changed.get(ord(text[1])) == text[:3]:
            part, point = text[:3], ord(text[1])
        else:
            part, point = text[0], ord(" " if text[0] == CUT else text[0])
            if part != CUT and point in changed:
                raise MachineError("tokenizer", f"maps to U+{point:04X} and that further", "use another checkpoint")
        yield point
        text = text[len(part) :]


def joined(rules: Mapping[int, Rule]) -> Iterator[Run]:
    """Join neighbours with one rule; a single target becomes a shift where more neighbours agree on that."""
    ordered = sorted(rules)
    at = 0
    while at < len(ordered):
        first, rule = ordered[at], rules[ordered[at]]
        choices = [(same(ordered, at, rules, 0), rule)]
        if rule.action is Action.TO:
            shift = Rule(Action.SHIFT, (rule.numbers[0] - first,))
            choices.append((same(ordered, at, rules, 1), shift))
        count, chosen = max(choices, key=lambda choice: choice[0])
        yield Run(first, count, chosen)
        at += count


def same(ordered: list[int], at: int, rules: Mapping[int, Rule], step: int) -> int:
    """Count the neighbours from `at` on whose rule is the first's, targets growing by `step` each."""
    first, rule = ordered[at], rules[ordered[at]]
    count = 1
    while at + count < len(ordered) and ordered[at + count] == first + count:
        found = rules[first + count]
        if found.action is not rule.action or len(found.numbers) != len(rule.numbers):
            break
        if any(number != given + step * count for number, given in zip(found.numbers, rule.numbers, strict=True)):
            break
        count += 1
    return count


def refuse_reordered(definition: str, alphabet: Set[str], where: str) -> None:
    """Refuse two marks in pieces that normalization puts in order; the C code keeps them as they come.

    Dropped marks do not matter, so that only rare spacing marks are left, of which one alone stays where it is.
    """
    normalizer = compiled(definition, None).normalizer
    marks = sorted(char for char in alphabet if unicodedata.combining(char))
    for first in marks:
        for second in marks:
            pair = normalizer.normalize_str(first + second)
            if first < second and pair == normalizer.normalize_str(second + first):
                names = f"U+{ord(first):04X} and U+{ord(second):04X}"
                remedy = "remove the pieces with one of them"
                raise UserError(where, f"has pieces with {names}, which Unicode normalization reorders", remedy)


def written(table: list[Run]) -> bytes:
    """Write runs as numbers of 7 bits a byte, low ones first.

    A run is `gap << 4 | (count > 1) << 3 | action`, then `count - 2` where it is more than 1, then its numbers:
    SHIFT's doubled with the sign in the lowest bit, how many SEVERAL has. `gap` is what lies between it and the last.
    """
    bytes_, after = bytearray(), 0
    for run in table:
        bytes_ += varint((run.first - after) << 4 | (run.count > 1) << 3 | run.rule.action)
        bytes_ += varint(run.count - 2) if run.count > 1 else b""
        numbers = run.rule.numbers
        if run.rule.action is Action.SHIFT:
            numbers = (2 * numbers[0] if numbers[0] >= 0 else -2 * numbers[0] - 1,)
        if run.rule.action is Action.SEVERAL:
            numbers = (len(numbers), *numbers)
        bytes_ += b"".join(varint(number) for number in numbers)
        after = run.first + run.count
    return bytes(bytes_)


def varint(value: int) -> bytes:
    """Write a number in 7 bits a byte, low ones first; the highest bit says that more follow."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low]) if not rest else bytes([low | 0x80]) + varint(rest)
