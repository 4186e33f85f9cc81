from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.axis import BOUNDARIES
from geopatcher.domain import RasterDomain
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.geometry import SpatialRectangular
from geopatcher.protocols import LatticeSampler, Sampler
from geopatcher.samplers import (
    SpatialExplicit,
    SpatialJitteredStride,
    SpatialPoissonDisk,
    SpatialRandom,
    SpatialRegularStride,
    SpatialSampler,
)
from geopatcher.samplers import scattered as scattered_module

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))
small_shapes = st.tuples(st.integers(1, 30), st.integers(1, 30))
sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))
seeds = st.integers(0, 2**53)
kept = st.sampled_from([name for name in BOUNDARIES if name not in ("drop", "raise")])

RANDOM_SAMPLERS = [
    lambda seed: SpatialJitteredStride((5, 7), 0.8, seed),
    lambda seed: SpatialRandom(40, seed),
    lambda seed: SpatialPoissonDisk(6.5, 10, seed),
]
SAMPLERS = [
    SpatialRegularStride((4, 8), check_full_scan=True),
    SpatialRegularStride(3),
    *(make(11) for make in RANDOM_SAMPLERS),
    SpatialExplicit([(0, 3), (5, 1)]),
]


def domain_of(shape):
    return SimpleNamespace(shape=shape)


def anchors_of(sampler, shape, size, boundary="cover"):
    return list(sampler.anchors(domain_of(shape), SpatialRectangular(size, boundary)))


def counts(anchors, shape, size):
    """Patches over each pixel, painted one by one."""
    painted = np.zeros(shape, int)
    for row, col in anchors:
        painted[max(row, 0) : row + size[0], max(col, 0) : col + size[1]] += 1
    return painted


def lies_inside(anchor, shape, size):
    """Whether a patch lies whole in the raster, or at 0 on an axis that is too short for it."""
    return all(
        0 <= start <= length - side or (start == 0 and length < side)
        for start, length, side in zip(anchor, shape, size, strict=True)
    )


# --- what holds for all of them


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_samplers_keep_the_contract(sampler):
    assert isinstance(sampler, SpatialSampler)
    assert isinstance(sampler, Sampler)
    domain, geometry = RasterDomain((3, 44, 88)), SpatialRectangular(8)
    first = list(sampler.anchors(domain, geometry))
    assert first
    assert list(sampler.anchors(domain, geometry)) == first
    assert all(type(number) is int for anchor in first for number in anchor)
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own bytes
    assert again == sampler
    assert hash(again) == hash(sampler)
    config = json.loads(json.dumps(sampler.get_config()))
    assert config.pop("type") == type(sampler).__name__
    assert type(sampler)(**config) == sampler
    assert list(type(sampler)(**config).anchors(domain, geometry)) == first


@pytest.mark.parametrize("make", RANDOM_SAMPLERS)
def test_a_seed_decides_the_anchors_and_none_draws_one(make):
    def run(sampler):
        return anchors_of(sampler, (90, 90), (8, 8))

    assert run(make(3)) == run(make(np.int64(3)))
    assert run(make(3)) != run(make(4))
    unseeded, other = make(None), make(None)
    assert run(unseeded) == run(unseeded)
    assert unseeded.seed != other.seed
    assert run(make(unseeded.seed)) == run(unseeded)
    with pytest.raises(ValueError, match="whole number that is not negative, not -1"):
        make(-1)


def test_seeds_mean_the_same_in_another_process():
    code = (
        "from types import SimpleNamespace as N\n"
        "from geopatcher.geometry import SpatialRectangular as G\n"
        "from geopatcher.samplers import *\n"
        "jittered, random = SpatialJitteredStride((5, 7), 0.8, 2), SpatialRandom(40, 2)\n"
        "for s in (jittered, random, SpatialPoissonDisk(6.5, 10, 2)):\n"
        "    print(list(s.anchors(N(shape=(50, 60)), G(8))))\n"
        "import sys; print([m for m in ('pyproj', 'shapely', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, loaded = done.stdout.splitlines()
    assert lines == [str(anchors_of(make(2), (50, 60), (8, 8))) for make in RANDOM_SAMPLERS]
    assert loaded == "[]"


# --- regular stride


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


# --- jittered stride


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


# --- random


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


# --- Poisson disk


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


# --- rasters smaller than a patch


@pytest.mark.parametrize("make", RANDOM_SAMPLERS)
def test_a_raster_smaller_than_a_patch_has_one_place_none_or_an_error(make):
    assert set(anchors_of(make(0), (5, 5), (8, 8), "cover")) == {(0, 0)}
    assert anchors_of(make(0), (5, 50), (8, 8), "drop") == []
    with pytest.raises(IncompleteScanConfiguration, match="patches of 8 with step"):
        anchors_of(make(0), (5, 50), (8, 8), "raise")


# --- explicit


@given(shapes, sizes, st.data(), st.sampled_from(BOUNDARIES))
def test_explicit_anchors_are_treated_as_the_boundary_says(shape, size, data, boundary):
    row = st.integers(1 - size[0], shape[0] - 1)
    col = st.integers(1 - size[1], shape[1] - 1)
    given_anchors = data.draw(st.lists(st.tuples(row, col), max_size=8))
    whole = [0 <= row <= shape[0] - size[0] and 0 <= col <= shape[1] - size[1] for row, col in given_anchors]
    sampler = SpatialExplicit(given_anchors)
    if boundary == "raise" and not all(whole):
        with pytest.raises(
            IncompleteScanConfiguration, match=f"{whole.count(False)} of {len(whole)} patches"
        ):
            anchors_of(sampler, shape, size, boundary)
        return
    anchors = anchors_of(sampler, shape, size, boundary)
    if boundary == "drop":
        assert anchors == [anchor for anchor, inside in zip(given_anchors, whole, strict=True) if inside]
    elif boundary == "cover":
        assert all(lies_inside(anchor, shape, size) for anchor in anchors)
        kept_as_given = zip(given_anchors, anchors, whole, strict=True)
        assert all(was == now for was, now, inside in kept_as_given if inside)
    else:
        assert anchors == given_anchors


def test_cover_moves_a_patch_to_zero_on_an_axis_too_short_for_it():
    sampler = SpatialExplicit([(-3, -3), (2, 2), (4, 19)])
    assert anchors_of(sampler, (5, 20), (8, 8)) == [(0, 0), (0, 2), (0, 12)]


@pytest.mark.parametrize("outside", [(20, 0), (0, 30), (-8, 0), (0, -8)])
def test_an_anchor_outside_the_raster_is_named(outside):
    sampler = SpatialExplicit([(0, 0), outside])
    with pytest.raises(
        ValueError, match=r"1 of 2 anchors lie outside the raster of 20x30 .* \(row -?\d+, column"
    ):
        anchors_of(sampler, (20, 30), (8, 8))


def test_explicit_takes_arrays_and_nothing():
    assert SpatialExplicit(np.array([[1, 2], [3, 4]], np.uint8)).anchors_ == ((1, 2), (3, 4))
    assert anchors_of(SpatialExplicit([]), (20, 30), (8, 8)) == []


@pytest.mark.parametrize("bad", [[(1, 2, 3)], [1, 2], [(0.5, 1.0)], [("a", "b")]])
def test_explicit_refuses_what_are_no_pixel_pairs(bad):
    with pytest.raises(ValueError, match=r"anchors_ are pairs \(row, col\) of whole numbers"):
        SpatialExplicit(bad)
