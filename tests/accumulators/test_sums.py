from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher import Patch
from geopatcher.accumulators import sums as sums_module
from geopatcher.accumulators.sums import LOGGED_TAPERS, Mean, Total, WeightedMean, WeightedTotal
from tiles import piece, result, tile


def test_weights_per_patch_beyond_what_a_log_keeps():
    rng = np.random.default_rng(0)
    patches = [Patch(rng.normal(size=(3, 3)), (0, i % 40), None, rng.random((3, 3)) + 0.1) for i in range(80)]
    scene = cells.Scene((3, 42), 1, patches, None, (2, 5))
    got = gp.SpatialOverlapAdd().merge(patches, np.empty((3, 42)))
    expected = cells.field(scene, cells.mean, dtype=float)
    np.testing.assert_allclose(got, expected[0], rtol=1e-13)


def test_a_patch_that_weighs_nothing_where_it_is_infinite():
    weights = np.array([[1.0, 0.0]])
    patch = Patch(np.array([[2.0, np.inf]]), (0, 0), None, weights)
    other = Patch(np.array([[4.0, 5.0]]), (0, 0), None)
    np.testing.assert_array_equal(
        gp.SpatialOverlapAdd().merge([patch, other], np.empty((1, 2))), [[3.0, 5.0]]
    )


@pytest.mark.parametrize("gap_in", ["first", "second"])
def test_gaps_under_a_window_that_ends_at_zero(gap_in):
    taper = np.outer(np.hanning(6), np.hanning(6))
    gappy, whole = np.full((2, 6, 6), 3.0), np.full((2, 6, 6), 5.0)
    gappy[0, 3, 3] = np.nan
    gappy[1, 0, 0] = np.inf
    order = [gappy, whole] if gap_in == "first" else [whole, gappy]
    patches = [gp.Patch(data, (0, col), None, taper) for data, col in zip(order, (0, 2), strict=True)]
    got = gp.SpatialOverlapAdd().merge([*patches, gp.Patch(whole, (2, 3), None, taper)], np.empty((2, 9, 10)))
    total, weight = np.zeros((2, 9, 10)), np.zeros((2, 9, 10))
    for patch, row in zip([*patches, gp.Patch(whole, (2, 3), None, taper)], (0, 0, 2), strict=True):
        where = (slice(None), slice(row, row + 6), slice(patch.anchor[1], patch.anchor[1] + 6))
        counts = ~np.isnan(patch.data) & (taper > 0)
        total[where] += np.where(counts, patch.data, 0) * np.where(counts, taper, 0)
        weight[where] += np.where(counts, taper, 0)
    wanted = np.full_like(total, np.nan)
    np.divide(total, weight, out=wanted, where=weight > 0)
    np.testing.assert_allclose(got, wanted, rtol=1e-13)


@how(max_examples=60)
@given(
    shape=st.tuples(st.integers(9, 30), st.integers(9, 30)),
    bands=st.integers(1, 2),
    size=st.integers(2, 9),
    step=st.integers(1, 9),
    chunks=st.integers(4, 16),
    together=st.integers(1, 7),
    holes=st.lists(
        st.tuples(st.integers(0, 29), st.integers(0, 12), st.integers(0, 29), st.integers(0, 12)), max_size=4
    ),
    seed=st.integers(0, 9),
)
def test_how_many_cells_are_taken_together_where_gaps_are_noted_changes_no_bit(
    shape, bands, size, step, chunks, together, holes, seed
):
    def operator(x):  # patches disagree, on values and on what counts
        made = np.sqrt(x, dtype="float32") + x.std(dtype="float32")
        made[x % 50 == int(x.sum()) % 50] = np.nan
        return made

    rng = np.random.default_rng(seed)
    image = rng.integers(1, 1000, (bands, *shape)).astype("uint16")
    for row, height, col, width in holes:
        image[rng.integers(bands), row : row + height, col : col + width] = 0
    image[rng.random(image.shape) < 0.01] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    given_back = []
    for cells_together in (together, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sums_module, "GAP_CELLS", cells_together)
            result = gp.reconstruct(field, operator, size=size, step=min(step, size), chunks=chunks)
        given_back.append(np.asarray(result.array))
    np.testing.assert_array_equal(given_back[0].view("uint32"), given_back[1].view("uint32"))
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    rows, cols = ([*range(0, n - size, min(step, size)), n - size] for n in shape)
    total, weight = np.zeros(image.shape), np.zeros(image.shape)
    for row, col in itertools.product(rows, cols):
        where = (slice(None), slice(row, row + size), slice(col, col + size))
        made = operator(image[where])
        counts = np.outer(taper, taper) * ((image[where] != 0) & ~np.isnan(made))
        total[where] += counts * np.nan_to_num(made)
        weight[where] += counts
    wanted = np.full(image.shape, np.nan)
    np.divide(total, weight, out=wanted, where=weight > 0)
    np.testing.assert_allclose(given_back[0], wanted, rtol=2e-6)


NOTHING = np.nan


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (WeightedTotal, [2 * 0.5 + 6 * 1.5, 6 * 0.5, NOTHING]),
        (WeightedMean, [(2 * 0.5 + 6 * 1.5) / 2, 6.0, NOTHING]),
        (Mean, [4.0, 6.0, NOTHING]),
        (Total, [8.0, 6.0, NOTHING]),
    ],
    ids=lambda made: getattr(made, "__name__", ""),
)
@pytest.mark.parametrize("apart", [False, True])
def test_what_is_made_of_two_patches(make, wanted, apart):
    aggregation = make()
    keeps = not isinstance(aggregation, (Mean, Total))
    first = piece([[[2.0, 77.0]]], valid=[[[True, False]]], weights=[[0.5, 0.5]] if keeps else None)
    second = piece([[[6.0, 6.0]]], weights=[[1.5, 0.5]] if keeps else None)
    groups = [[first], [second]] if apart else [[first, second]]
    np.testing.assert_allclose(result(aggregation, tile((1, 1, 3)), *groups), [[wanted]], rtol=1e-15)


def test_a_log_of_many_tapers_becomes_a_sum_of_weights():
    rng = np.random.default_rng(0)
    tapers = rng.random((LOGGED_TAPERS + 1, 3, 3)) + 0.1
    data = rng.normal(size=(len(tapers), 1, 3, 3))
    state = WeightedMean().zero(tile((1, 3, 3)))
    for values, weights in zip(data, tapers, strict=True):
        state = WeightedMean().update(state, piece(values, weights=weights))
    assert not state.log
    np.testing.assert_allclose(state.weight[0], tapers.sum(axis=0), rtol=1e-14)
    np.testing.assert_allclose(state.values[0], np.average(data[:, 0], axis=0, weights=tapers), rtol=1e-12)


def test_the_weights_so_far_are_those_of_every_piece_over_a_cell():
    state = WeightedTotal().zero(tile((1, 4, 4)))
    for row, col in ((0, 0), (1, 1), (2, 0)):
        state = WeightedTotal().update(
            state, piece(np.ones((1, 2, 2)), row, col, weights=[[1.0, 2.0], [3.0, 4.0]])
        )
    wanted = np.array([[1, 2, 0, 0], [3, 4 + 1, 2, 0], [1, 3 + 2, 4, 0], [3, 4, 0, 0]], float)
    np.testing.assert_array_equal(state.weights_in((slice(0, 4), slice(0, 4)))[0], wanted)
    np.testing.assert_array_equal(state.weights_in((slice(1, 3), slice(1, 4)))[0], wanted[1:3, 1:4])
    np.testing.assert_array_equal(state.materialise()[0], wanted)
    np.testing.assert_array_equal(state.covered()[0], wanted > 0)


def test_sums_of_64_bit_integers_are_exact_and_end_at_the_limit():
    top = 2**63 - 1
    of = tile((1, 1, 2), "int64")
    state = Total().zero(of)
    for values in ([top, 2**60 + 1], [top, 2**60 + 1], [5, -1]):
        state = Total().update(state, piece(np.array([[values]])))
    assert Total().finalise(state).values.tolist() == [[[top, 2**61 + 1]]]
    assert Total().out_dtype(np.dtype("uint8")) == "uint64"
