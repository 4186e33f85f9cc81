"""The code in the documents runs, in its own order, from an empty folder."""

from __future__ import annotations

import inspect
import re
import sys

import click
import pytest

import geopatcher
from geopatcher.api.options import SourceOptions
from geopatcher.cli import main
from places import ROOT
from tools.documents import LANGUAGES, NOT_RUN, blocks_of, run, without_what_is_not_run
from tools.site import borrowed, reference

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
#: A command line in a document, up to a comment or the end of a word of code.
SHOWN = re.compile(r"geopatcher (run|plan|info|verify|view|report|tune|export)\b([^\n`#]*)")
EVERY = sorted([*DOCUMENTS, *(ROOT / "docs").glob("*/*.md")])


@pytest.mark.timeout(600)  # a dozen commands, each a process of its own
@pytest.mark.filterwarnings("error:::geopatcher")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_runs_from_top_to_bottom(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(list(run(document))) == len(blocks_of(document))
    sys.modules.pop("mymodel", None)


def test_every_block_has_a_language_that_says_whether_it_is_run():
    languages = {str(block): block.language for document in EVERY for block in blocks_of(document)}
    assert {name: language for name, language in languages.items() if language not in LANGUAGES} == {}


def test_what_is_not_run_is_in_a_document_still():
    lines = [line for name in EVERY for block in blocks_of(name) for line in block.code.splitlines()]
    assert [what for what in NOT_RUN if not any(re.match(what, line) for line in lines)] == []


def test_the_documents_are_found_and_their_links_lead_somewhere():
    assert {"README.md", "architecture.md", "scaling.md"} <= {path.name for path in DOCUMENTS}
    shell = [block.code for block in blocks_of(ROOT / "README.md") if block.language == "sh"]
    assert "geopatcher run" in without_what_is_not_run("".join(shell))
    made = {*borrowed.pages(), *reference.pages(), "cli.md"}  # with the site, which looks at links to them
    for document in [*DOCUMENTS, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        for place in re.findall(r"\]\((?!http)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / place).exists() or place in made, f"{document.name}: {place}"


def options_of(command):
    """Return the options of a command, as they are typed."""
    found = main.get_command(click.Context(main), command)
    return {word for one in found.params for word in (*one.opts, *one.secondary_opts)}


def test_commands_in_documents_take_the_options_they_are_shown_with():
    seen = 0
    for document in [*EVERY, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]:
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        for command, rest in re.findall(
            r"geopatcher (run|plan|info|verify|view|report|tune|export)\b([^\n`#]*)", text
        ):
            typed = re.findall(r"(?<![\w-])--[a-z][\w-]*", re.sub(r'"[^"]*"', "", rest))
            assert set(typed) <= options_of(command), f"{document.name}: geopatcher {command}{rest}"
            seen += len(typed)
    assert seen > 100


def test_every_keyword_of_a_run_is_told_on_one_page():
    text = (ROOT / "docs/howto/keywords.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)[`=]", text))
    given = [*inspect.signature(geopatcher.reconstruct).parameters, *SourceOptions.__annotations__]
    assert [name for name in given if name not in {*told, "source", "operator", "target", "opening"}] == []
    assert set(re.findall(r"`(--[\w-]+)`", text)) <= options_of("run")
