from __future__ import annotations

import collections
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

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
        if dtype in ("int64", "uint64"):
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


def ballots(rng, n_classes, flavour, shape):
    if flavour == "exact":  # multiples of the unit probabilities are added in, with many ties
        return rng.integers(0, 5, (n_classes, *shape)) / 8.0
    scores = rng.random((n_classes, *shape)) ** 4
    return scores / scores.sum(axis=0)


class TestSoftVote:
    @pytest.mark.parametrize("flavour", ["exact", "any"])
    @how(max_examples=12)
    @given(
        scene=cells.scenes(dtypes=("float32", "float64"), bands=(1,), flat=False), n_classes=st.integers(1, 4)
    )
    def test_the_largest_sum_wins(self, flavour, scene, n_classes, tmp_path_factory):
        def make(**options):
            return gp.SpatialSoftVote(n_classes, **options)

        rng = np.random.default_rng(3)
        votes = []
        for patch in scene.patches:
            shares = ballots(rng, n_classes, flavour, patch.data.shape[1:]).astype(patch.data.dtype)
            shares[rng.integers(0, n_classes)][np.isnan(patch.data[0])] = np.nan  # in one class only
            weights = None if flavour == "exact" else patch.weights
            votes.append(Patch(shares, patch.anchor, None, weights))
        scene = scene._replace(patches=votes, bands=1)
        got = cells.merged(make, scene, tmp_path_factory)[0]
        assert got.dtype == np.uint8

        complete = scene._replace(
            bands=n_classes,
            patches=[p.with_data(np.where(np.isnan(p.data).any(axis=0), np.nan, p.data)) for p in votes],
        )
        sums = cells.field(
            complete, lambda ones: sum(Fraction(o.value) * Fraction(o.weight) for o in ones), None
        )
        for row, col in np.ndindex(*scene.shape):
            totals = list(sums[:, row, col])
            if totals[0] is None:
                assert got[row, col] == 255
            elif flavour == "exact":
                assert got[row, col] == totals.index(max(totals))
            else:
                assert float(max(totals) - totals[got[row, col]]) <= 1e-6 * float(sum(totals) or 1)

    def test_the_corner_of_a_taper_is_decided_by_the_last_bit(self):
        weights = np.full((1, 1), 1e-12)
        shares = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1))], np.float32).reshape(2, 1, 1)
        patch = Patch(shares, (0, 0), None, weights)
        assert gp.SpatialSoftVote(2).merge([patch], np.empty((1, 1)))[0, 0] == 1

    def test_weights_count(self):
        light = Patch(np.array([0.0, 1.0]).reshape(2, 1, 1), (0, 0), None, np.full((1, 1), 0.2))
        heavy = Patch(np.array([0.7, 0.3]).reshape(2, 1, 1), (0, 0), None, np.full((1, 1), 1.0))
        assert gp.SpatialSoftVote(2).merge([light, heavy], np.empty((1, 1)))[0, 0] == 0
        assert gp.SpatialSoftVote(2).merge([light] * 3 + [heavy], np.empty((1, 1)))[0, 0] == 1

    def test_a_patch_without_weight_does_not_vote(self):
        patch = Patch(np.array([0.0, 1.0]).reshape(2, 1, 1), (0, 0), None, np.zeros((1, 1)))
        assert gp.SpatialSoftVote(2).merge([patch], np.empty((1, 1)))[0, 0] == 255

    @pytest.mark.parametrize(
        ("value", "shown"), [(1.2, "1.2"), (-0.5, "-0.5"), (255.0, "255"), (np.inf, "inf")]
    )
    def test_what_is_no_probability(self, value, shown):
        patch = Patch(np.full((2, 1, 3), value), (4, 0), None)
        words = f"probability {shown} in the patch at rows [4, 5), columns [0, 3) is outside [0, 1]: scale"
        with pytest.raises(OperatorError, match=re.escape(words)):
            gp.SpatialSoftVote(2).merge([patch], np.empty((8, 8)))

    def test_as_many_bands_as_classes(self):
        patch = Patch(np.zeros((3, 1, 1)), (0, 0), None)
        with pytest.raises(
            OperatorError, match=r"patches have 3 bands and there are 5 classes: .* \(5, h, w\)"
        ):
            gp.SpatialSoftVote(5).merge([patch], np.empty((1, 1)))

    def test_more_votes_than_can_be_added(self):
        patch = Patch(np.ones((2, 1, 1)), (0, 0), None, np.full((1, 1), 2.0**20))
        with pytest.raises(OperatorError, match="more votes lie over a cell than 64 bits can add up"):
            gp.SpatialSoftVote(2).merge([patch], np.empty((1, 1)))
        thousand = [Patch(np.ones((2, 1, 1)), (0, 0), None)] * 2000
        assert gp.SpatialSoftVote(2).merge(thousand, np.empty((1, 1)))[0, 0] == 0
        apart = [Patch(np.ones((1, 1, 1)), (0, col), None) for col in range(5000)]
        assert not gp.SpatialSoftVote(1).merge(apart, np.empty((1, 5000))).any()

    def test_reconstruct_gives_one_band_of_labels(self, tmp_path):
        rng = np.random.default_rng(0)
        shares = rng.dirichlet(np.ones(5), (20, 30)).transpose(2, 0, 1)
        for target in (None, tmp_path / "votes.zarr", tmp_path / "votes.tif"):
            result = gp.reconstruct(shares, lambda x: x, target, size=8, aggregation=gp.SpatialSoftVote(5))
            assert (result.array.shape, result.domain.dtype, result.domain.nodata) == ((20, 30), "uint8", 255)
            np.testing.assert_array_equal(result.array[...], shares.argmax(axis=0))
