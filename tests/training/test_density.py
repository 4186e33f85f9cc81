from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import geopatcher as gp
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.training import strips


@given(
    density=arrays(
        st.sampled_from(["uint8", "float32", "float64"]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(0, 5),
    ),
    piece_pixels=st.integers(1, 30),
)
def test_pixels_are_those_of_a_running_sum_over_the_whole(density, piece_pixels):
    domain = gp.RasterDomain(density.shape)
    sampler = gp.SpatialWeighted(density, 30, seed=0)
    if not density.any():
        with pytest.raises(ValueError, match="0 everywhere"):
            sampler.centres(domain)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "PIECE_PIXELS", piece_pixels)
        found = sampler.centres(domain)
    sums = density.astype(float).cumsum()  # of small whole numbers, so exact
    drawn = np.random.default_rng(0).random(30) * sums[-1]
    wanted = np.searchsorted(sums, drawn, side="right")
    np.testing.assert_array_equal(found, np.stack(np.unravel_index(wanted, density.shape), axis=1))


def test_pixels_are_drawn_as_often_as_their_density_says():
    density = np.array([[0.0, 1.0, 2.0], [np.nan, 3.0, 0.0]])
    found = Counter(
        map(tuple, gp.SpatialWeighted(density, 12_000, seed=1).centres(gp.RasterDomain((2, 3))).tolist())
    )
    wanted = {(0, 1): 2000, (0, 2): 4000, (1, 1): 6000}
    assert set(found) == set(wanted)
    # Chi-squared with 2 degrees of freedom is below 13.8 with a chance of 99.9 %.
    assert sum((found[at] - count) ** 2 / count for at, count in wanted.items()) < 13.8


def test_densities_of_very_different_sizes_never_give_a_pixel_without_any():
    random = np.random.default_rng(3)
    density = 10.0 ** random.uniform(-300, 290, size=(40, 50))
    density[random.random(density.shape) < 0.7] = 0
    centres = gp.SpatialWeighted(density, 3000, seed=0).centres(gp.RasterDomain((40, 50)))
    assert (density[tuple(centres.T)] > 0).all()


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_what_is_no_density_is_refused(value):
    density = np.ones((30, 20))
    density[21, 7] = value
    with pytest.raises(ValueError, match=rf"has {value} at row 21, column 7"):
        gp.SpatialWeighted(density, 5).centres(gp.RasterDomain((30, 20)))


def test_a_density_that_changes_between_the_passes_is_refused():
    class Growing(ArraySource):
        def read(self, box):
            pixels = super().read(box)
            self.array[...] += 1
            return pixels

    with pytest.raises(SourceError, match="changed while it was read"):
        gp.SpatialWeighted(Growing.of(np.ones((1, 4, 4))), 5).centres(gp.RasterDomain((4, 4)))
