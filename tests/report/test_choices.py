"""A step and a window that were tried."""

from __future__ import annotations

import numpy as np

import geopatcher as gp
from geopatcher.report.choices import Choice


def choice(**known):
    seams = gp.measure_seams(gp.reconstruct(np.random.default_rng(0).random((96, 96)), np.copy, size=32))[0]
    return Choice((16, 24), "hann", 0.5, 100.0, 0.1, seams, **known)


def test_it_is_called_by_its_window_and_its_step():
    assert choice().name == "hann, step 16x24"


def test_of_labels_the_share_that_differs_is_told_and_else_the_seams():
    assert choice(disagreement=0.25).found == "25.000% of the labels differ"
    assert choice(disagreement=0.25).of_labels
    assert not choice().of_labels
    assert choice().is_measured
    assert choice().found.endswith("visible")
