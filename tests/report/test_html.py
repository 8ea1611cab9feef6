"""The page: sound HTML, no network, nothing that a name could smuggle in, and every section."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from support import example

from tinyc.network.contract import Skipped
from tinyc.report import html
from tinyc.report.record import Report
from tinyc.report.views import Kilobytes, Layer, Views

VOID = {"meta", "img", "br", "hr", "input", "link"}
CLOSED_IN_SVG = {"rect", "line", "circle"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>"


class Page(HTMLParser):
    """Keep every tag and the text, and see that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in CLOSED_IN_SVG
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def evil_run() -> tuple[Report, Views]:
    ledger = replace(example.SOURCE, per_class={EVIL: 0.5}, metric=EVIL)
    step = replace(
        example.STEPS[0], use=EVIL, key=EVIL, before=ledger, after=ledger, skipped=(Skipped(EVIL, EVIL),),
        facts={EVIL: EVIL, "nested": {EVIL: [EVIL]}, "records": [{EVIL: EVIL}]},
    )  # fmt: skip
    report = replace(
        example.REPORT, recipe=EVIL, source=ledger, final=ledger, steps=(step,), versions={EVIL: EVIL},
        machine={EVIL: EVIL}, tinyc=EVIL, recipe_sha256=EVIL,
        targets=tuple(replace(check, bound=EVIL, why=EVIL) for check in example.TARGETS),
        artifacts=tuple(replace(file, path=EVIL, sha256=EVIL) for file in example.REPORT.artifacts),
    )  # fmt: skip
    layers = (Layer(EVIL, EVIL, 1, 1, None),)
    samples = tuple(replace(sample, image="https://example.org/x.png", text=EVIL) for sample in example.VIEWS.samples)
    views = replace(
        example.VIEWS, description=EVIL, recipe_toml=EVIL, classes=(EVIL,) * 10, source_layers=layers,
        final_layers=layers, samples=samples, kilobytes=(Kilobytes(0, {EVIL: 1}, {EVIL: 1}),),
    )  # fmt: skip
    return report, views


@pytest.mark.parametrize("run", [(example.REPORT, example.VIEWS), (example.REPORT, None), evil_run()])
def test_the_page_is_sound_and_needs_no_network(run: tuple[Report, Views | None]) -> None:
    text = html.render(*run)
    page = Page(text)
    assert not page.open
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in page.tags}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        href = attributes.get("href")
        assert href is None or href[1:] in ids, f"{tag} {href}"
        assert tag != "img" or attributes["alt"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_a_usual_page_names_no_address_at_all() -> None:
    text = html.render(example.REPORT, example.VIEWS)
    assert not re.search(r"https?:|//[a-z]", text)
    assert "default-src 'none'" in text


def test_hostile_names_are_shown_as_they_are() -> None:
    text = html.render(*evil_run())
    assert "<script" not in text
    assert "onerror=y>" not in text
    assert EVIL in Page(text).text


def test_the_page_says_what_matters() -> None:
    text = Page(html.render(example.REPORT, example.VIEWS)).text
    for phrase in (
        "✗ Target missed: arena, flash; expect missed: prune accuracy_drop",
        "70.1 k from 23.6 M 337x smaller",
        "arena <= 52 KiB 53.6 KiB - ✗ missed 53.6 KiB is not <= 52 KiB",
        "accuracy_drop <= 0.5 pp -1.37 pp -2.23 pp to -0.51 pp ✓ met",
        "flash <= 96 KiB not measured",
        "2 prune stem_conv named by skip",
        "-0.25 pp (-0.56 to +0.06)",
        "Shirt 58.10 % 65.20 % +7.10 pp",
        "Source: 54 layers",
        "89.9 MiB became 77.2 KiB, 1,193x smaller: 1 distill 294x smaller",
        "2 prune Took 29.7 KiB off",
        "reference.disagreements 0",
        'build = "models/resnet.py:resnet50"',
        "ab" * 32,
        "seed 7",
    ):
        assert phrase in text, phrase


def test_every_chart_stays_inside_its_frame() -> None:
    page = Page(html.render(example.REPORT, example.VIEWS))
    for tag, attributes in page.tags:
        for name in ("x", "x1", "x2", "cx", "width"):
            value = attributes.get(name, "0")
            assert tag == "svg" or not value.endswith("%") or 0 <= float(value[:-1]) <= 100


def test_every_table_has_headers() -> None:
    text = html.render(example.REPORT, example.VIEWS)
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) > 15
    for found in tables:
        assert 'scope="col"' in found
        assert 'scope="row"' in found


def test_many_classes_become_a_list_of_confusions() -> None:
    names = tuple(f"class {i}" for i in range(50))
    confusion = tuple(tuple(8 if i == j else int(j == (i + 1) % 50) * (i % 7) for j in range(50)) for i in range(50))
    recalls = {name: 0.8 - i / 100 for i, name in enumerate(names)}
    report = replace(
        example.REPORT, source=replace(example.SOURCE, per_class=dict.fromkeys(names, 0.8)),
        final=replace(example.EXPORTED, per_class=recalls),
    )  # fmt: skip
    views = replace(example.VIEWS, classes=names, source_confusion=confusion, final_confusion=confusion, samples=())
    text = Page(html.render(report, views)).text
    assert "The 40 of 50 classes that lost most" in text
    assert "class 6 class 7 6 6" in text
    assert "Confusion matrix" not in text


def test_a_run_without_figures_still_gives_a_page() -> None:
    nothing = replace(
        example.SOURCE, params=None, nonzero_params=None, macs=None, weight_bytes=None, metadata_bytes=None,
        file_bytes=None, gzip_bytes=None, flash_bytes=None, accuracy=None, accuracy_low=None, accuracy_high=None,
        per_class={},
    )  # fmt: skip
    report = replace(example.REPORT, source=nothing, final=nothing, steps=(), targets=(), artifacts=(), met=True)
    page = Page(html.render(report, Views()))
    assert "No targets set" in page.text
    assert not [tag for tag, _ in page.tags if tag == "svg"]


def test_a_sentence_is_shown_as_text() -> None:
    samples = tuple(replace(each, image=None, text="Never <b>dull</b> & clever.") for each in example.VIEWS.samples)
    text = html.render(example.REPORT, replace(example.VIEWS, samples=samples))
    assert text.count("<q>Never &lt;b&gt;dull&lt;/b&gt; &amp; clever.</q>") == len(samples)
    assert "<img" not in text
    assert "<q>" not in html.render(example.REPORT, example.VIEWS)
