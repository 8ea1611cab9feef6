"""The pages that people read, README first, and what tests take out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = tuple(sorted((ROOT / "docs").glob("*.md")))
GUIDES = (README, *DOCS)
PAGES = (*GUIDES, *(ROOT / name for name in ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, kind: str) -> list[str]:
    """The contents of a page's fenced blocks of one kind."""
    return [text for found, text in FENCE.findall(page.read_text()) if found == kind]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def lines(page: Path) -> list[str]:
    """The lines of a page's shell blocks, without their comments."""
    found = [re.sub(r"\s+#.*|^#.*", "", line).strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in found if line]


def spans(page: Path) -> list[str]:
    """The pieces of code within a page's sentences, each as one line."""
    return [" ".join(found.split()) for found in SPAN.findall(prose(page))]


def links(page: Path) -> list[str]:
    """Where a page's links lead, the web aside."""
    return [target for target in LINK.findall(prose(page)) if not target.startswith("http")]


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(name if name not in found else f"{name}-{sum(each.startswith(name) for each in found)}")
    return found


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", page.read_text().split(f"# {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of every table in a text, by the names of their columns."""
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif set(cells[0]) != {"-"}:
            yield dict(zip(header, cells, strict=True))
