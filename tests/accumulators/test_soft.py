from __future__ import annotations

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
from geopatcher.accumulators import soft
from geopatcher.accumulators.soft import PROBABILITY_UNIT, SLACK, WEIGHT_UNIT, SoftVote, leads
from geopatcher.errors import OperatorError
from tiles import piece, result, tile


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


def test_a_cell_without_the_probability_of_some_class_does_not_vote():
    sure = piece([[[0.0]], [[1.0]]], valid=[[[False]], [[True]]])
    unsure = piece([[[0.6]], [[0.4]]])
    assert result(SoftVote(2), tile((2, 1, 1)), [sure, unsure]) == 0
    assert np.isnan(result(SoftVote(2), tile((2, 1, 1)), [sure]))


def test_votes_are_added_in_fixed_point():
    state = SoftVote(2).update(
        SoftVote(2).zero(tile((2, 1, 1))), piece([[[0.25]], [[0.75]]], weights=[[0.5]])
    )
    unit = PROBABILITY_UNIT * WEIGHT_UNIT
    assert state.total.reshape(-1).tolist() == [unit // 8, unit * 3 // 8]


def test_half_precision_may_miss_one_by_a_little():
    near, far = 1 + SLACK / 2, 1 + SLACK * 2
    assert result(SoftVote(2), tile((2, 1, 1)), [piece([[[0.0]], [[near]]])]) == 1
    with pytest.raises(OperatorError, match=r"probability 1\.002 in the patch"):
        result(SoftVote(2), tile((2, 1, 1)), [piece([[[0.0]], [[far]]])])


def test_states_with_too_many_votes_are_not_joined():
    heavy = piece([[[1.0]], [[0.0]]], weights=[[1500.0]])
    assert result(SoftVote(2), tile((2, 1, 1)), [heavy]) == 0
    with pytest.raises(OperatorError, match="more votes lie over a cell than 64 bits can add up"):
        result(SoftVote(2), tile((2, 1, 1)), [heavy], [heavy])


class TestLeads:
    @pytest.mark.parametrize("n_classes", [1, 2, 7, 300])
    @pytest.mark.parametrize("shape", [(3, 5), (40, 1500)])
    def test_first_of_the_largest_and_the_next(self, n_classes, shape):
        total = np.random.default_rng(n_classes).integers(-3, 6, (n_classes, *shape))
        total[:, 0, 0] = -2
        index, first, second = (np.empty(shape, np.int64) for _ in range(3))
        seen = np.zeros(shape[0], int)
        for rows, lead in leads(total, with_second=True):
            index[rows], first[rows], second[rows] = lead
            seen[rows] += 1
            assert lead.label.dtype == ("uint8" if n_classes <= 255 else "uint16")
        assert (seen == 1).all()
        np.testing.assert_array_equal(index, total.argmax(axis=0))
        np.testing.assert_array_equal(first, total.max(axis=0))
        padded = np.sort(np.concatenate([total, np.zeros((2, *shape), int)]), axis=0)
        np.testing.assert_array_equal(second, padded[-2])
        for rows, lead in leads(total):
            np.testing.assert_array_equal(lead.label, index[rows])
            np.testing.assert_array_equal(lead.first, first[rows])
            assert lead.second is None


def test_whole_weights_are_worked_out_once_for_all_patches_of_a_taper(monkeypatch):
    asked, whole = [], soft._whole

    def watched(weights):
        asked.append(np.shape(weights))
        return whole(weights)

    monkeypatch.setattr(soft, "_whole", watched)
    image = np.full((2, 64, 64), 0.5, np.float32)
    made = gp.reconstruct(image, np.copy, size=32, step=16, aggregation="soft-vote:2")
    assert (made.array == 0).all()
    assert asked.count((32, 32)) == 1
