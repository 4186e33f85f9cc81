"""How many threads libraries may start."""

from __future__ import annotations

import pytest

from geopatcher.operators.models.threads import allowed_threads


@pytest.mark.parametrize(("given", "wanted"), [("2", 2), ("9", 4), ("0", 4), ("", 4), ("many", 4)])
def test_the_variable_leaves_fewer(monkeypatch, given, wanted):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert allowed_threads(4) == wanted
