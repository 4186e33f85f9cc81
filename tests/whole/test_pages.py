"""Tutorials and how-to pages run from top to bottom, as they do when the site is built.

What the site has just run, on this Python and with this code, is not run again.
"""

from __future__ import annotations

import re

import pytest

from places import ROOT
from tools.site import executed

pytestmark = pytest.mark.once

DOCS = ROOT / "docs"
PAGES = sorted(page for folder in executed.RUN for page in (DOCS / folder).glob("*.md"))


@pytest.mark.timeout(600)  # commands, each a process of its own
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_runs_and_makes_the_pictures_it_shows(page):
    ran = executed.run_all([page])[page]
    text = page.read_text()
    shown = set(re.findall(r"!\[[^\]]+\]\(([\w-]+\.png)\)", text))
    assert {picture.name for picture in ran.pictures} == shown
    for picture in ran.pictures:
        assert picture.stat().st_size < 600_000
    assert (
        "".join(ran.printed).strip() or "```python" not in text
    )  # a page that runs code shows what came of it


def test_a_page_that_warns_or_fails_ends_the_site(tmp_path, monkeypatch):
    monkeypatch.setattr(executed, "CACHE", tmp_path / "cache")
    page = tmp_path / "page.md"
    for code, said in (("1 / 0", "ZeroDivisionError"), ("import warnings\nwarnings.warn('mind')", "mind")):
        page.write_text(f"```python\n{code}\n```\n")
        with pytest.raises(executed.PageError, match=said):
            executed.run_all([page])


def test_what_a_block_printed_stands_below_it(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("A\n\n```python\nprint(1)\n```\n\nB\n\n```python\nx = 1\n```\n\nC\n")
    told = executed.with_output(page, executed.Ran(["1\n", ""], tmp_path))
    assert told == (
        "A\n\n```python\nprint(1)\n```\n\n``` { .text .output .no-copy }\n1\n```\n\n\nB\n\n"
        "```python\nx = 1\n```\n\nC\n"
    )
    long = executed.with_output(page, executed.Ran(["line\n" * 100, ""], tmp_path))
    assert long.count("line\n") == executed.SHOWN
    assert "... and 60 lines more" in long
