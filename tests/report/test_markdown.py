"""report.md: golden text, and nothing that a name could turn into Markdown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from support import example

from tinyc.report import markdown

GOLDEN = Path(__file__).parent / "golden" / "report.md"


def test_the_page_reads_as_it_did() -> None:
    assert markdown.render(example.REPORT, example.VIEWS) == GOLDEN.read_text()


@pytest.mark.parametrize("evil", ["a|b", "<b>x</b>", "![x](y)", "`code`", "line\nbreak", "# head", "*a* _b_ ~~c~~"])
def test_names_stay_text(evil: str) -> None:
    recalls = dict.fromkeys([evil, "Bag"], 0.5)
    ledger = replace(example.SOURCE, per_class=recalls)
    report = replace(example.REPORT, recipe=evil, source=ledger, final=ledger)
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown.render(report))
    inline = [token for token in tokens if token.type == "inline"]
    shown = ["".join(child.content for child in token.children or []) for token in inline]
    assert shown.count(evil.replace("\n", " ")) == 2
    assert not [token for token in tokens if token.type == "html_block"]
    allowed = {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert {child.type for token in inline for child in token.children or []} <= allowed


def test_a_recipe_cannot_close_its_own_fence() -> None:
    views = replace(example.VIEWS, recipe_toml="x = 1\n````\n# out\n")
    tokens = MarkdownIt("commonmark").parse(markdown.render(example.REPORT, views))
    fences = [token.content for token in tokens if token.type == "fence"]
    assert fences == ["x = 1\n````\n# out\n"]
