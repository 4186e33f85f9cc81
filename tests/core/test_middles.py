"""The middle of several arrays, against sorting each cell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from geopatcher.core import middles as module
from geopatcher.core.middles import comparisons, middles

DTYPES = ("uint8", "int16", "uint16", "int64", "float32", "float64")


def levels_of(dtype, depth, shape=(2, 5, 7), seed=0):
    drawn = np.random.default_rng(seed).integers(-90, 90, (depth, *shape))
    return (drawn + 90 if dtype[0] == "u" else drawn).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 2, 3, 7, 24, 25, 130])
def test_middles_are_those_of_sorted_cells(dtype, depth):
    levels = levels_of(dtype, depth)
    before = levels.copy()
    low, high = middles(list(levels))
    ordered = np.sort(levels, axis=0)
    np.testing.assert_array_equal(low, ordered[(depth - 1) // 2])
    np.testing.assert_array_equal(high, ordered[depth // 2])
    assert low.dtype == high.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(levels, before)


@pytest.mark.parametrize("depth", [1, 2, 5, 24, 130])
def test_cells_with_fewer_values_have_their_own_middle(depth):
    levels = levels_of("int16", depth)
    count = np.random.default_rng(1).integers(1, depth + 1, levels.shape[1:])
    levels[np.arange(depth)[:, None, None, None] >= count] = np.iinfo("int16").max
    shuffled = np.random.default_rng(2).permutation(levels)
    low, high = middles(list(shuffled), count)
    for place in np.ndindex(*count.shape):
        values = sorted(levels[:, *place].tolist())[: count[place]]
        assert low[place] == values[(len(values) - 1) // 2]
        assert high[place] == values[len(values) // 2]


def test_pieces_of_every_size_and_views_give_the_same(monkeypatch):
    wide = levels_of("uint16", 9, (3, 11, 26))
    view = [level[:, ::2, 3:20] for level in wide]
    expected = middles([level.copy() for level in view])
    for n_bytes in (1, 40, 90, 1 << 20):
        monkeypatch.setattr(module, "ONE_BYTES", n_bytes)
        for found, right in zip(middles(view), expected, strict=True):
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("n_levels", range(1, 11))
def test_comparisons_order_all_zeros_and_ones_and_so_everything(n_levels):
    """A network that sorts all zeros and ones sorts all values; so does a part of it, for its places."""
    cells = np.array(list(itertools.product((0, 1), repeat=n_levels)), "uint8").T
    ordered = np.sort(cells, axis=0)
    for wanted in [{place} for place in range(n_levels)] + [set(range(n_levels))]:
        levels = cells.copy()
        for low, high, wants_low, wants_high in comparisons(n_levels, frozenset(wanted)):
            small, large = np.minimum(levels[low], levels[high]), np.maximum(levels[low], levels[high])
            levels[low] = small if wants_low else 99  # what is not wanted is not looked at again
            levels[high] = large if wants_high else 99
        for place in wanted:
            np.testing.assert_array_equal(levels[place], ordered[place])
