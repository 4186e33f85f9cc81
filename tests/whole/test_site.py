"""What the site is made of: pages that are made, links that are looked at, and code that is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from places import ROOT
from tools.documents import DocumentError, blocks_of, run
from tools.site import borrowed, check, commands, pictured, reference
from tools.version import newest

NAVIGATION = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


def test_every_public_name_is_on_a_page_of_the_reference_and_says_something():
    found = reference.entries()
    assert {"geopatcher.api.reconstruct.reconstruct", "geotoolz.indices.NDVI"} <= set(found)
    pages = "\n".join(reference.pages().values())
    for path, entry in found.items():
        assert entry.said, path
        assert f"::: {path}\n" in pages or f"{{#{path}}}" in pages, path
    every = set(reference.names(found))
    for module in ("geopatcher", "geotoolz", "geostack"):
        public = {name for name in vars(sys.modules[module])["__all__"] if name != "__version__"}
        assert {name for name in public if f"{module}.{name}" not in every} == {
            name for name in public if f"{module}.{name}" in reference.MODULES
        }


def test_a_public_name_that_says_nothing_or_has_no_page_is_refused(tmp_path, monkeypatch):
    (tmp_path / "silent.py").write_text("def nothing(): pass\n__all__ = ['nothing']\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(reference.MissingEntryError, match=r"silent\.nothing is public and has no docstring"):
        reference.entries(("silent",))
    with pytest.raises(reference.MissingEntryError, match="on no page"):
        reference.page_of("silent.nothing")


def test_every_page_is_in_the_navigation():
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {place for place in (*borrowed.pages(), *reference.pages(), "cli.md") if place.endswith(".md")}
    assert sorted(NAVIGATION) == sorted(written | made)


def test_the_page_of_the_command_line_has_every_command_and_option():
    page = commands.page()
    for option in ("`--memory-limit", "`--expr", "`-q, --quiet`", "`--cloud"):
        assert option in page
    assert "UNSET" not in page
    assert page.count("\n## ") == 14


def test_links_that_lead_nowhere_and_what_comes_from_elsewhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="#top"></a><a href="#down"></a><a href="b.html#there"></a>'
        '<a href="c.html"></a><a href="https://example.org/x"></a><script src="https://cdn.example/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="there">B</p><img src="missing.png">')
    assert check.faults(tmp_path, ["b.html#there", "b.html#gone"]) == [
        "a.html fetches https://cdn.example/x.js",
        "a.html: #down leads nowhere",
        "a.html: c.html leads nowhere",
        "b.html: missing.png leads nowhere",
        "no entry in the reference: b.html#gone",
    ]


def test_names_become_links_where_they_are_not_links_or_headings(tmp_path):
    page = tmp_path / "how" / "a.html"
    page.parent.mkdir()
    page.write_text("<h2><code>plan</code></h2><p><code>plan</code> <code>plans</code></p>")
    check.link_names(tmp_path, {"plan": "reference/running.html#plan"})
    assert page.read_text() == (
        '<h2><code>plan</code></h2><p><a class="name" href="../reference/running.html#plan">'
        "<code>plan</code></a> <code>plans</code></p>"
    )


def test_the_picture_of_the_rooms_has_every_room_and_arrow():
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = pictured.drawn_in(text)
    assert "```mermaid" not in drawn
    assert drawn.count('class="arrow"') == len(re.findall(r"^    \w+ --> \w+$", text, re.MULTILINE))
    assert ">engine</text>" in drawn


def test_how_to_cite_says_the_version():
    page = borrowed.citation((ROOT / "CITATION.cff").read_text())
    assert f"version = {{{newest(ROOT)}}}" in page
    assert re.search(r"^> The geopatcher developers, \d{4}\. ", page, re.MULTILINE)


def test_results_of_benchmarks_are_shown_as_they_lie_there(tmp_path):
    (tmp_path / "RESULTS.md").write_text("# Results\n\n![c](chart.png)\n\n## s2\n\n| a | b |\n")
    page = borrowed.benchmarks(tmp_path)
    assert "\n## Results\n" in page
    assert "\n### s2\n" in page
    assert "(images/benchmarks.png)" in page


def test_a_page_is_run_from_top_to_bottom_and_tells_what_it_printed(tmp_path):
    page = tmp_path / "page.md"
    blocks = {"python": "x = 2\nprint('a')\nx + 1", "py": "import nothing", "sh": "echo b"}
    shown = "shown, not run: nothing is not installed here\n"
    page.write_text("# P\n\n" + "\n".join(f"```{name}\n{code}\n```\n" for name, code in blocks.items()))
    command = [sys.executable, "-m", "tools.documents", str(page), "out.json"]
    subprocess.run(command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, check=True)
    assert json.loads((tmp_path / "out.json").read_text()) == ["a\n3\n", shown, "b\n"]
    assert [block.line for block in blocks_of(page)] == [4, 10, 14]


def test_code_of_other_libraries_runs_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    codes = [
        "import geopatcher\n1 / 0",
        "import json\nprint(json.dumps(1))",
        "print(2)",
        "import nothing.at.all",
        "print(3)",
        "import json",
    ]
    page.write_text("\n".join(f"```py\n{code}\n```\n" for code in codes))
    not_run = "shown, not run: nothing is not installed here\n"
    assert [printed for _, printed in run(page)] == ["", "1\n", "2\n", not_run, not_run, ""]
    page.write_text("```py\nimport json\nassert json is None\n```\n")
    with pytest.raises(AssertionError):
        list(run(page))


def test_a_command_that_fails_in_a_page_is_told_with_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text("```sh\necho told; exit 3\n```\n")
    with pytest.raises(DocumentError, match=r"page\.md:2 ended with 3:\ntold"):
        list(run(page))
