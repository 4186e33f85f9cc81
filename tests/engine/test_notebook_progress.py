"""A bar under the cell of a notebook, and errors of one screen."""

from __future__ import annotations

import pytest

from geopatcher.engine.notebook_progress import NotebookBar, in_notebook
from kernels import kernel
from pages import Page

SLOW = """
import time
import numpy as np, geopatcher as gp

def slow(patch):
    time.sleep(0.02)
    return patch

def bad(patch):
    return 1 / 0

image = np.zeros((300, 300))
"""


@pytest.fixture(scope="module")
def run():
    with kernel() as run:
        run(SLOW)
        yield run


def test_a_run_shows_a_bar_that_moves_to_the_end(run):
    said = run("gp.reconstruct(image, slow, size=64).stats.patches")
    bars = [content["data"] for kind, content in said if kind.endswith("display_data")]
    kinds = [kind for kind, _ in said if kind.endswith("display_data")]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    assert len({bar["text/plain"] for bar in bars}) >= 3
    assert bars[-1]["text/plain"].startswith("100%, 81 of 81 patches, ")
    assert Page(bars[-1]["text/html"]).values("value") == ["81"]
    assert not [content for kind, content in said if kind == "stream"]


def test_who_wants_none_sees_none(run):
    said = run("gp.reconstruct(image, slow, size=64, progress=False).stats.patches")
    assert [kind for kind, _ in said] == ["status", "execute_input", "execute_result"]


def test_the_error_of_an_operator_is_one_screen_and_says_first_what_people_wrote(run):
    said = run("gp.reconstruct(image, bad, size=64)")
    lines = "\n".join(*[content["traceback"] for kind, content in said if kind == "error"]).splitlines()
    assert len(lines) < 20
    text = "\n".join(lines)
    assert text.index("return 1 / 0") < text.index("gp.reconstruct(image, bad") < text.index("OperatorError")
    assert "rows 0:64, columns 0:64" in text
    assert "geopatcher/engine" not in text
    assert "IPython" not in text


def test_elsewhere_there_is_none_and_counting_does_no_harm():
    assert not in_notebook()
    bar = NotebookBar(4, "<patches>")
    bar.advance(1)
    bar.show()
    assert repr(bar).startswith("25%, 1 of 4 <patches>, ")
    assert "<patches>" not in bar._repr_html_()
    assert NotebookBar(0, "patches")._repr_html_()
