from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.training import classes, strips
from geopatcher.training.classes import ClassCounts


@given(
    labels=arrays(
        st.sampled_from(["uint8", "int16", "int32", "float32", "bool"]),
        st.tuples(st.integers(1, 20), st.integers(1, 15)),
        elements=st.integers(0, 1),
    ),
    scale=st.sampled_from([1, 7]),
    piece_pixels=st.integers(1, 60),
    ignore=st.sets(st.sampled_from([0, 1, 7])),
    data=st.data(),
)
def test_every_rank_is_the_pixel_of_a_full_scan(labels, scale, piece_pixels, ignore, data):
    labels = labels if labels.dtype == bool else labels * labels.dtype.type(scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "PIECE_PIXELS", piece_pixels)
        counts = ClassCounts.of(ArraySource.of(labels), ignore)
    kept = [int(label) for label in np.unique(labels) if label not in ignore]
    assert counts.totals == {label: int((labels == label).sum()) for label in kept}
    ranks = {
        label: np.array(data.draw(st.lists(st.integers(0, total - 1), max_size=9)), dtype=np.int64)
        for label, total in counts.totals.items()
    }
    found = counts.pixels(ranks)
    for label, wanted in ranks.items():
        np.testing.assert_array_equal(found[label], np.argwhere(labels == label)[wanted])


def test_pixels_without_data_have_no_class():
    source = ArraySource.of(np.array([[0, 9, 1], [9, 9, 1]], "int16"), nodata=9)
    assert ClassCounts.of(source).totals == {0: 1, 1: 2}
    assert ClassCounts.of(ArraySource.of(np.array([[np.nan, 2.0]]))).totals == {2: 1}


def test_what_is_no_raster_of_classes_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"holds 0\.5 in rows 0:1.*no class"):
        ClassCounts.of(ArraySource.of(np.array([[1.0, 0.5]])))
    monkeypatch.setattr(classes, "MAX_CLASSES", 3)
    with pytest.raises(ValueError, match=r"more than 3 different values down to row 1"):
        ClassCounts.of(ArraySource.of(np.arange(4)[None]))


def test_a_raster_that_changes_between_the_passes_is_refused():
    labels = np.array([[0, 1], [1, 1]], "uint8")
    counts = ClassCounts.of(ArraySource.of(labels))
    labels[0, 1] = 0
    with pytest.raises(SourceError, match="changed while it was read: class 1 had 3 pixels.*has 2 now"):
        counts.pixels({1: np.array([0])})
