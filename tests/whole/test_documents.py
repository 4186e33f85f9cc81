"""The code in the documents runs, in its own order, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from places import ROOT

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Lines that a test cannot run, each with its reason. All others run.
NOT_RUN = {
    r"make \w": "works on the checkout itself, for minutes",
    r"geopatcher view ": "serves a page until it is stopped",
    r"cluster = DaskExecutor": "needs a cluster",
    r"geopatcher\.reconstruct\(.*executor=cluster": "needs a cluster and a folder that its workers share",
}
LANGUAGES = {"python", "sh", "text", "mermaid"}


@dataclass(frozen=True)
class Block:
    """A piece of code in a document."""

    document: Path
    line: int
    language: str
    code: str

    def __str__(self):
        return f"{self.document.name}:{self.line}"


def blocks_of(document):
    text = document.read_text(encoding="utf-8")
    return [
        Block(document, text.count("\n", 0, match.start(2)) + 1, match[1], match[2])
        for match in FENCE.finditer(text)
    ]


def without_what_is_not_run(code):
    lines = [line for line in code.splitlines() if not any(re.match(what, line) for what in NOT_RUN)]
    return "\n".join(lines) + "\n"


def run_shell(block):
    """Run a block with bash; the command `geopatcher` is this checkout's."""
    commands = Path("commands")
    if not commands.exists():
        commands.mkdir()
        starter = commands / "geopatcher"
        program = "import sys; from geopatcher.__main__ import run; sys.exit(run())"
        starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -c "{program}" "$@"\n')
        starter.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", without_what_is_not_run(block.code)],
        env={**os.environ, "PATH": f"{commands.resolve()}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}:\n{done.stdout}\n{done.stderr}"
    assert "Warning" not in done.stderr, f"{block}:\n{done.stderr}"


@pytest.mark.timeout(600)  # a dozen commands, each a process of its own
@pytest.mark.filterwarnings("error:::geopatcher")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_runs_from_top_to_bottom(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace = {"__name__": "__main__"}
    blocks = blocks_of(document)
    assert {block.language for block in blocks} <= LANGUAGES
    for block in blocks:
        if block.language == "sh":
            run_shell(block)
        elif block.language == "python":
            code = without_what_is_not_run(block.code)
            exec(compile(code, str(block), "exec"), namespace)  # noqa: S102 - the documents are ours
    sys.modules.pop("mymodel", None)


def test_what_is_not_run_is_in_a_document_still():
    lines = [line for name in DOCUMENTS for block in blocks_of(name) for line in block.code.splitlines()]
    assert [what for what in NOT_RUN if not any(re.match(what, line) for line in lines)] == []


def test_the_documents_are_found_and_their_links_lead_somewhere():
    assert {"README.md", "architecture.md", "scaling.md"} <= {path.name for path in DOCUMENTS}
    shell = [block.code for block in blocks_of(ROOT / "README.md") if block.language == "sh"]
    assert "geopatcher run" in without_what_is_not_run("".join(shell))
    for document in [*DOCUMENTS, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        for place in re.findall(r"\]\((?!http)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / place).exists(), f"{document.name}: {place}"
