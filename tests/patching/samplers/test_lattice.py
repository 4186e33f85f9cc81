from __future__ import annotations

from collections import Counter
from itertools import islice, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.axis import BOUNDARIES
from geopatcher.core.protocols import LatticeSampler
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import (
    SpatialJitteredStride,
    SpatialRegularStride,
)
from placing import anchors_of, counts, domain_of, lies_inside

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))

seeds = st.integers(0, 2**53)

kept = st.sampled_from([name for name in BOUNDARIES if name not in ("drop", "raise")])


@given(shapes, sizes, sizes, kept)
def test_a_regular_stride_is_the_product_of_its_axes_row_by_row(shape, size, step, boundary):
    sampler, geometry = SpatialRegularStride(step), SpatialRectangular(size, boundary)
    assert isinstance(sampler, LatticeSampler)
    rows, cols = sampler.lattice(domain_of(shape), geometry)
    anchors = anchors_of(sampler, shape, size, boundary)
    assert anchors == [
        (rows.anchor(i), cols.anchor(j)) for i, j in product(range(rows.count), range(cols.count))
    ]
    assert anchors == sorted(anchors)
    assert np.count_nonzero(counts(anchors, shape, size) == 0) == (
        shape[0] * shape[1] - (shape[0] - rows.uncovered) * (shape[1] - cols.uncovered)
    )


@given(shapes, sizes, sizes)
def test_drop_is_what_a_plain_double_loop_gives(shape, size, step):
    expected = [
        (row, col)
        for row in range(0, shape[0] - size[0] + 1, step[0])
        for col in range(0, shape[1] - size[1] + 1, step[1])
    ]
    assert anchors_of(SpatialRegularStride(step), shape, size, "drop") == expected


def test_a_planet_of_anchors_is_not_listed():
    anchors = SpatialRegularStride(128).anchors(domain_of((2_000_000, 4_000_000)), SpatialRectangular(256))
    assert list(islice(anchors, 3)) == [(0, 0), (0, 128), (0, 256)]


@given(shapes, sizes, sizes, st.sampled_from([name for name in BOUNDARIES if name != "raise"]))
def test_check_full_scan_accepts_exactly_lattices_that_end_at_the_last_pixel(shape, size, step, boundary):
    sampler = SpatialRegularStride(step, check_full_scan=True)
    plain = anchors_of(SpatialRegularStride(step), shape, size, "drop")
    divides = any((row + size[0], col + size[1]) == shape for row, col in plain)
    if divides and counts(plain, shape, size).all():
        assert anchors_of(sampler, shape, size, boundary) == plain
    else:
        with pytest.raises(IncompleteScanConfiguration, match="check_full_scan=True refuses that"):
            sampler.anchors(domain_of(shape), SpatialRectangular(size, boundary))


@pytest.mark.parametrize(
    ("shape", "size", "step", "message"),
    [
        (
            (20, 21),
            8,
            4,
            "step 4 on 21 columns leave 1 columns behind .* a step of at most 8 that divides 21 - 8 = 13",
        ),
        ((26, 8), 8, 9, "patches of 8 with step 9 on 26 rows leave 2 rows without any patch"),
        (
            (20, 5),
            8,
            4,
            "on 5 columns are larger than the raster, and .* refuses that: choose a smaller size",
        ),
    ],
)
def test_check_full_scan_names_the_numbers(shape, size, step, message):
    with pytest.raises(IncompleteScanConfiguration, match=message):
        SpatialRegularStride(step, check_full_scan=True).anchors(domain_of(shape), SpatialRectangular(size))


@pytest.mark.parametrize("step", [0, -4, 2.5, (1, 2, 3)])
@pytest.mark.parametrize("sampler", [SpatialRegularStride, SpatialJitteredStride])
def test_steps_that_are_none_are_refused(sampler, step):
    with pytest.raises(ValueError, match=r"^step is a whole number of pixels"):
        sampler(step)


@given(st.tuples(shapes, sizes, sizes), st.floats(0, 1), seeds, kept)
def test_jittered_patches_stay_near_their_place_and_inside(pixels, jitter, seed, boundary):
    shape, size, step = pixels
    regular = anchors_of(SpatialRegularStride(step), shape, size, boundary)
    moved = anchors_of(SpatialJitteredStride(step, jitter, seed), shape, size, boundary)
    assert len(moved) == len(regular)
    for place, anchor in zip(regular, moved, strict=True):
        assert lies_inside(anchor, shape, size)
        for was, now, stride, length, side in zip(place, anchor, step, shape, size, strict=True):
            nearest_inside = min(was, max(0, length - side))
            assert abs(now - nearest_inside) <= jitter * stride


@given(shapes, sizes, st.floats(0, 1), seeds)
def test_jitter_leaves_no_gap_when_the_overlap_allows_for_it(shape, size, jitter, seed):
    step = tuple(max(1, int(side / (1 + 2 * jitter))) for side in size)
    if any((1 + 2 * jitter) * stride > side for stride, side in zip(step, size, strict=True)):
        return
    anchors = anchors_of(SpatialJitteredStride(step, jitter, seed), shape, size)
    assert counts(anchors, shape, size).min() >= 1


def test_jitter_uses_its_whole_range_evenly():
    anchors = anchors_of(SpatialJitteredStride(10, 0.25, seed=0), (2000, 2000), (1, 1))
    shifts = Counter((row + 2) % 10 - 2 for row, _ in anchors if 10 <= row < 1990)
    assert set(shifts) == {-2, -1, 0, 1, 2}
    assert max(shifts.values()) < 1.05 * min(shifts.values())


@pytest.mark.parametrize("jitter", [-0.1, 1.5, float("nan")])
def test_jitter_that_is_no_fraction_is_refused(jitter):
    with pytest.raises(ValueError, match=f"fraction of the step, 0 to 1, not {jitter}"):
        SpatialJitteredStride(4, jitter)
