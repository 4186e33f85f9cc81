"""The four axes from sizes and names."""

from __future__ import annotations

import pytest

import geopatcher as gp
from geopatcher.api.axes import Axes


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
