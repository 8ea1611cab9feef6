"""Every link of README, the docs and the pages beside them leads to a file, and to a heading of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import pages

LINKS = [(page, target) for page in pages.PAGES for target in dict.fromkeys(pages.links(page))]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=[f"{page.name}: {target}" for page, target in LINKS])
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    assert found.is_file()
    assert pages.ROOT in found.parents
    if anchor:
        assert anchor in pages.anchors(found), f"the headings are {sorted(pages.anchors(found))}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(pages.ROOT / target.partition("#")[0]).resolve() for target in pages.links(pages.README)}
    assert {page for page in pages.PAGES if page != pages.README} <= linked


def test_headings_are_named_as_github_names_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` (C), d\n\n## Who's _who_?\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n")
    assert pages.anchors(page) == {"a-b-c-d", "whos-_who_", "twice", "twice-1"}
