import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher import (
    CellWindow,
    GridDomain,
    OperatorError,
    Patch,
    PointDomain,
    RasterField,
    SpatialByIndex,
    SpatialInvVarWeightedMean,
    SpatialMax,
    SpatialMean,
    SpatialMeanStd,
    SpatialMedian,
    SpatialMin,
    SpatialOverlapAdd,
    SpatialSum,
    SpatialVariance,
)
from geopatcher.core.box import Box
from geopatcher.merging import placed
from geopatcher.merging.placed import Layout, once

#: How each aggregation is worked out for one place, given all its values and weights.
BY_HAND = {
    SpatialMean: lambda v, w: np.mean(v),
    SpatialSum: lambda v, w: np.sum(v),
    SpatialMax: lambda v, w: np.max(v),
    SpatialMin: lambda v, w: np.min(v),
    SpatialOverlapAdd: lambda v, w: np.average(v, weights=w),
    SpatialVariance: lambda v, w: np.var(v, ddof=1) if len(v) > 1 else np.nan,
    SpatialMedian: lambda v, w: np.median(v),
}


def drawn(seed, n, bands, nan=False):
    rng = np.random.default_rng(seed)
    patches = []
    for number in range(int(rng.integers(1, 40))):
        k = int(rng.integers(1, n + 1))
        places = rng.permutation(n)[:k]
        values = rng.normal(size=(bands, k) if bands else k)
        if nan:
            values[rng.random(values.shape) < 0.3] = np.nan
        patches.append(Patch(values, number, places, rng.uniform(0.1, 1, k)))
    return patches


def by_hand(kind, patches, n, bands):
    out = np.full((max(1, bands), n), np.nan)
    for place in range(n):
        for band in range(max(1, bands)):
            values, weights = [], []
            for patch in patches:
                for at in np.flatnonzero(np.asarray(patch.indices) == place):
                    value = np.atleast_2d(patch.data)[band, at]
                    if not np.isnan(value):
                        values.append(value)
                        weights.append(patch.weights[at])
            if values:
                out[band, place] = BY_HAND[kind](np.array(values), np.array(weights))
    return out if bands else out[0]


@pytest.mark.parametrize("kind", BY_HAND, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:SpatialMedian:RuntimeWarning")
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6), bands=st.integers(0, 3), nan=st.booleans())
def test_points_are_merged_as_by_hand(kind, seed, bands, nan):
    n = 1 + seed % 23
    patches = drawn(seed, n, bands, nan)
    domain = PointDomain(np.zeros((n, 2)))
    for given_as in (patches, iter(patches)):
        merged = kind().merge(given_as, domain)
        expected = by_hand(kind, patches, n, bands)
        if kind is SpatialSum:  # where no patch was; where patches had no data it is nodata
            covered = np.unique(np.concatenate([patch.indices for patch in patches] or [[]])).astype(int)
            expected[..., np.setdiff1d(np.arange(n), covered)] = 0
        assert merged.shape == expected.shape
        assert np.allclose(merged, expected, equal_nan=True)


@pytest.mark.parametrize("boxed", [False, True], ids=["members", "and a rectangle"])
def test_sums_are_zero_where_no_patch_was_and_nodata_where_it_had_none(boxed):
    inside = np.array([[True, True, False], [True, False, True]])
    window = CellWindow(Box(1, 3, 4, 7), inside, around=5)  # columns 4, 0, 1
    data = np.array([[np.nan, 1.0, 2.0], [3.0, 4.0, 5.0]])
    patches = [Patch(data, (2, 0), window)]
    expected = np.zeros((4, 5))
    expected[1, 4], expected[1, 0], expected[2, 4], expected[2, 1] = np.nan, 1, 3, 5
    if boxed:
        patches.append(Patch(np.array([[7.0, np.nan]]), (0, 2), None))
        expected[0, 2:4] = 7, np.nan
    for given_as in (patches, iter(patches)):
        assert np.array_equal(SpatialSum().merge(given_as, np.empty((4, 5))), expected, equal_nan=True)
    assert np.array_equal(SpatialSum().merge([], PointDomain(np.zeros((3, 2)))), np.zeros(3))


def test_few_at_a_time_give_the_same(monkeypatch):
    patches = drawn(7, 500, 2)
    domain = PointDomain(np.zeros((500, 2)))
    whole = SpatialOverlapAdd().merge(patches, domain)
    monkeypatch.setattr(placed, "GATHERED", 100)
    monkeypatch.setattr(placed, "WIDEST_GAP", 3)
    assert np.allclose(SpatialOverlapAdd().merge(patches, domain), whole)


def test_integers_and_masks_stay_what_they_are():
    patches = [Patch(np.ma.array([5, 200], dtype="uint8", mask=[False, True]), 0, np.array([2, 0]))]
    merged = SpatialMax().merge(patches, PointDomain(np.zeros((3, 2))))
    assert np.array_equal(merged, [np.nan, np.nan, 5], equal_nan=True)


def test_other_results_of_points():
    domain = PointDomain(np.zeros((4, 2)))
    pair = {"mu": np.array([1.0, 3.0]), "var": np.array([1.0, 1.0])}
    patches = [Patch(pair, 0, np.array([0, 3])), Patch(pair, 1, np.array([3, 0]))]
    with pytest.raises(OperatorError, match="shaped"):
        SpatialInvVarWeightedMean().merge(patches, domain)
    assert SpatialByIndex().merge([Patch("a", 3, None), Patch("b", {"y": 1, "x": 2}, None)], domain) == {
        3: "a",
        (1, 2): "b",
    }
    found = SpatialMeanStd().merge([Patch(np.array([1.0, 3.0]), 0, np.array([0, 3]))], domain)
    assert found == {"mean": 2.0, "std": 1.0}


def test_what_does_not_fit_is_refused():
    domain = PointDomain(np.zeros((4, 2)))
    with pytest.raises(OperatorError, match=r"has data of \(3,\) and holds 2 places"):
        SpatialMean().merge([Patch(np.zeros(3), 0, np.array([0, 1]))], domain)
    with pytest.raises(OperatorError, match="the number of bands must not change midway"):
        SpatialMean().merge(
            [Patch(np.zeros(1), 0, np.array([0])), Patch(np.zeros((2, 1)), 1, np.array([1]))], domain
        )
    with pytest.raises(OperatorError, match="which is no array"):
        SpatialMean().merge([Patch({"a": 1}, 0, np.array([0]))], domain)
    with pytest.raises(OperatorError, match="has a value for place 4, and the domain has 4 places"):
        SpatialMean().merge([Patch(np.zeros(1), 0, np.array([4]))], domain)


def test_points_are_not_put_on_disk(tmp_path):
    onto_disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="4 numbered places: merge in memory"):
        onto_disk.merge([], PointDomain(np.zeros((4, 2))))


def test_no_patch_is_no_data():
    assert np.isnan(SpatialMean().merge([], PointDomain(np.zeros((4, 2))))).all()


def test_windows_with_members_are_cut_out_and_go_round():
    inside = np.array([[True, True, False], [True, False, True]])
    window = CellWindow(Box(1, 3, 4, 7), inside, around=5)  # columns 4, 0, 1
    data = np.arange(6.0).reshape(2, 3)
    for weights in (None, np.where(inside, 0.5, 0.0)):
        for kind in (SpatialMean, SpatialMax, SpatialOverlapAdd):
            merged = kind().merge([Patch(data, (1, 0), window, weights)], np.empty((4, 5)))
            expected = np.full((4, 5), np.nan)
            expected[1, 4], expected[1, 0], expected[2, 4], expected[2, 1] = 0, 1, 3, 5
            assert np.array_equal(merged, expected, equal_nan=True)
    with pytest.raises(OperatorError, match="must return the height and width it was given"):
        SpatialMean().merge([Patch(data[:, :2], (1, 0), window)], np.empty((4, 5)))


def test_windows_with_members_go_to_disk(tmp_path):
    inside = np.array([[True, False], [True, True]])
    patches = [
        Patch(np.full((2, 2), v), (0, 0), CellWindow(Box(0, 2, c, c + 2), inside))
        for v, c in [(1.0, 0), (4.0, 1)]
    ]
    onto_disk = SpatialMean(streaming=True, target_path=tmp_path / "a.zarr")
    stored = np.asarray(onto_disk.merge(iter(patches), RasterField.from_array(np.empty((2, 4))).domain)[:])
    assert np.array_equal(stored, [[1, 4, np.nan, np.nan], [1, 2.5, 4, np.nan]], equal_nan=True)


def test_named_grids_are_merged_on_their_rows_and_columns():
    domain = GridDomain({"lat": np.arange(3.0), "lon": np.arange(4.0)})
    patches = [
        Patch(np.ones((2, 2)), {"lat": 0, "lon": 0}, {"lat": slice(0, 2), "lon": slice(0, 2)}),
        Patch(
            np.full((1, 3), 3.0),
            {"lat": 1, "lon": 0},
            {"lat": slice(1, 2), "lon": np.array([3, 0, 1])},
            np.array([[1.0, 1.0, 0.0]]),
        ),
    ]
    expected = [[1, 1, np.nan, np.nan], [2, 1, np.nan, 3], [np.nan] * 4]
    assert np.array_equal(SpatialMean().merge(patches, domain), expected, equal_nan=True)


def test_lists_of_plain_patches_are_left_alone():
    patches = [Patch(np.ones((2, 2)), (0, 0), None)]
    assert Layout.of(np.empty((4, 4))).patches(patches) is patches


def test_once_gives_each_cell_to_the_first_patch():
    patches = [Patch(np.full((2, 2), v), (0, c), None) for v, c in [(1.0, 0), (5.0, 1)]]
    first, second = once(patches, np.empty((2, 4)))
    assert not np.ma.getmaskarray(first.data).any()
    assert np.ma.getmaskarray(second.data).tolist() == [[True, False]] * 2
