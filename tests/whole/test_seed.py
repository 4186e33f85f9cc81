"""The document this library is specified by runs, unmodified and in order, and prints what it says."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import warnings

import pytest

from places import SHARED

SEED = SHARED / "seed" / "streaming-reconstruction.txt"
needs_seed = pytest.mark.skipif(not SEED.exists(), reason="the document lies beside the checkout, not in it")
CONTINUES = ("except", "else", "elif", "finally")
TEMPORARY = re.compile(r"/[^ ]*(?=/synthetic\.tif)")


def statement_at(lines: list[str], at: int) -> int:
    """Return where the statement that starts at a line ends; ``at`` itself when the line is prose."""
    if not lines[at].strip() or lines[at][0].isspace() or lines[at].startswith("#"):
        return at  # a comment at the end of a cell is no start: output may follow it
    for stop in range(at + 1, min(at + 80, len(lines)) + 1):
        try:
            tree = ast.parse("\n".join(lines[at:stop]))
        except SyntaxError:
            continue
        following = next((line for line in lines[stop:] if line.strip()), "")
        if tree.body and not following.startswith((" ", *CONTINUES)):
            return stop
    return at


def run_document(text: str) -> tuple[int, int, str]:
    """Run every statement; what was printed must be the lines that follow.

    Returns the statements run, the lines of output matched, and output that found no match.
    """
    lines = text.split("\n")
    at, ran, matched, pending = lines.index("import tempfile"), 0, 0, ""
    namespace: dict[str, object] = {"__name__": "seed"}
    while at < len(lines) and not lines[at].startswith("from geostack"):
        printed = TEMPORARY.sub("TMP", pending).splitlines()
        here = TEMPORARY.sub("TMP", "\n".join(lines[at : at + len(printed)])).splitlines()
        if printed and here == printed:
            at, matched, pending = at + len(printed), matched + len(printed), ""
            continue
        stop = statement_at(lines, at)
        if stop == at:
            at += 1
            continue
        out = io.StringIO()
        code = compile("\n" * at + "\n".join(lines[at:stop]), str(SEED), "exec")
        with contextlib.redirect_stdout(out):
            exec(code, namespace)  # noqa: S102 - the document is ours to run
        pending += out.getvalue()
        ran, at = ran + 1, stop
    return ran, matched, pending


@needs_seed
def test_the_document_runs_and_prints_what_it_says(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran, matched, left_over = run_document(SEED.read_text())
    assert left_over == ""
    assert ran > 80
    assert matched >= 30
