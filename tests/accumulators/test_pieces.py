"""Tapers, the parts of patches they weigh, and which cells of a tile these cover."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.accumulators.pieces import Coverings, Piece, Place, Taper, unit_taper

FLOAT = np.dtype("float64")


class TestTaper:
    def test_ones_are_shared(self):
        assert unit_taper((3, 4), FLOAT) is Taper.of(None, (3, 4), FLOAT)

    def test_what_is_made_of_weights_is_made_once(self):
        calls = []

        def double(values):
            calls.append(values)
            return values * 2

        taper = Taper.of(np.array([[1.0, 0.5]]), (1, 2), FLOAT)
        assert taper.made_by(double) is taper.made_by(double)
        np.testing.assert_array_equal(taper.made_by(double), [[2.0, 1.0]])
        np.testing.assert_array_equal(taper.made_by(np.negative), [[-1.0, -0.5]])
        assert len(calls) == 1

    def test_the_same_weights_are_the_same_taper(self):
        """In the next run, too: what was made of them is found again."""
        weights = np.array([[0.25, 0.5]])
        taper = Taper.of(weights, (1, 2), FLOAT)
        assert Taper.of(weights.copy(), (1, 2), FLOAT) is taper
        assert Taper.of(weights, (1, 2), np.dtype("float32")) is not taper
        assert Taper.of(weights.T.copy(), (2, 1), FLOAT) is not taper

    def test_weights_that_are_written_into_are_others(self):
        weights = np.array([[0.125, 0.5]])
        taper = Taper.of(weights, (1, 2), FLOAT)
        weights[0, 0] = 0.0
        other = Taper.of(weights, (1, 2), FLOAT)
        np.testing.assert_array_equal(taper.values, [[0.125, 0.5]])
        np.testing.assert_array_equal(other.values, [[0.0, 0.5]])
        assert taper.positive
        assert not other.positive
        with pytest.raises(ValueError, match="read-only"):
            taper.values[0, 0] = 1

    @pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
    def test_what_is_no_weight(self, bad):
        with pytest.raises(ValueError, match="weights must be finite and not negative; the smallest is"):
            Taper.of(np.array([[1.0, bad]]), (1, 2), FLOAT)

    def test_the_shape_of_the_patch(self):
        with pytest.raises(ValueError, match=r"weights shaped \(1, 2\) do not fit a patch of \(2, 1\)"):
            Taper.of(np.ones((1, 2)), (2, 1), FLOAT)

    def test_weights_too_small_for_the_dtype_do_not_count(self):
        assert not Taper.of(np.full((1, 1), 1e-60), (1, 1), np.dtype("float32")).positive


def test_coverings_outlive_the_tapers_they_were_made_of():
    """A taper made anew at the address of one that is gone must not be taken for it."""
    coverings = Coverings()
    whole = (slice(0, 1), slice(0, 1))
    for value in range(200):
        taper = Taper.of(np.full((1, 1), float(value % 2)), (1, 1), FLOAT)
        covered = coverings.of([Place(whole, whole, taper, None)], (1, 1, 1))
        assert (covered is None) == bool(value % 2)
        del taper
        gc.collect(0)


@given(
    places=st.lists(
        st.tuples(*[st.integers(0, 7)] * 4, st.sampled_from(["whole", "gaps", "zeros"])), max_size=12
    ),
    seed=st.integers(0, 9),
)
def test_what_is_covered_is_what_any_place_covers(places, seed):
    rng = np.random.default_rng(seed)
    log, wanted = [], np.zeros((2, 8, 8), bool)
    for row, col, height, width, kind in places:
        where = (slice(row, min(row + height + 1, 8)), slice(col, min(col + width + 1, 8)))
        shape = tuple(span.stop - span.start for span in where)
        weights = rng.integers(0, 2, shape) if kind == "zeros" else np.ones(shape)
        valid = rng.random((2, *shape)) < 0.5 if kind == "gaps" else None
        whole = (slice(0, shape[0]), slice(0, shape[1]))
        taper = Taper.of(weights, shape, FLOAT)
        log.append(Place.of(Piece(where, whole, np.zeros((2, *shape)), taper, valid, (0, 0))))
        wanted[:, *where] |= (weights > 0) & (True if valid is None else valid)
    covered = Coverings().of(log, (2, 8, 8))
    got = np.ones_like(wanted) if covered is None else np.broadcast_to(covered, wanted.shape)
    np.testing.assert_array_equal(got, wanted)
    assert (covered is None) == wanted.all()


def test_data_of_another_dtype_is_rounded_and_saturates():
    whole = (slice(0, 1), slice(0, 4))
    data = np.array([[[0.5, 1.5, 300.0, np.nan]]])
    piece = Piece(whole, whole, data, unit_taper((1, 4), FLOAT), ~np.isnan(data), (0, 0))
    np.testing.assert_array_equal(piece.cells(np.dtype("uint8")), [[[0, 2, 255, 0]]])
    assert piece.cells(np.dtype("float64")) is data
    assert data[0, 0, 2] == 300.0
