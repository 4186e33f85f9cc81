from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.axis import BOUNDARIES
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import (
    SpatialPoissonDisk,
    SpatialRandom,
)
from geopatcher.patching.samplers import scattered as scattered_module
from placing import anchors_of, domain_of, lies_inside

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))

small_shapes = st.tuples(st.integers(1, 30), st.integers(1, 30))

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))

seeds = st.integers(0, 2**53)

kept = st.sampled_from([name for name in BOUNDARIES if name not in ("drop", "raise")])


@given(shapes, sizes, st.integers(0, 50), seeds, kept)
def test_random_patches_lie_inside(shape, size, n, seed, boundary):
    anchors = anchors_of(SpatialRandom(n, seed), shape, size, boundary)
    assert len(anchors) == n
    assert all(lies_inside(anchor, shape, size) for anchor in anchors)


def test_every_position_is_equally_likely_including_the_last():
    found = Counter(anchors_of(SpatialRandom(20_000, seed=1), (12, 11), (8, 8)))
    assert set(found) == set(product(range(5), range(4)))
    assert max(found.values()) < 1.15 * min(found.values())


def test_more_samples_begin_with_the_same_ones():
    many = anchors_of(SpatialRandom(9000, seed=1), (500, 500), (8, 8))
    assert anchors_of(SpatialRandom(5000, seed=1), (500, 500), (8, 8)) == many[:5000]
    endless = SpatialRandom(10**15, seed=1).anchors(domain_of((500, 500)), SpatialRectangular(8))
    assert list(islice(endless, 9000)) == many


def test_a_negative_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="number of patches, 0 or more, not -1"):
        SpatialRandom(-1)


@settings(max_examples=40)
@given(small_shapes, sizes, st.floats(0.1, 40), seeds, kept)
def test_poisson_anchors_keep_their_distance_inside(shape, size, min_dist, seed, boundary):
    anchors = anchors_of(SpatialPoissonDisk(min_dist, 30, seed), shape, size, boundary)
    assert anchors == sorted(set(anchors))
    assert all(lies_inside(anchor, shape, size) for anchor in anchors)
    points = np.array(anchors)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    squared[np.diag_indices(len(points))] = 10**9
    assert squared.min() >= min_dist**2


@settings(max_examples=40)
@given(small_shapes, st.floats(1, 40), seeds)
def test_poisson_leaves_no_large_hole(shape, min_dist, seed):
    points = np.array(anchors_of(SpatialPoissonDisk(min_dist, 60, seed), shape, (1, 1)))
    places = np.indices(shape).reshape(2, -1).T
    nearest = ((places[:, None] - points[None]) ** 2).sum(axis=-1).min(axis=1)
    assert nearest.max() < (1.5 * min_dist) ** 2


def test_poisson_is_as_dense_as_random_packing_of_disks():
    # Random sequential packing jams when disks fill 54.7 % of the plane: 0.547 / (π / 4) = 0.697.
    n = len(anchors_of(SpatialPoissonDisk(10, seed=0), (1000, 1000), (1, 1)))
    assert 0.63 < n * 10**2 / 1000**2 < 0.72


def test_poisson_with_a_distance_of_one_pixel_takes_every_pixel():
    assert anchors_of(SpatialPoissonDisk(1.0, seed=0), (4, 5), (1, 1)) == list(product(range(4), range(5)))


def test_poisson_farther_apart_than_the_raster_is_one_patch():
    for seed in range(20):
        assert len(anchors_of(SpatialPoissonDisk(1e12, seed=seed), (50, 70), (4, 4))) == 1


def test_poisson_fills_a_raster_one_patch_high():
    anchors = anchors_of(SpatialPoissonDisk(10, seed=0), (8, 1000), (8, 8))
    assert {row for row, _ in anchors} == {0}
    gaps = [after[1] - before[1] for before, after in pairwise(anchors)]
    assert min(gaps) >= 10
    assert max(gaps) < 30


def test_poisson_refuses_a_list_that_would_not_fit(monkeypatch):
    monkeypatch.setattr(scattered_module, "MAX_CELLS", 1000)
    with pytest.raises(
        ValueError, match=r"anchors 10 pixels apart on 993x993 positions .* a larger min_dist"
    ):
        anchors_of(SpatialPoissonDisk(10, seed=0), (1000, 1000), (8, 8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), "positive and finite, not 0.0"),
        ((float("inf"),), "positive and finite, not inf"),
        ((float("nan"),), "positive and finite, not nan"),
        ((5, 0), "tried, at least 1, not 0"),
    ],
)
def test_poisson_refuses_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpatialPoissonDisk(*arguments)
