from __future__ import annotations

import collections
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how

import cells
import geopatcher as gp
from geopatcher import Patch
from geopatcher.errors import OperatorError

ALL = (*cells.FLOATS, *cells.INTEGERS)


def exact(scene, rule, got):
    """Assert that each cell holds exactly what the rule gives; where it gives nothing, the missing value."""
    expected = cells.field(scene, rule, None)
    for one, want in zip(got.flat, expected.flat, strict=True):
        if want is not None:
            assert one.item() == want


def modes(ones):
    counts = collections.Counter(one.value for one in ones)
    most = max(counts.values())
    return min(value for value, count in counts.items() if count == most)


@pytest.mark.parametrize(
    ("make", "rule"),
    [(gp.SpatialMax, max), (gp.SpatialMin, min), (gp.SpatialMode, None)],
    ids=["max", "min", "mode"],
)
@how(max_examples=20)
@given(scene=cells.scenes(dtypes=ALL, flavours=("plain", "ties", "edges")))
@pytest.mark.filterwarnings("ignore:SpatialMode:RuntimeWarning")
def test_chosen_values_are_exact_in_their_own_dtype(make, rule, scene, tmp_path_factory):
    dtype = scene.patches[0].data.dtype
    got = cells.merged(make, scene, tmp_path_factory, dtype=dtype)
    exact(scene, lambda ones: modes(ones) if rule is None else rule(one.value for one in ones), got)
    if dtype.kind == "f":
        empty = cells.field(scene, len, 0, int) == 0
        assert np.isnan(got[empty]).all()
        assert not np.signbit(got[got == 0]).any()  # one zero, whichever patch came first


@pytest.mark.parametrize("make", [gp.SpatialMax, gp.SpatialMin, gp.SpatialMode, gp.SpatialSum])
@pytest.mark.filterwarnings("ignore:SpatialMode:RuntimeWarning")
def test_in_memory_only_64_bit_integers_keep_their_dtype(make):
    for dtype in ALL:
        patch = Patch(np.ones((1, 1), dtype), (0, 0), None)
        got = make().merge([patch], np.empty((1, 2)))
        if make is gp.SpatialSum:  # of nothing
            assert got.dtype == (dtype if dtype in ("int64", "uint64") else "float64")
            assert got[0, 1] == 0
        elif dtype in ("int64", "uint64"):
            assert got.dtype == dtype
            assert got[0, 1] == (2**53 if dtype == "uint64" else -(2**53))
        else:
            assert got.dtype == "float64"
            assert np.isnan(got[0, 1])


def variance(ones):
    values = [one.value for one in ones]
    if len(values) < 2:
        return None
    if not all(math.isfinite(value) for value in values):
        return math.nan
    middle = sum(map(Fraction, values)) / len(values)
    return float(sum((Fraction(value) - middle) ** 2 for value in values) / (len(values) - 1))


@how(max_examples=15)
@given(scene=cells.scenes(dtypes=ALL))
def test_variance(scene, tmp_path_factory):
    got = cells.merged(gp.SpatialVariance, scene, tmp_path_factory)
    expected = cells.field(scene, variance, dtype=float)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("far", [0.0, 1e9, -1e12])
def test_variance_does_not_cancel_far_from_zero(far):
    values = far + np.array([1.0, 2.0, 4.0, 7.0])
    patches = [Patch(np.full((1, 1), value), (0, 0), None) for value in values]
    assert gp.SpatialVariance().merge(patches, np.empty((1, 1)))[0, 0] == pytest.approx(7.0, rel=1e-12)


def test_variance_of_times_in_nanoseconds():
    values = np.array([1, 2, 4, 7]) + 1_700_000_000_000_000_000
    patches = [Patch(np.full((1, 1), value), (0, 0), None) for value in values]
    assert gp.SpatialVariance().merge(patches, np.empty((1, 1)))[0, 0] == 7.0


def test_variance_of_infinities_is_no_number_and_of_one_value_missing():
    patches = [
        Patch(np.array([[1.0, np.inf, 3.0]]), (0, 0), None),
        Patch(np.array([[1.0, 2.0]]), (0, 0), None),
    ]
    np.testing.assert_array_equal(
        gp.SpatialVariance().merge(patches, np.empty((1, 4))), [[0.0, np.nan, np.nan, np.nan]]
    )


class TestHardVote:
    @pytest.mark.parametrize("n_classes", [4, 255, 256, 70000])
    @how(max_examples=8)
    @given(scene=cells.scenes(dtypes=("uint8", "int16", "int64", "float32"), flavours=("ties",)))
    def test_each_patch_has_one_vote(self, n_classes, scene, tmp_path_factory):
        def make(**options):
            return gp.SpatialHardVote(n_classes, **options)

        scene = scene._replace(patches=[p.with_data(np.abs(p.data)) for p in scene.patches])
        got = cells.merged(make, scene, tmp_path_factory)
        assert got.dtype == np.min_scalar_type(n_classes)
        missing = np.iinfo(got.dtype).max
        expected = cells.field(scene, lambda ones: int(modes(ones)), missing, got.dtype)
        np.testing.assert_array_equal(got, expected)

    @pytest.mark.parametrize(
        ("labels", "shown"), [([[5]], "5"), ([[-1]], "-1"), ([[1.5]], "1.5"), ([[np.inf]], "inf")]
    )
    def test_a_label_that_is_no_class(self, labels, shown):
        patches = [Patch(np.zeros((2, 2)), (0, 0), None), Patch(np.array(labels), (3, 7), None)]
        words = f"label {shown} in the patch at rows [3, 4), columns [7, 8) is not one of 5 classes: "
        with pytest.raises(OperatorError, match=re.escape(words + "labels are integers from 0 to 4")):
            gp.SpatialHardVote(5).merge(patches, np.empty((8, 8)))

    def test_masked_labels_may_be_anything(self):
        patch = Patch(np.ma.array([[1, 99]], mask=[[False, True]]), (0, 0), None)
        np.testing.assert_array_equal(gp.SpatialHardVote(2).merge([patch], np.empty((1, 2))), [[1, 255]])

    @pytest.mark.parametrize("make", [gp.SpatialHardVote, gp.SpatialSoftVote])
    def test_there_is_at_least_one_class(self, make):
        with pytest.raises(ValueError, match="n_classes must be 1 or more, not 0"):
            make(0)

    def test_reconstruct_carries_the_nodata(self, tmp_path):
        labels = np.array([[1, 2, 0], [9, 1, 1]], "uint8")
        field = np.where(labels == 9, np.nan, labels)
        for target in (None, tmp_path / "votes.zarr", tmp_path / "votes.tif"):
            result = gp.reconstruct(field, lambda x: x, target, size=2, aggregation="hard-vote:3")
            assert result.domain.nodata == 255
            assert result.domain.dtype == "uint8"
            np.testing.assert_array_equal(result.array[...], np.where(labels == 9, 255, labels))
