"""The four axes from sizes and names."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.axes import Axes, axes_for


@pytest.mark.parametrize(
    ("size", "step", "patch", "stride"),
    [
        (256, None, (256, 256), (128, 128)),
        ((7, 1), None, (7, 1), (3, 1)),  # half of one pixel is one
        (8, 8, (8, 8), (8, 8)),
        ((16, 32), (4, 8), (16, 32), (4, 8)),
    ],
)
def test_sizes(size, step, patch, stride):
    axes = Axes.of(size, step, "hann", "overlap-add", "reflect")
    assert axes.geometry == gp.SpatialRectangular(patch, "reflect")
    assert axes.sampler == gp.SpatialRegularStride(stride)


def test_names_and_objects():
    named = Axes.of(8, None, "boxcar", "median", "cover")
    assert (named.window, named.aggregation) == (gp.SpatialBoxcar(), gp.SpatialMedian())
    window, aggregation = gp.SpatialTukey(0.3), gp.SpatialHardVote(5)
    given = Axes.of(8, None, window, aggregation, "cover")
    assert given.window is window
    assert given.aggregation is aggregation


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("size", {"size": 0}),
        ("step", {"step": (4, -1)}),
        ("hamming-ish", {"window": "hamming-ish"}),
        ("avarage", {"aggregation": "avarage"}),
        ("wrap", {"boundary": "wrap"}),
    ],
)
def test_what_is_no_axis_is_named(words, change):
    given = {"size": 8, "step": 4, "window": "hann", "aggregation": "mean", "boundary": "cover"}
    with pytest.raises(ValueError, match=words):
        Axes.of(**{**given, **change})


@pytest.mark.parametrize(
    "asked",
    [
        {"size": 64},
        {"step": 16},
        {"window": "boxcar"},
        {"window": gp.SpatialHann()},
        {"aggregation": "mean"},
        {"boundary": "reflect"},
        {"step": (4, 4), "window": "boxcar"},
    ],
    ids=str,
)
def test_what_a_patcher_stands_for_is_not_asked_for_beside_it(asked):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    words = f"{next(iter(asked))}= is not for a patcher=.*leave out {', '.join(asked)}, or make the patcher"
    with pytest.raises(TypeError, match=words):
        gp.reconstruct(np.ones((20, 30)), np.negative, patcher=patcher, **asked)
    with pytest.raises(TypeError, match=words):
        gp.plan(np.ones((20, 30)), patcher=patcher, **asked)
    assert axes_for(patcher, 256, None, "hann", "overlap-add", "cover") is patcher
